package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/store"
)

// Config is what a Runner needs. Store, Bus and Env are required.
type Config struct {
	Store  store.Store
	Bus    bus.Bus
	Env    fairlead.Env
	Logger *slog.Logger // nothing is logged if nil
	// Retention is how long the windows of an ended release are kept; 30 days
	// if zero. What decided a release stays in the ledger.
	Retention time.Duration
}

// DefaultRetention of Config.
const DefaultRetention = 30 * 24 * time.Hour

// The loops' names, as Pass takes them and Work carries them.
const (
	Release  = "release"
	Effect   = "effect"
	Window   = "window"
	Endpoint = "endpoint"
	Outbox   = "outbox"
	Tokens   = "tokens"
	Routes   = "routes"
	Tidy     = "tidy"
)

// EffectRoute is the kind of the effect that compiles and publishes an
// endpoint's route; its key is the endpoint.
const EffectRoute = "route"

// Work is one key of one loop.
type Work struct{ Loop, Key string }

// Runner runs the loops. Make it with New.
type Runner struct {
	cfg    Config
	log    *slog.Logger
	loops  map[string]func(ctx context.Context, key string) (wake time.Time, err error)
	queue  *queue
	memory memory

	mu       sync.Mutex
	intake   map[string]*intake // by endpoint; guarded by mu
	troubles map[string]string  // by effect "kind/key": why it keeps failing; guarded by mu
	changes  int64              // commits made; guarded by mu
}

// New makes a Runner.
func New(cfg Config) *Runner {
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Runner{cfg: cfg, log: cfg.Logger, intake: map[string]*intake{}, troubles: map[string]string{}}
	r.queue = newQueue(cfg.Env)
	r.loops = map[string]func(context.Context, string) (time.Time, error){
		Release:  r.passRelease,
		Effect:   r.passEffect,
		Window:   r.passWindow,
		Endpoint: r.passEndpoint,
		Outbox:   r.passOutbox,
		Tokens:   r.passTokens,
		Routes:   r.passRoutes,
		Tidy:     r.passTidy,
	}
	return r
}

