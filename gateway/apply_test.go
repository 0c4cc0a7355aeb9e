package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead.dev"
	model "fairlead.dev/runtime"
	"pgregory.net/rapid"
)

// TestApply: routes arrive whole or not at all, and never go back.
func TestApply(t *testing.T) {
	w := newWorld(t)
	w.apply(plan(3, 0))
	must(t, "loads", w.loads, 1)
	w.apply(plan(4, 100))
	must(t, "loads: the incumbent is kept", w.loads, 2)
	w.apply(plan(2, 5000)) // late: no error, no change
	must(t, "revision", w.report().Revision, 4)

	bad := plan(5, 5000)
	bad.Arms[1].Version, bad.Arms[1].Artifact.Digest = "digits@3", "sha256:3"
	w.broken["digits@3"] = errors.New("no such blob")
	err := w.g.Apply(t.Context(), bad)
	if fairlead.CodeOf(err) != fairlead.Unavailable || !strings.Contains(err.Error(), "arm candidate (digits@3)") {
		t.Errorf("got %v", err)
	}
	r := w.report()
	must(t, "in force", r.Revision, 4)
	must(t, "failed", r.Failed, 5)
	if !strings.Contains(r.Error, "no such blob") {
		t.Errorf("error %q", r.Error)
	}
	if _, err := w.call("a"); err != nil {
		t.Error(err)
	}

	broken := plan(6, 0)
	broken.Arms[0].Weight = 1
	if err := w.g.Apply(t.Context(), broken); fairlead.CodeOf(err) != fairlead.Invalid || !strings.Contains(err.Error(), "sum to 100%") {
		t.Errorf("got %v", err)
	}
	w.apply(plan(7, 0))
	r = w.report()
	must(t, "mended", []any{r.Revision, r.Failed, r.Error}, "[7 0 ]")
	must(t, "candidate closed", w.models["digits@2"].closed.Load(), true)
	must(t, "incumbent open", w.models["digits@1"].closed.Load(), false)

	w.g.Remove("digits")
	must(t, "closed", w.models["digits@1"].closed.Load(), true)
	if _, err := w.call("a"); fairlead.CodeOf(err) != fairlead.NotFound {
		t.Errorf("got %v", err)
	}
	w.apply(plan(1, 0)) // a new endpoint of that name begins anew
	must(t, "again", w.report().Revision, 1)
}

// TestFirstRouteFails: an endpoint that never had a route is not unknown.
func TestFirstRouteFails(t *testing.T) {
	w := newWorld(t)
	w.broken["digits@1"] = errors.New("no such blob")
	if err := w.g.Apply(t.Context(), plan(1, 0)); err == nil {
		t.Fatal("applied")
	}
	must(t, "code", w.infer(goodBody).Code, 503)
	r := w.do("GET", "/v2/models/digits/ready", "")
	must(t, "ready", []any{r.Code, strings.TrimSpace(r.Body.String())}, `[503 {"name":"digits","ready":false}]`)
	must(t, "failed", w.report().Failed, 1)
}

// TestSwapsUnderLoad: 1,000 swaps, each loading and closing models, while
// callers call: none fails, and no model is used after its end.
func TestSwapsUnderLoad(t *testing.T) {
	w := newWorld(t)
	var all sync.Map
	w.g.cfg.Load = func(_ context.Context, a fairlead.Arm) (model.Model, error) {
		m := &fakeModel{version: a.Version, sig: fakeSig}
		all.Store(m, true)
		return m, nil
	}
	route := func(rev int64) fairlead.Route {
		return plan(rev, 5000, func(r *fairlead.Route) {
			r.Arms[1].Version = fmt.Sprintf("digits@%d", rev)
			r.Arms[1].Artifact.Digest = fmt.Sprintf("sha256:%d", rev)
			r.Stratum.Step = int(rev)
		})
	}
	w.apply(route(1))
	var stop atomic.Bool
	var failed, served atomic.Int64
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				_, err := w.g.Infer(context.Background(), Call{Endpoint: "digits", RequestID: fmt.Sprintf("%d-%d", c, i%64), Request: request()})
				if err != nil {
					failed.Add(1)
				}
				served.Add(1)
			}
		})
	}
	for rev := int64(2); rev <= 1001; rev++ {
		w.apply(route(rev))
	}
	stop.Store(true)
	wg.Wait()
	must(t, "failed", failed.Load(), 0)
	if served.Load() == 0 {
		t.Error("nothing was served")
	}
	if err := w.g.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	all.Range(func(k, _ any) bool {
		m := k.(*fakeModel)
		if m.misused.Load() || !m.closed.Load() {
			t.Errorf("%s: misused %v, closed %v", m.version, m.misused.Load(), m.closed.Load())
			return false
		}
		return true
	})
	if _, err := w.call("x"); fairlead.CodeOf(err) != fairlead.Unavailable {
		t.Errorf("after shutdown: %v", err)
	}
}

