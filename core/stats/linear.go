package stats

import "math"

// counts are up to four counters of one stratum; each test says what they are.
type counts [4]float64

// sub is c - d. Counters only grow; where they seem to have shrunk something
// was lost, and what is lost is no evidence.
func (c counts) sub(d counts) counts {
	for i := range c {
		c[i] = max(c[i]-d[i], 0)
	}
	return c
}

// Start is an earlier moment that a test may also begin at, so that harm which
// begins late is not hidden by good evidence from before: E = 1/2 E(from the
// beginning) + Σ Stake·E(from this start). Stakes must be chosen without
// looking at the data and sum to at most 1/2 over all starts there ever are.
type Start struct {
	Stratum int     // index of the stratum it lies in
	Stake   float64 // its share of the mixture
}

// mixture is a finite mixture of likelihood ratios whose logarithms are linear
// in counters: for each stratum and alternative the nats that one count of each
// kind adds.
type mixture struct {
	logWeight []float64  // of each alternative
	coef      [][]counts // [stratum][alternative]
	wide      bool       // all four counters are in use, not only the first two
}

func (m mixture) dot(s, j int, c counts) float64 {
	k := &m.coef[s][j]
	// Rounded products in a fixed order: no fused multiply-add.
	if !m.wide {
		return float64(k[0]*c[0]) + float64(k[1]*c[1])
	}
	return (float64(k[0]*c[0]) + float64(k[1]*c[1])) + (float64(k[2]*c[2]) + float64(k[3]*c[3]))
}

// logE is ln of the mixture's evidence from the beginning.
func (m mixture) logE(now []counts) float64 {
	llr := make([]float64, len(m.logWeight))
	for s := range now {
		for j := range llr {
			llr[j] += m.dot(s, j, now[s])
		}
	}
	return m.sum(llr)
}

func (m mixture) sum(llr []float64) float64 {
	for j := range llr {
		llr[j] += m.logWeight[j]
	}
	return logSumExp(llr)
}

// logEStarts is ln of the evidence with late starts: at[i] are the counters of
// starts[i].Stratum at that moment. Starts must be ordered by stratum.
//
// A late start uses every second alternative only (it is an e-process of its
// own, so it may), and is left out when it cannot add a thousandth (a sum with
// terms left out is a lower bound): there are many of them at each look.
func (m mixture) logEStarts(now []counts, starts []Start, at []counts) float64 {
	k := len(m.logWeight)
	whole := make([]float64, k)
	for s := range now {
		for j := range whole {
			whole[j] += m.dot(s, j, now[s])
		}
	}
	var acc accumulator
	acc.add(m.sum(whole) - math.Ln2)

	later := make([]float64, k) // nats of the strata after s
	llr := make([]float64, k)
	i := len(starts) - 1
	for s := len(now) - 1; s >= 0; s-- {
		for ; i >= 0 && starts[i].Stratum == s; i-- {
			left, few, top := now[s].sub(at[i]), llr[:0], math.Inf(-1)
			for j := 1; j < k; j += 2 {
				l := later[j] + m.dot(s, j, left) + m.logWeight[j]
				few, top = append(few, l), max(top, l)
			}
			stake := math.Ln2 + math.Log(starts[i].Stake)
			if len(few) > 0 && top+math.Log(float64(len(few)))+stake > acc.max-7 {
				acc.add(stake + logSumExp(few))
			}
		}
		for j := range later {
			later[j] += m.dot(s, j, now[s])
		}
	}
	return acc.log()
}

// accumulator adds exponentials without leaving log space.
type accumulator struct {
	max, sum float64
	any      bool
}

func (a *accumulator) add(l float64) {
	switch {
	case math.IsInf(l, -1) || math.IsNaN(l):
	case !a.any:
		a.max, a.sum, a.any = l, 1, true
	case l <= a.max:
		if l > a.max-40 { // below that it no longer changes the sum
			a.sum += math.Exp(l - a.max)
		}
	default:
		a.sum = float64(a.sum*math.Exp(a.max-l)) + 1
		a.max = l
	}
}

func (a *accumulator) log() float64 {
	if !a.any {
		return math.Inf(-1)
	}
	return a.max + math.Log(a.sum)
}

// logSumExp is ln Σ exp(l), in index order.
func logSumExp(l []float64) float64 {
	top := math.Inf(-1)
	for _, v := range l {
		top = max(top, v)
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return top
	}
	var sum float64
	for _, v := range l {
		if v > top-30 { // the rest is below the last digit
			sum += math.Exp(v - top)
		}
	}
	return top + math.Log(sum)
}

// LogSum is ln of the sum of numbers given as logarithms, added in order.
func LogSum(l []float64) float64 { return logSumExp(l) }

// LogMean is ln of the weighted mean of two e-values given as logarithms, half
// each: an e-value again, whatever the dependence.
func LogMean(a, b float64) float64 { return logSumExp([]float64{a - math.Ln2, b - math.Ln2}) }
