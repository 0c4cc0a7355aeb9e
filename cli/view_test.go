package cli

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fairlead.dev"
	"fairlead.dev/op"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update rewrites it:\n%s", path, diff)
	}
}

func p[T any](v T) *T { return &v }

var at = time.Date(2026, 9, 1, 12, 34, 56, 0, time.UTC)

// canaryView is a canary in its third step with one gate of each outcome.
func canaryView() view {
	steps := []fairlead.Step{
		{Mirror: p(fairlead.FullWeight), Hold: fairlead.Duration(10 * time.Minute)},
		{Weight: p(fairlead.Weight(100)), Mirror: p(fairlead.Weight(0)), Hold: fairlead.Duration(10 * time.Minute)},
		{Weight: p(fairlead.Weight(2000)), Hold: fairlead.Duration(30 * time.Minute), Samples: 5000},
		{Approve: &fairlead.Approve{By: "release-managers"}},
		{Weight: p(fairlead.Weight(5000)), Hold: fairlead.Duration(time.Hour)},
		{Check: true},
		{Promote: true},
	}
	return view{ReleaseReport: op.ReleaseReport{
		Now: at,
		Release: fairlead.Release{
			Meta: fairlead.Meta{Name: "digits-v2"},
			Spec: fairlead.ReleaseSpec{Endpoint: "digits", Candidate: "digits@2", Strategy: fairlead.Strategy{Kind: "canary"}},
			Status: fairlead.ReleaseStatus{Phase: fairlead.Progressing, Reason: fairlead.ReasonSteps, Candidate: "digits@2", Incumbent: "digits@1",
				Message: "step 3 of 7: 20% of traffic",
				Attempt: 2, Steps: steps, Step: 2, StepSince: at.Add(-17*time.Minute - 30*time.Second), Entered: at.Add(-18 * time.Minute),
				Weight: 2000, Started: at.Add(-38 * time.Minute)},
		},
		Samples: 3021,
		Verdicts: []fairlead.Verdict{
			{Gate: fairlead.Gate{Metric: "error_rate", MaxIncrease: &fairlead.Quantity{Value: .5, Unit: "%"}}, Outcome: fairlead.Undecided,
				Reason: "between -20% and +80%: not enough evidence for a bound of 50%; the evidence proves 80%", Estimate: p(.12), Low: p(-.2), High: p(.8), Bound: .5, Unit: "%",
				HarmLogE: -1, HarmLine: 3, SafeLogE: 1.8, SafeLine: 3},
			{Gate: fairlead.Gate{Metric: "latency_p99", Max: &fairlead.Quantity{Value: .05, Unit: "s"}}, Outcome: fairlead.Pass,
				Reason: "within", Estimate: p(.0079), High: p(.012), Bound: .05, Unit: "s", HarmLogE: -40, HarmLine: 3, SafeLogE: 12, SafeLine: 3},
			{Gate: fairlead.Gate{Metric: "accuracy", MaxDecrease: &fairlead.Quantity{Value: .01, Unit: "pp"}}, Outcome: fairlead.Fail,
				Reason: "worse by at least 1.4pp", Estimate: p(.031), Low: p(.014), High: p(.052), Bound: .01, Unit: "pp", HarmLogE: 3.2, HarmLine: 3, SafeLine: 3},
		},
		Arms: []op.ArmReport{
			{Name: "incumbent", Version: "digits@1", Weight: 8000, Requests: 12345, Errors: 126, P50: p(.0021), P99: p(.008), Accuracy: p(.964)},
			{Name: "candidate", Version: "digits@2", Weight: 2000, Requests: 3021, Errors: 30, P50: p(.002), P99: p(.0079), Accuracy: p(.933), Dropped: 12},
		},
		Transitions: []fairlead.LedgerEntry{
			{Time: at.Add(-38 * time.Minute), To: "Progressing 1/7 0%", Reason: "Steps", Message: "mirror 100%"},
			{Time: at.Add(-28 * time.Minute), To: "Progressing 2/7 1%", Reason: "Steps", Message: "hold of 10m is over"},
			{Time: at.Add(-18 * time.Minute), To: "Progressing 3/7 20%", Reason: "Steps", Message: "hold of 10m is over"},
		},
	}}
}