// Pass runs one loop over one key now, in the caller's goroutine, and says when
// to come again though nothing was heard (zero: not before). A panic becomes an
// error, so that one bad document does not end the control plane.
func (r *Runner) Pass(ctx context.Context, loop, key string) (wake time.Time, err error) {
	f, ok := r.loops[loop]
	if !ok {
		var known []string
		for name := range r.loops {
			known = append(known, name)
		}
		sort.Strings(known)
		return time.Time{}, fairlead.Unknown("loop", loop, known)
	}
	defer func() {
		if p := recover(); p != nil {
			wake, err = time.Time{}, fairlead.Errorf(fairlead.Internal, "loop %s %q panicked: %v", loop, key, p)
			r.log.Error("a loop panicked", "loop", loop, "key", key, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return f(ctx, key)
}

// Due lists the work that may have something to do now: reports not stored yet,
// effects still to do, releases that have not ended or were given a command.
func (r *Runner) Due(ctx context.Context) ([]Work, error) {
	var due []Work
	for _, endpoint := range r.reported() {
		due = append(due, Work{Window, endpoint})
	}
	effects, err := r.cfg.Store.Pending(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range effects {
		due = append(due, Work{Effect, e.Kind + "/" + e.Key})
	}
	docs, err := r.cfg.Store.List(ctx, fairlead.KindRelease, "", "", 0)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		rel, err := decode[fairlead.Release](&r.memory, d)
		if err != nil {
			return nil, err
		}
		if !atRest(rel) {
			due = append(due, Work{Release, d.Key})
		}
	}
	return due, nil
}

// Settle runs what is due until a whole round commits nothing, and gives the
// earliest wake time. Errors of single passes do not keep the others from
// running; they are joined. A crash is whatever error the store gives then.
func (r *Runner) Settle(ctx context.Context) (time.Time, error) {
	for round := 0; ; round++ {
		before := r.committed()
		due, err := r.Due(ctx)
		if err != nil {
			return time.Time{}, err
		}
		var next time.Time
		var errs []error
		for _, w := range due {
			wake, err := r.Pass(ctx, w.Loop, w.Key)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", w.Loop, w.Key, err))
			}
			next = earliest(next, wake)
		}
		if r.committed() == before || len(errs) > 0 || round == 1000 {
			return next, errors.Join(errs...)
		}
	}
}

// Run runs the loops until ctx ends, then waits for the passes under way and
// returns nil; it fails when the store or the bus cannot be followed.
func (r *Runner) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, w := range []Work{{Routes, ""}, {Tokens, ""}, {Tidy, ""}, {Outbox, ""}} {
		r.queue.poke(w)
	}
	// Index 0: the watch tells of every document there is, so nothing that
	// happened while no control plane ran is missed.
	changes, err := r.cfg.Store.Watch(ctx, 0)
	if err != nil {
		return err
	}
	stop, err := r.cfg.Bus.Subscribe(bus.TopicReport, r.hear)
	if err != nil {
		return err
	}
	defer stop()

	var workers sync.WaitGroup
	workers.Go(func() { r.queue.run(ctx, r.work) })
	for c := range changes {
		r.noticed(c)
	}
	ended := ctx.Err() != nil
	cancel()
	workers.Wait()
	if !ended {
		return fairlead.Errorf(fairlead.Unavailable, "the store's changes can no longer be followed")
	}
	return nil
}

// work is a pass in the real world: failures are logged and come again later.
func (r *Runner) work(ctx context.Context, w Work) (time.Time, error) {
	wake, err := r.Pass(ctx, w.Loop, w.Key)
	if err != nil && ctx.Err() == nil {
		r.log.Warn("a pass failed and will be repeated", "loop", w.Loop, "key", w.Key, "error", err)
	}
	return wake, err
}

// noticed maps a change of the store to the work it may mean.
func (r *Runner) noticed(c store.Change) {
	head, _, _ := strings.Cut(c.Key, "/")
	switch c.Kind {
	case fairlead.KindRelease:
		r.queue.poke(Work{Release, c.Key})
		r.queue.poke(Work{Outbox, ""})
	case fairlead.KindEndpoint:
		r.queue.poke(Work{Endpoint, c.Key})
		r.queue.poke(Work{Outbox, ""})
	case fairlead.KindRoute, fairlead.KindGateway, fairlead.KindWindow:
		r.queue.poke(Work{Endpoint, head})
	case fairlead.KindToken:
		r.queue.poke(Work{Tokens, ""})
	default:
		r.queue.poke(Work{Outbox, ""})
	}
}

// passEndpoint wakes the release that moves the endpoint. It is a pass, not
// done while noticing, because it reads the store and may fail.
func (r *Runner) passEndpoint(ctx context.Context, name string) (time.Time, error) {
	e, _, err := get[fairlead.Endpoint](ctx, r, fairlead.KindEndpoint, name)
	if fairlead.CodeOf(err) == fairlead.NotFound {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	if e.Status.Release != "" {
		r.queue.poke(Work{Release, e.Status.Release})
	}
	return time.Time{}, nil
}

func (r *Runner) passOutbox(ctx context.Context, _ string) (time.Time, error) {
	effects, err := r.cfg.Store.Pending(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, e := range effects {
		r.queue.poke(Work{Effect, e.Kind + "/" + e.Key})
	}
	return time.Time{}, nil
}

// commit commits and counts.
func (r *Runner) commit(ctx context.Context, c store.Commit) error {
	_, err := r.cfg.Store.Commit(ctx, c)
	if err == nil {
		r.mu.Lock()
		r.changes++
		r.mu.Unlock()
	}
	return err
}

func (r *Runner) committed() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changes
}

// earliest of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
