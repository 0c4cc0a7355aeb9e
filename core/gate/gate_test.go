package gate_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fairlead.dev"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/stats"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func qty(v float64, unit string) *fairlead.Quantity { return &fairlead.Quantity{Value: v, Unit: unit} }

// window makes the evidence of one step.
func window(weight fairlead.Weight, c, b fairlead.Counts) fairlead.Window {
	return fairlead.Window{Endpoint: "e", Start: start, End: start.Add(time.Minute), Weight: weight,
		Arms: map[string]fairlead.Counts{fairlead.Candidate: c, fairlead.Incumbent: b}}
}

func mirrored(w fairlead.Window) fairlead.Window {
	w.Weight, w.Mirror = 0, fairlead.FullWeight
	return w
}

func errs(x, n int64) fairlead.Counts { return fairlead.Counts{Requests: n, Errors: x} }

// took spreads n latencies evenly over [from, 2·from).
func took(n int64, from float64) fairlead.Counts {
	h := fairlead.Histogram{}
	for i := range n {
		h[stats.Bucket(from*(1+float64(i)/float64(n)))]++
	}
	return fairlead.Counts{Requests: n, Latency: h}
}

func metric(name string, n int64, sum, sum2 float64) fairlead.Counts {
	return fairlead.Counts{Requests: n, Metrics: map[string]fairlead.Moments{name: {N: n, Sum: sum, Sum2: sum2}}}
}

func right(x, n int64) fairlead.Counts { return metric("accuracy", n, float64(x), float64(x)) }

