package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestImagesAreTheHeldOutDigits(t *testing.T) {
	all, err := images()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 797 {
		t.Fatalf("%d images, want 797", len(all))
	}
	per := map[int]int{}
	for _, img := range all {
		per[img.label]++
		if !json.Valid(img.body) {
			t.Fatalf("body is not JSON: %s", img.body)
		}
	}
	for d := range 10 { // the split is stratified: about a tenth each
		if per[d] < 75 || per[d] > 85 {
			t.Errorf("%d images of the digit %d", per[d], d)
		}
	}
}

func TestBadImagesAreNamed(t *testing.T) {
	row := strings.Split(strings.Repeat("3,", pixels)+"7", ",")
	for name, change := range map[string]struct {
		at   int
		cell string
	}{"too bright": {4, "17"}, "not a number": {4, "x"}, "no digit": {pixels, "10"}} {
		bad := append([]string(nil), row...)
		bad[change.at] = change.cell
		if _, err := parse(bad); err == nil || !strings.Contains(err.Error(), change.cell) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := parse(row); err != nil {
		t.Errorf("a good row: %v", err)
	}
}

// standIn answers as a gateway does: two versions in turn, the second always
// wrong, and one request in ten refused.
type standIn struct {
	mu     sync.Mutex
	n      int
	truth  map[string]string // request → label told
	labels chan struct{}
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/v2/models/digits/infer":
		s.n++
		if s.n%10 == 0 {
			http.Error(w, `{"error":"busy"}`, http.StatusServiceUnavailable)
			return
		}
		version, label := "digits@1", 3
		if s.n%2 == 0 {
			version, label = "digits@2", 4
		}
		w.Header().Set("Fairlead-Request-Id", fmt.Sprint("r", s.n))
		w.Header().Set("Fairlead-Version", version)
		fmt.Fprintf(w, `{"outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[%d]}]}`, label)
	case "/v1/feedback":
		var f struct {
			RequestID string          `json:"request_id"`
			Label     json.RawMessage `json:"label"`
		}
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.truth[f.RequestID] = string(f.Label)
		accepted := 1
		if len(s.truth) == 7 {
			accepted = 0 // the seventh is not known here
		}
		fmt.Fprintf(w, `{"accepted":%d,"duplicate":0,"unknown":%d}`, accepted, 1-accepted)
		if len(s.truth) == 40 {
			close(s.labels)
		}
	default:
		http.NotFound(w, r)
	}
}

func TestPlayerCountsWhatCallersSee(t *testing.T) {
	s := &standIn{truth: map[string]string{}, labels: make(chan struct{})}
	srv := httptest.NewServer(s)
	defer srv.Close()
	row := strings.Split(strings.Repeat("3,", pixels)+"3", ",")
	img, err := parse(row)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{URL: srv.URL, Token: "secret", Endpoint: "digits", Images: []image{img}, Rate: 2000, Workers: 4,
		MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond, Seed: 1}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { p.Run(ctx) })
	select {
	case <-s.labels:
	case <-time.After(20 * time.Second):
		t.Fatal("forty labels did not arrive")
	}
	stop()
	run.Wait()
	srv.Close() // waits for the last handler

	got := p.tally.snapshot()
	one, two := got.Versions["digits@1"], got.Versions["digits@2"]
	if one.Answers == 0 || one.Wrong != 0 || one.Accuracy() != 1 {
		t.Errorf("version 1 is always right: %+v", one)
	}
	if two.Answers == 0 || two.Wrong != two.Answers || two.Accuracy() != 0 {
		t.Errorf("version 2 is always wrong: %+v", two)
	}
	if two.FirstWrong.Before(two.First) || two.Last.Before(two.FirstWrong) {
		t.Errorf("times are out of order: %+v", two)
	}
	if got.Failed == 0 || got.LastErr == nil || !strings.Contains(got.LastErr.Error(), "busy") {
		t.Errorf("refused requests are failures: %+v", got)
	}
	if got.Labels < 30 || got.Lost != 1 {
		t.Errorf("labels: %+v", got)
	}
	for id, truth := range s.truth {
		if truth != "3" {
			t.Errorf("%s: told %s, the truth is 3", id, truth)
		}
	}
}

// Labels come when they are due, soonest first, whatever order they went in.
func TestLabelsWait(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := make(chan label), make(chan label)
	go delay(ctx, in, out)
	now := time.Now()
	for _, ms := range []int{60, 20, 40} {
		in <- label{due: now.Add(time.Duration(ms) * time.Millisecond), truth: ms}
	}
	for _, want := range []int{20, 40, 60} {
		l := <-out
		if l.truth != want {
			t.Errorf("got the label of %d ms, want %d", l.truth, want)
		}
		if time.Now().Before(l.due) {
			t.Errorf("the label of %d ms came early", want)
		}
	}
}
