package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fairlead.dev/core/stats"
)

func TestBucketBoundaries(t *testing.T) {
	for i := range int32(stats.BucketCount()) {
		low := stats.BucketLow(i)
		if got := stats.Bucket(low); got != i {
			t.Fatalf("Bucket(BucketLow(%d)) = %d", i, got)
		}
		if below := math.Nextafter(low, 0); i > 0 && stats.Bucket(below) != i-1 {
			t.Fatalf("just below the boundary %d falls in %d", i, stats.Bucket(below))
		}
		if w := stats.BucketLow(i+1)/low - 1; w > 0.0079 || w <= 0 {
			t.Fatalf("bucket %d is %v wide", i, w)
		}
	}
	last := int32(stats.BucketCount() - 1)
	for v, want := range map[float64]int32{0: 0, -1: 0, 1e-9: 0, math.SmallestNonzeroFloat64: 0, 1e6: last, math.MaxFloat64: last} {
		if got := stats.Bucket(v); got != want {
			t.Errorf("Bucket(%v) = %d, want %d", v, got, want)
		}
	}
	if stats.Bucket(math.NaN()) != 0 || stats.Bucket(math.Inf(1)) != last || stats.Bucket(math.Inf(-1)) != 0 {
		t.Error("NaN and infinities must fall in the first or last bucket")
	}
	if low, high := stats.BucketLow(0), stats.BucketLow(last+1); low > 1e-6 || high < 1000 {
		t.Errorf("the range is %v … %v s", low, high)
	}
}

func TestBucketAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = stats.Bucket(0.012) }); n != 0 {
		t.Errorf("Bucket allocates %v times", n)
	}
	c := stats.RatioCount{Pi: 0.05, Xc: 5, Xb: 1}
	if n := testing.AllocsPerRun(100, func() { _ = stats.TripLogE(1.5, c) }); n != 0 {
		t.Errorf("TripLogE allocates %v times", n)
	}
}

func BenchmarkBucket(b *testing.B) {
	v, sum := 0.001, int32(0)
	for b.Loop() {
		sum += stats.Bucket(v)
		v += 1e-9
	}
	_ = sum
}

func BenchmarkTripLogE(b *testing.B) {
	c := stats.RatioCount{Pi: 0.05, Xc: 5, Xb: 1}
	for b.Loop() {
		_ = stats.TripLogE(1.5, c)
	}
}

func TestQuantileIsNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(2e-6, 900), 1, 200).Draw(t, "values")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		h := map[int32]int64{}
		for _, v := range values {
			h[stats.Bucket(v)]++
		}
		slices.Sort(values)
		want := values[max(int(math.Ceil(q*float64(len(values)))), 1)-1]
		if got := stats.Quantile(h, q); math.Abs(got/want-1) > 0.004 {
			t.Fatalf("quantile %v is %v, want %v", q, got, want)
		}
		d := stats.NewDist(h)
		b := rapid.Int32Range(0, int32(stats.BucketCount())).Draw(t, "bucket")
		var below int64
		for _, v := range values {
			if v < stats.BucketLow(b) {
				below++
			}
		}
		if got := d.Below(b); got != below {
			t.Fatalf("Below(%d) = %d, want exactly %d", b, got, below)
		}
		if got, n := stats.CountBelow(h, b); got != below || n != int64(len(values)) {
			t.Fatalf("CountBelow(%d) = %d of %d", b, got, n)
		}
	})
	if stats.Quantile(nil, 0.5) != 0 {
		t.Error("the quantile of nothing must be 0")
	}
}

// Reference values of Waudby-Smith et al. at alpha 0.05: at its best moment the
// sequence is as wide as a z-interval with these z.
func TestAsymptoticWidths(t *testing.T) {
	const n = 5000
	two := stats.AsymptoticWidth(n, 1, stats.AsymptoticRho(n, 0.05), 0.05) * math.Sqrt(n)
	one := stats.AsymptoticWidthOneSided(n, 1, stats.AsymptoticRho(n, 0.1), 0.05) * math.Sqrt(n)
	if math.Abs(two-3.035) > 0.001 || math.Abs(one-2.779) > 0.001 {
		t.Errorf("z-equivalents %.4f and %.4f, want 3.035 and 2.779", two, one)
	}
	// The width is where the mixture crosses its line.
	rho := stats.AsymptoticRho(n, 0.05)
	if e := stats.NormalTwoSidedLogE(two*math.Sqrt(n), n, 1/(rho*rho)); math.Abs(e-math.Log(20)) > 1e-9 {
		t.Errorf("evidence at the width is %v, want ln 20", e)
	}
}

