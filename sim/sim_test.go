package sim

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead.dev"
	"fairlead.dev/store"
)

var seeds = flag.Int("seeds", 0, "releases to simulate; 2000 if zero, 100 under the race detector")

// explain is what a failure needs to be found again.
func explain(s Scenario, w *World, err error) string {
	return fmt.Sprintf("seed %d (%s candidate, chaos %+v): %v\n%s\n%s\nrepeat with: go test ./sim -run %s", s.Seed, s.Kind, s.Chaos, err,
		s.Manifest, strings.Join(w.Trace, "\n"), "'TestReleases' -seeds N")
}

// each runs f for 0 … n-1 on all cores.
func each(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// TestReleases is the promise of the house: thousands of releases, good and bad,
// with faults, people and crashes before and after commits, and every
// sentence of invariant.go holds after every event.
func TestReleases(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 2000
		if raceEnabled {
			n = 100
		}
	}
	var ended sync.Map
	var failed atomic.Int64
	each(n, func(i int) {
		s := Draw(uint64(i))
		s.Chaos.CrashAt = 1 + i%60
		s.Chaos.CrashRate = 0.03
		w, err := s.Run()
		if err != nil && failed.Add(1) <= 3 {
			t.Error(explain(s, w, err))
		}
		if err == nil {
			r, _ := w.release("r")
			v, _ := ended.LoadOrStore(fmt.Sprintf("%s %s %s", s.Kind, r.Status.Phase, r.Status.Reason), new(atomic.Int64))
			v.(*atomic.Int64).Add(1)
		}
	})
	ended.Range(func(k, v any) bool { t.Logf("%5d %s", v.(*atomic.Int64).Load(), k); return true })
	if f := failed.Load(); f > 0 {
		t.Errorf("%d of %d releases broke a promise", f, n)
	}
}

// TestCrashAtEveryCommit runs one clear-cut release again and again, each time
// dying at another commit, on either side of it: it always ends the same.
func TestCrashAtEveryCommit(t *testing.T) {
	for _, kind := range []string{"good", "failing"} {
		plain := clear(kind)
		w, err := plain.Run()
		if err != nil {
			t.Fatal(explain(plain, w, err))
		}
		want, _ := w.release("r")
		commits := w.commits
		if commits < 10 {
			t.Fatalf("a %s release took only %d commits", kind, commits)
		}
		each(4*commits, func(i int) {
			s := clear(kind)
			s.Chaos = Chaos{CrashAt: 1 + i/4, CrashAfter: i%2 == 0, CrashAll: i%4 < 2}
			w, err := s.Run()
			if err != nil {
				t.Error(explain(s, w, err))
				return
			}
			if got, _ := w.release("r"); got.Status.Phase != want.Status.Phase {
				t.Error(explain(s, w, fmt.Errorf("it ended %s, without the crash %s", got.Status.Phase, want.Status.Phase)))
			}
		})
		t.Logf("%s: %d runs, each ended %s", kind, 4*commits, want.Status.Phase)
	}
}

// clear is a release whose end chance cannot change.
func clear(kind string) Scenario {
	return Scenario{Config: Config{Seed: 7, Gateways: 2}, Kind: kind, Rate: 60, Manifest: `apiVersion: fairlead/v1
kind: Release
metadata: {name: r}
spec:
  endpoint: e
  candidate: m@2
  progressDeadline: 60s
  guard: {hold: 3s}
  strategy:
    canary:
      steps:
        - {weight: 5%, hold: 3s}
        - {weight: 25%, samples: 30}
        - {weight: 50%, hold: 4s}
  gates:
    - {metric: error_rate, max: 30%, onUndecided: promote}
`}
}

