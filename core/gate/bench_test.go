package gate_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/stats"
)

// aged makes a window as a release has it after a while: marks full, many
// latency buckets.
func aged(weight fairlead.Weight, step int) fairlead.Window {
	rnd := rand.New(rand.NewPCG(1, uint64(step)))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := fairlead.Window{Start: start, Weight: weight, Stratum: fairlead.Stratum{Step: step}, Arms: map[string]fairlead.Counts{}}
	arms := map[string]fairlead.Counts{}
	grow := func(arm string, n int) {
		c := fairlead.Counts{Requests: int64(n), Latency: fairlead.Histogram{}}
		for range n {
			if rnd.Float64() < 0.01 {
				c.Errors++
			}
			c.Latency[stats.Bucket(0.1*math.Exp(0.5*rnd.NormFloat64()))]++
		}
		right := float64(n - n/20)
		c.Metrics = map[string]fairlead.Moments{"accuracy": {N: int64(n), Sum: right, Sum2: right}}
		arms[arm] = arms[arm].Add(c)
	}
	for i := range fairlead.MaxMarks {
		grow(fairlead.Candidate, int(weight)/100)
		grow(fairlead.Incumbent, int(fairlead.FullWeight-weight)/100)
		w.Marks = append(w.Marks, fairlead.Mark{At: start.Add(time.Duration(i+1) * 10 * time.Second),
			Arms: map[string]fairlead.Counts{fairlead.Candidate: arms[fairlead.Candidate], fairlead.Incumbent: arms[fairlead.Incumbent]}})
	}
	w.End, w.Arms = start.Add(700*time.Second), arms
	return w
}

// BenchmarkJudgeAll is one look: with full marks it should stay near 100 µs
// for gates on rates, as releases are judged each second and simulated by
// thousands.
func BenchmarkJudgeAll(b *testing.B) {
	one := []fairlead.Window{aged(1000, 0)}
	four := []fairlead.Window{aged(500, 0), aged(1000, 1), aged(2500, 2), aged(5000, 3)}
	rates := []fairlead.Gate{
		{Metric: "error_rate", MaxIncrease: pct(0.5)},
		{Metric: "error_rate", Max: pct(0.05)},
		{Metric: "accuracy", Min: pct(0.9)},
	}
	for _, c := range []struct {
		name    string
		gates   []fairlead.Gate
		windows []fairlead.Window
	}{
		{"rates", rates, one},
		{"rates/strata=4", rates, four},
		{"ratio", rates[:1], one},
		{"accuracy", []fairlead.Gate{{Metric: "accuracy", MaxDecrease: pct(0.02)}}, one},
		{"p99", []fairlead.Gate{{Metric: "latency_p99", MaxIncrease: pct(0.1)}}, one},
		{"mean", []fairlead.Gate{{Metric: "latency_mean", MaxIncrease: pct(0.1)}}, one},
		{"mixed", []fairlead.Gate{rates[0], {Metric: "latency_p99", MaxIncrease: pct(0.1)}, {Metric: "accuracy", MaxDecrease: pct(0.02)}}, one},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				gate.JudgeAll(c.gates, 0.05, c.windows)
			}
		})
	}
}

func pct(v float64) *fairlead.Quantity { return &fairlead.Quantity{Value: v, Unit: "%"} }
