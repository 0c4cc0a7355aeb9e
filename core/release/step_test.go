package release_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/release"
	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a release with what is seen around it; do changes it.
type world struct {
	r   fairlead.Release
	s   release.Seen
	now time.Time
}

func newWorld(strategy, spec string, gates ...fairlead.Gate) *world {
	w := &world{now: t0}
	w.r.Status.Phase = fairlead.Pending
	w.r.Meta.Name = "v2"
	w.r.Spec = fairlead.ReleaseSpec{Endpoint: "digits", Candidate: "digits@2", Gates: gates,
		Strategy:         fairlead.Strategy{Kind: strategy, Spec: json.RawMessage(spec)},
		ProgressDeadline: fairlead.Duration(time.Hour), Guard: fairlead.Guard{Hold: fairlead.Duration(30 * time.Minute)}}
	w.s.Endpoint.Meta.Name = "digits"
	w.s.Endpoint.Spec.Initial = "digits@1"
	w.s.Endpoint.Status = fairlead.EndpointStatus{Version: "digits@1", Release: "v2",
		History: []fairlead.Serve{{Version: "digits@1", Since: t0.Add(-time.Hour)}}}
	for range gates {
		w.s.Verdicts = append(w.s.Verdicts, fairlead.Verdict{Outcome: fairlead.Undecided})
	}
	w.s.Gateways = release.Gateways{Live: 2, Applied: 2}
	return w
}

const canary = `{"steps":[{"mirror":"50%","hold":"10m"},{"weight":"5%","samples":100},{"weight":"20%","hold":"1m","approve":{"by":"managers"}}]}`

func (w *world) step() release.Next {
	n := release.Step(w.r, w.s, w.now)
	w.r = n.Release
	if n.Endpoint != nil {
		w.s.Endpoint.Status = *n.Endpoint
	}
	return n
}

// settle steps until nothing changes and gives the rows taken.
func (w *world) settle(t testing.TB) (rows []string) {
	t.Helper()
	for range 50 {
		n := w.step()
		if !n.Changed {
			return rows
		}
		rows = append(rows, strings.TrimPrefix(n.Record.Verb, "release."))
	}
	t.Fatalf("does not settle: %v", rows)
	return nil
}

func (w *world) command(verb, by string, roles ...string) {
	full := verb == "full"
	if full {
		verb = fairlead.CmdPromote
	}
	w.r.Commands = append(slices.Clone(w.r.Commands), fairlead.Command{Seq: int64(len(w.r.Commands) + 1), Verb: verb, Full: full, By: by, Roles: roles, At: w.now})
}

func (w *world) judge(outcome fairlead.Outcome) {
	w.s.Verdicts = slices.Clone(w.s.Verdicts)
	for i := range w.s.Verdicts {
		w.s.Verdicts[i] = fairlead.Verdict{Gate: w.r.Spec.Gates[i], Outcome: outcome, Reason: "reason"}
	}
}

func gate(policy string) fairlead.Gate {
	return fairlead.Gate{Metric: "error_rate", OnUndecided: policy}
}

type do func(w *world)

func after(d time.Duration) do { return func(w *world) { w.now = w.now.Add(d) } }
func cmd(verb, by string, roles ...string) do {
	return func(w *world) { w.command(verb, by, roles...) }
}
func judged(o fairlead.Outcome) do { return func(w *world) { w.judge(o) } }
func samples(n int64) do           { return func(w *world) { w.s.Samples = n } }
func gateways(live, applied int, failed string) do {
	return func(w *world) { w.s.Gateways = release.Gateways{Live: live, Applied: applied, Failed: failed} }
}
func trip(attempt int) do {
	return func(w *world) {
		w.s.Trips = []fairlead.Trip{{Stratum: fairlead.Stratum{Release: "v2", Attempt: attempt, Step: 0}, Arm: fairlead.Candidate, Reason: "5 of 5 failed."}}
	}
}
func holdout(share fairlead.Weight) do { return func(w *world) { w.r.Spec.Guard.Holdout = share } }

func endpoint(f func(*fairlead.EndpointStatus)) do {
	return func(w *world) { f(&w.s.Endpoint.Status) }
}

