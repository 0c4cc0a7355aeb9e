package stats

import "math"

// The quantile tests ask where an arm's distribution function crosses p. For a
// fixed value y, "at most y" is an event of probability F(y); Q ≤ y means
// F(y) ≥ p. All counting is at bucket boundaries and errs to the side of the
// null, so the guarantee is exact however coarse the buckets are.

// oneSided is a Bernoulli mixture against one value of a distribution
// function, made ready for many counts. Fewer alternatives than the test for
// rates: a quantile test sits at a minimum over values, where fine tuning does
// not show.
type oneSided struct {
	event, none [quantileAlternatives]float64
}

const quantileAlternatives = 8

var quantileGrid = quadratic(quantileAlternatives, 0.06, 3.5)

func newOneSided(p float64, above bool) *oneSided {
	sign := 1.0
	if !above {
		sign = -1
	}
	u0 := logit(p)
	t0, f0 := logShares(u0)
	var o oneSided
	for j, g := range quantileGrid {
		t, f := logShares(u0 + float64(sign*g))
		o.event[j], o.none[j] = t-t0, f-f0
	}
	return &o
}

// logE is ln E for x events among n; monotone in x.
func (o *oneSided) logE(x, n int64) float64 {
	var llr [quantileAlternatives]float64
	fx, fn := float64(x), float64(n-x)
	for j := range llr {
		llr[j] = float64(fx*o.event[j]) + float64(fn*o.none[j])
	}
	return logSumExp(llr[:]) - math.Log(quantileAlternatives)
}

// Shift is a margin between two quantiles: the candidate's is held against
// (1 + Rel)·baseline + Abs seconds.
type Shift struct{ Rel, Abs float64 }

// Of is the candidate's value that the shift allows for the baseline's x.
func (s Shift) Of(x float64) float64 { return float64(x*(1+s.Rel)) + s.Abs }

// back is the baseline's value that the shift takes to y.
func (s Shift) back(y float64) float64 { return (y - s.Abs) / (1 + s.Rel) }

// QuantileTest compares the p-quantiles of two arms.
type QuantileTest struct {
	p          float64
	up, down   *oneSided // F above p, F below p
	MinSamples int64     // per arm and stratum; below it the evidence is 0
}

// NewQuantileTest prepares a test of the p-quantile.
func NewQuantileTest(p float64) QuantileTest {
	return QuantileTest{p: p, up: newOneSided(p, true), down: newOneSided(p, false), MinSamples: 20}
}

// P is the quantile's probability.
func (q QuantileTest) P() float64 { return q.p }

// HarmLogE is a lower bound of ln E against H0: Q_c ≤ shift(Q_b), in one
// stratum.
//
// Under H0 there is a y with F_c(y) ≥ p and F_b(back(y)) ≤ p, so the product of
// the two arms' one-sided evidence there is an e-process, and the least product
// over all y is below it. It is searched over buckets (Howard & Ramdas 2022).
func (q QuantileTest) HarmLogE(c, b Dist, s Shift) float64 {
	if c.N() < q.MinSamples || b.N() < q.MinSamples {
		return 0
	}
	return q.least(c, b,
		func(i int32) float64 { return q.down.logE(c.Below(i+1), c.N()) }, // falls with i
		func(i int32) float64 { // rises with i: what surely lies at or below back(y), y ≥ low of i
			return q.up.logE(b.Below(floorBucket(s.back(BucketLow(i)))), b.N())
		}, true)
}

// SafeLogE is a lower bound of ln E against H0: Q_c ≥ shift(Q_b).
func (q QuantileTest) SafeLogE(c, b Dist, s Shift) float64 {
	if c.N() < q.MinSamples || b.N() < q.MinSamples {
		return 0
	}
	return q.least(c, b,
		func(i int32) float64 { return q.up.logE(c.Below(i), c.N()) }, // rises with i
		func(i int32) float64 { // falls with i: what may lie at or below back(y), y < end of i
			return q.down.logE(b.Below(ceilBucket(s.back(BucketLow(i+1)))), b.N())
		}, false)
}

// floorBucket is the largest i with BucketLow(i) ≤ y.
func floorBucket(y float64) int32 { return Bucket(y) }

// ceilBucket is the smallest i with BucketLow(i) ≥ y.
func ceilBucket(y float64) int32 {
	i := Bucket(y)
	if BucketLow(i) < y {
		i++
	}
	return i
}

// least is a lower bound, to 0.05 nats, of min over i of f(i) + g(i), where f
// falls and g rises (fFalls) or the other way round. On a stretch [lo, hi] the
// sum is at least the falling one's value at hi plus the rising one's at lo;
// stretches are halved, the least first, until the bound is tight.
func (q QuantileTest) least(c, b Dist, f, g func(int32) float64, fFalls bool) float64 {
	if !fFalls {
		f, g = g, f
	}
	// Outside of all observations (shifted or not) the sum only grows.
	lo, hi := int32(0), int32(buckets-1)
	type stretch struct {
		lo, hi                 int32
		fLo, fHi, gLo, gHi, lb float64
	}
	mk := func(lo, hi int32, fLo, fHi, gLo, gHi float64) stretch {
		return stretch{lo, hi, fLo, fHi, gLo, gHi, fHi + gLo}
	}
	var stack [256]stretch
	n := 1
	stack[0] = mk(lo, hi, f(lo), f(hi), g(lo), g(hi))
	best := min(stack[0].fLo+stack[0].gLo, stack[0].fHi+stack[0].gHi) // an upper bound of the minimum
	for n > 0 && n < len(stack)-2 {
		k := 0
		for i := 1; i < n; i++ {
			if stack[i].lb < stack[k].lb {
				k = i
			}
		}
		t := stack[k]
		if t.lb >= best-0.05 || t.hi-t.lo <= 1 {
			// The least stretch is tight. Ends of unit stretches were counted
			// in best already.
			if t.lb >= best-0.05 {
				return min(t.lb, best)
			}
			stack[k] = stack[n-1]
			n--
			continue
		}
		mid := t.lo + (t.hi-t.lo)/2
		fm, gm := f(mid), g(mid)
		best = min(best, fm+gm)
		stack[k] = mk(t.lo, mid, t.fLo, fm, t.gLo, gm)
		stack[n] = mk(mid, t.hi, fm, t.fHi, gm, t.gHi)
		n++
	}
	if n == 0 {
		return best
	}
	for i := range n {
		best = min(best, stack[i].lb)
	}
	return best
}

// At is the evidence at one single value, from the counts below the two
// boundaries that HarmBuckets names: an upper bound of HarmLogE, cheap enough to
// tell early that a start time has nothing to say.
func (q QuantileTest) At(cBelow, nc, bBelow, nb int64) float64 {
	return q.down.logE(cBelow, nc) + q.up.logE(bBelow, nb)
}

// HarmBuckets gives the two boundaries that At counts below, for bucket i.
func HarmBuckets(i int32, s Shift) (candidate, baseline int32) {
	return i + 1, floorBucket(s.back(BucketLow(i)))
}

// AboveLogE is ln E against H0: Q ≤ bound for one arm, BelowLogE against
// Q ≥ bound. The bound's own bucket counts for the null.
func (q QuantileTest) AboveLogE(d Dist, bound float64) float64 {
	return RateLogE(q.p, false, d.Below(Bucket(bound)+1), d.N())
}

// BelowLogE: see AboveLogE.
func (q QuantileTest) BelowLogE(d Dist, bound float64) float64 {
	return RateLogE(q.p, true, d.Below(Bucket(bound)), d.N())
}
