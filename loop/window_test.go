package loop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/loop"
	"fairlead.dev/store"
)

// counting counts commits that write evidence.
type counting struct {
	store.Store
	evidence int
}

func (c *counting) Commit(ctx context.Context, x store.Commit) (int64, error) {
	for _, p := range x.Put {
		if p.Kind == fairlead.KindWindow || p.Kind == fairlead.KindGateway {
			c.evidence++
			break
		}
	}
	return c.Store.Commit(ctx, x)
}

// However often gateways report counters, an endpoint's evidence is stored once
// a second.
func TestEvidenceIsStoredOnceASecond(t *testing.T) {
	w := newWorld(t, 3)
	w.create(`{"steps":[{"weight":"5%","hold":"1h"}]}`)
	for range 5 {
		w.second()
	}
	count := &counting{Store: w.store}
	w.start(count)
	w.second() // a new runner meets its gateways
	count.evidence = 0
	for range 100 { // ten seconds, each gateway ten times a second
		w.now = w.now.Add(100 * time.Millisecond)
		for _, g := range w.gateways {
			if err := w.runner.Report(t.Context(), g.serve(w.now, 0)); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
	}
	if count.evidence < 10 || count.evidence > 11 {
		t.Errorf("%d commits of evidence in 10 s", count.evidence)
	}
	windows, err := evidenceOf(t.Context(), w.store, w.release())
	if err != nil || len(windows) != 1 {
		t.Fatal(windows, err)
	}
	var want int64
	for _, g := range w.gateways {
		want += g.counts[windows[0].Stratum].Arms[fairlead.Candidate].Requests
	}
	// What was reported after the last flush is not stored yet.
	if got := windows[0].Arms[fairlead.Candidate].Requests; got < want*9/10 || got > want {
		t.Errorf("%d requests stored of %d", got, want)
	}
}

// Gateways say a window more than once, since a report may be lost; it is stored
// once.
func TestWindowSaidAgainIsNotStoredAgain(t *testing.T) {
	w := newWorld(t, 1)
	w.create(`{"steps":[{"weight":"5%","hold":"1h"}]}`)
	w.second()
	count := &counting{Store: w.store}
	w.start(count)
	rep := w.gateways[0].serve(w.now, 0)
	say := func(want int) {
		t.Helper()
		for range 5 {
			w.now = w.now.Add(time.Second)
			rep.Seq++
			if err := w.runner.Report(t.Context(), rep); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		if count.evidence != want {
			t.Errorf("%d commits of evidence, want %d", count.evidence, want)
		}
	}
	say(1)
	later := rep.Windows[0]
	c := later.Arms[fairlead.Candidate]
	c.Metrics = map[string]fairlead.Moments{"m": {N: 1, Sum: 1, Sum2: 1}} // late feedback: nothing but this is new
	later.Arms = map[string]fairlead.Counts{fairlead.Incumbent: later.Arms[fairlead.Incumbent], fairlead.Candidate: c}
	rep.Windows = []fairlead.Window{later}
	say(2)
}

func TestMarks(t *testing.T) {
	w := newWorld(t, 2)
	w.create(`{"steps":[{"weight":"5%","hold":"96s"},{"weight":"6%","hold":"1h"}]}`)
	for range 90 {
		w.second()
	}
	windows, err := evidenceOf(t.Context(), w.store, w.release())
	if err != nil || len(windows) != 1 {
		t.Fatal(len(windows), err)
	}
	marks := windows[0].Marks
	if n := len(marks); n < 43 || n > 45 { // every 2 s: 48 in the hold
		t.Fatalf("%d marks", n)
	}
	for i, m := range marks {
		if i == 0 {
			continue
		}
		a, b := marks[i-1], m
		if d := b.At.Sub(a.At); d < time.Second || d > 3*time.Second {
			t.Errorf("mark %d comes %v after the one before", i, d)
		}
		for arm := range b.Arms {
			if b.Arms[arm].Requests < a.Arms[arm].Requests {
				t.Errorf("mark %d: %s's counters fell", i, arm)
			}
		}
	}
}

func TestReportsThatCannotBeTaken(t *testing.T) {
	w := newWorld(t, 0)
	ok := fairlead.GatewayReport{Gateway: "g1", Endpoint: "digits"}
	window := func(endpoint string, s fairlead.Stratum) fairlead.GatewayReport {
		r := ok
		r.Windows = []fairlead.Window{{Endpoint: endpoint, Stratum: s}}
		return r
	}
	many := ok
	many.Windows = make([]fairlead.Window, 257)
	for name, c := range map[string]struct {
		rep  fairlead.GatewayReport
		code fairlead.Code
	}{
		"no endpoint":       {fairlead.GatewayReport{Gateway: "g1"}, fairlead.Invalid},
		"a path as gateway": {fairlead.GatewayReport{Gateway: "a/b", Endpoint: "digits"}, fairlead.Invalid},
		"the marks' name":   {fairlead.GatewayReport{Gateway: evidence.MarksPart, Endpoint: "digits"}, fairlead.Invalid},
		"another's window":  {window("other", fairlead.Stratum{Release: "v2", Attempt: 1}), fairlead.Invalid},
		"a path as release": {window("digits", fairlead.Stratum{Release: "../v2", Attempt: 1}), fairlead.Invalid},
		"a negative step":   {window("digits", fairlead.Stratum{Release: "v2", Attempt: 1, Step: -1}), fairlead.Invalid},
		"too many windows":  {many, fairlead.Limited},
	} {
		if err := w.runner.Report(t.Context(), c.rep); fairlead.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if due, err := w.runner.Due(t.Context()); err != nil || len(due) != 1 || due[0].Loop != loop.Effect {
		t.Errorf("something was taken: %v %v", due, err)
	}
	for i := range 1001 {
		rep := ok
		rep.Gateway = fmt.Sprintf("g%d", i)
		if err := w.runner.Report(t.Context(), rep); (fairlead.CodeOf(err) == fairlead.Limited) != (i >= 1000) {
			t.Fatal(i, err)
		}
	}
}

// A report that comes late does not undo a later one.
func TestOldReportIsIgnored(t *testing.T) {
	w := newWorld(t, 1)
	w.create(canary)
	w.second()
	g := w.gateways[0]
	early := g.serve(w.now, 0)
	w.second()
	if err := w.runner.Report(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Second)
	w.settle()
	windows, err := evidenceOf(t.Context(), w.store, w.release())
	if err != nil || windows[0].Arms[fairlead.Candidate].Requests != g.counts[g.route.Stratum].Arms[fairlead.Candidate].Requests {
		t.Errorf("%+v %v", windows, err)
	}
}

func TestTidy(t *testing.T) {
	w := newWorld(t, 1)
	w.errors = 0.01
	w.create(canary, errorGate(1))
	w.until(10*time.Minute, fairlead.Healthy)
	orphan := fairlead.Stratum{Release: "lost", Attempt: 1}
	w.put(fairlead.KindWindow, evidence.Key("digits", orphan, "g1"), fairlead.Window{Endpoint: "digits", Stratum: orphan})
	keys := func() (s string) {
		for _, kind := range []string{fairlead.KindWindow, fairlead.KindGateway} {
			docs, err := w.store.List(t.Context(), kind, "", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range docs {
				s += " " + kind + " " + d.Key
			}
		}
		return s
	}
	tidy := func(after time.Duration) string {
		w.now = w.now.Add(after)
		wake, err := w.runner.Pass(t.Context(), loop.Tidy, "")
		if err != nil || !wake.After(w.now) {
			t.Fatal(wake, err)
		}
		return keys()
	}
	if got := tidy(0); strings.Contains(got, "lost") || !strings.Contains(got, "/v2/") || !strings.Contains(got, "Gateway digits/g1") {
		t.Errorf("right after the end: %s", got)
	}
	if got := tidy(2 * time.Hour); !strings.Contains(got, "/v2/") || strings.Contains(got, "Gateway") {
		t.Errorf("after two hours of silence: %s", got)
	}
	if got := tidy(loop.DefaultRetention); got != "" {
		t.Errorf("after the retention: %s", got)
	}
}
