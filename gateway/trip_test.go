package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

func failing(context.Context, *model.Request) (*model.Response, error) {
	return nil, errors.New("wrong")
}

// TestTrip: a candidate that always fails loses its 5 % within five requests,
// with no word from the control plane, for the whole attempt, restarts included.
func TestTrip(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *Config) { c.Dir = dir })
	w.model("digits@2").infer = failing
	w.apply(plan(1, 500, withTrip))
	bad := 0
	for i := range 5000 {
		if a, err := w.call(fmt.Sprint(i)); err != nil {
			must(t, "arm", a.Arm, "candidate")
			bad++
		}
	}
	if bad < 1 || bad > 5 {
		t.Errorf("the bad candidate answered %d times", bad)
	}
	r := w.report()
	if len(r.Trips) != 1 || r.Trips[0].Arm != "candidate" || r.Trips[0].LogE < 3.7 || !strings.Contains(r.Trips[0].Reason, "digits@2") {
		t.Fatalf("trips %+v", r.Trips)
	}
	must(t, "stratum", r.Trips[0].Stratum.String(), "digits-v2/1/1")
	var c, i fairlead.Counts
	for _, win := range r.Windows {
		if win.Stratum.Step == 1 {
			c, i = win.Arms["candidate"], win.Arms["incumbent"]
			must(t, "planned weight", win.Weight, fairlead.Weight(500))
		}
	}
	must(t, "errors", c.Errors, bad)
	if i.Requests > 500 {
		t.Errorf("evidence went on after the trip: %d", i.Requests)
	}
	// A pinned call still reaches the arm; it is nobody's evidence.
	if _, err := w.g.Infer(t.Context(), Call{Endpoint: "digits", Version: "2", Request: request()}); err == nil {
		t.Error("the pinned arm answered")
	}

	calls := w.models["digits@2"].calls.Load()
	off := func(what string) {
		t.Helper()
		for k := range 300 {
			if a, err := w.call(fmt.Sprint(k)); err != nil || a.Arm != "incumbent" {
				t.Fatalf("%s: %v %v", what, a, err)
			}
		}
	}
	w.apply(plan(2, 5000, withTrip, func(r *fairlead.Route) { r.Stratum.Step = 2 }))
	off("next step")
	must(t, "calls", w.models["digits@2"].calls.Load(), calls)
	must(t, "trips", len(w.report().Trips), 1)
	w.start()
	off("restart")
	must(t, "trips after restart", len(w.report().Trips), 1)
	w.apply(plan(3, 10000, func(r *fairlead.Route) { r.Stratum.Attempt = 2 }))
	if a, err := w.call("a"); err == nil || a.Arm != "candidate" {
		t.Errorf("a new attempt must be tried: %v %v", a, err)
	}
	must(t, "no trips", len(w.report().Trips), 0)
}

// TestNoTrip: errors that both arms share, and what is left to guard at 100 %.
func TestNoTrip(t *testing.T) {
	w := newWorld(t)
	w.model("digits@1").infer = failing
	w.model("digits@2").infer = failing
	w.apply(plan(1, 5000, withTrip))
	for i := range 2000 {
		_, _ = w.call(fmt.Sprint(i))
	}
	must(t, "trips", len(w.report().Trips), 0)
	w.apply(plan(2, 10000, withTrip, func(r *fairlead.Route) { r.Stratum.Step = 2 }))
	for i := range 200 {
		_, _ = w.call(fmt.Sprint(i))
	}
	must(t, "trips at 100 %: there is nothing to compare with", len(w.report().Trips), 0)
}

// TestExposureWithinStratum: counts of different exposures are never pooled.
func TestExposureWithinStratum(t *testing.T) {
	w := newWorld(t)
	at := func(rev int64, weight fairlead.Weight) {
		w.apply(plan(rev, 1, func(r *fairlead.Route) {
			r.Arms[0].Weight, r.Arms[1].Weight = fairlead.FullWeight-weight, weight
		}))
		for i := range 100 {
			if _, err := w.call(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	at(1, 0)
	must(t, "alone", w.counts(1, "incumbent").Requests, 100)
	at(2, 5000) // the step begins in earnest
	n := w.counts(1, "incumbent").Requests + w.counts(1, "candidate").Requests
	must(t, "begun anew", n, 100)
	at(3, 5000) // another revision of the same exposure goes on
	n = w.counts(1, "incumbent").Requests + w.counts(1, "candidate").Requests
	must(t, "went on", n, 200)
	at(4, 100)
	n = w.counts(1, "incumbent").Requests + w.counts(1, "candidate").Requests
	must(t, "left out", n, 200)
}

// TestPinnedIsNoEvidence: who chose the version was not assigned by chance, and
// would skew the comparison; the exposed counters know of it all the same.
func TestPinnedIsNoEvidence(t *testing.T) {
	w := newWorld(t)
	w.apply(plan(1, 500))
	for range 10 {
		if a, err := w.g.Infer(t.Context(), Call{Endpoint: "digits", Version: "2", RequestID: "p", Request: request()}); err != nil || a.Arm != "candidate" {
			t.Fatal(a, err)
		}
	}
	must(t, "feedback is taken", w.g.Feedback(t.Context(), fairlead.Feedback{RequestID: "p", Metrics: map[string]float64{"m": 1}}), nil)
	c := w.counts(1, "candidate")
	must(t, "evidence", []any{c.Requests, len(c.Metrics)}, "[0 0]")
	total := int64(0)
	for _, s := range w.g.eps["digits"].totals() {
		total += s.c.Requests
	}
	must(t, "totals", total, 10)
}