// TestStickyAndMonotone: as the weight grows nobody moves back, through the
// front door, and the exposed share is about the weight.
func TestStickyAndMonotone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		weights := rapid.SliceOfN(rapid.IntRange(1, 10000), 2, 5).Draw(rt, "weights")
		on := map[string]bool{}
		rev, last := int64(0), 0
		for _, x := range weights {
			last = max(last, x) // growing
			rev++
			w.apply(plan(rev, fairlead.Weight(last), func(r *fairlead.Route) { r.Stratum.Step = int(rev) }))
			hit := 0
			for u := range 100 {
				unit := fmt.Sprint("user-", u)
				a, err := w.g.Infer(t.Context(), Call{Endpoint: "digits", Key: unit, Request: request()})
				if err != nil {
					rt.Fatal(err)
				}
				got := a.Arm == fairlead.Candidate
				if on[unit] && !got {
					rt.Fatalf("%s was moved back at %d", unit, last)
				}
				on[unit] = got
				if got {
					hit++
				}
			}
			if d := float64(hit)/100 - float64(last)/10000; d > 0.26 || d < -0.26 { // 5 standard deviations
				rt.Fatalf("weight %d gave %d of 100", last, hit)
			}
		}
	})
}

// TestRestart: a gateway serves from its folder alone, trips included.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *Config) { c.Dir = dir })
	w.apply(plan(4, 5000))
	w.g.SetTokens(tokens("caller"))
	home := w.report().Home
	// killed: nothing is shut down
	g, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.g = g
	must(t, "revision", w.report().Revision, 4)
	must(t, "same home, which is known", w.report().Home == home && home != "", true)
	must(t, "infer", w.infer(goodBody, "Authorization: Bearer flt_caller").Code, 200)
	must(t, "tokens are those kept", w.infer(goodBody).Code, 401)
	info, err := os.Stat(filepath.Join(dir, "tokens"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("tokens: %v %v", info, err)
	}
	raw, _ := os.ReadFile(filepath.Join(dir, "tokens"))
	if strings.Contains(string(raw), "flt_caller") {
		t.Error("a secret was written")
	}
	w.apply(plan(3, 100))
	must(t, "never back", w.report().Revision, 4)

	// A damaged file is ignored and said so; the rest is served.
	other := plan(1, 0, func(r *fairlead.Route) { r.Endpoint = "other" })
	w.apply(other)
	file := filepath.Join(dir, "routes", "digits.route")
	raw, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, damage := range [][]byte{nil, raw[:10], raw[:len(raw)-1], append([]byte("x"), raw...), []byte(strings.Replace(string(raw), "digits@2", "digits@9", 1))} {
		if err := os.WriteFile(file, damage, 0o600); err != nil {
			t.Fatal(err)
		}
		w.log.Reset()
		w.start()
		if w.g.lookup("digits") != nil || w.g.lookup("other") == nil {
			t.Errorf("damage %q: digits %v, other %v", damage, w.g.lookup("digits"), w.g.lookup("other"))
		}
		if !strings.Contains(w.log.String(), "digits.route") {
			t.Errorf("not logged: %s", w.log.String())
		}
	}
	w.g.Remove("other")
	w.start()
	if w.g.lookup("other") != nil {
		t.Error("a removed endpoint came back")
	}
}

// TestMatchAndChooseAllocateNothing: the decision layer is free of garbage.
func TestMatchAndChooseAllocateNothing(t *testing.T) {
	for _, key := range []*fairlead.Key{nil, {Header: "x-user-id"}, {Cookie: "user"}} {
		w := newWorld(t)
		w.apply(plan(1, 500, func(r *fairlead.Route) { r.Key = key }))
		r := benchRequest()
		sink := 0
		if n := testing.AllocsPerRun(200, func() {
			_, name, _ := match(r.URL.EscapedPath())
			rt := w.g.lookup(name)
			unit := unitKey(rt.plan.Key, r, nil)
			if unit == "" {
				unit = "0123456789abcdef0123456789abcdef"
			}
			i, _ := rt.choose(unit)
			sink += i
		}); n != 0 {
			t.Errorf("key %+v: %v allocations", key, n)
		}
		_ = sink
	}
}
