package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// TestStandIn: with nothing in force, a candidate that cannot be loaded leaves
// its incumbent answering; what it does is nobody's evidence, and nobody is
// told that the route is in force.
func TestStandIn(t *testing.T) {
	w := newWorld(t)
	noBlob := errors.New("no such blob")
	w.broken["digits@2"] = noBlob
	err := w.g.Apply(t.Context(), plan(3, 5000, withTrip, withMirror(1000)))
	if fairlead.CodeOf(err) != fairlead.Unavailable || !strings.Contains(err.Error(), "arm candidate (digits@2)") {
		t.Fatalf("got %v", err)
	}
	alone := func(what string, failed int64, version string) {
		t.Helper()
		for i := range 100 {
			if a, err := w.call(fmt.Sprint(i)); err != nil || a.Version != version || a.Revision != 0 {
				t.Fatalf("%s: %+v %v", what, a, err)
			}
		}
		r := w.report()
		must(t, what+": reported", []any{r.Revision, r.Stratum, r.Failed, strings.Contains(r.Error, "no such blob")}, fmt.Sprintf("[0 rest %d true]", failed))
		for _, win := range r.Windows {
			must(t, what+": evidence of", win.Stratum, "rest")
		}
	}
	alone("first route", 3, "digits@1")
	must(t, "pinned", w.do("POST", "/v2/models/digits/versions/2/infer", goodBody).Code, 404)

	w.apply(plan(2, 0)) // late: of no use any more
	alone("after a late one", 3, "digits@1")
	loads := w.loads
	if err := w.g.Apply(t.Context(), plan(3, 5000)); err == nil {
		t.Error("taken though the candidate is broken")
	}
	must(t, "tried again with the candidate alone", w.loads-loads, 1)
	alone("tried again", 3, "digits@1")

	newer := plan(4, 5000, func(r *fairlead.Route) { r.Arms[0].Version, r.Arms[0].Artifact.Digest = "digits@7", "sha256:7" })
	w.broken["digits@7"] = noBlob
	_ = w.g.Apply(t.Context(), newer)
	alone("a newer one without a usable arm", 4, "digits@1")
	delete(w.broken, "digits@7")
	newer.Revision = 5
	_ = w.g.Apply(t.Context(), newer)
	alone("a newer incumbent", 5, "digits@7")
	must(t, "the older is closed", w.models["digits@1"].closed.Load(), true)

	delete(w.broken, "digits@2")
	w.apply(newer)
	r := w.report()
	must(t, "whole", []any{r.Revision, r.Stratum, r.Failed, r.Error}, "[5 digits-v2/1/1 0 ]")
	must(t, "evidence begins now", w.counts(1, "incumbent").Requests+w.counts(1, "candidate").Requests, 0)
	_, _ = w.call("a")
	must(t, "and counts", w.counts(1, "incumbent").Requests+w.counts(1, "candidate").Requests, 1)

	// From here on a route is in force: the next comes whole or not at all.
	w.broken["digits@2"] = noBlob
	w.models["digits@2"].closed.Store(true)
	_ = w.g.Apply(t.Context(), plan(6, 100, func(r *fairlead.Route) { r.Arms[1].Artifact.Digest = "sha256:other" }))
	must(t, "in force", []any{w.report().Revision, w.report().Failed}, "[5 6]")
	for _, v := range []string{"digits@1", "digits@7"} {
		must(t, "misused "+v, w.models[v].misused.Load(), false)
	}
}

// TestStandInRestart: after a crash the kept route's incumbent answers though
// its candidate is gone; the route and its trips stay on disk and come back.
func TestStandInRestart(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Dir = t.TempDir() })
	w.model("digits@2").infer = failing
	w.apply(plan(4, 5000, withTrip))
	for i := range 100 {
		_, _ = w.call(fmt.Sprint(i))
	}
	must(t, "tripped", len(w.report().Trips), 1)
	w.broken["digits@2"] = errors.New("its server is down")
	for range 2 { // the second start finds what the first one kept
		w.start()
		r := w.report()
		must(t, "restarted", []any{r.Revision, r.Failed, len(r.Trips)}, "[0 4 1]")
		must(t, "answers", w.infer(goodBody).Code, 200)
		if !strings.Contains(w.log.String(), "cannot be used whole yet") {
			t.Errorf("not logged: %s", w.log.String())
		}
	}
	delete(w.broken, "digits@2")
	w.start()
	r := w.report()
	must(t, "whole again", []any{r.Revision, r.Failed, len(r.Trips)}, "[4 0 1]")
	must(t, "the arm is still off", w.infer(goodBody).Header().Get(HeaderArm), "incumbent")
}

// TestStandInHang: a candidate that hangs costs the incumbent seconds, once,
// and the whole route is taken when it can be.
func TestStandInHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newWorld(t, system(b), func(c *Config) { c.Dir = t.TempDir() })
		for _, name := range []string{"digits", "e1", "e2"} {
			w.apply(plan(1, 500, func(r *fairlead.Route) { r.Endpoint = name }))
		}
		inner, hangs := w.cfg.Load, true
		w.cfg.Load = func(ctx context.Context, a fairlead.Arm) (model.Model, error) {
			if w.mu.Lock(); hangs && a.Version == "digits@2" {
				w.mu.Unlock()
				<-ctx.Done()
				return nil, ctx.Err()
			}
			w.mu.Unlock()
			return inner(ctx, a)
		}
		began := time.Now()
		w.start()
		must(t, "start took", time.Since(began), candidateHurry)
		must(t, "answers", w.infer(goodBody).Code, 200)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		w.mu.Lock()
		hangs = false
		w.mu.Unlock()
		go func() { done <- w.g.Run(ctx) }()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r, _ := b.last(t)
		must(t, "whole", []int64{r.Revision, r.Failed}, "[1 0]")
		cancel()
		must(t, "run", <-done, nil)
		must(t, "shutdown", w.g.Shutdown(t.Context()), nil)
	})
}
