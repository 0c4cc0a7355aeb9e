package stats

import (
	"math"
	"testing"
)

// One observation's expected likelihood ratio under the null is what makes an
// e-process: at most 1 for every alternative, for every rate in the null. Here
// it is computed, not simulated.

func TestRatioIsExact(t *testing.T) {
	for _, pi := range []float64{0.0001, 0.05, 0.5, 0.9} {
		for _, r0 := range []float64{0.5, 1, 1.5, 10} {
			for _, grid := range []ratioGrid{harmGrid, safeGrid, tripGrid} {
				m := ratioMixture(grid, r0, []RatioCount{{Pi: pi}})
				theta := pi * r0 / (pi*r0 + 1 - pi)
				for j := range grid {
					e := theta*math.Exp(m.dot(0, j, counts{1, 0})) + (1-theta)*math.Exp(m.dot(0, j, counts{0, 1}))
					if math.Abs(e-1) > 1e-12 {
						t.Fatalf("pi %v r0 %v alternative %d: expected %v", pi, r0, j, e)
					}
				}
			}
		}
	}
}

func TestRateIsExact(t *testing.T) {
	for _, p0 := range []float64{0.001, 0.02, 0.5, 0.99} {
		for _, above := range []bool{true, false} {
			e := p0*math.Exp(RateLogE(p0, above, 1, 1)) + (1-p0)*math.Exp(RateLogE(p0, above, 0, 1))
			if math.Abs(e-1) > 1e-12 {
				t.Errorf("p0 %v above %v: expected %v", p0, above, e)
			}
		}
	}
}

func TestTwoRatesAreExact(t *testing.T) {
	for _, l := range []Line{
		{A: 1, D: 0, Above: true}, {A: 1, D: 0}, {A: 1, D: 0.01, Above: true}, {A: 1, D: -0.02},
		{A: 0.98, Above: true}, {A: 0.98}, {A: 1.5, Above: true}, {A: 1.5}, {A: 1, D: 0.3, Above: true}, {A: 1, D: 0.3},
	} {
		for _, pi := range []float64{0.01, 0.5, 0.99} {
			for _, xb := range []int64{0, 50, 95} {
				m := twoRateMixture(l, []TwoRate{{Pi: pi, Nb: 100, Xb: xb}})
				for j := range m.logWeight {
					for pb := 0.001; pb < 1; pb += 0.05 {
						for pc := 0.001; pc < 1; pc += 0.037 {
							line := l.A*pb + l.D
							if l.Above && pc > line || !l.Above && pc < line {
								continue // not in the null
							}
							k := m.coef[0][j]
							e := pi*(pc*math.Exp(k[0])+(1-pc)*math.Exp(k[1])) + (1-pi)*(pb*math.Exp(k[2])+(1-pb)*math.Exp(k[3]))
							if e > 1+1e-7 {
								t.Fatalf("line %+v pi %v base %v/100 alternative %d at (%v, %v): expected %v", l, pi, xb, j, pc, pb, e)
							}
						}
					}
				}
			}
		}
	}
}

func TestStakesNeverExceedOne(t *testing.T) {
	var w float64
	m := twoRateMixture(Line{A: 1, Above: true}, []TwoRate{{Pi: 0.5, Nb: 10, Xb: 5}})
	for _, l := range m.logWeight {
		w += math.Exp(l)
	}
	if w > 1 {
		t.Errorf("weights sum to %v", w)
	}
}

// least must agree with trying every bucket.
func TestLeastIsTheMinimum(t *testing.T) {
	q := NewQuantileTest(0.9)
	c, b := map[int32]int64{}, map[int32]int64{}
	for i := range int32(60) {
		c[2000+3*i] = int64(1 + i%7)
		b[1990+2*i] = int64(3 + i%5)
	}
	for _, s := range []Shift{{}, {Rel: 0.1}, {Rel: 1}, {Abs: 0.2}, {Rel: -0.3}} {
		dc, db := NewDist(c), NewDist(b)
		harm, safe := math.Inf(1), math.Inf(1)
		for i := range int32(buckets) {
			harm = min(harm, q.down.logE(dc.Below(i+1), dc.N())+q.up.logE(db.Below(floorBucket(s.back(BucketLow(i)))), db.N()))
			safe = min(safe, q.up.logE(dc.Below(i), dc.N())+q.down.logE(db.Below(ceilBucket(s.back(BucketLow(i+1)))), db.N()))
		}
		if got := q.HarmLogE(dc, db, s); got > harm+1e-9 || got < harm-0.1 {
			t.Errorf("%+v: harm %v, by trying all %v", s, got, harm)
		}
		if got := q.SafeLogE(dc, db, s); got > safe+1e-9 || got < safe-0.1 {
			t.Errorf("%+v: safe %v, by trying all %v", s, got, safe)
		}
	}
}
