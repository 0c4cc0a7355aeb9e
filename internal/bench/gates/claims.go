package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"fairlead.dev"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/stats"
)

const alpha = 0.05

func percent(v float64) *fairlead.Quantity { return &fairlead.Quantity{Value: v, Unit: "%"} }

// sequential is the gate on errors with a relative margin.
func sequential(margin float64) fairlead.Gate {
	return fairlead.Gate{Metric: "error_rate", MaxIncrease: percent(margin)}
}

// fixed is a threshold gate as users of other tools write it: compared each
// look, with a failure limit.
func fixed(limit float64, failures int) fairlead.Gate {
	return fairlead.Gate{Metric: "error_rate", Max: percent(limit), Method: "threshold", Interval: fairlead.Duration(lookEvery), FailureLimit: failures}
}

// fails judges by gates and stops at the first that fails.
func fails(gates ...fairlead.Gate) func([]fairlead.Window) bool { return ends(fairlead.Fail, gates...) }

func ends(o fairlead.Outcome, gates ...fairlead.Gate) func([]fairlead.Window) bool {
	return func(w []fairlead.Window) bool {
		for _, v := range gate.JudgeAll(gates, alpha, w) {
			if v.Outcome == o {
				return true
			}
		}
		return false
	}
}

// zTest is the pooled one-sided z-test at 5 %, repeated at each look: what
// people do by hand.
func zTest(w []fairlead.Window) bool {
	var c, b fairlead.Counts
	for _, s := range w {
		c, b = plus(c, s.Arms[fairlead.Candidate]), plus(b, s.Arms[fairlead.Incumbent])
	}
	nc, nb := float64(c.Requests), float64(b.Requests)
	p := float64(c.Errors+b.Errors) / (nc + nb)
	se := math.Sqrt(p * (1 - p) * (1/nc + 1/nb))
	return se > 0 && (float64(c.Errors)/nc-float64(b.Errors)/nb)/se > 1.6448536269514722
}

func constant(candidate, incumbent float64) func(int) (float64, float64) {
	return func(int) (float64, float64) { return candidate, incumbent }
}

// even splits traffic half and half, n requests per arm and look.
func even(n, looks int) []step { return []step{{fairlead.FullWeight / 2, looks, 2 * n}} }

// bench collects rows.
type bench struct {
	table    table
	seeds    int
	only     string
	progress io.Writer
}

// measure makes the table.
func measure(seeds int, only string, progress io.Writer) *table {
	b := &bench{seeds: seeds, only: only, progress: progress}
	b.falseAlarms()
	b.delays()
	b.catastrophe()
	b.ramps()
	b.others()
	return &b.table
}

func (b *bench) skip(what, method string) bool {
	return b.only != "" && !strings.Contains(what+" "+method, b.only)
}

// harmless plays a world without difference: at most limit of the runs may be
// turned back (limit < 0: for comparison), or the share must be near a known
// one.
func (b *bench) harmless(what, method string, w world, seeds int, limit float64, judge func([]fairlead.Window) bool) {
	if b.skip(what, method) {
		return
	}
	o := b.run(what, method, w, seeds, judge)
	share, se := o.stopped()
	r := row{what: what, method: b.counted(method, seeds), found: fmt.Sprintf("turned back %.2f ± %.2f %%", share*100, se*100)}
	if limit >= 0 {
		r.want = fmt.Sprintf("≤ %g %%", limit*100)
		r.missed = share > limit+noise(se, seeds)
	}
	b.table.add(r)
}

// counted adds the number of runs to a method where it is not the table's.
func (b *bench) counted(method string, runs int) string {
	if runs == b.seeds {
		return method
	}
	return fmt.Sprintf("%s (%d runs)", method, runs)
}

// noise is what a share may lie beyond its claim by chance: nothing where many
// runs were made, three standard errors where few were.
func noise(se float64, runs int) float64 {
	if runs >= 1000 {
		return 0
	}
	return 3 * max(se, 1/float64(runs)/3)
}

// harmful plays a world in which the candidate is worse (or, for ends(Pass),
// as good): bounds on median and 90th percentile of the delay, 0 for none.
func (b *bench) harmful(what, method string, w world, seeds int, median, p90 int64, judge func([]fairlead.Window) bool) {
	if b.skip(what, method) {
		return
	}
	o := b.run(what, method, w, seeds, judge)
	m, p := o.quantile(0.5), o.quantile(0.9)
	r := row{what: what, method: b.counted(method, seeds), found: "delay " + requests(m) + " / " + requests(p)}
	if median > 0 {
		r.want = fmt.Sprintf("≤ %d / %d", median, p90)
		r.missed = m < 0 || p < 0 || m > median || p > p90
	}
	b.table.add(r)
}

func requests(n int64) string {
	if n < 0 {
		return "never"
	}
	return fmt.Sprint(n)
}

