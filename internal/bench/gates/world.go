package main

import (
	"math"
	"math/rand/v2"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// lookEvery is the time between looks.
const lookEvery = 10 * time.Second

// step is a stretch of constant exposure.
type step struct {
	weight fairlead.Weight
	looks  int
	total  int // requests of both arms per look
}

// world is a made-up stretch of traffic.
type world struct {
	steps []step
	// rates are the arms' error rates at a look (counted over all steps).
	rates func(look int) (candidate, incumbent float64)
	// slow, if set, gives latencies: lognormal with median 100 ms and this
	// deviation of the logarithm, the candidate's times factor.
	slow struct{ deviation, factor float64 }
	// right, if set, are the arms' accuracies, known at once for each request.
	right struct{ candidate, incumbent float64 }
	// everyMark marks each look, as threshold gates need it; otherwise every
	// second look is marked, which keeps below MaxMarks.
	everyMark bool
}

// play runs the world from a seed and shows the windows to judge at each look
// until it says stop. It answers the candidate's requests so far and whether it
// was stopped.
func (w world) play(seed uint64, judge func([]fairlead.Window) bool) (requests int64, stopped bool) {
	rnd := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var windows []fairlead.Window
	look := 0
	for i, s := range w.steps {
		var c, b fairlead.Counts
		windows = append(windows, fairlead.Window{
			Endpoint: "bench", Stratum: fairlead.Stratum{Release: "bench", Attempt: 1, Step: i}, Start: now, Weight: s.weight})
		win := &windows[i]
		pi := float64(s.weight) / float64(fairlead.FullWeight)
		for l := range s.looks {
			pc, pb := w.rates(look)
			nc := binomial(rnd, int64(s.total), pi)
			if s.weight*2 == fairlead.FullWeight {
				nc = int64(s.total) / 2 // "n requests per arm"
			}
			before := c
			c = plus(c, w.arm(rnd, nc, pc, w.slow.factor, w.right.candidate))
			b = plus(b, w.arm(rnd, int64(s.total)-nc, pb, 1, w.right.incumbent))
			requests += c.Requests - before.Requests
			now = now.Add(lookEvery)
			look++
			win.End = now
			win.Arms = map[string]fairlead.Counts{fairlead.Candidate: c, fairlead.Incumbent: b}
			if judge(windows) {
				return requests, true
			}
			if l%2 == 1 || w.everyMark {
				win.Marks = append(win.Marks, fairlead.Mark{At: now, Arms: win.Arms})
			}
		}
	}
	return requests, false
}

// plus is c.Add(d) without its maps where there is nothing to put in them; most
// worlds count requests and errors alone.
func plus(c, d fairlead.Counts) fairlead.Counts {
	if len(d.Latency)+len(d.Metrics) > 0 {
		return c.Add(d)
	}
	c.Requests += d.Requests
	c.Errors += d.Errors
	return c
}

// arm makes one arm's counters for n requests.
func (w world) arm(rnd *rand.Rand, n int64, p, factor, right float64) fairlead.Counts {
	c := fairlead.Counts{Requests: n, Errors: binomial(rnd, n, p)}
	if w.slow.deviation > 0 {
		c.Latency = fairlead.Histogram{}
		for range n {
			c.Latency[stats.Bucket(factor*0.1*math.Exp(w.slow.deviation*rnd.NormFloat64()))]++
		}
	}
	if right > 0 {
		x := float64(binomial(rnd, n, right))
		c.Metrics = map[string]fairlead.Moments{"accuracy": {N: n, Sum: x, Sum2: x}}
	}
	return c
}

// binomial draws from Binomial(n, p) by skipping from success to success.
func binomial(rnd *rand.Rand, n int64, p float64) int64 {
	switch {
	case p <= 0 || n <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(rnd, n, 1-p)
	}
	var x int64
	scale := 1 / math.Log1p(-p)
	for at := int64(-1); ; x++ {
		at += 1 + int64(math.Log1p(-rnd.Float64())*scale)
		if at >= n {
			return x
		}
	}
}

// single sends requests one by one to the arms until judge stops it at a
// candidate's error; it answers the candidate's requests so far, at most limit.
func single(seed uint64, weight fairlead.Weight, pc, pb float64, limit int64, judge func(w fairlead.Window) bool) int64 {
	rnd := rand.New(rand.NewPCG(seed, 0xd1b54a32d192ed03))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var c, b fairlead.Counts
	for c.Requests < limit {
		if rnd.Int32N(int32(fairlead.FullWeight)) >= int32(weight) {
			b.Requests++
			if rnd.Float64() < pb {
				b.Errors++
			}
			continue
		}
		c.Requests++
		if rnd.Float64() >= pc {
			continue
		}
		c.Errors++
		if judge(fairlead.Window{Start: start, End: start.Add(lookEvery), Weight: weight, Stratum: fairlead.Stratum{Release: "bench", Attempt: 1},
			Arms: map[string]fairlead.Counts{fairlead.Candidate: c, fairlead.Incumbent: b}}) {
			return c.Requests
		}
	}
	return limit + 1
}
