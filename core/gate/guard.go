package gate

import "fairlead.dev/core/stats"

// guardFactor is how many times the bound the candidate must exceed before the
// comparison with the past speaks: without a concurrent baseline a moderate
// rise may be the day's, not the candidate's.
const guardFactor = 3

// guard compares the candidate at 100 % with what the incumbent showed before:
// there is no concurrent traffic to compare with any more, so relative bounds
// would be blind in the guard period. The incumbent's rate is taken at the
// upper end of what its record leaves open, and the candidate must exceed
// guardFactor times the bound above it. Growth alone is looked for. The answer
// is in nats, 0 where it does not apply; its share of alpha is its own.
func guard(q question, strata []stats.TwoRate) float64 {
	if !q.bound.increase {
		return 0
	}
	var after, before stats.TwoRate
	for _, s := range strata {
		if s.Pi >= 1 {
			after.Nc, after.Xc = after.Nc+s.Nc, after.Xc+s.Xc
		} else if s.Pi > 0 {
			before.Nb, before.Xb = before.Nb+s.Nb, before.Xb+s.Xb
		}
	}
	if after.Nc == 0 || before.Nb == 0 {
		return 0
	}
	_, high := stats.RateInterval(before.Xb, before.Nb, q.guardLine, q.guardLine)
	l := q.bound.line()
	p0 := guardFactor * (float64(l.A*high) + l.D)
	return stats.RateLogE(min(p0, 0.99), true, after.Xc, after.Nc)
}