// TestSameSeedSameWorld: a run follows from its seed alone.
func TestSameSeedSameWorld(t *testing.T) {
	for seed := range uint64(5) {
		var traces [2]string
		for i := range traces {
			s := Draw(seed)
			s.Chaos.CrashRate = 0.05
			w, err := s.Run()
			if err != nil {
				t.Fatal(explain(s, w, err))
			}
			traces[i] = fmt.Sprint(strings.Join(w.Trace, "\n"), w.requests, w.commits)
		}
		if traces[0] != traces[1] {
			t.Errorf("seed %d went two ways:\n%s\n\n%s", seed, traces[0], traces[1])
		}
	}
}

// TestPlantedBugs plants, one after the other, the bugs that this room exists
// to find, and expects each to be found by the promise it breaks. A simulation
// that finds nothing here proves nothing there.
func TestPlantedBugs(t *testing.T) {
	release := func(c *store.Commit, change func(r *fairlead.Release)) {
		for i, p := range c.Put {
			if p.Kind == fairlead.KindRelease && !p.Delete {
				c.Put[i].Data = edit(p.Data, change)
			}
		}
	}
	cases := []struct {
		name, promise string
		kind          string
		plant         func(w *World, c *store.Commit)
		route         func(rt *fairlead.Route)
		blind         func(w *World) bool
		chaos         Chaos
	}{
		{name: "rollback forgets a weight", promise: PromiseZero, kind: "failing", plant: func(w *World, c *store.Commit) {
			release(c, func(r *fairlead.Release) {
				if r.Status.Phase == fairlead.RollingBack || r.Status.Phase == fairlead.Degraded {
					r.Status.Weight = 500
				}
			})
		}},
		{name: "a route outlives its rollback", promise: PromiseExposure, kind: "failing", plant: func(w *World, c *store.Commit) {
			for i, p := range c.Put {
				if p.Kind == fairlead.KindRoute && w.phases["r"] == fairlead.RollingBack {
					c.Put[i].Data = edit(p.Data, func(rt *fairlead.Route) {
						rt.Arms[0].Weight = fairlead.FullWeight - 500
						rt.Arms = append(rt.Arms, fairlead.Arm{Name: fairlead.Candidate, Version: "m@2",
							Artifact: rt.Arms[0].Artifact, Target: rt.Arms[0].Target, Place: rt.Arms[0].Place, Weight: 500})
						rt.Stratum = fairlead.Stratum{Release: "r", Attempt: 1}
					})
				}
			}
		}},
		{name: "deadline not judged after a failed effect", promise: PromiseDeadline, kind: "good", chaos: Chaos{LoadFaults: 1},
			blind: func(w *World) bool { return w.phases["r"] == fairlead.Progressing && w.failing() }},
		{name: "an assignment that moves back", promise: PromiseSticky, kind: "good",
			route: func(rt *fairlead.Route) { rt.Salt = fmt.Sprintf("%s/%d", rt.Salt, rt.Stratum.Step) }},
		{name: "a step exposes too much", promise: PromiseExposure, kind: "good", plant: func(w *World, c *store.Commit) {
			release(c, func(r *fairlead.Release) {
				if r.Status.Phase == fairlead.Progressing && r.Status.Step == 1 {
					r.Status.Weight = 9000
				}
			})
		}},
		{name: "a transition without its ledger entry", promise: PromiseLedger, kind: "good", plant: func(w *World, c *store.Commit) {
			if len(c.Ledger) > 0 && w.phases["r"] == fairlead.Progressing {
				c.Ledger = nil
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := clear(c.kind)
			s.Plant, s.PlantRoute, s.Blind, s.Chaos = c.plant, c.route, c.blind, c.chaos
			w, err := s.Run()
			if err == nil {
				t.Fatal("nobody noticed")
			}
			if len(w.Violations) == 0 || !strings.Contains(w.Violations[0], c.promise) {
				t.Fatalf("expected %q to be broken, got: %v\n%s", c.promise, err, strings.Join(w.Trace, "\n"))
			}
			t.Log(w.Violations[0])
		})
	}
}