func (b *bench) run(what, method string, w world, seeds int, judge func([]fairlead.Window) bool) outcomes {
	return spread(seeds, what+", "+method, b.progress, func(seed uint64) outcome {
		n, stopped := w.play(seed, judge)
		return outcome{n, stopped}
	})
}

func (b *bench) falseAlarms() {
	w := world{steps: even(1000, 100), rates: constant(0.01, 0.01)}
	const what = "1 % errors, no difference, 100 looks × 1000 per arm"
	b.harmless(what, "ratio e-process, margin 0", w, b.seeds, 0.05, fails(sequential(0)))
	b.harmless(what, "ratio e-process, margin 50 %", w, b.quarter(), 0.05, fails(sequential(0.5)))
	b.harmless(what, "max 1.0 % (on the line)", w, b.quarter(), 0.05, fails(fairlead.Gate{Metric: "error_rate", Max: percent(0.01)}))
	b.harmless(what, "in points, margin 0 pp", w, b.quarter(), 0.05, fails(fairlead.Gate{Metric: "error_rate", MaxIncrease: &fairlead.Quantity{Unit: "pp"}}))
	b.repeatedZ(what, w)
	w.everyMark = true
	for _, f := range []struct {
		limit    float64
		failures int
		name     string
	}{
		{0.015, 0, "fixed > 1.5 %, failureLimit 0 (Argo default)"}, {0.015, 3, "fixed > 1.5 %, failureLimit 3 (Argo doc)"},
		{0.02, 0, "fixed > 2.0 %, failureLimit 0"}, {0.01, 9, "fixed > 1.0 %, 10 failed checks (Flagger doc)"},
	} {
		b.harmless(what, f.name, w, b.quarter(), -1, fails(fixed(f.limit, f.failures)))
	}
}

// repeatedZ shows that the harness is fair: a z-test at each look is known to
// turn back 31 % of harmless candidates (statistics.md §1.10). It is cheap and
// the claim narrow, so it runs four times as often.
func (b *bench) repeatedZ(what string, w world) {
	const method = "z-test, p < 0.05, repeated"
	if b.skip(what, method) {
		return
	}
	runs := 4 * b.seeds
	share, se := b.run(what, method, w, runs, zTest).stopped()
	b.table.add(row{what, b.counted(method, runs), fmt.Sprintf("turned back %.2f ± %.2f %%", share*100, se*100),
		"31 ± 2 %", math.Abs(share-0.31) > 0.02+noise(se, runs)})
}

func (b *bench) quarter() int { return max(b.seeds/4, 1) }

func (b *bench) delays() {
	w := world{steps: even(100, 100), rates: constant(0.03, 0.01)}
	const what = "1 % → 3 % from the start, 100 per arm and look"
	b.harmful(what, "ratio e-process, margin 0", w, b.seeds, 1000, 2000, fails(sequential(0)))
	b.harmful(what, "ratio e-process, margin 10 %", w, b.seeds, 0, 0, fails(sequential(0.1)))
	b.harmful(what, "ratio e-process, margin 50 %", w, b.seeds, 0, 0, fails(sequential(0.5)))
	w.everyMark = true
	b.harmful(what, "fixed > 1.5 %, failureLimit 3 (Argo doc)", w, b.quarter(), 0, 0, fails(fixed(0.015, 3)))
	b.harmful(what, "fixed > 1.0 %, 10 failed checks (Flagger doc)", w, b.quarter(), 0, 0, fails(fixed(0.01, 9)))

	late := world{steps: even(1000, 100), rates: func(look int) (float64, float64) {
		if look < 50 {
			return 0.01, 0.01
		}
		return 0.03, 0.01
	}}
	b.harmful("1 % → 3 % at look 50 of 100, 1000 per arm and look (count includes 50000 good ones)", "ratio e-process, margin 0", late, b.quarter(), 50000+4000, 50000+5000, fails(sequential(0)))
	equal := world{steps: even(500, 100), rates: constant(0.01, 0.01)}
	b.harmful("1 % errors, no difference, 500 per arm and look: time to pass", "within +50 %", equal, b.quarter(), 0, 0, ends(fairlead.Pass, sequential(0.5)))
}