// The one-sided normal mixture is an integral over drifts; compare with doing
// the integral.
func TestNormalMixture(t *testing.T) {
	for _, c := range []struct{ s, v, rho float64 }{{0, 10, 5}, {12, 40, 100}, {-9, 40, 3}, {-400, 50, 1}} {
		var sum float64
		const steps = 400000
		for i := range steps {
			l := (float64(i) + 0.5) / steps * 12 / math.Sqrt(c.rho)
			sum += 2 * math.Sqrt(c.rho/(2*math.Pi)) * math.Exp(l*c.s-l*l*c.v/2-l*l*c.rho/2)
		}
		want := math.Log(sum * 12 / math.Sqrt(c.rho) / steps)
		if got := stats.NormalLogE(c.s, c.v, c.rho); math.Abs(got-want) > 1e-3 {
			t.Errorf("%+v: %v, by integration %v", c, got, want)
		}
	}
}

func TestRatioSaysWhatCountsSay(t *testing.T) {
	for _, c := range []struct {
		name   string
		strata []stats.RatioCount
		harm   bool // beyond r0 = 1 at ln 20
		safe   bool // within r0 = 1.5 at ln 20
	}{
		{"nothing", nil, false, false},
		{"no events", []stats.RatioCount{{Pi: 0.5}}, false, false},
		{"three times, even split", []stats.RatioCount{{Pi: 0.5, Xc: 30, Xb: 10}}, true, false},
		{"the same rate", []stats.RatioCount{{Pi: 0.5, Xc: 300, Xb: 300}}, false, true},
		{"the same rate at 5 %", []stats.RatioCount{{Pi: 0.05, Xc: 50, Xb: 950}}, false, true},
		{"all errors at 5 %", []stats.RatioCount{{Pi: 0.05, Xc: 4}}, true, false},
		{"full weight compares with nothing", []stats.RatioCount{{Pi: 1, Xc: 1000}}, false, false},
		{"no weight compares with nothing", []stats.RatioCount{{Pi: 0, Xb: 1000}}, false, false},
		{"pooled it would look harmful", []stats.RatioCount{{Pi: 0.01, Xc: 1, Xb: 99}, {Pi: 0.5, Xc: 400, Xb: 400}}, false, true},
	} {
		if got := stats.RatioHarmLogE(1, c.strata) >= math.Log(20); got != c.harm {
			t.Errorf("%s: harm %v (%v nats)", c.name, got, stats.RatioHarmLogE(1, c.strata))
		}
		if got := stats.RatioSafeLogE(1.5, c.strata) >= math.Log(20); got != c.safe {
			t.Errorf("%s: safe %v (%v nats)", c.name, got, stats.RatioSafeLogE(1.5, c.strata))
		}
	}
	for _, r0 := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if e := stats.RatioHarmLogE(r0, []stats.RatioCount{{Pi: 0.5, Xc: 30}}); e != 0 {
			t.Errorf("r0 %v gives %v nats", r0, e)
		}
	}
}

func TestRatioIntervalMatchesTheTests(t *testing.T) {
	line := math.Log(20)
	rapid.Check(t, func(t *rapid.T) {
		s := []stats.RatioCount{
			{Pi: 0.1, Xc: rapid.Int64Range(0, 500).Draw(t, "xc"), Xb: rapid.Int64Range(0, 2000).Draw(t, "xb")},
			{Pi: 0.5, Xc: rapid.Int64Range(0, 50).Draw(t, "yc"), Xb: rapid.Int64Range(0, 50).Draw(t, "yb")},
		}
		low, high := stats.RatioInterval(s, line, line)
		if low > high {
			t.Fatalf("interval %v … %v", low, high)
		}
		if low > 0 && (stats.RatioHarmLogE(low, s) < line || stats.RatioHarmLogE(low*1.03, s) > line+0.01 && stats.RatioHarmLogE(low*1.5, s) > line+0.01) {
			t.Fatalf("low %v: %v nats", low, stats.RatioHarmLogE(low, s))
		}
		if !math.IsInf(high, 1) && stats.RatioSafeLogE(high, s) < line {
			t.Fatalf("high %v: %v nats", high, stats.RatioSafeLogE(high, s))
		}
	})
}

