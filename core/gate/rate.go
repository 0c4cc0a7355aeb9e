package gate

import (
	"fmt"
	"math"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// errorRate is the share of requests that failed or timed out.
func errorRate() kind {
	k := rateKind(func(c fairlead.Counts) (x, n int64) { return c.Errors, c.Requests }, false,
		func(t stats.TwoRate) string {
			return fmt.Sprintf("%d of %d candidate requests failed (%s)", t.Xc, t.Nc, rate(proportion(t.Xc, t.Nc)))
		})
	k.name, k.match, k.smaller = metricErrorRate, named(metricErrorRate), true
	k.doc = "the share of requests that failed or timed out"
	return k
}

// disagreement is the share of mirrored answers whose prediction differs from
// the incumbent's. Only the candidate has it.
func disagreement() kind {
	k := rateKind(func(c fairlead.Counts) (x, n int64) { return c.Differed, c.Compared }, false,
		func(t stats.TwoRate) string {
			return fmt.Sprintf("%d of %d mirrored answers differ from the incumbent's (%s)", t.Xc, t.Nc, rate(proportion(t.Xc, t.Nc)))
		})
	k.name, k.match, k.smaller, k.alone = metricDisagreement, named(metricDisagreement), true, true
	k.doc = "the share of mirrored answers that differ from the incumbent's"
	return k
}

// rateKind is a metric of events among observations. Where the numbers arrive
// later (feedback), the arms' shares are those of the observations that came,
// not of the traffic sent.
func rateKind(read func(fairlead.Counts) (x, n int64), later bool, facts func(stats.TwoRate) string) kind {
	return kind{
		absolute: []string{"%", ""}, change: []string{"%", "pp"},
		judge: func(q question) answer {
			return judgeRate(q, rates{read, later, facts})
		},
		plain: func(q question, s span) (float64, bool) {
			xc, nc := read(s.c)
			xb, nb := read(s.b)
			if nc <= 0 || (q.bound.change && nb <= 0) {
				return 0, false
			}
			return plainChange(q.bound, proportion(xc, nc), proportion(xb, nb))
		},
	}
}

type rates struct {
	read  func(fairlead.Counts) (x, n int64)
	later bool
	facts func(stats.TwoRate) string
}

// of reads both arms' counters into the numbers of one stratum.
func (r rates) of(c, b fairlead.Counts) stats.TwoRate {
	var t stats.TwoRate
	t.Xc, t.Nc = clean(r.read(c))
	t.Xb, t.Nb = clean(r.read(b))
	return t
}

// clean keeps counters from a damaged report within their meaning.
func clean(x, n int64) (int64, int64) {
	n = max(n, 0)
	return min(max(x, 0), n), n
}

func (r rates) strata(e *evidence) []stats.TwoRate {
	out := make([]stats.TwoRate, len(e.strata))
	for i, s := range e.strata {
		out[i] = r.of(s.c, s.b)
		out[i].Pi = s.pi
		if r.later && s.pi > 0 && s.pi < 1 {
			out[i].Pi = 0
			if t := out[i]; t.Nc > 0 && t.Nb > 0 {
				out[i].Pi = float64(t.Nc) / float64(t.Nc+t.Nb)
			}
		}
	}
	return out
}

// starts reads the fine start times.
func (r rates) starts(e *evidence) ([]stats.Start, []stats.TwoRate) {
	starts, at := make([]stats.Start, len(e.fine)), make([]stats.TwoRate, len(e.fine))
	for i, m := range e.fine {
		starts[i], at[i] = m.start, r.of(m.c, m.b)
	}
	return starts, at
}

func judgeRate(q question, r rates) answer {
	strata := r.strata(q.ev)
	starts, at := r.starts(q.ev)
	t := total(strata)
	a := noAnswer("", "")
	a.candidate = fairlead.Summary{N: t.Nc, X: t.Xc, Value: proportion(t.Xc, t.Nc)}
	a.incumbent = fairlead.Summary{N: t.Nb, X: t.Xb, Value: proportion(t.Xb, t.Nb)}
	if t.Nc == 0 {
		a.test, a.missing = "none", "no observations of the candidate yet"
		return a
	}
	a.facts = r.facts(t)
	if !q.bound.change {
		return absoluteRate(q, a, strata, starts, at)
	}
	// Compared are only strata in which both arms were observed together.
	both := comparable(strata)
	a.incumbent = fairlead.Summary{N: both.Nb, X: both.Xb, Value: proportion(both.Xb, both.Nb)}
	if both.Nb > 0 {
		a.facts += " against " + rate(proportion(both.Xb, both.Nb))
	}
	if both.Nc == 0 || both.Nb == 0 {
		a.test, a.missing = "none", "no time yet in which both arms were observed, so nothing to compare with"
	} else if q.bound.relative() && q.bound.increase {
		a = ratioRate(q, a, strata, starts, at)
	} else {
		a = lineRate(q, a, strata, starts, at)
	}
	a.guard = guard(q, strata)
	if a.guard >= q.guardLine {
		a.missing = ""
	}
	return a
}

func comparable(strata []stats.TwoRate) stats.TwoRate {
	var in []stats.TwoRate
	for _, s := range strata {
		if s.Pi > 0 && s.Pi < 1 {
			in = append(in, s)
		}
	}
	return total(in)
}

// absoluteRate holds the candidate's rate against a number.
func absoluteRate(q question, a answer, strata []stats.TwoRate, starts []stats.Start, at []stats.TwoRate) answer {
	a.test = "Bernoulli mixture e-process"
	p0, up := q.bound.q.Value, q.bound.increase
	one, past := make([]stats.Rate, len(strata)), make([]stats.Rate, len(at))
	for i, s := range strata {
		one[i] = stats.Rate{X: s.Xc, N: s.Nc}
	}
	for i, s := range at {
		past[i] = stats.Rate{X: s.Xc, N: s.Nc}
	}
	x, n := a.candidate.X, a.candidate.N
	a.harm = stats.RateStarts(p0, up, one, starts, past)
	a.safe = stats.RateLogE(p0, !up, x, n)
	a.estimate = a.candidate.Value
	lowLine, highLine := q.harmLine, q.safeLine
	if !up {
		lowLine, highLine = highLine, lowLine
	}
	a.low, a.high = stats.RateInterval(x, n, lowLine, highLine)
	if a.low <= 0 {
		a.low = math.NaN() // nothing is proven on this side
	}
	if a.high >= 1 {
		a.high = math.NaN()
	}
	if p0 <= 0 || p0 >= 1 {
		a.missing = "no evidence can show a rate to be beyond or within " + amount(p0, q.bound.q.Unit)
	}
	return a
}

// ratioRate is the work-horse: the ratio e-process on events.
func ratioRate(q question, a answer, strata []stats.TwoRate, starts []stats.Start, at []stats.TwoRate) answer {
	a.test = "ratio e-process"
	r0 := 1 + q.bound.q.Value
	ratios, past := make([]stats.RatioCount, len(strata)), make([]stats.RatioCount, len(at))
	for i, s := range strata {
		ratios[i] = stats.RatioCount{Pi: s.Pi, Xc: s.Xc, Xb: s.Xb}
	}
	for i, s := range at {
		past[i] = stats.RatioCount{Xc: s.Xc, Xb: s.Xb}
	}
	a.harm = stats.RatioHarmStarts(r0, ratios, starts, past)
	a.safe = stats.RatioSafeLogE(r0, ratios)
	if r, ok := stats.RatioEstimate(ratios); ok {
		a.estimate = r - 1
	}
	low, high := stats.RatioInterval(ratios, q.harmLine, q.safeLine)
	a.low, a.high = low-1, high-1
	if low <= 0 {
		a.low = math.NaN() // nothing is proven on this side
	}
	if t := comparable(strata); t.Xc+t.Xb == 0 {
		a.missing = "without a single event there is no ratio to judge; a bound in points (maxIncrease: 1pp) or on the candidate alone (max) can be judged"
	}
	return a
}

// lineRate is every other comparison of two rates: in points, or a relative
// drop.
func lineRate(q question, a answer, strata []stats.TwoRate, starts []stats.Start, at []stats.TwoRate) answer {
	a.test = "two-rate e-process"
	l := q.bound.line()
	back := l
	back.Above = !l.Above
	a.harm = stats.TwoRateStarts(l, strata, starts, at)
	a.safe = stats.TwoRateLogE(back, strata)
	pairs := make([]stats.Pair, len(strata))
	for i, s := range strata {
		if s.Pi > 0 && s.Pi < 1 {
			pairs[i] = s.Pair()
		}
	}
	a.estimate, a.low, a.high = contrastInterval(q, pairs, math.Ln2)
	return a
}