func TestVerdicts(t *testing.T) {
	errorsUp := fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.5, "%")}
	const pass, fail, open = fairlead.Pass, fairlead.Fail, fairlead.Undecided
	for _, c := range []struct {
		name string
		gate fairlead.Gate
		w    []fairlead.Window
		want fairlead.Outcome
		says string // the reason, or a part of it
	}{
		{"harm is proven", errorsUp, []fairlead.Window{window(1000, errs(12, 400), errs(36, 3600))}, open,
			"12 of 400 candidate requests failed (3.0 %) against 1.0 %: neither more than +50 % nor less than +50 % is proven yet"},
		{"more harm is", errorsUp, []fairlead.Window{window(1000, errs(24, 400), errs(36, 3600))}, fail,
			"24 of 400 candidate requests failed (6.0 %) against 1.0 %: more than +50 % is proven"},
		{"equal is proven", errorsUp, []fairlead.Window{window(5000, errs(200, 20000), errs(200, 20000))}, pass, "less than +50 % is proven"},
		{"the margin provable is said", errorsUp, []fairlead.Window{window(5000, errs(30, 3000), errs(30, 3000))}, open, "is proven yet; less than +"},
		{"100 % errors", errorsUp, []fairlead.Window{window(500, errs(5, 5), errs(1, 95))}, fail, "5 of 5 candidate requests failed (100 %)"},
		{"no window", errorsUp, nil, open, "no observations of the candidate yet"},
		{"no traffic", errorsUp, []fairlead.Window{window(500, errs(0, 0), errs(0, 0))}, open, "no observations of the candidate yet"},
		{"no events", errorsUp, []fairlead.Window{window(500, errs(0, 100), errs(0, 1900))}, open, "0 of 100 candidate requests failed (0 %) against 0 %"},
		{"no incumbent", errorsUp, []fairlead.Window{window(500, errs(3, 100), errs(0, 0))}, open, "nothing to compare with"},
		{"mirrored", errorsUp, []fairlead.Window{mirrored(window(0, errs(40, 400), errs(4, 400)))}, fail, "40 of 400"},
		{"full weight alone", errorsUp, []fairlead.Window{window(10000, errs(40, 400), errs(0, 0))}, open, "nothing to compare with"},
		{"the guard looks back", errorsUp, []fairlead.Window{window(1000, errs(4, 400), errs(36, 3600)), window(10000, errs(200, 400), errs(0, 0))}, fail, "far beyond what the incumbent showed"},
		{"the guard forgives a doubling", errorsUp, []fairlead.Window{window(1000, errs(4, 400), errs(36, 3600)), window(10000, errs(80, 4000), errs(0, 0))}, open, ""},
		{"strata are not pooled", errorsUp, []fairlead.Window{window(100, errs(1, 200), errs(100, 19800)), window(5000, errs(400, 10000), errs(400, 10000))}, pass, ""},

		{"below an absolute bound", fairlead.Gate{Metric: "error_rate", Max: qty(0.02, "%")}, []fairlead.Window{window(500, errs(5, 1000), errs(0, 0))}, pass, "5 of 1000 candidate requests failed (0.5 %): less than 2 % is proven"},
		{"above it", fairlead.Gate{Metric: "error_rate", Max: qty(0.02, "%")}, []fairlead.Window{window(500, errs(60, 1000), errs(0, 0))}, fail, "more than 2 % is proven"},
		{"in points", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.01, "pp")}, []fairlead.Window{window(5000, errs(100, 1000), errs(10, 1000))}, fail, "more than +1 pp is proven"},
		{"within points", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.01, "pp")}, []fairlead.Window{window(5000, errs(50, 5000), errs(50, 5000))}, pass, "less than +1 pp is proven"},
		{"minSamples", fairlead.Gate{Metric: "error_rate", Max: qty(0.02, "%"), MinSamples: 500}, []fairlead.Window{window(500, errs(60, 400), errs(0, 0))}, open, "no verdict before 500 observations"},
		{"two bounds, one broken", fairlead.Gate{Metric: "error_rate", Max: qty(0.5, "%"), MaxIncrease: qty(0.1, "%")}, []fairlead.Window{window(5000, errs(100, 1000), errs(10, 1000))}, fail, "more than +10 %"},
		{"no error yet is no proof", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.01, "pp")}, []fairlead.Window{window(500, errs(0, 100), errs(3, 1900))}, open, ""},
		{"never an error in either", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.01, "pp")}, []fairlead.Window{window(500, errs(0, 2000), errs(0, 38000))}, pass, ""},
		{"no ratio without events", errorsUp, []fairlead.Window{window(500, errs(0, 2000), errs(0, 38000))}, open, "without a single event there is no ratio to judge"},

		{"accuracy falls", fairlead.Gate{Metric: "accuracy", MaxDecrease: qty(0.02, "%")}, []fairlead.Window{window(1000, right(30, 50), right(428, 450))}, fail,
			"30 of 50 labelled candidate answers were right (60.0 %) against 95.1 %: a drop of more than 2 % is proven"},
		{"accuracy holds", fairlead.Gate{Metric: "accuracy", MaxDecrease: qty(0.05, "%")}, []fairlead.Window{window(5000, right(1900, 2000), right(1900, 2000))}, pass, "a drop of less than 5 % is proven"},
		{"accuracy above a floor", fairlead.Gate{Metric: "accuracy", Min: qty(0.8, "%")}, []fairlead.Window{window(1000, right(190, 200), right(0, 0))}, pass, "more than 80 % is proven"},
		{"a mean falls", fairlead.Gate{Metric: "revenue", MaxDecrease: qty(0.05, "%")}, []fairlead.Window{window(5000, metric("revenue", 1000, 7000, 51000), metric("revenue", 1000, 9000, 83000))}, fail, "the candidate's mean revenue is 7 over 1000 observations against 9: a drop of more than 5 % is proven"},
		{"a mean with few values", fairlead.Gate{Metric: "revenue", MaxDecrease: qty(0.05, "%")}, []fairlead.Window{window(5000, metric("revenue", 10, 70, 510), metric("revenue", 10, 90, 830))}, open, "too few observations"},
		{"no positive mean", fairlead.Gate{Metric: "profit", MaxDecrease: qty(0.05, "%")}, []fairlead.Window{window(5000, metric("profit", 1000, -7000, 51000), metric("profit", 1000, -9000, 83000))}, open, "above zero"},
		{"disagreement", fairlead.Gate{Metric: "disagreement", Max: qty(0.1, "%")}, []fairlead.Window{mirrored(window(0, fairlead.Counts{Requests: 300, Compared: 300, Differed: 6}, errs(0, 300)))}, pass, "6 of 300 mirrored answers differ"},

		{"p99 grows", fairlead.Gate{Metric: "latency_p99", MaxIncrease: qty(0.1, "%")}, []fairlead.Window{window(5000, took(2000, 0.13), took(2000, 0.1))}, fail, "more than +10 % is proven"},
		{"p99 grows in a mirror", fairlead.Gate{Metric: "latency_p99", MaxIncrease: qty(0.1, "%")}, []fairlead.Window{mirrored(window(0, took(2000, 0.13), took(2000, 0.1)))}, fail, "against 199 ms"},
		{"p50 stays", fairlead.Gate{Metric: "latency_p50", MaxIncrease: qty(0.2, "%")}, []fairlead.Window{window(5000, took(2000, 0.1), took(2000, 0.1))}, pass, "less than +20 % is proven"},
		{"p90 below 250 ms", fairlead.Gate{Metric: "latency_p90", Max: qty(0.25, "s")}, []fairlead.Window{window(5000, took(500, 0.1), took(0, 1))}, pass, "the candidate's p90 is 190 ms over 500 requests: less than 250 ms is proven"},
		{"p50 by 20 ms", fairlead.Gate{Metric: "latency_p50", MaxIncrease: qty(0.02, "s")}, []fairlead.Window{window(5000, took(500, 0.15), took(500, 0.1))}, fail, "more than +20 ms is proven"},
		{"mean latency", fairlead.Gate{Metric: "latency_mean", MaxIncrease: qty(0.1, "%")}, []fairlead.Window{window(5000, took(200, 0.13), took(200, 0.1))}, fail, "195 ms over 200 requests against 150 ms"},
		{"latency without an incumbent", fairlead.Gate{Metric: "latency_p99", MaxIncrease: qty(0.1, "%")}, []fairlead.Window{window(5000, took(200, 0.13), took(0, 0.1))}, open, ""},
		{"unknown metric", fairlead.Gate{Metric: "latency_p42", Max: qty(1, "s")}, []fairlead.Window{window(5000, took(200, 0.13), took(0, 0.1))}, open, "cannot be judged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := gate.JudgeAll([]fairlead.Gate{c.gate}, 0.05, c.w)[0]
			if v.Outcome != c.want {
				t.Errorf("%s, want %s: %s (harm %.2f of %.2f, safe %.2f of %.2f)", v.Outcome, c.want, v.Reason, v.HarmLogE, v.HarmLine, v.SafeLogE, v.SafeLine)
			}
			if !strings.Contains(v.Reason, c.says) {
				t.Errorf("reason %q\nlacks  %q", v.Reason, c.says)
			}
			if v.Low != nil && v.High != nil && *v.Low > *v.High {
				t.Errorf("interval %v … %v", *v.Low, *v.High)
			}
		})
	}
}

