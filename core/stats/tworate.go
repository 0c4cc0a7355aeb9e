package stats

import "math"

// TwoRate is one stratum of two arms' rates: Pi the candidate's share of the
// observations, N observations and X events in each arm.
type TwoRate struct {
	Pi     float64
	Nc, Xc int64
	Nb, Xb int64
}

func (t TwoRate) counts() counts {
	return counts{float64(t.Xc), float64(t.Nc - t.Xc), float64(t.Xb), float64(t.Nb - t.Xb)}
}

// Pair is the stratum as the contrast takes it.
func (t TwoRate) Pair() Pair {
	return Pair{Nc: t.Nc, Sc: float64(t.Xc), Qc: float64(t.Xc), Nb: t.Nb, Sb: float64(t.Xb), Qb: float64(t.Xb), Binary: true}
}

// Line is a bound on the candidate's value that moves with the baseline's:
// candidate = A·baseline + D. Above says which side is looked for: harm or
// safety is "the candidate is above the line", or below it.
type Line struct {
	A, D  float64
	Above bool
}

// Alternatives of the two-rate test: baseline rates on a grid of log odds, and
// offsets of the candidate's log odds from the line.
const (
	baseStep = 0.5
	baseEnd  = 8.0
	baseUsed = 3 // grid points on each side of the observed rate
)

var lineGrid = quadratic(10, 0.08, 4)

// TwoRateStarts is ln E of the two-rate test against H0: the candidate's rate
// is on the other side of the line or on it, in every stratum and at every
// time. It is the mean of two: an exact one, likelihood ratios of points
// beyond the line to their information projections on it (the null is a
// half-plane, so each is an e-value for every pair of rates in it, whatever
// the base rate does), which is quick where the difference is large; and the
// asymptotic contrast (contrast.go), which is sharp where samples are large
// and the difference small. Starts as in RatioHarmStarts.
func TwoRateStarts(l Line, strata []TwoRate, starts []Start, at []TwoRate) float64 {
	now, past := make([]counts, len(strata)), make([]counts, len(at))
	pairs, pastPairs := make([]Pair, len(strata)), make([]Pair, len(at))
	for s, t := range strata {
		now[s], pairs[s] = t.counts(), t.Pair()
	}
	for i, t := range at {
		past[i], pastPairs[i] = t.counts(), t.Pair()
	}
	exact := twoRateMixture(l, strata).logEStarts(now, starts, past)
	return LogMean(exact, ContrastStarts(l, pairs, starts, pastPairs))
}

// TwoRateLogE is TwoRateStarts from the beginning alone.
func TwoRateLogE(l Line, strata []TwoRate) float64 {
	now, pairs := make([]counts, len(strata)), make([]Pair, len(strata))
	for s, t := range strata {
		now[s], pairs[s] = t.counts(), t.Pair()
	}
	return LogMean(twoRateMixture(l, strata).logE(now), ContrastLogE(l, pairs))
}

// twoRateMixture lays out the alternatives. Those whose baseline rate is far
// from the one observed are left out: they would add next to nothing, and a
// sum with terms left out is a lower bound of the e-value, so still sound.
func twoRateMixture(l Line, strata []TwoRate) mixture {
	var xb, nb int64
	for _, t := range strata {
		xb, nb = xb+t.Xb, nb+t.Nb
	}
	mid := math.Round((math.Log(float64(xb)+0.5) - math.Log(float64(nb-xb)+0.5)) / baseStep)
	const end = baseEnd / baseStep
	mid = min(max(mid, -end), end)
	from, to := max(mid-baseUsed, -end), min(mid+baseUsed, end)
	all := (2*end + 1) * float64(len(lineGrid))

	m := mixture{wide: true}
	m.coef = make([][]counts, len(strata))
	sign := 1.0
	if !l.Above {
		sign = -1
	}
	for b := from; b <= to; b++ {
		qb := 1 / (1 + math.Exp(-b*baseStep))
		bound := float64(l.A*qb) + l.D
		if !(bound > 1e-6 && bound < 1-1e-6) {
			// The line leaves the square here. Beyond its upper end nothing is
			// above and everything below; a point just inside stands for it.
			bound = min(max(bound, 1e-6), 1-1e-6)
		}
		for _, g := range lineGrid {
			qc := 1 / (1 + math.Exp(-(logit(bound) + float64(sign*g))))
			if over := qc - (float64(l.A*qb) + l.D); float64(over*sign) <= 0 {
				continue // not beyond the line: no alternative
			}
			m.logWeight = append(m.logWeight, -math.Log(all))
			for s, t := range strata {
				var c counts
				if t.Pi > 0 && t.Pi < 1 {
					pb, pc := project(l, t.Pi, qc, qb)
					c = counts{math.Log(qc / pc), math.Log((1 - qc) / (1 - pc)), math.Log(qb / pb), math.Log((1 - qb) / (1 - pb))}
				}
				m.coef[s] = append(m.coef[s], c)
			}
		}
	}
	return m
}

// project is the point of the line that is nearest to (qc, qb) in the
// information of one observation, π·KL(qc‖pc) + (1-π)·KL(qb‖pb).
func project(l Line, pi, qc, qb float64) (pb, pc float64) {
	// The part of the line inside the unit square.
	const eps = 1e-9
	lo, hi := eps, 1-eps
	if l.A > 0 {
		lo, hi = max(lo, (eps-l.D)/l.A), min(hi, (1-eps-l.D)/l.A)
	}
	// The objective is convex; its derivative's sign is bisected, with Newton
	// steps while they stay inside.
	x := min(max(qb, lo), hi)
	for i := 0; i < 200 && math.Nextafter(lo, hi) < hi; i++ {
		y := float64(l.A*x) + l.D
		vb, vc := x*(1-x), y*(1-y)
		d := float64((1-pi)*((x-qb)/vb)) + float64(float64(pi*l.A)*((y-qc)/vc))
		// The slope left over is what an observation's expected ratio may
		// exceed one by, so it decides when to stop.
		if math.Abs(d) < 1e-10 {
			break
		}
		if d > 0 {
			hi = x
		} else {
			lo = x
		}
		// Expected second derivative.
		h := (1-pi)/vb + float64(float64(pi*l.A)*l.A)/vc
		next := x - d/h
		if !(next > lo && next < hi) || i%4 == 3 {
			// Near the square's edge the curvature is so great that Newton
			// creeps; halving now and then always arrives.
			next = lo + (hi-lo)/2
		}
		x = next
	}
	return x, min(max(float64(l.A*x)+l.D, eps), 1-eps)
}