func TestTripwire(t *testing.T) {
	line := math.Log(8 / (0.2 * 0.05))
	trips := func(pi float64, xc, xb int64) bool {
		return stats.TripLogE(1.5, stats.RatioCount{Pi: pi, Xc: xc, Xb: xb}) >= line
	}
	for _, c := range []struct {
		pi     float64
		xc, xb int64
		want   bool
	}{
		{0.05, 4, 0, true}, {0.05, 5, 1, true}, // 100 % errors at 5 %
		{0.05, 1, 0, false}, {0.05, 2, 0, false},
		{0.0001, 2, 0, false}, // two errors are one caller's bad luck
		{0.0001, 3, 0, true},
		{0.5, 20, 20, false}, {0.5, 30, 1, true},
		{1, 100, 0, false}, {0, 100, 0, false},
		{0.05, 5, 95, false},
	} {
		if got := trips(c.pi, c.xc, c.xb); got != c.want {
			t.Errorf("%+v: trips %v", c, got)
		}
	}
}

// Late harm: the start-time mixture finds it where the plain test is still
// weighed down by the good past.
func TestLateStart(t *testing.T) {
	now := []stats.RatioCount{{Pi: 0.5, Xc: 500 + 60, Xb: 500 + 20}}
	at := []stats.RatioCount{{Xc: 500, Xb: 500}}
	starts := []stats.Start{{Stratum: 0, Stake: 1.0 / 128}}
	with, without := stats.RatioHarmStarts(1, now, starts, at), stats.RatioHarmStarts(1, now, nil, nil)
	if with < math.Log(20) || without > math.Log(20) {
		t.Errorf("with a start %v nats, without %v", with, without)
	}
	// It is the sum that it says it is (every second alternative aside).
	plain := stats.RatioHarmLogE(1, now)
	if math.Abs(without-(plain-math.Ln2)) > 1e-9 {
		t.Errorf("without starts %v, want half of %v", without, plain)
	}
}

// Looking at every moment must not cost more than alpha: a few thousand small
// worlds without harm, judged after each batch.
func TestFalseAlarmsStayBelowAlpha(t *testing.T) {
	const worlds, looks = 200, 40
	line := math.Log(20)
	binom := func(r *rand.Rand, n int, p float64) (x int64) {
		for range n {
			if r.Float64() < p {
				x++
			}
		}
		return x
	}
	tests := map[string]func(c stats.TwoRate, h [2]map[int32]int64) float64{
		"ratio": func(c stats.TwoRate, _ [2]map[int32]int64) float64 {
			return stats.RatioHarmLogE(1, []stats.RatioCount{{Pi: c.Pi, Xc: c.Xc, Xb: c.Xb}})
		},
		"rate": func(c stats.TwoRate, _ [2]map[int32]int64) float64 {
			return stats.RateLogE(0.1, true, c.Xc, c.Nc)
		},
		"two rates, up": func(c stats.TwoRate, _ [2]map[int32]int64) float64 {
			return stats.TwoRateLogE(stats.Line{A: 1, Above: true}, []stats.TwoRate{c})
		},
		"two rates, down": func(c stats.TwoRate, _ [2]map[int32]int64) float64 {
			return stats.TwoRateLogE(stats.Line{A: 1}, []stats.TwoRate{c})
		},
		"p90": func(_ stats.TwoRate, h [2]map[int32]int64) float64 {
			return stats.NewQuantileTest(0.9).HarmLogE(stats.NewDist(h[0]), stats.NewDist(h[1]), stats.Shift{})
		},
	}
	// Wrong proofs of safety: the candidate stands exactly on the bound.
	line2 := stats.Line{A: 1, D: -0.02}
	alarms := map[string]int{}
	for w := range worlds {
		r := rand.New(rand.NewPCG(7, uint64(w)))
		c := stats.TwoRate{Pi: 0.5}
		h := [2]map[int32]int64{{}, {}}
		rung := map[string]bool{}
		u := stats.TwoRate{Pi: 0.1}
		var rare stats.Pair
		for range looks {
			c.Xc, c.Nc = c.Xc+binom(r, 20, 0.1), c.Nc+20
			c.Xb, c.Nb = c.Xb+binom(r, 20, 0.1), c.Nb+20
			for a := range h {
				for range 20 {
					h[a][stats.Bucket(0.1+0.1*r.ExpFloat64())]++
				}
			}
			u.Xc, u.Nc = u.Xc+binom(r, 10, 0.01), u.Nc+10
			u.Xb, u.Nb = u.Xb+binom(r, 90, 0.03), u.Nb+90
			if !rung["wrong pass"] && stats.TwoRateLogE(line2, []stats.TwoRate{u}) >= line {
				rung["wrong pass"] = true
				alarms["wrong pass"]++
			}
			// A rare large value, the same in both arms.
			rare.Nc, rare.Nb = rare.Nc+10, rare.Nb+90
			for range binom(r, 10, 0.02) {
				rare.Sc, rare.Qc = rare.Sc+50, rare.Qc+2500
			}
			for range binom(r, 90, 0.02) {
				rare.Sb, rare.Qb = rare.Sb+50, rare.Qb+2500
			}
			for name, l := range map[string]stats.Line{"rare value, down": {A: 1}, "rare value, up": {A: 1, Above: true}} {
				if !rung[name] && stats.ContrastLogE(l, []stats.Pair{rare}) >= line {
					rung[name] = true
					alarms[name]++
				}
			}
			for name, test := range tests {
				if !rung[name] && test(c, h) >= line {
					rung[name] = true
					alarms[name]++
				}
			}
		}
	}
	for name, n := range alarms {
		if share := float64(n) / worlds; share > 0.05 {
			t.Errorf("%s: %.1f %% false alarms", name, share*100)
		}
		t.Logf("%s: %d of %d", name, n, worlds)
	}
}

