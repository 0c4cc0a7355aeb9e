package main

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// player plays the held-out images as live traffic: a steady stream of
// requests, and for each answer, some time later, the truth as feedback. It
// speaks plain HTTP with a caller's token, as any client would.
type player struct {
	URL      string // of the server
	Token    string // of role caller
	Endpoint string
	Images   []image
	Rate     float64       // requests a second
	Workers  int           // requests at once, at most
	MinDelay time.Duration // of a label after its answer
	MaxDelay time.Duration
	Seed     uint64 // order of the images and the delays

	tally  tally
	client *http.Client
}

// label is the truth about one answer, to be told at a later time.
type label struct {
	due     time.Time
	request string
	truth   int
}

// Run plays until ctx ends; labels still to come are then dropped, as when a
// client goes away.
func (p *player) Run(ctx context.Context) {
	p.client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * p.Workers}}
	defer p.client.CloseIdleConnections()

	next := make(chan *image)
	answered := make(chan label, 1024)
	due := make(chan label)
	var all sync.WaitGroup
	all.Go(func() { p.pace(ctx, next) })
	all.Go(func() { delay(ctx, answered, due) })
	for range p.Workers {
		all.Go(func() { p.ask(ctx, next, answered) })
		all.Go(func() { p.tell(ctx, due) })
	}
	all.Wait()
}

// pace hands out images at the rate, in a seeded order, again and again.
// What the workers cannot take in time is not made up for: a burst after a
// hiccup would not be the steady traffic this is about.
func (p *player) pace(ctx context.Context, next chan<- *image) {
	rng := rand.New(rand.NewPCG(p.Seed, 1))
	gap := time.Duration(float64(time.Second) / p.Rate)
	tick := time.NewTicker(gap)
	defer tick.Stop()
	for {
		for _, i := range rng.Perm(len(p.Images)) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case <-ctx.Done():
				return
			case next <- &p.Images[i]:
			}
		}
	}
}

// ask sends requests and notes who answered, and how well.
func (p *player) ask(ctx context.Context, next <-chan *image, answered chan<- label) {
	for {
		var img *image
		select {
		case <-ctx.Done():
			return
		case img = <-next:
		}
		a, err := p.infer(ctx, img)
		now := time.Now()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.tally.fail(err)
			continue
		}
		p.tally.answer(a.version, a.label == img.label, now)
		// The delay depends on the request's id alone, so that neither arm's
		// labels come sooner.
		l := label{due: now.Add(p.delayOf(a.request)), request: a.request, truth: img.label}
		select {
		case <-ctx.Done():
			return
		case answered <- l:
		}
	}
}

type answer struct {
	request, version string
	label            int
}

func (p *player) infer(ctx context.Context, img *image) (answer, error) {
	var out struct {
		Outputs []struct {
			Name string          `json:"name"`
			Data json.RawMessage `json:"data"`
		} `json:"outputs"`
	}
	head, err := p.post(ctx, "/v2/models/"+p.Endpoint+"/infer", img.body, &out)
	if err != nil {
		return answer{}, err
	}
	a := answer{request: head.Get("Fairlead-Request-Id"), version: head.Get("Fairlead-Version")}
	for _, o := range out.Outputs {
		if o.Name != "label" {
			continue
		}
		var digits []int
		if err := json.Unmarshal(o.Data, &digits); err != nil || len(digits) != 1 {
			return answer{}, fmt.Errorf("output label: expected one number, got %.60s", o.Data)
		}
		a.label = digits[0]
		return a, nil
	}
	return answer{}, errors.New("the answer has no output named label")
}

// tell delivers labels whose time has come.
func (p *player) tell(ctx context.Context, due <-chan label) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-due:
			body := fmt.Sprintf(`{"request_id":%q,"label":%d}`, l.request, l.truth)
			var counted struct {
				Accepted int `json:"accepted"`
			}
			_, err := p.post(ctx, "/v1/feedback", []byte(body), &counted)
			if err == nil && counted.Accepted != 1 {
				err = fmt.Errorf("the label of request %s was not taken", l.request)
			}
			if ctx.Err() == nil {
				p.tally.label(err)
			}
		}
	}
}

// post sends JSON and reads the answer into out, if it is not nil.
func (p *player) post(ctx context.Context, path string, body []byte, out any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("POST %s: %s: %.200s", path, resp.Status, bytes.TrimSpace(b))
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			return nil, fmt.Errorf("POST %s: %w", path, err)
		}
	}
	return resp.Header, nil
}

func (p *player) delayOf(request string) time.Duration {
	h := p.Seed
	for _, c := range []byte(request) {
		h = (h ^ uint64(c)) * 1099511628211 // FNV-1a
	}
	span := p.MaxDelay - p.MinDelay
	if span <= 0 {
		return p.MinDelay
	}
	return p.MinDelay + time.Duration(h%uint64(span))
}

// delay holds each label back until it is due, then passes it on.
func delay(ctx context.Context, in <-chan label, out chan<- label) {
	var waiting byDue
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var send chan<- label
		var first label
		if len(waiting) > 0 {
			first = waiting[0]
			if wait := time.Until(first.due); wait > 0 {
				timer.Reset(wait)
			} else {
				send = out
			}
		}
		select {
		case <-ctx.Done():
			return
		case l := <-in:
			heap.Push(&waiting, l)
		case send <- first:
			heap.Pop(&waiting)
		case <-timer.C:
		}
	}
}

// byDue is a heap of labels, soonest first.
type byDue []label

func (q byDue) Len() int           { return len(q) }
func (q byDue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q byDue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *byDue) Push(x any)        { *q = append(*q, x.(label)) }
func (q *byDue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