// What is proven and the interval tell the same story.
func TestIntervalAgreesWithOutcome(t *testing.T) {
	g := []fairlead.Gate{{Metric: "error_rate", MaxIncrease: qty(0.5, "%")}}
	v := gate.JudgeAll(g, 0.05, []fairlead.Window{window(5000, errs(200, 20000), errs(200, 20000))})[0]
	if v.Provable == nil || *v.Provable > 0.5 || *v.High != *v.Provable || *v.Estimate != 0 || v.Unit != "%" || v.Bound != 0.5 {
		t.Errorf("%+v", v)
	}
	v = gate.JudgeAll(g, 0.05, []fairlead.Window{window(5000, errs(400, 10000), errs(100, 10000))})[0]
	if v.Low == nil || *v.Low < 0.5 || math.Abs(*v.Estimate-3) > 1e-9 {
		t.Errorf("%+v", v)
	}
	d := gate.JudgeAll([]fairlead.Gate{{Metric: "accuracy", MaxDecrease: qty(0.05, "%")}}, 0.05, []fairlead.Window{window(5000, right(1860, 2000), right(1900, 2000))})[0]
	if d.Provable == nil || *d.Estimate < 0.02 || *d.Estimate > *d.Provable || *d.Low > *d.Estimate {
		t.Errorf("on the scale of a drop: %+v", d)
	}
}

func TestAlphaIsShared(t *testing.T) {
	one := fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.5, "%")}
	plain := fairlead.Gate{Metric: "error_rate", Max: qty(0.5, "%"), Method: "threshold"}
	line := func(gates ...fairlead.Gate) float64 { return gate.JudgeAll(gates, 0.05, nil)[0].HarmLine }
	if got, want := line(one), math.Log(1/(0.75*0.05)); math.Abs(got-want) > 1e-12 {
		t.Errorf("one gate: line %v, want %v", got, want)
	}
	if got, want := line(one, one, plain), math.Log(2/(0.75*0.05)); math.Abs(got-want) > 1e-12 {
		t.Errorf("two gates and a plain one: line %v, want %v", got, want)
	}
	// What the gates spend, the tripwire and the guard together stay within alpha.
	trip := gate.Tripwires([]fairlead.Gate{one}, 0.05)
	if len(trip) != 1 || trip[0].Arm != fairlead.Candidate || trip[0].Ratio != 1.5 {
		t.Fatalf("tripwires %+v", trip)
	}
	if spent := math.Exp(-line(one)) + 8*math.Exp(-trip[0].LogLine); spent > 0.05 {
		t.Errorf("spends %v of 0.05", spent)
	}
}

