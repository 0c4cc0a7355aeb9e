package stats

import "math"

// RatioCount is one stratum of the ratio test: the candidate's share of the
// observations, and the events seen in the candidate (Xc) and in the baseline
// (Xb). Under random assignment an event comes from the candidate with
// probability Pi·r/(Pi·r + 1-Pi), whatever the base rate does; r is the ratio
// of the two rates. A stratum with Pi outside (0, 1) says nothing.
type RatioCount struct {
	Pi     float64
	Xc, Xb int64
}

// ratioGrid holds the tested alternatives as offsets of ln r from ln r0: dense
// near the bound, where evidence is slow, and reaching far for large effects.
type ratioGrid []float64

// The grids of the reference: 24 alternatives, upward to 11 times r0, downward
// to a fifth of it.
var (
	harmGrid = quadratic(24, 0.03, 2.37)
	safeGrid = quadratic(24, -0.02, -1.5)
	// The tripwire looks for catastrophes only, 3 to 100 times r0: fewer and
	// farther alternatives cost less evidence.
	tripGrid = ratioGrid{math.Log(3), math.Log(8), math.Log(25), math.Log(50), math.Log(100)}
)

// quadratic is from + by·(j/(n-1))², j = 0 … n-1.
func quadratic(n int, from, by float64) ratioGrid {
	g := make(ratioGrid, n)
	for j := range g {
		u := float64(j) / float64(n-1)
		g[j] = from + float64(by*float64(u*u))
	}
	return g
}

// RatioHarmLogE is ln E of the ratio e-process against H0: r ≤ r0. It reaching
// ln(1/alpha) proves at level alpha that the candidate's rate is more than r0
// times the baseline's.
func RatioHarmLogE(r0 float64, strata []RatioCount) float64 { return ratioLogE(harmGrid, r0, strata) }

// RatioSafeLogE is ln E against H0: r ≥ r0: large values prove that the
// candidate's rate is less than r0 times the baseline's.
func RatioSafeLogE(r0 float64, strata []RatioCount) float64 { return ratioLogE(safeGrid, r0, strata) }

// RatioHarmStarts is RatioHarmLogE with late starts (see Start): at[i] holds
// the counters of stratum starts[i].Stratum at that moment. Starts come in the
// order of their strata.
func RatioHarmStarts(r0 float64, strata []RatioCount, starts []Start, at []RatioCount) float64 {
	if !validRatio(r0) {
		return 0
	}
	past := make([]counts, len(at))
	for i := range at {
		past[i] = at[i].counts()
	}
	return ratioMixture(harmGrid, r0, strata).logEStarts(ratioCounts(strata), starts, past)
}

// TripMinErrors is how many candidate events a tripwire wants at least: one or
// two may be one caller's bad luck, however small the candidate's share.
const TripMinErrors = 3

// TripLogE is ln E of the tripwire's test within one stratum, H0: r ≤ r0. Its
// alternatives reach to 100 times r0, so that a candidate that fails always
// trips within four or five requests at a 5 % share. It is cheap enough to run
// at each error and allocates nothing.
func TripLogE(r0 float64, c RatioCount) float64 {
	if !validRatio(r0) || !(c.Pi > 0 && c.Pi < 1) || c.Xc < TripMinErrors {
		return 0
	}
	u0 := math.Log(r0) + logit(c.Pi)
	t0, f0 := logShares(u0)
	var acc accumulator
	for _, g := range tripGrid {
		t, f := logShares(u0 + g)
		acc.add(float64(float64(c.Xc)*(t-t0)) + float64(float64(c.Xb)*(f-f0)))
	}
	return acc.log() - math.Log(float64(len(tripGrid)))
}

func validRatio(r0 float64) bool { return r0 > 0 && !math.IsInf(r0, 0) }

func (c RatioCount) counts() counts { return counts{float64(c.Xc), float64(c.Xb)} }

func ratioCounts(strata []RatioCount) []counts {
	now := make([]counts, len(strata))
	for s := range strata {
		now[s] = strata[s].counts()
	}
	return now
}

func ratioLogE(grid ratioGrid, r0 float64, strata []RatioCount) float64 {
	if !validRatio(r0) {
		return 0
	}
	var llr [24]float64
	ratioAdd(llr[:len(grid)], grid, math.Log(r0), strata)
	lw := -math.Log(float64(len(grid)))
	return logSumExp(llr[:len(grid)]) + lw
}

