package stats

import "math"

// Pair is one stratum of two arms' numeric observations: count, sum and sum of
// squares of the candidate (c) and the baseline (b).
type Pair struct {
	Nc     int64
	Sc, Qc float64
	Nb     int64
	Sb, Qb float64
	// Binary says that all values are 0 or 1. Then the test waits for
	// contrastMinEvents of either in each arm: an arm without an event has no
	// spread, which is no sign of certainty.
	Binary bool
}

func (p Pair) sub(q Pair) Pair {
	return Pair{p.Nc - q.Nc, p.Sc - q.Sc, p.Qc - q.Qc, p.Nb - q.Nb, p.Sb - q.Sb, p.Qb - q.Qb, p.Binary}
}

// The asymptotic test is not exact, so it does not begin before the normal
// approximation has something to stand on.
const (
	contrastMinArm    = 20
	contrastMinTotal  = 100
	contrastMinEvents = 10
	contrastLent      = 500
	contrastPlanned   = 2000 // observations at which it is sharpest (N*)
)

// contrastRho is the mixture's precision for N* at level 0.05, one-sided.
var contrastRho = AsymptoticRho(contrastPlanned, 0.1)

// AsymptoticRho is the parameter ρ of the asymptotic confidence sequence that
// is narrowest at n observations (Waudby-Smith et al.); a one-sided sequence
// takes 2·alpha.
func AsymptoticRho(n, alpha float64) float64 {
	l := -2 * math.Log(alpha)
	return math.Sqrt((l + math.Log(1+l)) / n)
}

// AsymptoticWidth is the half-width of the two-sided asymptotic confidence
// sequence for a mean with standard deviation sd after n observations.
func AsymptoticWidth(n, sd, rho, alpha float64) float64 {
	v := float64(n*rho*rho) + 1
	return sd * math.Sqrt(2*v/(n*n*rho*rho)*math.Log(math.Sqrt(v)/alpha))
}

// AsymptoticWidthOneSided is the one-sided counterpart; rho should be
// AsymptoticRho(n*, 2·alpha).
func AsymptoticWidthOneSided(n, sd, rho, alpha float64) float64 {
	v := float64(n*rho*rho) + 1
	return sd * math.Sqrt(2*v/(n*n*rho*rho)*math.Log(1+math.Sqrt(v)/(2*alpha)))
}

// NormalLogE is ln of Howard's one-sided normal mixture at sum s and intrinsic
// time v with parameter rho.
func NormalLogE(s, v, rho float64) float64 {
	return 0.5*math.Log(4*rho/(v+rho)) + float64(s*s)/(2*(v+rho)) + logPhi(s/math.Sqrt(v+rho))
}

// NormalTwoSidedLogE is the two-sided counterpart.
func NormalTwoSidedLogE(s, v, rho float64) float64 {
	return 0.5*math.Log(rho/(v+rho)) + float64(s*s)/(2*(v+rho))
}

// logPhi is ln of the standard normal distribution function.
func logPhi(z float64) float64 {
	if z > -30 {
		return math.Log(0.5 * math.Erfc(-z/math.Sqrt2))
	}
	// Mills' ratio; erfc would underflow.
	return -z*z/2 - math.Log(-z) - 0.5*math.Log(2*math.Pi)
}

// ContrastLogE is ln E of the asymptotic test that the candidate's mean lies
// beyond the line (Line): the contrast mean_c - A·mean_b - D, estimated within
// each stratum and combined, held against its standard error. With A = 0 the
// baseline does not matter and may be empty. Zero before there are 100
// observations, 20 in each arm.
func ContrastLogE(l Line, strata []Pair) float64 {
	var c contrast
	for _, p := range strata {
		c.add(l, p)
	}
	return c.logE(l)
}

// ContrastStarts is ContrastLogE with late starts (see Start and
// RatioHarmStarts).
func ContrastStarts(l Line, strata []Pair, starts []Start, at []Pair) float64 {
	var acc accumulator
	var later contrast
	i := len(starts) - 1
	for s := len(strata) - 1; s >= 0; s-- {
		for ; i >= 0 && starts[i].Stratum == s; i-- {
			c := later
			c.add(l, strata[s].sub(at[i]))
			acc.add(math.Log(starts[i].Stake) + c.logE(l))
		}
		later.add(l, strata[s])
	}
	acc.add(-math.Ln2 + later.logE(l))
	return acc.log()
}

// contrast adds up strata: each weighs by the harmonic size of its arms.
type contrast struct {
	w, wd, wwv float64 // Σ weight, Σ weight·contrast, Σ weight²·variance
	n, nc, nb  float64
	sc, sb     float64 // sums, events where the values are binary
	binary     bool
}