func TestTripwireTolerance(t *testing.T) {
	for _, c := range []struct {
		gates []fairlead.Gate
		want  float64
	}{
		{nil, 2},
		{[]fairlead.Gate{{Metric: "accuracy", MaxDecrease: qty(0.5, "%")}}, 2},
		{[]fairlead.Gate{{Metric: "error_rate", MaxIncrease: qty(0.1, "%")}}, 1.1},
		{[]fairlead.Gate{{Metric: "error_rate", MaxIncrease: qty(0.01, "pp")}}, 10},
		{[]fairlead.Gate{{Metric: "error_rate", Max: qty(0.02, "%")}, {Metric: "error_rate", MaxIncrease: qty(0.5, "%")}}, 10},
	} {
		if got := gate.Tripwires(c.gates, 0)[0].Ratio; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v: ratio %v, want %v", c.gates, got, c.want)
		}
	}
}

// A regression that begins late is found by way of the marks.
func TestLateHarmIsFoundByMarks(t *testing.T) {
	w := window(5000, errs(500+45, 51000), errs(500+10, 51000))
	w.End = start.Add(time.Hour)
	g := []fairlead.Gate{{Metric: "error_rate", MaxIncrease: qty(0, "%")}}
	if v := gate.JudgeAll(g, 0.05, []fairlead.Window{w})[0]; v.Outcome == fairlead.Fail {
		t.Fatalf("without marks: %s", v.Reason)
	}
	w.Marks = []fairlead.Mark{{At: start.Add(50 * time.Second), Arms: map[string]fairlead.Counts{
		fairlead.Candidate: errs(500, 50000), fairlead.Incumbent: errs(500, 50000)}}}
	if v := gate.JudgeAll(g, 0.05, []fairlead.Window{w})[0]; v.Outcome != fairlead.Fail {
		t.Errorf("with a mark: %s, %v of %v", v.Outcome, v.HarmLogE, v.HarmLine)
	}
}

// A gateway's counters that got lost after a mark was taken are no harm.
func TestLostCountersAreNoEvidence(t *testing.T) {
	w := window(5000, errs(5, 500), errs(0, 0))
	w.Marks = []fairlead.Mark{{At: start.Add(time.Second), Arms: map[string]fairlead.Counts{
		fairlead.Candidate: errs(3, 300), fairlead.Incumbent: errs(100000, 1000000)}}}
	for _, v := range gate.JudgeAll([]fairlead.Gate{
		{Metric: "error_rate", MaxIncrease: qty(0.5, "%")}, {Metric: "error_rate", MaxIncrease: qty(0.01, "pp")},
	}, 0.05, []fairlead.Window{w}) {
		if v.Outcome != fairlead.Undecided {
			t.Errorf("%s: %s", v.Outcome, v.Reason)
		}
	}
}