// catastrophe sends requests one by one: the candidate fails always.
func (b *bench) catastrophe() {
	const limit, weight = 30, 500
	trip := gate.Tripwires([]fairlead.Gate{sequential(0.5)}, alpha)[0]
	three := []fairlead.Gate{sequential(0.5), {Metric: "latency_p99", MaxIncrease: percent(0.1)}, {Metric: "accuracy", MaxDecrease: percent(0.02)}}
	for _, m := range []struct {
		name  string
		judge func(w fairlead.Window) bool
	}{
		{"gate error_rate +50 %", func(w fairlead.Window) bool { return fails(three[0])([]fairlead.Window{w}) }},
		{"the same among three gates", func(w fairlead.Window) bool { return fails(three...)([]fairlead.Window{w}) }},
		{"tripwire in the gateway", func(w fairlead.Window) bool {
			return stats.TripLogE(trip.Ratio, stats.RatioCount{Pi: 0.05, Xc: w.Arms[trip.Arm].Errors, Xb: w.Arms[fairlead.Incumbent].Errors}) >= trip.LogLine
		}},
	} {
		for _, bad := range []bool{true, false} {
			what, pc := "100 % errors at 5 % weight, incumbent 1 %", 1.0
			if !bad {
				what, pc = "1 % errors in both at 5 % weight, 2000 candidate requests", 0.01
			}
			if b.skip(what, m.name) {
				continue
			}
			most := int64(limit)
			if !bad {
				most = 2000
			}
			o := spread(b.seeds, what+", "+m.name, b.progress, func(seed uint64) outcome {
				n := single(seed, weight, pc, 0.01, most, m.judge)
				return outcome{n, n <= most}
			})
			if bad {
				within := 0
				for _, r := range o {
					if r.stopped && r.requests <= 5 {
						within++
					}
				}
				share := float64(within) / float64(len(o))
				b.table.add(row{what, m.name, fmt.Sprintf("delay %s / %s, within 5 in %.1f %%, longest %s", requests(o.quantile(0.5)), requests(o.quantile(0.9)), share*100, requests(o.quantile(1))),
					"90th percentile ≤ 5", o.quantile(0.9) < 0 || o.quantile(0.9) > 5})
				continue
			}
			share, se := o.stopped()
			b.table.add(row{what, m.name, fmt.Sprintf("turned back %.2f ± %.2f %%", share*100, se*100), "≤ 5 %", share > 0.05+noise(se, len(o))})
		}
	}
}

func (b *bench) ramps() {
	var ramp world
	for _, w := range []fairlead.Weight{100, 500, 1000, 2500, 5000} {
		ramp.steps = append(ramp.steps, step{w, 20, 2000})
	}
	ramp.rates = func(look int) (float64, float64) {
		p := 0.005 + 0.015*float64(look)/99
		return p, p
	}
	const what = "ramp 1-5-10-25-50 %, base rate 0.5 → 2 %, no difference"
	b.harmless(what, "ratio e-process, margin 0", ramp, b.seeds, 0.05, fails(sequential(0)))
	b.harmless(what, "in points, margin 0 pp", ramp, b.quarter(), 0.05, fails(fairlead.Gate{Metric: "error_rate", MaxIncrease: &fairlead.Quantity{Unit: "pp"}}))
	b.harmless(what, "pooled z-test, repeated", ramp, b.seeds, -1, zTest)
	canary := world{steps: []step{{500, 100, 20000}}, rates: constant(0.01, 0.01)}
	const aa = "1 % errors, no difference, 5 % canary, 100 looks × 20000"
	b.harmless(aa, "ratio e-process, margin 0", canary, b.seeds, 0.05, fails(sequential(0)))
	b.harmless(aa, "z-test, repeated", canary, b.seeds, -1, zTest)
}

func (b *bench) others() {
	n := max(b.seeds/20, 1)
	lat := world{steps: even(500, 40), rates: constant(0, 0)}
	lat.slow.deviation, lat.slow.factor = 0.5, 1
	p99 := fairlead.Gate{Metric: "latency_p99", MaxIncrease: percent(0)}
	mean := fairlead.Gate{Metric: "latency_mean", MaxIncrease: percent(0)}
	const same = "same latencies, 40 looks × 500 per arm"
	b.harmless(same, "p99, margin 0", lat, n, 0.05, fails(p99))
	b.harmless(same, "mean, margin 0", lat, n, 0.05, fails(mean))
	lat.slow.factor = 1.2
	const slower = "latencies +20 %, 500 per arm and look"
	b.harmful(slower, "p99, margin 0", lat, n, 0, 0, fails(p99))
	b.harmful(slower, "mean, margin 0", lat, n, 0, 0, fails(mean))
	b.harmful(slower, "mean, margin 10 %", lat, n, 0, 0, fails(fairlead.Gate{Metric: "latency_mean", MaxIncrease: percent(0.1)}))

	acc := world{steps: []step{{1000, 100, 500}}, rates: constant(0, 0)}
	acc.right.candidate, acc.right.incumbent = 0.95, 0.95
	drop := fairlead.Gate{Metric: "accuracy", MaxDecrease: percent(0)}
	b.harmless("accuracy 95 % in both, 10 % canary, 100 looks × 500", "two-rate e-process, margin 0", acc, b.quarter(), 0.05, fails(drop))
	acc.right.candidate = 0.6
	acc.steps[0].total = 50
	b.harmful("accuracy 95 % → 60 %, 10 % canary, 50 per look", "two-rate e-process, margin 2 %", acc, b.quarter(), 0, 0, fails(fairlead.Gate{Metric: "accuracy", MaxDecrease: percent(0.02)}))
}
