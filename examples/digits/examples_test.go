package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/op"
)

// The strategy examples beside this folder, each with its own endpoint, under
// live traffic on one real server: they end as their pages say.
func TestStrategyExamples(t *testing.T) {
	w := newWorld(t)
	// Minutes become moments, and no person sits there to decide for a gate that
	// such moments leave undecided: it waits for evidence instead.
	quick := strings.NewReplacer("hold: 10m", "hold: 200ms", "hold: 30m", "hold: 200ms", "hold: 1h", "hold: 300ms",
		"hold: 24h", "hold: 300ms", "hold: 5m", "hold: 200ms", "samples: 2000", "samples: 20", "samples: 1000", "samples: 200",
		"samples: 500", "samples: 50", "progressDeadline: 4h", "progressDeadline: 30s",
		"onUndecided: hold", "onUndecided: extend")
	manager, err := api.Call(t.Context(), w.ctl.c, op.TokenCreate, op.TokenIn{Name: "manager", Roles: []string{"release-managers"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]struct {
		release, approver string
		end               fairlead.Phase
		reason            string
	}{
		"canary":    {"canary-digits-2", manager.Secret, fairlead.Healthy, fairlead.ReasonPromoted},
		"shadow":    {"shadow-digits-3", "", fairlead.Degraded, fairlead.ReasonGate},
		"bluegreen": {"bluegreen-digits-2", w.srv.Token, fairlead.Healthy, fairlead.ReasonPromoted},
	} {
		t.Run(name, func(t *testing.T) {
			w.apply(t, "../"+name+"/endpoint.yaml", quick)
			p := w.traffic(t, "digits-"+name)
			w.apply(t, "../"+name+"/release.yaml", quick)
			r := w.watch(t, e.release, func(r fairlead.Release) bool {
				if r.Status.Reason == fairlead.ReasonApproval && r.Status.Phase == fairlead.Paused {
					approver := control{&api.Client{Base: w.srv.URL, Token: e.approver, HTTP: w.ctl.c.HTTP}}
					if _, err := api.Call(t.Context(), approver.c, op.ReleaseApprove, op.CommandIn{Name: e.release}); err != nil && fairlead.CodeOf(err) != fairlead.Conflict {
						t.Fatal(err)
					}
				}
				return r.Status.Phase.Terminal()
			})
			if r.Status.Phase != e.end || r.Status.Reason != e.reason {
				t.Errorf("it ended %s (%s): %s; want %s (%s)", r.Status.Phase, r.Status.Reason, r.Status.Message, e.end, e.reason)
			}
			if asked := e.approver != ""; asked != (len(r.Status.Approvals) == 1) {
				t.Errorf("approvals: %+v", r.Status.Approvals)
			}
			seen := p.tally.snapshot()
			if seen.Failed > 0 || seen.Lost > 0 {
				t.Errorf("%d requests failed, %d labels were refused: %v", seen.Failed, seen.Lost, seen.LastErr)
			}
			if n := seen.Versions["digits@3"].Answers; n > 0 {
				t.Errorf("a shadow answered %d callers", n)
			}
		})
	}
}

// world is a real server with the three versions registered.
type world struct {
	srv    *server
	ctl    control
	caller string
	images []image
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	srv, err := startServer(ctx, buildServer(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.stop()
		if t.Failed() {
			t.Logf("the server's log ends:\n%s", srv.logTail())
		}
	})
	w := &world{srv: srv, ctl: newControl(srv)}
	w.apply(t, "model.yaml", strings.NewReplacer())
	for _, v := range []string{"1", "2", "3"} {
		artifact, err := files.ReadFile("v" + v + ".onnx")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.ctl.register(ctx, model+"@"+v, "v"+v+".onnx", artifact, nil, fairlead.Lineage{}); err != nil {
			t.Fatal(err)
		}
	}
	if w.caller, err = w.ctl.callerToken(ctx, "caller"); err != nil {
		t.Fatal(err)
	}
	if w.images, err = images(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) apply(t *testing.T, file string, tune *strings.Replacer) {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ctl.apply(t.Context(), file, tune.Replace(string(b))); err != nil {
		t.Fatal(err)
	}
}

// traffic plays until the test ends.
func (w *world) traffic(t *testing.T, endpoint string) *player {
	t.Helper()
	if err := w.ctl.serving(t.Context(), endpoint, w.caller); err != nil {
		t.Fatal(err)
	}
	p := &player{URL: w.srv.URL, Token: w.caller, Endpoint: endpoint, Images: w.images, Rate: 300, Workers: 4,
		MinDelay: 10 * time.Millisecond, MaxDelay: 50 * time.Millisecond, Seed: 1}
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { p.Run(ctx) })
	t.Cleanup(func() {
		stop()
		run.Wait()
	})
	return p
}

// watch looks at a release until done says so.
func (w *world) watch(t *testing.T, name string, done func(fairlead.Release) bool) fairlead.Release {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last fairlead.Release
	for {
		r, err := w.ctl.release(ctx, name)
		if err != nil {
			t.Fatalf("%s, last seen %s: %v", name, stage(last), err)
		}
		if last = r; done(r) {
			return r
		}
		<-tick.C
	}
}