// ratioAdd adds each alternative's log-likelihood ratio to llr.
func ratioAdd(llr []float64, grid ratioGrid, lr0 float64, strata []RatioCount) {
	for _, c := range strata {
		if !(c.Pi > 0 && c.Pi < 1) || c.Xc+c.Xb == 0 {
			continue
		}
		u0 := lr0 + logit(c.Pi)
		t0, f0 := logShares(u0)
		xc, xb := float64(c.Xc), float64(c.Xb)
		for j, g := range grid {
			t, f := logShares(u0 + g)
			llr[j] += float64(xc*(t-t0)) + float64(xb*(f-f0))
		}
	}
}

func ratioMixture(grid ratioGrid, r0 float64, strata []RatioCount) mixture {
	m := mixture{logWeight: make([]float64, len(grid)), coef: make([][]counts, len(strata))}
	for j := range grid {
		m.logWeight[j] = -math.Log(float64(len(grid)))
	}
	for s, c := range strata {
		m.coef[s] = make([]counts, len(grid))
		if !(c.Pi > 0 && c.Pi < 1) {
			continue
		}
		u0 := math.Log(r0) + logit(c.Pi)
		t0, f0 := logShares(u0)
		for j, g := range grid {
			t, f := logShares(u0 + g)
			m.coef[s][j] = counts{t - t0, f - f0}
		}
	}
	return m
}

func logit(p float64) float64 { return math.Log(p) - math.Log1p(-p) }

// logShares gives ln θ and ln(1-θ) for θ = 1/(1+exp(-u)).
func logShares(u float64) (t, f float64) {
	if u > 0 {
		l := math.Log1p(math.Exp(-u))
		return -l, -u - l
	}
	l := math.Log1p(math.Exp(u))
	return u - l, -l
}

// RatioInterval inverts the two tests: low is the largest r0 with harm beyond
// it proven at harmLine nats (0 when there is none), high the smallest with
// safety within it proven at safeLine nats (+Inf when there is none). So
// high - 1 is the margin that the evidence so far can prove. Both are exact to
// about one percent and err to the conservative side.
func RatioInterval(strata []RatioCount, harmLine, safeLine float64) (low, high float64) {
	mle := ratioMLE(strata)
	l, ok := edge(mle, -1, func(x float64) float64 {
		return RatioHarmLogE(math.Exp(x), strata) - harmLine
	})
	if ok {
		low = math.Exp(l)
	}
	high = math.Inf(1)
	if h, ok := edge(mle, 1, func(x float64) float64 {
		return RatioSafeLogE(math.Exp(x), strata) - safeLine
	}); ok {
		high = math.Exp(h)
	}
	return low, high
}

// ratioMLE is a cheap estimate of ln r (Mantel-Haenszel form), with half an
// event added to each arm so that it is always finite.
func ratioMLE(strata []RatioCount) float64 {
	num, den := 0.5, 0.5
	for _, c := range strata {
		if c.Pi > 0 && c.Pi < 1 {
			num += float64(float64(c.Xc) * (1 - c.Pi))
			den += float64(float64(c.Xb) * c.Pi)
		}
	}
	return math.Log(num) - math.Log(den)
}

// RatioEstimate is the estimated ratio of rates over all strata (Mantel and
// Haenszel: strata are compared within themselves); false when the baseline
// has no events.
func RatioEstimate(strata []RatioCount) (float64, bool) {
	var num, den float64
	for _, c := range strata {
		if c.Pi > 0 && c.Pi < 1 {
			num += float64(float64(c.Xc) * (1 - c.Pi))
			den += float64(float64(c.Xb) * c.Pi)
		}
	}
	if den == 0 {
		return 0, false
	}
	return num / den, true
}

// edge finds the place nearest to from, in the direction dir, where f becomes
// at least zero, f being negative near from and rising away from it. It
// answers a place where f ≥ 0, within 0.01 of the crossing; false when f
// stays negative as far as 12 away (a factor of 160 000).
func edge(from, dir float64, f func(float64) float64) (float64, bool) {
	step, near, far := 0.1, from, from
	fn, ff := f(near), 0.0
	// from is an estimate; where even it is proven the crossing lies behind it.
	for ; fn >= 0; step *= 2 {
		if step > 12 {
			return near, true
		}
		near = from - dir*step
		fn = f(near)
	}
	from, step = near, 0.1
	for {
		far = near + dir*step
		if ff = f(far); ff >= 0 {
			break
		}
		if math.Abs(far-from) > 12 {
			return 0, false
		}
		near, fn = far, ff
		step *= 2
	}
	for i := 0; i < 40 && math.Abs(far-near) > 0.01; i++ {
		// Regula falsi, kept off the ends so that each round at least
		// shrinks the bracket by a tenth.
		t := fn / (fn - ff)
		t = min(max(t, 0.1), 0.9)
		mid := near + float64((far-near)*t)
		if fm := f(mid); fm >= 0 {
			far, ff = mid, fm
		} else {
			near, fn = mid, fm
		}
	}
	return far, true
}
