package gate

import (
	"fmt"
	"math"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// latencyMean is the mean latency as far as the histogram tells it.
func latencyMean() kind {
	return kind{
		name: metricLatencyMean, doc: "the mean time to an answer, failures included",
		match: named(metricLatencyMean), smaller: true,
		absolute: []string{"s"}, change: []string{"%", "s"},
		judge: func(q question) answer {
			pairs := make([]stats.Pair, len(q.ev.strata))
			for i := range pairs {
				pairs[i] = pairOf(q.ev.dist(i, true), q.ev.dist(i, false))
			}
			at := make([]stats.Pair, len(q.ev.coarse))
			for i, m := range q.ev.coarse {
				at[i] = pairOf(stats.NewDist(m.c.Latency), stats.NewDist(m.b.Latency))
			}
			return judgeMean(q, pairs, at, seconds, "the candidate's mean latency is %s over %d requests")
		},
		plain: func(q question, s span) (float64, bool) {
			p := pairOf(stats.NewDist(s.c.Latency), stats.NewDist(s.b.Latency))
			return plainMeans(q.bound, p)
		},
	}
}

func pairOf(c, b stats.Dist) stats.Pair {
	var p stats.Pair
	p.Nc, p.Sc, p.Qc = c.Moments()
	p.Nb, p.Sb, p.Qb = b.Moments()
	return p
}

func plainMeans(b bound, p stats.Pair) (float64, bool) {
	if p.Nc <= 0 || (b.change && p.Nb <= 0) {
		return 0, false
	}
	return plainChange(b, p.Sc/float64(p.Nc), p.Sb/float64(max(p.Nb, 1)))
}

// feedback is any metric that callers send: one whose values are all 0 or 1 is
// a rate, every other a mean.
func feedback() kind {
	moments := func(c fairlead.Counts, metric string) fairlead.Moments {
		m := c.Metrics[metric]
		if m.N < 0 || math.IsNaN(m.Sum+m.Sum2) || math.IsInf(m.Sum+m.Sum2, 0) {
			return fairlead.Moments{}
		}
		return m
	}
	pair := func(c, b fairlead.Counts, metric string) stats.Pair {
		mc, mb := moments(c, metric), moments(b, metric)
		return stats.Pair{Nc: mc.N, Sc: mc.Sum, Qc: mc.Sum2, Nb: mb.N, Sb: mb.Sum, Qb: mb.Sum2}
	}
	return kind{
		name: "feedback", doc: "accuracy, or any metric sent as feedback",
		match:    func(m string) bool { return m != "" && !isLatency(m) },
		absolute: []string{"%", ""}, change: []string{"%", "pp", ""},
		judge: func(q question) answer {
			pairs := make([]stats.Pair, len(q.ev.strata))
			binary := true
			for i, s := range q.ev.strata {
				pairs[i] = pair(s.c, s.b, q.metric)
				binary = binary && isBinary(pairs[i])
			}
			if binary {
				read := func(c fairlead.Counts) (x, n int64) {
					m := moments(c, q.metric)
					return int64(m.Sum), m.N
				}
				what := q.metric
				return judgeRate(q, rates{read, true, func(t stats.TwoRate) string {
					if what == "accuracy" {
						return fmt.Sprintf("%d of %d labelled candidate answers were right (%s)", t.Xc, t.Nc, rate(proportion(t.Xc, t.Nc)))
					}
					return fmt.Sprintf("%s is %d of %d for the candidate (%s)", what, t.Xc, t.Nc, rate(proportion(t.Xc, t.Nc)))
				}})
			}
			at := make([]stats.Pair, len(q.ev.coarse))
			for i, m := range q.ev.coarse {
				at[i] = pair(m.c, m.b, q.metric)
			}
			return judgeMean(q, pairs, at, number, "the candidate's mean "+q.metric+" is %s over %d observations")
		},
		plain: func(q question, s span) (float64, bool) { return plainMeans(q.bound, pair(s.c, s.b, q.metric)) },
	}
}

// isBinary reports whether all values were 0 or 1: only then are sum and sum
// of squares the same whole number no larger than the count.
func isBinary(p stats.Pair) bool {
	is := func(n int64, s, q float64) bool {
		return s == q && s == math.Trunc(s) && s >= 0 && s <= float64(n)
	}
	return is(p.Nc, p.Sc, p.Qc) && is(p.Nb, p.Sb, p.Qb)
}

// line is the bound as a line that the candidate's value is held against, from
// the side of harm.
func (b bound) line() stats.Line {
	v := b.q.Value
	if !b.increase {
		v = -v
	}
	switch {
	case !b.change:
		return stats.Line{D: b.q.Value, Above: b.increase}
	case b.relative():
		return stats.Line{A: 1 + v, Above: b.increase}
	}
	return stats.Line{A: 1, D: v, Above: b.increase}
}

// judgeMean is the asymptotic test of means.
func judgeMean(q question, pairs, at []stats.Pair, write func(float64) string, facts string) answer {
	a := noAnswer("asymptotic confidence sequence", "")
	var n, nb int64
	var sum, sumb float64
	in := make([]stats.Pair, len(pairs))
	for i, p := range pairs {
		n, sum = n+p.Nc, sum+p.Sc
		if pi := q.ev.strata[i].pi; !q.bound.change || (pi > 0 && pi < 1) {
			in[i] = p
			nb, sumb = nb+p.Nb, sumb+p.Sb
		}
	}
	a.candidate = fairlead.Summary{N: n, Value: sum / float64(max(n, 1))}
	a.incumbent = fairlead.Summary{N: nb, Value: sumb / float64(max(nb, 1))}
	if n == 0 {
		a.test, a.missing = "none", "no observations of the candidate yet"
		return a
	}
	a.facts = fmt.Sprintf(facts, write(a.candidate.Value), n)
	if q.bound.change {
		mc, mb, ok := stats.Means(in)
		if !ok {
			a.test, a.missing = "none", "no time yet in which both arms were observed, so nothing to compare with"
			return a
		}
		a.candidate.Value, a.incumbent.Value = mc, mb
		a.facts = fmt.Sprintf(facts, write(mc), n) + " against " + write(mb)
		if q.bound.relative() && mb <= 0 {
			a.missing = "a relative bound needs an incumbent whose mean is above zero"
			return a
		}
	}
	l := q.bound.line()
	back := l
	back.Above = !l.Above
	if _, _, ok := stats.ContrastEstimate(l, in); !ok {
		a.missing = "too few observations for a mean: 20 in each arm and 100 together are needed"
	}
	// A start's stratum may take no part; then its counters are of no use.
	starts, past := make([]stats.Start, len(at)), make([]stats.Pair, len(at))
	for i, m := range q.ev.coarse {
		starts[i] = m.start
		if in[m.start.Stratum] != (stats.Pair{}) {
			past[i] = at[i]
		}
	}
	a.harm = stats.ContrastStarts(l, in, starts, past)
	a.safe = stats.ContrastLogE(back, in)
	a.estimate, a.low, a.high = contrastInterval(q, in, 0)
	return a
}

// contrastInterval gives estimate and interval on the bound's scale by
// inverting the asymptotic test; extra is added to both lines where that test
// is half of a mixture.
func contrastInterval(q question, pairs []stats.Pair, extra float64) (estimate, low, high float64) {
	nan := math.NaN()
	mc, mb, ok := stats.Means(pairs)
	var at func(x float64) (a, d float64)
	scale := 1.0
	switch {
	case !q.bound.change:
		var n int64
		var sum float64
		for _, p := range pairs {
			n, sum = n+p.Nc, sum+p.Sc
		}
		estimate = sum / float64(max(n, 1))
		at = func(x float64) (a, d float64) { return 0, x }
	case !ok:
		return nan, nan, nan
	case q.bound.relative():
		if mb <= 0 {
			return nan, nan, nan
		}
		estimate, scale = mc/mb-1, 1/mb
		at = func(x float64) (a, d float64) { return 1 + x, 0 }
	default:
		estimate = mc - mb
		at = func(x float64) (a, d float64) { return 1, x }
	}
	a, d := at(estimate)
	if _, se, ok := stats.ContrastEstimate(stats.Line{A: a, D: d}, pairs); ok {
		lowLine, highLine := q.harmLine+extra, q.safeLine+extra
		if !q.bound.increase {
			lowLine, highLine = highLine, lowLine
		}
		low, high = stats.ContrastInterval(at, pairs, estimate, se*scale, lowLine, highLine)
	} else {
		low, high = nan, nan
	}
	if q.bound.change && !q.bound.increase {
		// On the scale of a drop.
		estimate, low, high = -estimate, -high, -low
	}
	return estimate, low, high
}