func TestThreshold(t *testing.T) {
	series := func(rates ...int64) fairlead.Window { // errors per 100 requests, each minute
		var c, b fairlead.Counts
		w := fairlead.Window{Start: start, Weight: 5000}
		for i, x := range rates {
			if i > 0 {
				w.Marks = append(w.Marks, fairlead.Mark{At: start.Add(time.Duration(i) * time.Minute), Arms: w.Arms})
			}
			c, b = c.Add(errs(x, 100)), b.Add(errs(1, 100))
			w.Arms = map[string]fairlead.Counts{fairlead.Candidate: c, fairlead.Incumbent: b}
		}
		w.End = start.Add(time.Duration(len(rates)) * time.Minute)
		return w
	}
	abs := func(limit int) fairlead.Gate {
		return fairlead.Gate{Metric: "error_rate", Max: qty(0.02, "%"), Method: "threshold", FailureLimit: limit}
	}
	for _, c := range []struct {
		name string
		gate fairlead.Gate
		w    fairlead.Window
		want fairlead.Outcome
	}{
		{"good", abs(0), series(1, 1, 2), fairlead.Pass},
		{"one bad, none tolerated", abs(0), series(1, 5, 1), fairlead.Fail},
		{"one bad, one tolerated", abs(1), series(1, 5, 1), fairlead.Pass},
		{"the last one bad", abs(1), series(1, 1, 5), fairlead.Undecided},
		{"two bad, one tolerated", abs(1), series(5, 1, 5), fairlead.Fail},
		{"relative", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.5, "%"), Method: "threshold"}, series(1, 2), fairlead.Fail},
		{"in points", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.02, "pp"), Method: "threshold"}, series(1, 2), fairlead.Pass},
		{"longer intervals", fairlead.Gate{Metric: "error_rate", Max: qty(0.03, "%"), Method: "threshold", Interval: fairlead.Duration(2 * time.Minute)}, series(1, 4, 4, 1), fairlead.Pass},
		{"no interval yet", fairlead.Gate{Metric: "error_rate", Max: qty(0.03, "%"), Method: "threshold", Interval: fairlead.Duration(time.Hour)}, series(9), fairlead.Undecided},
	} {
		if v := gate.JudgeAll([]fairlead.Gate{c.gate}, 0.05, []fairlead.Window{c.w})[0]; v.Outcome != c.want {
			t.Errorf("%s: %s, want %s: %s", c.name, v.Outcome, c.want, v.Reason)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		gate fairlead.Gate
		want []string // path suffix and a part of the message; nothing when the gate is good
	}{
		{"good", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(0.5, "%")}, nil},
		{"good latency", fairlead.Gate{Metric: "latency_p99", Max: qty(0.05, "s"), MaxIncrease: qty(0.1, "%")}, nil},
		{"good feedback", fairlead.Gate{Metric: "revenue", MaxDecrease: qty(0.01, "%"), OnUndecided: "hold"}, nil},
		{"good threshold", fairlead.Gate{Metric: "error_rate", Max: qty(0.01, "%"), Method: "threshold", Interval: fairlead.Duration(time.Minute), FailureLimit: 3}, nil},
		{"no metric", fairlead.Gate{Max: qty(0.5, "%")}, []string{"metric: a gate needs a metric"}},
		{"unknown latency", fairlead.Gate{Metric: "latency_p42", Max: qty(0.5, "s")}, []string{"metric: unknown latency metric"}},
		{"bad name", fairlead.Gate{Metric: "a b", Max: qty(0.5, "%")}, []string{"metric: not a valid metric name"}},
		{"no bound", fairlead.Gate{Metric: "error_rate"}, []string{"g: a gate needs a bound"}},
		{"a duration for a rate", fairlead.Gate{Metric: "error_rate", Max: qty(0.05, "s")}, []string{"max: this unit does not fit error_rate (expected a percentage (50%) or a plain number (0.5); got 50ms)"}},
		{"a share for a latency", fairlead.Gate{Metric: "latency_p99", Max: qty(0.05, "%")}, []string{"max: this unit does not fit latency_p99"}},
		{"points for a latency", fairlead.Gate{Metric: "latency_p99", MaxIncrease: qty(0.05, "pp")}, []string{"maxIncrease: this unit"}},
		{"less is no harm", fairlead.Gate{Metric: "error_rate", MaxDecrease: qty(0.05, "%")}, []string{"maxDecrease: of error_rate only growth is harm"}},
		{"nobody to compare with", fairlead.Gate{Metric: "disagreement", MaxIncrease: qty(0.05, "%")}, []string{"maxIncrease: the incumbent has no disagreement"}},
		{"negative", fairlead.Gate{Metric: "error_rate", MaxIncrease: qty(-0.1, "%")}, []string{"maxIncrease: a tolerated change cannot be negative"}},
		{"unprovable", fairlead.Gate{Metric: "error_rate", Max: qty(0, "%")}, []string{"max: no evidence can show"}},
		{"contradictory", fairlead.Gate{Metric: "accuracy", Max: qty(0.5, "%"), Min: qty(0.6, "%")}, []string{"min: min must be below max"}},
		{"not a number", fairlead.Gate{Metric: "error_rate", Max: qty(math.NaN(), "%")}, []string{"max: not a number"}},
		{"threshold only", fairlead.Gate{Metric: "error_rate", Max: qty(0.1, "%"), Interval: fairlead.Duration(time.Minute), FailureLimit: 1},
			[]string{"interval: only method: threshold", "failureLimit: only method: threshold"}},
		{"words", fairlead.Gate{Metric: "error_rate", Max: qty(0.1, "%"), Method: "guess", OnUndecided: "pray", MinSamples: -1},
			[]string{"onUndecided: unknown policy", "minSamples: cannot be negative", "method: unknown method"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults := gate.Check("/spec/g", c.gate)
			if len(faults) != len(c.want) {
				t.Fatalf("faults %v, want %d", faults, len(c.want))
			}
			for i, f := range faults {
				if !strings.HasPrefix(f.Path, "/spec/g") || !strings.Contains(f.String(), c.want[i]) {
					t.Errorf("fault %q lacks %q", f, c.want[i])
				}
			}
		})
	}
	twice := []fairlead.Gate{{Metric: "error_rate", Max: qty(0.1, "%")}, {Metric: "error_rate", Max: qty(0.2, "%"), Method: "sequential"}}
	if f := gate.CheckAll("/spec/gates", twice); len(f) != 1 || f[0].Path != "/spec/gates/1" {
		t.Errorf("a repeated bound: %v", f)
	}
}

