package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
)

// How often Run does what.
const (
	reportEvery = time.Second
	flushEvery  = 50 * time.Millisecond
	allEvery    = 10 // reports: every window is said again
)

// Run connects the gateway to the bus until ctx ends: it takes routes and
// tokens, reports each second and at once on a trip, tries failed routes again,
// and flushes the journal. When it returns none of its goroutines is left and
// the last report has been sent. Answering does not need it.
func (g *Gateway) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	if g.cfg.Bus != nil {
		a := &applier{g: g, ctx: ctx, wg: &wg, pending: map[string]*bus.Message{}}
		stopRoutes, err := g.cfg.Bus.Subscribe(bus.TopicRoute, a.take)
		if err != nil {
			return err
		}
		defer wg.Wait()
		defer a.stop()
		defer stopRoutes()
		stopTokens, err := g.cfg.Bus.Subscribe(bus.TopicTokens, a.take)
		if err != nil {
			return err
		}
		defer stopTokens()
		a.retry()
		defer g.report(context.WithoutCancel(ctx), false)
		return g.beat(ctx, a)
	}
	return g.beat(ctx, nil)
}

// beat is the one clockwork of Run.
func (g *Gateway) beat(ctx context.Context, a *applier) error {
	second := time.NewTicker(reportEvery)
	defer second.Stop()
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	beats := 0
	g.report(ctx, true)
	for {
		select {
		case <-ctx.Done():
			if g.journal != nil {
				g.journal.flush()
			}
			return nil
		case <-g.wake:
			g.report(ctx, false)
		case <-second.C:
			beats++
			// Everything again once in a while: for who lost all of repeatFor.
			g.report(ctx, beats%allEvery == 0)
			if a != nil {
				a.retry()
			}
		case <-flush.C:
			if g.journal != nil {
				g.journal.flush()
			}
		}
	}
}

// report publishes one message for each endpoint.
func (g *Gateway) report(ctx context.Context, all bool) {
	reports := g.Collect(all)
	if g.cfg.Bus == nil {
		return
	}
	for _, r := range reports {
		data, err := json.Marshal(r)
		if err == nil {
			err = g.cfg.Bus.Publish(ctx, bus.Message{Topic: bus.TopicReport, Key: r.Gateway + "/" + r.Endpoint, Data: data})
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			g.log.Warn("a report could not be sent; what it said is said again", "endpoint", r.Endpoint, "error", err)
		}
	}
}

func (g *Gateway) takeTokens(m bus.Message) {
	var tokens []fairlead.Token
	if err := json.Unmarshal(m.Data, &tokens); err != nil {
		g.log.Error("a message with tokens cannot be read; the old ones stay", "error", err)
		return
	}
	g.SetTokens(tokens)
}

// applier hands messages from the bus, whose callback must not block, to one
// goroutine an endpoint (and one for tokens): a model that loads slowly delays nobody else. Of an
// endpoint only the latest message waits. The goroutines end when nothing waits.
type applier struct {
	g   *Gateway
	ctx context.Context
	wg  *sync.WaitGroup

	mu      sync.Mutex
	pending map[string]*bus.Message // key present: a goroutine is at work; nil: nothing waits; guarded by mu
	stopped bool                    // guarded by mu
}

func (a *applier) take(m bus.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	key := m.Topic + "/" + m.Key
	_, working := a.pending[key]
	a.pending[key] = &m
	if !working {
		a.wg.Go(func() { a.work(key) })
	}
}

func (a *applier) stop() {
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
}

func (a *applier) work(key string) {
	for {
		a.mu.Lock()
		m := a.pending[key]
		if m == nil || a.stopped {
			delete(a.pending, key)
			a.mu.Unlock()
			return
		}
		a.pending[key] = nil
		a.mu.Unlock()
		a.apply(*m)
	}
}

func (a *applier) apply(m bus.Message) {
	if m.Topic == bus.TopicTokens {
		a.g.takeTokens(m)
		return
	}
	if len(m.Data) == 0 {
		a.g.Remove(m.Key)
		return
	}
	var r fairlead.Route
	err := json.Unmarshal(m.Data, &r)
	if err == nil {
		err = a.g.Apply(a.ctx, r)
	}
	if err != nil && a.ctx.Err() == nil {
		a.g.log.Error("a route could not be taken; what was in force stays", "endpoint", m.Key, "revision", r.Revision, "error", err)
	}
	a.g.nudge()
}

// nudge asks Run for a report now.
func (g *Gateway) nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// retry queues the routes whose models could not be loaded and whose wait is
// over; a newer message of the endpoint goes first.
func (a *applier) retry() {
	g := a.g
	now := g.now()
	g.mu.Lock()
	eps := make([]*endpoint, 0, len(g.eps))
	for _, ep := range g.eps {
		eps = append(eps, ep)
	}
	g.mu.Unlock()
	for _, ep := range eps {
		ep.mu.Lock()
		r := ep.retry
		due := r != nil && now >= ep.retryAt
		ep.mu.Unlock()
		if !due {
			continue
		}
		a.mu.Lock()
		key := bus.TopicRoute + "/" + ep.name
		_, working := a.pending[key]
		if !working && !a.stopped {
			data, err := json.Marshal(r)
			if err == nil {
				a.pending[key] = &bus.Message{Topic: bus.TopicRoute, Key: ep.name, Data: data}
				a.wg.Go(func() { a.work(key) })
			}
		}
		a.mu.Unlock()
	}
}