// Each story begins with a fresh release; after each do the machine settles.
func TestRows(t *testing.T) {
	bg := `{}`
	stories := []struct {
		name, strategy, spec, policy string
		dos                          []do
		rows                         string // all rows taken
		end                          string // Word of the last status
		reason, message              string // message: contained
	}{
		{"a good candidate ends healthy", "canary", canary, fairlead.OnExtend,
			[]do{after(0), after(10 * time.Minute), samples(100), after(time.Minute), cmd("approve", "ann", "managers"), judged(fairlead.Pass), after(30 * time.Minute)},
			"begin in-force step in-force step in-force ask approve step in-force promote in-force healthy", "Healthy 5/5 100%", fairlead.ReasonPromoted, "served by digits@2"},
		{"promoting by hand", "canary", canary, fairlead.OnExtend,
			[]do{after(0), cmd("promote", "ann"), cmd("promote", "ann"), cmd("promote", "ann", "managers"), cmd("promote", "ann"), after(30 * time.Minute)},
			"begin in-force step in-force step in-force step in-force promote in-force healthy", "Healthy 5/5 100%", fairlead.ReasonPromoted, ""},
		{"promoting in full", "canary", canary, fairlead.OnExtend, []do{after(0), cmd("full", "managers")},
			"begin in-force promote in-force", "Guarding 5/5 100%", fairlead.ReasonPromoted, "in full by managers"},
		{"a hold-out stays with the incumbent", "canary", canary, fairlead.OnExtend, []do{holdout(500), cmd("full", "managers")},
			"begin in-force promote in-force", "Guarding 5/5 95%", fairlead.ReasonPromoted, ""},
		{"and goes with the guard", "canary", canary, fairlead.OnExtend, []do{holdout(500), cmd("full", "managers"), after(30 * time.Minute)},
			"begin in-force promote in-force healthy", "Healthy 5/5 100%", fairlead.ReasonPromoted, ""},
		{"a hold-out takes nobody back", "canary", `{"steps":[{"weight":"99%","hold":"1m"}]}`, fairlead.OnPromote, []do{holdout(500), after(time.Minute)},
			"begin in-force step in-force promote in-force", "Guarding 3/3 99%", fairlead.ReasonPromoted, "all traffic but a hold-out of 5%"},
		{"a guard does not end well where the candidate was lost", "canary", canary, fairlead.OnExtend,
			[]do{cmd("full", "managers"), gateways(2, 1, "gateway g2: out of memory"), after(45 * time.Minute), after(time.Hour)},
			"begin in-force promote in-force deadline", "RollingBack 5/5 0%", fairlead.ReasonDeadline, "cannot serve the candidate any more, gateway g2: out of memory"},
		{"promoting does not skip another's approval", "canary", canary, fairlead.OnExtend, []do{after(0), cmd("full", "bob", "operator")},
			"begin in-force ignore", "Progressing 1/5 0% mirror 50%", fairlead.ReasonSteps, ""},
		{"nor does promoting by one step", "canary", canary, fairlead.OnExtend, []do{after(0), cmd("promote", "a"), cmd("promote", "a"), cmd("promote", "bob", "operator"), after(time.Minute), cmd("promote", "bob", "operator")},
			"begin in-force step in-force step in-force ignore ask ignore", "Paused 3/5 20%", fairlead.ReasonApproval, ""},
		{"aborted before it began", "canary", canary, "", []do{cmd("abort", "ann")}, "abort turned-back", "Degraded 0/0 0%", fairlead.ReasonAborted, "Aborted by ann"},
		{"aborted", "canary", canary, "", []do{after(0), gateways(2, 1, ""), cmd("abort", "ann")}, "begin in-force abort", "RollingBack 1/5 0%", fairlead.ReasonAborted, ""},
		{"a dead gateway does not keep the rollback open", "canary", canary, "", []do{after(0), gateways(0, 0, ""), cmd("abort", "ann"), after(15 * time.Second)},
			"begin in-force abort turned-back", "Degraded 1/5 0%", fairlead.ReasonAborted, "No gateway"},
		{"harm", "canary", canary, "", []do{after(0), after(10 * time.Minute), judged(fairlead.Fail)},
			"begin in-force step in-force harm turned-back", "Degraded 2/5 0%", fairlead.ReasonGate, "error_rate failed: reason"},
		{"harm while paused", "canary", canary, "", []do{after(0), cmd("pause", "ann"), judged(fairlead.Fail)},
			"begin in-force pause harm turned-back", "Degraded 1/5 0%", fairlead.ReasonGate, ""},
		{"harm comes before promotion", "canary", canary, "", []do{after(0), func(w *world) { w.judge(fairlead.Fail); w.command("promote", "ann") }},
			"begin in-force harm turned-back ignore", "Degraded 1/5 0%", fairlead.ReasonGate, ""},
		{"tripwire", "canary", canary, "", []do{after(0), trip(1)}, "begin in-force tripwire turned-back", "Degraded 1/5 0%", fairlead.ReasonTripwire, "5 of 5"},
		{"an old attempt's tripwire does not count", "canary", canary, "", []do{after(0), cmd("abort", "ann"), func(w *world) { trip(1)(w); w.command("retry", "ann") }},
			"begin in-force abort turned-back retry in-force", "Progressing 1/5 0% mirror 50%", fairlead.ReasonSteps, ""},
		{"undone in the guard", "bluegreen", bg, "", []do{after(0), cmd("undo", "ann")}, "begin in-force promote in-force undo turned-back", "Degraded 2/2 0%", fairlead.ReasonUndone, ""},
		{"undone later", "bluegreen", bg, "", []do{after(0), after(30 * time.Minute), cmd("undo", "ann")},
			"begin in-force promote in-force healthy undo-ended turned-back", "Degraded 2/2 0%", fairlead.ReasonUndone, "returns to digits@1"},
		{"not undone once another release came", "bluegreen", bg, "", []do{after(0), after(30 * time.Minute), endpoint(func(e *fairlead.EndpointStatus) { e.Release = "v3" }), cmd("undo", "ann")},
			"begin in-force promote in-force healthy ignore", "Healthy 2/2 100%", fairlead.ReasonPromoted, ""},
		{"harm in the guard", "bluegreen", bg, "", []do{after(0), judged(fairlead.Fail)}, "begin in-force promote in-force harm turned-back", "Degraded 2/2 0%", fairlead.ReasonGate, ""},
		{"the endpoint is gone", "canary", canary, "", []do{after(0), func(w *world) { w.s.Gone = true }}, "begin in-force gone", "Degraded 1/5 0%", fairlead.ReasonAborted, "does not exist"},
		{"a strategy that does not compile", "canray", `{}`, "", []do{after(0)}, "refuse", "Degraded 0/0 0%", fairlead.ReasonAborted, "known: canary"},
		{"waits for a free endpoint", "canary", canary, "", []do{endpoint(func(e *fairlead.EndpointStatus) { e.Release = "v1" }), endpoint(func(e *fairlead.EndpointStatus) { e.Release = "" })},
			"begin in-force", "Progressing 1/5 0% mirror 50%", fairlead.ReasonSteps, "from digits@1 to digits@2"},
		{"pausing stops the clock", "canary", canary, "", []do{after(0), cmd("pause", "ann"), after(100 * time.Hour), cmd("resume", "ann"), after(9 * time.Minute)},
			"begin in-force pause resume", "Progressing 1/5 0% mirror 50%", fairlead.ReasonSteps, "Resumed"},
		{"and then it runs on", "canary", canary, "", []do{after(0), cmd("pause", "ann"), after(100 * time.Hour), cmd("resume", "ann"), after(10 * time.Minute)},
			"begin in-force pause resume step in-force", "Progressing 2/5 5%", fairlead.ReasonSteps, ""},
		{"approved early", "canary", canary, "", []do{after(0), cmd("promote", "a"), cmd("promote", "a"), cmd("approve", "ann", "managers"), after(time.Minute)},
			"begin in-force step in-force step in-force approve-early step in-force", "Progressing 4/5 20%", fairlead.ReasonSteps, ""},
		{"approved by the wrong person", "canary", canary, "", []do{after(0), cmd("promote", "a"), cmd("promote", "a"), after(time.Minute), cmd("approve", "bob", "admin"), cmd("resume", "bob")},
			"begin in-force step in-force step in-force ask ignore ignore", "Paused 3/5 20%", fairlead.ReasonApproval, "approval of managers"},
		{"the candidate cannot be loaded", "canary", canary, "", []do{gateways(2, 1, "unknown operator Foo"), after(time.Minute)}, "begin load", "RollingBack 1/5 0%", fairlead.ReasonLoad, "Foo"},
		{"no gateway applies it", "canary", canary, "", []do{gateways(1, 0, ""), after(time.Hour)}, "begin deadline", "RollingBack 1/5 0%", fairlead.ReasonDeadline, "did not come into force"},
		{"samples do not come", "canary", canary, "", []do{after(0), after(10 * time.Minute), samples(99), after(time.Hour)}, "begin in-force step in-force deadline turned-back", "Degraded 2/5 0%", fairlead.ReasonDeadline, "99 of 100"},
		{"undecided: extend until the deadline", "shadow", `{"hold":"1m"}`, fairlead.OnExtend, []do{after(0), after(time.Minute), after(59 * time.Minute), after(time.Minute)},
			"begin in-force step in-force deadline turned-back", "Degraded 2/2 0%", fairlead.ReasonDeadline, "is undecided"},
		{"undecided: hold, then resume", "shadow", `{"hold":"1m","then":"promote"}`, fairlead.OnHold, []do{after(0), after(time.Minute), after(48 * time.Hour), cmd("resume", "ann")},
			"begin in-force step in-force undecided-hold promote in-force", "Guarding 3/3 100%", fairlead.ReasonPromoted, "by order of ann"},
		{"undecided: rollback", "shadow", `{"hold":"1m"}`, fairlead.OnRollback, []do{after(0), after(time.Minute)}, "begin in-force step in-force undecided-rollback turned-back", "Degraded 2/2 0%", fairlead.ReasonUndecided, ""},
		{"undecided: promote", "shadow", `{"hold":"1m"}`, fairlead.OnPromote, []do{after(0), after(time.Minute)}, "begin in-force step in-force observed", "Observed 2/2 0%", fairlead.ReasonObserved, "let through undecided"},
		{"a shadow is watched again", "shadow", `{"hold":"1m"}`, fairlead.OnPromote, []do{after(0), after(time.Minute), cmd("retry", "ann")}, "begin in-force step in-force observed retry in-force", "Progressing 1/2 0% mirror 100%", fairlead.ReasonSteps, ""},
	}
	taken := map[string]bool{}
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			var w *world
			if c.policy == "" {
				w = newWorld(c.strategy, c.spec, fairlead.Gate{Metric: "error_rate"})
			} else {
				w = newWorld(c.strategy, c.spec, gate(c.policy))
			}
			w.judge(fairlead.Undecided)
			var rows []string
			for _, d := range c.dos {
				d(w)
				rows = append(rows, w.settle(t)...)
			}
			for _, r := range rows {
				taken[r] = true
			}
			if d := cmp.Diff(c.rows, strings.Join(rows, " ")); d != "" {
				t.Error(d)
			}
			st := w.r.Status
			if release.Word(st) != c.end || st.Reason != c.reason || !strings.Contains(st.Message, c.message) {
				t.Errorf("ended %s %s %q\nwant  %s %s …%s…", release.Word(st), st.Reason, st.Message, c.end, c.reason, c.message)
			}
		})
	}
	for _, r := range release.Rows() {
		if !taken[r.Name] {
			t.Errorf("no story takes row %s", r.Name)
		}
	}
}

