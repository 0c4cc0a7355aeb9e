package loop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/gate"
	"fairlead.dev/loop"
	"fairlead.dev/store"
	"github.com/google/go-cmp/cmp"
)

var good = []string{"release.begin", "release.in-force", "release.step", "release.in-force", "release.step", "release.in-force",
	"release.step", "release.in-force", "release.promote", "release.in-force", "release.healthy"}

func TestGoodCandidateIsPromoted(t *testing.T) {
	w := newWorld(t, 2)
	w.errors = 0.01
	w.create(canary, errorGate(1))
	r := w.until(10*time.Minute, fairlead.Healthy, fairlead.Degraded)
	if d := cmp.Diff(good, w.verbs()); d != "" || r.Status.Phase != fairlead.Healthy {
		t.Fatalf("%s: %s %s", r.Status.Phase, r.Status.Message, d)
	}
	if d := cmp.Diff([]fairlead.Weight{0, 500, 2000, 5000, 5000, 10000, 0}, w.weights); d != "" {
		t.Error("weights of the routes, one a step:", d)
	}
	e := w.endpoint().Status
	if e.Version != "digits@2" || e.Previous != "digits@1" || e.Release != "" || len(e.History) != 2 {
		t.Errorf("endpoint %+v", e)
	}
	rt := read[fairlead.Route](w, fairlead.KindRoute, "digits")
	if len(rt.Arms) != 1 || rt.Arms[0].Version != "digits@2" || rt.Stratum.Release != "" {
		t.Errorf("route %+v", rt)
	}
	if pending, _ := w.store.Pending(t.Context()); len(pending) != 0 {
		t.Errorf("effects left: %v", pending)
	}
}

// The ledger entry of a verdict replays: same windows, gates and alpha give the
// same verdicts.
func TestBadCandidateIsTurnedBack(t *testing.T) {
	w := newWorld(t, 1)
	w.errors = 0.5
	w.create(canary, errorGate(0.5))
	r := w.until(time.Minute, fairlead.Degraded)
	if r.Status.Reason != fairlead.ReasonGate || r.Status.Weight != 0 || w.endpoint().Status.Version != "digits@1" {
		t.Errorf("%+v", r.Status)
	}
	entries := w.ledger()
	i := slices.IndexFunc(entries, func(e fairlead.LedgerEntry) bool { return e.Verb == "release.harm" })
	if i < 0 {
		t.Fatal(w.verbs())
	}
	var ev struct {
		Windows  []fairlead.Window
		Gates    []fairlead.Gate
		Alpha    float64
		Verdicts []fairlead.Verdict
	}
	if err := json.Unmarshal(entries[i].Evidence, &ev); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ev.Verdicts, gate.JudgeAll(ev.Gates, ev.Alpha, ev.Windows)); d != "" || len(ev.Verdicts) != 1 || ev.Verdicts[0].Outcome != fairlead.Fail {
		t.Error("the evidence does not replay:", d)
	}
}

func TestTripTurnsBackAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.create(canary)
	w.second()
	g := w.gateways[0]
	g.trips = []fairlead.Trip{{Stratum: g.route.Stratum, Arm: fairlead.Candidate, LogE: 9, Reason: "all failed"}}
	// Within the second of the last flush: a trip does not wait.
	if err := w.runner.Report(t.Context(), g.serve(w.now, 1)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if r := w.release(); r.Status.Phase != fairlead.RollingBack || r.Status.Reason != fairlead.ReasonTripwire || len(g.route.Arms) != 1 {
		t.Errorf("%s %s", r.Status.Phase, r.Status.Reason)
	}
	w.until(3*time.Second, fairlead.Degraded)
}

// An effect that keeps failing is told, and keeps nothing from being judged.
func TestFailedEffectDoesNotStopJudgement(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		act          func(w *world)
		limit        time.Duration
	}{
		{"deadline", fairlead.ReasonDeadline, func(*world) {}, 6 * time.Minute},
		{"abort", fairlead.ReasonAborted, func(w *world) { w.command(fairlead.CmdAbort) }, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.second()
			w.create(canary)
			if _, err := w.store.Commit(t.Context(), store.Commit{Put: []store.Put{{Kind: fairlead.KindVersion, Key: "digits@2", IfRev: store.AnyRev, Delete: true}}}); err != nil {
				t.Fatal(err)
			}
			w.second()
			c.act(w)
			r := w.until(c.limit, fairlead.Degraded)
			if r.Status.Reason != c.reason {
				t.Errorf("%s: %s", r.Status.Reason, r.Status.Message)
			}
			if c.name == "deadline" && !strings.Contains(r.Status.Message, `"digits@2" does not exist`) {
				t.Errorf("the failing effect is not told: %s", r.Status.Message)
			}
		})
	}
}

func TestCandidateThatDoesNotLoad(t *testing.T) {
	w := newWorld(t, 2)
	w.gateways[1].refuse = "unknown operator Foo"
	w.create(canary)
	r := w.until(2*time.Minute, fairlead.Degraded)
	if r.Status.Reason != fairlead.ReasonLoad || !strings.Contains(r.Status.Message, "Foo") {
		t.Errorf("%s: %s", r.Status.Reason, r.Status.Message)
	}
}