func TestQuantileFindsASlowTail(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	c, b := map[int32]int64{}, map[int32]int64{}
	for range 5000 {
		c[stats.Bucket(0.13*math.Exp(0.5*r.NormFloat64()))]++
		b[stats.Bucket(0.1*math.Exp(0.5*r.NormFloat64()))]++
	}
	q := stats.NewQuantileTest(0.99)
	dc, db := stats.NewDist(c), stats.NewDist(b)
	if e := q.HarmLogE(dc, db, stats.Shift{}); e < math.Log(20) {
		t.Errorf("+30 %% gives %v nats of harm", e)
	}
	if e := q.SafeLogE(dc, db, stats.Shift{Rel: 1}); e < math.Log(20) {
		t.Errorf("+30 %% gives %v nats within +100 %%", e)
	}
	if e := q.HarmLogE(db, db, stats.Shift{}); e > 0 {
		t.Errorf("no difference gives %v nats of harm", e)
	}
	if e := q.HarmLogE(stats.Dist{}, db, stats.Shift{}); e != 0 {
		t.Errorf("nothing gives %v nats", e)
	}
}

func TestContrastWaitsAndDecides(t *testing.T) {
	p := func(nc, nb int64, mc, mb float64) []stats.Pair {
		fc, fb := float64(nc), float64(nb)
		return []stats.Pair{{Nc: nc, Sc: fc * mc, Qc: fc * (mc*mc + 1), Nb: nb, Sb: fb * mb, Qb: fb * (mb*mb + 1)}}
	}
	above := stats.Line{A: 1, Above: true}
	if e := stats.ContrastLogE(above, p(19, 1000, 100, 1)); e != 0 {
		t.Errorf("19 observations give %v nats", e)
	}
	if e := stats.ContrastLogE(above, p(500, 500, 10.5, 10)); e < math.Log(20) {
		t.Errorf("half a deviation gives %v nats", e)
	}
	if e := stats.ContrastLogE(above, p(500, 500, 10, 10)); e > 0 {
		t.Errorf("no difference gives %v nats", e)
	}
	if e := stats.ContrastLogE(stats.Line{D: 11}, p(500, 0, 10, 0)); e < math.Log(20) {
		t.Errorf("one arm, one deviation below the bound: %v nats", e)
	}
	// All the same value: no certainty out of nothing.
	same := []stats.Pair{{Nc: 50, Sc: 50, Qc: 50, Nb: 50, Sb: 50, Qb: 50}}
	if e := stats.ContrastLogE(above, same); math.IsNaN(e) || e > 0 {
		t.Errorf("constants give %v nats", e)
	}
}