func (c *contrast) add(l Line, p Pair) {
	nc, nb := float64(p.Nc), float64(p.Nb)
	if nc < 2 || (l.A != 0 && nb < 2) {
		return
	}
	mc := p.Sc / nc
	vc := variance(nc, p.Sc, p.Qc)
	d, v, w, n := mc-l.D, vc/nc, nc, nc
	if l.A != 0 {
		mb, vb := p.Sb/nb, variance(nb, p.Sb, p.Qb)
		d -= float64(l.A * mb)
		v = max(vc, lend(nc, vc, vb))/nc + float64(float64(l.A*l.A)*(max(vb, lend(nb, vb, vc))/nb))
		w = nc * nb / (nc + nb)
		n = nc + nb
	}
	c.w += w
	c.wd += float64(w * d)
	c.wwv += float64(float64(w*w) * v)
	c.n += n
	c.nc += nc
	c.nb += nb
	c.sc += p.Sc
	c.sb += p.Sb
	c.binary = c.binary || p.Binary
}

// variance is that of one observation; never negative.
func variance(n, sum, sum2 float64) float64 {
	m := sum / n
	// A floor of a millionth of the mean square: observations that are all the
	// same must not make a standard error of zero, and so certainty.
	return max((sum2-float64(sum*m))/(n-1), 1e-6*(sum2/n))
}

// lend is an arm's variance with contrastLent observations of the other arm's
// lent to it. An arm that has not met the rare large value yet (no purchase
// among the first hundred) looks more certain than it is.
func lend(n, own, other float64) float64 {
	return (float64(n*own) + float64(contrastLent*other)) / (n + contrastLent)
}

// estimate gives the contrast, its standard error, and whether there is enough
// to judge by.
func (c *contrast) estimate(l Line) (d, se float64, ok bool) {
	if c.nc < contrastMinArm || (l.A != 0 && c.nb < contrastMinArm) || c.n < contrastMinTotal {
		return 0, 0, false
	}
	if c.binary && (min(c.sc, c.nc-c.sc) < contrastMinEvents || l.A != 0 && min(c.sb, c.nb-c.sb) < contrastMinEvents) {
		return 0, 0, false
	}
	d, se = c.wd/c.w, math.Sqrt(c.wwv)/c.w
	return d, se, se > 0 && !math.IsNaN(d) && !math.IsInf(d, 0) && !math.IsInf(se, 0)
}

func (c *contrast) logE(l Line) float64 {
	d, se, ok := c.estimate(l)
	if !ok {
		return 0
	}
	if !l.Above {
		d = -d
	}
	// In units of one observation's deviation: V = n, S = n·d/s, s² = n·se².
	return NormalLogE(math.Sqrt(c.n)*(d/se), c.n, 1/float64(contrastRho*contrastRho))
}

// ContrastInterval inverts ContrastLogE over a family of lines at(x): it gives
// the largest x such that the candidate is proven above at(x), at lowLine
// nats, and the smallest such that it is proven below, at highLine. The family
// must rise with x. scale is a typical distance to look in; the bounds are NaN
// where nothing is proven.
func ContrastInterval(at func(x float64) (a, d float64), strata []Pair, estimate, scale, lowLine, highLine float64) (low, high float64) {
	low, high = math.NaN(), math.NaN()
	if !(scale > 0) || math.IsInf(scale, 0) {
		return low, high
	}
	f := func(above bool, line float64) func(float64) float64 {
		return func(t float64) float64 {
			a, d := at(estimate + t*scale)
			return ContrastLogE(Line{a, d, above}, strata) - line
		}
	}
	if t, ok := edge(0, -1, f(true, lowLine)); ok {
		low = estimate + t*scale
	}
	if t, ok := edge(0, 1, f(false, highLine)); ok {
		high = estimate + t*scale
	}
	return low, high
}

// ContrastEstimate gives the estimated contrast mean_c - A·mean_b - D and its
// standard error; false when there is too little to judge by.
func ContrastEstimate(l Line, strata []Pair) (d, se float64, ok bool) {
	var c contrast
	for _, p := range strata {
		c.add(l, p)
	}
	return c.estimate(l)
}

// Means gives both arms' means over the strata, each stratum weighing by the
// harmonic size of its arms so that both means describe the same time; false
// when no stratum has observations in both arms.
func Means(strata []Pair) (mc, mb float64, ok bool) {
	var w float64
	for _, p := range strata {
		nc, nb := float64(p.Nc), float64(p.Nb)
		if nc <= 0 || nb <= 0 {
			continue
		}
		h := nc * nb / (nc + nb)
		mc += float64(h * (p.Sc / nc))
		mb += float64(h * (p.Sb / nb))
		w += h
	}
	if w == 0 {
		return 0, 0, false
	}
	return mc / w, mb / w, true
}