func TestDraw(t *testing.T) {
	with := func(f func(*view)) view { v := canaryView(); f(&v); return v }
	cases := []struct {
		name string
		v    view
	}{
		{"progressing", canaryView()},
		{"approval", with(func(v *view) {
			v.Release.Status.Phase, v.Release.Status.Reason, v.Release.Status.Step = fairlead.Paused, fairlead.ReasonApproval, 3
			v.Release.Status.PausedSince = v.Now.Add(-2 * time.Minute)
		})},
		{"mirroring", with(func(v *view) {
			v.Release.Status.Step, v.Release.Status.Weight, v.Release.Status.Mirror = 0, 0, fairlead.FullWeight
			v.Release.Status.Steps[0].Weight = p(fairlead.Weight(0))
			v.Arms[0].Weight, v.Arms[1].Weight, v.Arms[1].Mirror = fairlead.FullWeight, 0, fairlead.FullWeight
		})},
		{"degraded", with(func(v *view) {
			v.Release.Status.Phase, v.Release.Status.Reason, v.Release.Status.Weight = fairlead.Degraded, fairlead.ReasonGate, 0
			v.Release.Status.Ended, v.Release.Status.Message = v.Now, "accuracy is worse by at least 1.4pp: turned back"
		})},
		{"healthy", with(func(v *view) {
			v.Release.Status.Phase, v.Release.Status.Reason, v.Release.Status.Weight = fairlead.Healthy, fairlead.ReasonPromoted, fairlead.FullWeight
			v.Release.Status.Ended, v.Release.Status.Message, v.Release.Status.Step = v.Now, "", 7
		})},
		{"pending", view{ReleaseReport: op.ReleaseReport{Now: at, Release: fairlead.Release{Meta: fairlead.Meta{Name: "new"}, Spec: fairlead.ReleaseSpec{Endpoint: "e", Candidate: "m@2"}}}}},
	}
	for _, c := range cases {
		for _, w := range []struct {
			width int
			name  string
		}{{80, "80"}, {120, "120"}} {
			t.Run(c.name+w.name, func(t *testing.T) {
				golden(t, "status-"+c.name+"-"+w.name+".txt", draw(c.v, w.width, 0, false))
			})
		}
	}
}

// Whatever a release holds and however small the terminal: no line is wider,
// no frame higher, and nothing a person wrote moves the cursor.
func TestDrawNeverBreaks(t *testing.T) {
	f := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Inf(1), math.Inf(-1), math.NaN(), 1e300, -1e-300}))
	rapid.Check(t, func(t *rapid.T) {
		v := canaryView()
		text := rapid.String()
		v.Release.Meta.Name, v.Release.Spec.Endpoint = text.Draw(t, "name"), text.Draw(t, "endpoint")
		st := &v.Release.Status
		st.Message, st.Candidate = text.Draw(t, "message"), text.Draw(t, "candidate")
		st.Phase = rapid.SampledFrom([]fairlead.Phase{"", fairlead.Pending, fairlead.Progressing, fairlead.Paused, fairlead.Guarding, fairlead.RollingBack, fairlead.Healthy, fairlead.Degraded}).Draw(t, "phase")
		st.Reason = rapid.SampledFrom([]string{"", fairlead.ReasonApproval, fairlead.ReasonUndecided, fairlead.ReasonPaused}).Draw(t, "reason")
		st.Step = rapid.IntRange(0, len(st.Steps)).Draw(t, "step")
		st.Weight = fairlead.Weight(rapid.Int32().Draw(t, "weight"))
		st.StepSince = at.Add(time.Duration(rapid.Int64().Draw(t, "since")))
		for i := range v.Verdicts {
			d := &v.Verdicts[i]
			d.HarmLogE, d.SafeLogE, d.HarmLine = f.Draw(t, "harm"), f.Draw(t, "safe"), f.Draw(t, "line")
			d.Estimate, d.Low = p(f.Draw(t, "estimate")), p(f.Draw(t, "low"))
			d.Unit = rapid.SampledFrom([]string{"", "s", "%", "pp"}).Draw(t, "unit")
			d.Gate.Metric, d.Reason = text.Draw(t, "metric"), text.Draw(t, "why")
		}
		v.Arms[0].Requests, v.Arms[0].P99 = rapid.Int64().Draw(t, "requests"), p(f.Draw(t, "p99"))
		v.Transitions[0].Message = text.Draw(t, "transition")
		width, height := rapid.IntRange(1, 200).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		out := draw(v, width, height, false)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(lines) > height {
			t.Fatalf("%d lines in a terminal of %d", len(lines), height)
		}
		for _, l := range lines {
			if textWidth(l) > width {
				t.Fatalf("%d columns in a terminal of %d: %q", textWidth(l), width, l)
			}
			if clean(l) != l || !utf8.ValidString(l) {
				t.Fatalf("control characters in %q", l)
			}
		}
	})
}

func TestDrawColour(t *testing.T) {
	out := draw(canaryView(), 80, 0, true)
	for _, want := range []string{"\x1b[36mProgressing\x1b[0m", "\x1b[31m  ✗ \x1b[0m", "\x1b[32m  ✓ \x1b[0m"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(draw(canaryView(), 80, 0, false), "\x1b") {
		t.Error("colour where none was asked for")
	}
}
