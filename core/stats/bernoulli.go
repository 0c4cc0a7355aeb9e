package stats

import "math"

// bernoulliGrid holds alternatives as offsets of the log odds from the bound's.
var bernoulliGrid = quadratic(24, 0.03, 4)

// bernoulliCoef gives per alternative the nats that one event and one
// non-event add against the bound p0; sign +1 looks for larger rates, -1 for
// smaller ones.
func bernoulliCoef(p0, sign float64) []counts {
	u0 := logit(p0)
	t0, f0 := logShares(u0)
	out := make([]counts, len(bernoulliGrid))
	for j, g := range bernoulliGrid {
		t, f := logShares(u0 + sign*g)
		out[j] = counts{t - t0, f - f0}
	}
	return out
}

// RateLogE is ln E of the Bernoulli mixture for one arm's rate, x events among
// n: against H0: p ≤ p0 when above (large values prove that the rate is above
// p0), else against H0: p ≥ p0. It is exact, and stays valid when the rate
// moves while every observation keeps to H0.
func RateLogE(p0 float64, above bool, x, n int64) float64 {
	if !(p0 > 0 && p0 < 1) || n <= 0 {
		return 0
	}
	sign := 1.0
	if !above {
		sign = -1
	}
	u0 := logit(p0)
	t0, f0 := logShares(u0)
	var llr [24]float64
	fx, fn := float64(x), float64(n-x)
	for j, g := range bernoulliGrid {
		t, f := logShares(u0 + float64(sign*g))
		llr[j] = float64(fx*(t-t0)) + float64(fn*(f-f0))
	}
	return logSumExp(llr[:]) - math.Log(float64(len(bernoulliGrid)))
}

// Rate is one stratum of one arm: X events among N observations.
type Rate struct{ X, N int64 }

// RateStarts is RateLogE over strata with late starts (see Start and
// RatioHarmStarts).
func RateStarts(p0 float64, above bool, strata []Rate, starts []Start, at []Rate) float64 {
	if !(p0 > 0 && p0 < 1) {
		return 0
	}
	sign := 1.0
	if !above {
		sign = -1
	}
	coef := bernoulliCoef(p0, sign)
	m := mixture{logWeight: make([]float64, len(coef)), coef: make([][]counts, len(strata))}
	for j := range coef {
		m.logWeight[j] = -math.Log(float64(len(coef)))
	}
	now := make([]counts, len(strata))
	for s, r := range strata {
		m.coef[s] = coef
		now[s] = counts{float64(r.X), float64(r.N - r.X)}
	}
	past := make([]counts, len(at))
	for i, r := range at {
		past[i] = counts{float64(r.X), float64(r.N - r.X)}
	}
	return m.logEStarts(now, starts, past)
}

// RateInterval inverts RateLogE: low is a bound the rate is proven above at
// lowLine nats, high one it is proven below at highLine; 0 and 1 when nothing
// is proven.
func RateInterval(x, n int64, lowLine, highLine float64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	mle := math.Log(float64(x)+0.5) - math.Log(float64(n-x)+0.5)
	odds := func(u float64) float64 { return 1 / (1 + math.Exp(-u)) }
	high = 1
	if u, ok := edge(mle, -1, func(u float64) float64 { return RateLogE(odds(u), true, x, n) - lowLine }); ok {
		low = odds(u)
	}
	if u, ok := edge(mle, 1, func(u float64) float64 { return RateLogE(odds(u), false, x, n) - highLine }); ok {
		high = odds(u)
	}
	return low, high
}