func TestWakeIsExact(t *testing.T) {
	w := newWorld("canary", canary, fairlead.Gate{Metric: "error_rate"})
	w.settle(t)
	for _, c := range []struct {
		at   time.Duration // moved to before looking
		wake time.Duration // since t0; -1: none
	}{
		{0, 10 * time.Minute},                  // the hold's end
		{10*time.Minute - 1, 10 * time.Minute}, // still
		{10 * time.Minute, 70 * time.Minute},   // step 2 waits for samples until its deadline
		{70*time.Minute - 1, 70 * time.Minute}, //
		{70 * time.Minute, -1},                 // turned back
	} {
		w.now = t0.Add(c.at)
		w.settle(t)
		want := t0.Add(c.wake)
		if c.wake < 0 {
			want = time.Time{}
		}
		if got := w.step().Wake; !got.Equal(want) {
			t.Errorf("at %v: wake %v, want %v (%s)", c.at, got, want, release.Word(w.r.Status))
		}
	}
	if w.r.Status.Phase != fairlead.Degraded {
		t.Errorf("ended %s", release.Word(w.r.Status))
	}
}

// The history and the one release that holds the endpoint are kept together
// with the release's phases.
func TestEndpoint(t *testing.T) {
	w := newWorld("bluegreen", `{}`)
	w.settle(t)
	if e := w.s.Endpoint.Status; e.Release != "v2" || e.Version != "digits@1" {
		t.Errorf("in the guard: %+v", e)
	}
	w.now = w.now.Add(30 * time.Minute)
	w.settle(t)
	want := fairlead.EndpointStatus{Version: "digits@2", Previous: "digits@1", History: []fairlead.Serve{
		{Version: "digits@1", Since: t0.Add(-time.Hour)}, {Version: "digits@2", Since: w.now, Release: "v2"}}}
	if d := cmp.Diff(want, w.s.Endpoint.Status); d != "" {
		t.Error(d)
	}
	w.command("undo", "ann")
	w.settle(t)
	want.Version, want.Previous = "digits@1", "digits@2"
	want.History = append(want.History, fairlead.Serve{Version: "digits@1", Since: w.now, Release: "v2"})
	if d := cmp.Diff(want, w.s.Endpoint.Status); d != "" {
		t.Error(d)
	}
}