// Whatever the counters say, even damaged ones: an answer for every gate, that
// JSON can carry, the same each time, and never a verdict out of nothing.
func TestAnyEvidenceIsAnswered(t *testing.T) {
	gates := []fairlead.Gate{
		{Metric: "error_rate", MaxIncrease: qty(0.5, "%"), Max: qty(0.1, "%")},
		{Metric: "error_rate", MaxIncrease: qty(0.01, "pp")},
		{Metric: "accuracy", MaxDecrease: qty(0.02, "%"), Min: qty(0.5, "%")},
		{Metric: "latency_p99", MaxIncrease: qty(0.1, "%"), Max: qty(0.2, "s")},
		{Metric: "latency_p50", MaxIncrease: qty(0.01, "s")},
		{Metric: "latency_mean", MaxIncrease: qty(0.1, "%")},
		{Metric: "disagreement", Max: qty(0.02, "%")},
		{Metric: "error_rate", MaxIncrease: qty(0.5, "%"), Method: "threshold"},
	}
	number := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(0, 1000), rapid.Int64Range(0, 1<<50))
	float := rapid.OneOf(rapid.Float64Range(0, 100), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), -1, 1e300}))
	counts := rapid.Custom(func(t *rapid.T) fairlead.Counts {
		c := fairlead.Counts{Requests: number.Draw(t, "requests"), Errors: number.Draw(t, "errors"), Compared: number.Draw(t, "compared"), Differed: number.Draw(t, "differed"),
			Latency: rapid.MapOfN(rapid.Int32Range(-5, 4000), number, 0, 5).Draw(t, "latency")}
		if rapid.Bool().Draw(t, "feedback") {
			c.Metrics = map[string]fairlead.Moments{"accuracy": {N: number.Draw(t, "n"), Sum: float.Draw(t, "sum"), Sum2: float.Draw(t, "sum2")}}
		}
		return c
	})
	arms := rapid.MapOfN(rapid.SampledFrom([]string{fairlead.Candidate, fairlead.Incumbent}), counts, 0, 2)
	windows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fairlead.Window {
		w := fairlead.Window{Start: start, End: start.Add(time.Hour), Arms: arms.Draw(t, "arms"),
			Weight: fairlead.Weight(rapid.SampledFrom([]int{0, 1, 500, 5000, 10000}).Draw(t, "weight")),
			Mirror: fairlead.Weight(rapid.SampledFrom([]int{0, 10000}).Draw(t, "mirror"))}
		for i := range rapid.IntRange(0, 3).Draw(t, "marks") {
			w.Marks = append(w.Marks, fairlead.Mark{At: start.Add(time.Duration(i) * time.Minute), Arms: arms.Draw(t, "mark")})
		}
		return w
	}), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		w := windows.Draw(t, "windows")
		v := gate.JudgeAll(gates, 0.05, w)
		if len(v) != len(gates) {
			t.Fatalf("%d answers", len(v))
		}
		observed := false
		for _, s := range w {
			c := s.Arms[fairlead.Candidate]
			observed = observed || c.Requests > 0
		}
		for _, v := range v {
			if _, err := json.Marshal(v); err != nil {
				t.Fatalf("%s: %v", v.Gate.Metric, err)
			}
			if v.Reason == "" || v.Test == "" || strings.Contains(v.Reason, "NaN") {
				t.Fatalf("%s: %q by %q", v.Gate.Metric, v.Reason, v.Test)
			}
			if v.Gate.Metric == "error_rate" && !observed && v.Outcome != fairlead.Undecided {
				t.Fatalf("%s without observations: %s", v.Outcome, v.Reason)
			}
		}
		if d := cmp.Diff(v, gate.JudgeAll(gates, 0.05, w)); d != "" {
			t.Fatalf("a second look differs: %s", d)
		}
	})
}