// A gateway that died does not keep a step from being in force longer than a
// gateway counts as live.
func TestDeadGatewayExpires(t *testing.T) {
	w := newWorld(t, 2)
	w.second()
	w.gateways[1].gone = true
	w.gateways[1].refuse = "dead"
	w.create(canary)
	for range 13 {
		w.second()
	}
	if s := w.release().Status; !s.StepSince.IsZero() {
		t.Fatal("in force though a live gateway has not applied it")
	}
	for range 3 {
		w.second()
	}
	if s := w.release().Status; s.StepSince.IsZero() {
		t.Fatal("a dead gateway blocks the step")
	}
}

// Whatever commit the control plane dies at, before or after it, the next one
// brings the release to the same end, and the ledger has each transition once.
func TestCrashAtEveryCommit(t *testing.T) {
	run := func(t *testing.T, errorRate float64, at int, after bool) (*world, bool) {
		w := newWorld(t, 2)
		w.errors = errorRate
		g := errorGate(1)
		g.OnUndecided = fairlead.OnPromote // few seconds, so few commits to die at
		w.create(`{"steps":[{"weight":"5%","hold":"2s"},{"weight":"50%","samples":1000}]}`, g)
		dying := &crashing{Store: w.store, left: at, after: after}
		w.start(dying)
		for range 600 {
			w.second()
			if dying.dead {
				w.start(w.store)
				dying = &crashing{Store: w.store, left: -1}
			}
			if p := w.release().Status.Phase; p.Terminal() {
				break
			}
		}
		return w, dying.left < 0
	}
	for _, c := range []struct {
		errors float64
		end    fairlead.Phase
	}{{0.01, fairlead.Healthy}, {0.5, fairlead.Degraded}} {
		clean, _ := run(t, c.errors, -1, false)
		for at := 0; ; at++ {
			crashed := false
			for _, after := range []bool{false, true} {
				w, died := run(t, c.errors, at, after)
				crashed = crashed || died
				where := fmt.Sprintf("errors %v, commit %d, after %v", c.errors, at, after)
				if got := w.release().Status.Phase; got != c.end {
					t.Fatalf("%s: ended %s", where, got)
				}
				if d := cmp.Diff(clean.verbs(), w.verbs()); d != "" {
					t.Fatalf("%s: %s", where, d)
				}
				from := ""
				for _, e := range w.ledger() {
					if from != "" && e.From != from {
						t.Fatalf("%s: an entry begins at %q, the one before ended at %q", where, e.From, from)
					}
					from = e.To
				}
			}
			if !crashed {
				t.Logf("%d commits", at)
				break
			}
		}
	}
}

func TestDeletedEndpoint(t *testing.T) {
	w := newWorld(t, 1)
	w.create(canary)
	w.second()
	last := w.gateways[0].route.Revision
	_, err := w.store.Commit(t.Context(), store.Commit{Put: []store.Put{{Kind: fairlead.KindEndpoint, Key: "digits", IfRev: store.AnyRev, Delete: true}},
		Effects: []store.Effect{{Kind: loop.EffectRoute, Key: "digits"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	if len(w.gateways[0].route.Arms) != 0 || w.release().Status.Phase != fairlead.Degraded {
		t.Errorf("route %+v, release %s", w.gateways[0].route, w.release().Status.Phase)
	}
	for _, kind := range []string{fairlead.KindRoute, fairlead.KindGateway} {
		if docs, _ := w.store.List(context.Background(), kind, "digits", "", 0); len(docs) != 0 {
			t.Errorf("%d documents of kind %s left", len(docs), kind)
		}
	}
	// Its successor's first route is newer than any a gateway can remember.
	e := fairlead.Endpoint{Meta: fairlead.Meta{Name: "digits"}, Spec: fairlead.EndpointSpec{Initial: "digits@2"}}
	w.put(fairlead.KindEndpoint, "digits", e, store.Effect{Kind: loop.EffectRoute, Key: "digits"})
	w.settle()
	if rt := w.gateways[0].route; rt.Revision <= last || rt.Arms[0].Version != "digits@2" {
		t.Errorf("revision %d after %d, %+v", rt.Revision, last, rt.Arms)
	}
}

func TestPassNamesTheLoops(t *testing.T) {
	w := newWorld(t, 0)
	if _, err := w.runner.Pass(t.Context(), "relase", "v2"); fairlead.CodeOf(err) != fairlead.Invalid || !strings.Contains(err.Error(), "release") {
		t.Error(err)
	}
}

// A gateway that started again on its folder has replaced its earlier self:
// nobody waits until that one counts as gone.
func TestRestartedGatewayIsNotWaitedFor(t *testing.T) {
	for _, home := range []string{"folder", ""} {
		w := newWorld(t, 1)
		w.gateways[0].home = home
		w.second()
		w.gateways[0].gone = true
		w.addGateway("g1-again").home = home
		w.create(canary, errorGate(1))
		for range 3 {
			w.second()
		}
		if waited := w.release().Status.StepSince.IsZero(); waited != (home == "") {
			t.Errorf("home %q: waiting for the dead gateway is %v: %+v", home, waited, w.release().Status)
		}
	}
}
