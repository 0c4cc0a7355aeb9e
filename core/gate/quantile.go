package gate

import (
	"fmt"
	"math"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// quantiles are the latency metrics by quantile.
var quantiles = [...]struct {
	metric string
	p      float64
}{
	{"latency_p50", 0.5}, {"latency_p90", 0.9}, {"latency_p95", 0.95}, {"latency_p99", 0.99}, {"latency_p999", 0.999},
}

func quantileOf(metric string) (float64, bool) {
	for _, q := range quantiles {
		if q.metric == metric {
			return q.p, true
		}
	}
	return 0, false
}

// latencyQuantile is a quantile of the time to an answer.
func latencyQuantile() kind {
	return kind{
		name: "latency_quantile", doc: "a quantile of the time to an answer, failures included",
		match:   func(m string) bool { _, ok := quantileOf(m); return ok },
		smaller: true, absolute: []string{"s"}, change: []string{"%", "s"},
		judge: judgeQuantile,
		plain: func(q question, s span) (float64, bool) {
			p, _ := quantileOf(q.metric)
			c, b := stats.NewDist(s.c.Latency), stats.NewDist(s.b.Latency)
			if c.N() == 0 || (q.bound.change && b.N() == 0) {
				return 0, false
			}
			return plainChange(q.bound, c.Quantile(p), b.Quantile(p))
		},
	}
}

func judgeQuantile(q question) answer {
	p, _ := quantileOf(q.metric)
	test := stats.NewQuantileTest(p)
	a := noAnswer("quantile e-process", "")
	// The stratum with the most to compare is the one that is shown.
	best, most := -1, int64(-1)
	var n, nb int64
	for i, s := range q.ev.strata {
		c, b := q.ev.dist(i, true).N(), q.ev.dist(i, false).N()
		n += c
		size := c
		if q.bound.change {
			if s.pi <= 0 || s.pi >= 1 {
				continue
			}
			nb += b
			size = min(c, b)
		}
		if size > most && size > 0 {
			best, most = i, size
		}
	}
	a.candidate.N, a.incumbent.N = n, nb
	if n == 0 {
		a.test, a.missing = "none", "no observations of the candidate yet"
		return a
	}
	if best < 0 {
		a.test, a.missing = "none", "no time yet in which both arms were observed, so nothing to compare with"
		return a
	}
	a.candidate.Value = q.ev.dist(best, true).Quantile(p)
	if !q.bound.change {
		return absoluteQuantile(q, a, p)
	}
	a.incumbent.Value = q.ev.dist(best, false).Quantile(p)
	a.facts = fmt.Sprintf("the candidate's %s is %s over %d requests", q.metric[len(latencyPrefix):], seconds(a.candidate.Value), n)
	a.facts += " against " + seconds(a.incumbent.Value)
	return relativeQuantile(q, a, test)
}

// absoluteQuantile: "the p-quantile is above B" says that more than 1-p of the
// observations are above B, so it is the test for a rate, on counts that are
// exact at bucket boundaries. The bound's own bucket counts for the null.
func absoluteQuantile(q question, a answer, p float64) answer {
	bucket := stats.Bucket(q.bound.q.Value)
	one, past := make([]stats.Rate, len(q.ev.strata)), make([]stats.Rate, len(q.ev.coarse))
	starts := make([]stats.Start, len(q.ev.coarse))
	all := fairlead.Histogram{}
	for i, s := range q.ev.strata {
		d := q.ev.dist(i, true)
		one[i] = stats.Rate{X: d.Below(bucket + 1), N: d.N()}
		all = all.Add(s.c.Latency)
	}
	for i, m := range q.ev.coarse {
		starts[i] = m.start
		past[i].X, past[i].N = stats.CountBelow(m.c.Latency, bucket+1)
	}
	d := stats.NewDist(all)
	test := stats.NewQuantileTest(p)
	a.harm = stats.RateStarts(p, false, one, starts, past)
	a.safe = test.BelowLogE(d, q.bound.q.Value)
	a.candidate.Value = d.Quantile(p)
	a.facts = fmt.Sprintf("the candidate's %s is %s over %d requests", q.metric[len(latencyPrefix):], seconds(a.candidate.Value), d.N())
	a.estimate = a.candidate.Value
	a.low, a.high = math.NaN(), math.NaN()
	from, to := d.Range()
	// The last boundary proven below the quantile, the first proven above it.
	if i := search(from, to, func(i int32) bool { return test.AboveLogE(d, stats.BucketLow(i)) < q.harmLine }); i > from {
		a.low = stats.BucketLow(i - 1)
	}
	if i := search(from, to+1, func(i int32) bool { return test.BelowLogE(d, stats.BucketLow(i)) >= q.safeLine }); i <= to {
		a.high = stats.BucketLow(i)
	}
	return a
}

// search is the smallest i in [from, to) for which ok holds, or to; ok must
// not turn false again.
func search(from, to int32, ok func(int32) bool) int32 {
	for from < to {
		mid := from + (to-from)/2
		if ok(mid) {
			to = mid
		} else {
			from = mid + 1
		}
	}
	return from
}

func (b bound) shift() stats.Shift {
	if b.relative() {
		return stats.Shift{Rel: b.q.Value}
	}
	return stats.Shift{Abs: b.q.Value}
}

// relativeQuantile is the two-sample quantile e-process, stratum by stratum.
func relativeQuantile(q question, a answer, test stats.QuantileTest) answer {
	sh := q.bound.shift()
	compare := func(i int) bool { pi := q.ev.strata[i].pi; return pi > 0 && pi < 1 }
	sum := func(f func(c, b stats.Dist, s stats.Shift) float64, s stats.Shift) float64 {
		var e float64
		for i := range q.ev.strata {
			if compare(i) {
				e += f(q.ev.dist(i, true), q.ev.dist(i, false), s)
			}
		}
		return e
	}
	a.harm = quantileStarts(q, test, sh, compare)
	a.safe = sum(test.SafeLogE, sh)
	if a.incumbent.Value > 0 {
		a.estimate = a.candidate.Value/a.incumbent.Value - 1
	}
	if !q.bound.relative() {
		a.estimate = a.candidate.Value - a.incumbent.Value
	}
	at := func(x float64) stats.Shift { return stats.Shift{Rel: x} }
	scale, least := 0.02, -0.95
	if !q.bound.relative() {
		at = func(x float64) stats.Shift { return stats.Shift{Abs: x} }
		scale, least = 0.02*a.incumbent.Value, math.Inf(-1)
	}
	if low, ok := reach(a.estimate, -scale, least, func(x float64) bool { return sum(test.HarmLogE, at(x)) >= q.harmLine }); ok {
		a.low = low
	}
	if high, ok := reach(a.estimate, scale, math.Inf(1), func(x float64) bool { return sum(test.SafeLogE, at(x)) >= q.safeLine }); ok {
		a.high = high
	}
	return a
}

// reach looks from x on in steps that grow, then halves back, for the nearest
// place where ok holds, to a quarter of the first step.
func reach(x, step, limit float64, ok func(float64) bool) (float64, bool) {
	near, far := x, x+step
	for i := 0; !ok(far); i++ {
		if i == 9 || (step < 0 && far < limit) {
			return 0, false
		}
		near, far = far, x+float64(step*float64(int(2)<<i))
	}
	for math.Abs(far-near) > math.Abs(step)/4+1e-12 && math.Abs(far-near) > 0.05*math.Abs(far-x) {
		mid := near + (far-near)/2
		if ok(mid) {
			far = mid
		} else {
			near = mid
		}
	}
	return far, true
}

// quantileStarts is the harm evidence with late starts, in log space like
// every mixture: half on the beginning, the stakes on the rest.
func quantileStarts(q question, test stats.QuantileTest, sh stats.Shift, compare func(int) bool) float64 {
	terms := []float64{}
	var later float64
	k := len(q.ev.coarse) - 1
	for i := len(q.ev.strata) - 1; i >= 0; i-- {
		if !compare(i) {
			for k >= 0 && q.ev.coarse[k].start.Stratum == i {
				k--
			}
			continue
		}
		s, p := q.ev.strata[i], test.P()
		c, b := q.ev.dist(i, true), q.ev.dist(i, false)
		look := stats.Bucket(sh.Of(b.Quantile(p)))
		for ; k >= 0 && q.ev.coarse[k].start.Stratum == i; k-- {
			m := q.ev.coarse[k]
			if e := later + sinceMark(test, sh, s, m, c, b, look); !math.IsInf(e, -1) {
				terms = append(terms, math.Log(m.start.Stake)+e)
			}
		}
		later += test.HarmLogE(c, b, sh)
	}
	return stats.LogSum(append(terms, later-math.Ln2))
}

// sinceMark is the evidence of one stratum since a mark. Most marks have
// nothing to say; one look at the bucket where the baseline's quantile lies
// (any single value bounds the minimum from above) tells so without preparing
// the histograms. The line it is held against is a constant, so the answer
// stays a lower bound of the evidence.
func sinceMark(test stats.QuantileTest, sh stats.Shift, s stratum, m mark, c, b stats.Dist, look int32) float64 {
	const negligible = 2 // nats; e² times a stake of at most 1/8 cannot decide
	atC, atB := stats.HarmBuckets(look, sh)
	xc, nc := stats.CountBelow(m.c.Latency, atC)
	xb, nb := stats.CountBelow(m.b.Latency, atB)
	xc, nc, xb, nb = c.Below(atC)-xc, c.N()-nc, b.Below(atB)-xb, b.N()-nb
	if test.At(xc, nc, xb, nb) < negligible {
		return math.Inf(-1)
	}
	return test.HarmLogE(stats.NewDistSince(s.c.Latency, m.c.Latency), stats.NewDistSince(s.b.Latency, m.b.Latency), sh)
}
