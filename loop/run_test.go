package loop_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/loop"
	"fairlead.dev/store"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The Runner by itself, in a bubble where time moves when all wait: gateways
// report on the bus each second, nobody calls a pass.
func TestRunnerPromotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.errors = 0.01
		w.now = time.Now().UTC()
		w.runner = loop.New(loop.Config{Store: w.store, Bus: w.bus, Env: fairlead.System()})
		w.put(fairlead.KindToken, "ann", fairlead.Token{Meta: fairlead.Meta{Name: "ann"}})
		var tokens []byte
		var mu sync.Mutex // gateways take routes in the loops' goroutines
		stop, err := w.bus.Subscribe(bus.TopicTokens, func(m bus.Message) {
			mu.Lock()
			defer mu.Unlock()
			tokens = m.Data
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.runner.Run(ctx) }()
		synctest.Wait()
		w.create(canary, errorGate(1))
		for range 600 {
			time.Sleep(time.Second)
			synctest.Wait() // all loops are idle: nobody else touches the gateways
			w.now = time.Now().UTC()
			for _, g := range w.gateways {
				data, err := json.Marshal(g.serve(w.now, w.errors))
				if err != nil {
					t.Fatal(err)
				}
				if err := w.bus.Publish(ctx, bus.Message{Topic: bus.TopicReport, Key: g.id + "/digits", Data: data}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if w.release().Status.Phase.Terminal() {
				break
			}
		}
		if r := w.release(); r.Status.Phase != fairlead.Healthy {
			t.Errorf("%s: %s", r.Status.Phase, r.Status.Message)
		}
		mu.Lock()
		if len(tokens) == 0 {
			t.Error("tokens were not published")
		}
		mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A command is acted on at once, not at the next report or wake time.
func TestRunnerActsOnCommandsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.now = time.Now().UTC()
		w.runner = loop.New(loop.Config{Store: w.store, Bus: w.bus, Env: fairlead.System()})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.runner.Run(ctx) }()
		w.create(canary)
		synctest.Wait()
		if n := len(w.gateways[0].route.Arms); n != 2 {
			t.Errorf("%d arms", n)
		}
		before := time.Now()
		w.command(fairlead.CmdAbort)
		synctest.Wait()
		if n := len(w.gateways[0].route.Arms); n != 1 || !time.Now().Equal(before) {
			t.Errorf("%d arms after an abort", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// faltering fails commits of routes until it is mended.
type faltering struct {
	store.Store
	mu     sync.Mutex
	broken bool        // guarded by mu
	tries  []time.Time // guarded by mu
}

func (f *faltering) Commit(ctx context.Context, c store.Commit) (int64, error) {
	f.mu.Lock()
	route := len(c.Put) > 0 && c.Put[0].Kind == fairlead.KindRoute
	if route {
		f.tries = append(f.tries, time.Now())
	}
	fail := route && f.broken
	f.mu.Unlock()
	if fail {
		return 0, errors.New("disk full")
	}
	return f.Store.Commit(ctx, c)
}

// A failing effect is repeated with growing pauses, and done once it can be.
func TestRunnerBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.now = time.Now().UTC()
		f := &faltering{Store: w.store, broken: true}
		w.runner = loop.New(loop.Config{Store: f, Bus: w.bus, Env: fairlead.System()})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.runner.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		f.mu.Lock()
		n, last := len(f.tries), f.tries[len(f.tries)-1]
		between := last.Sub(f.tries[len(f.tries)-2])
		f.broken = false
		f.mu.Unlock()
		if n < 10 || n > 40 || between < 15*time.Second || between > 30*time.Second {
			t.Errorf("%d tries in 5 minutes, the last two %v apart", n, between)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if w.gateways[0].route.Revision == 0 {
			t.Error("no route after the store was mended")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Run fails when the store ends under it, rather than sleep for ever.
func TestRunnerEndsWithItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.runner = loop.New(loop.Config{Store: w.store, Bus: w.bus, Env: fairlead.System()})
		ended := make(chan error)
		go func() { ended <- w.runner.Run(t.Context()) }()
		synctest.Wait()
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; fairlead.CodeOf(err) != fairlead.Unavailable {
			t.Error(err)
		}
	})
}
