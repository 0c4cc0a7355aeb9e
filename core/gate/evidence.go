package gate

import (
	"math/bits"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// stratum is a window as the tests see it.
type stratum struct {
	window fairlead.Window
	pi     float64 // the candidate's share of the observations; 0 or 1: no comparison
	c, b   fairlead.Counts
}

// mark is a start time of a test for late change.
type mark struct {
	start stats.Start
	c, b  fairlead.Counts // the counters then
}

// evidence is all strata of an attempt, and the start times in two finenesses.
type evidence struct {
	strata       []stratum
	fine, coarse []mark
	dists        map[distKey]stats.Dist // latency histograms made ready, by need
}

type distKey struct {
	stratum   int
	candidate bool
}

// share is the candidate's share of a window's observations: its weight, or,
// when it serves nobody, the mirrored copies among all observations.
func share(w fairlead.Window) float64 {
	switch {
	case w.Weight > 0:
		return float64(min(w.Weight, fairlead.FullWeight)) / float64(fairlead.FullWeight)
	case w.Mirror > 0:
		return float64(w.Mirror) / float64(w.Mirror+fairlead.FullWeight)
	}
	return 0
}

func gather(windows []fairlead.Window) *evidence {
	e := &evidence{dists: map[distKey]stats.Dist{}}
	for i, w := range windows {
		e.strata = append(e.strata, stratum{window: w, pi: share(w), c: w.Arms[fairlead.Candidate], b: w.Arms[fairlead.Incumbent]})
		// Of the strata behind us a quarter of the starts suffices; leaving
		// starts out is always sound.
		every := 4
		if i == len(windows)-1 {
			every = 1
		}
		e.fine = append(e.fine, startsOf(i, w, fineSlots, every)...)
		e.coarse = append(e.coarse, startsOf(i, w, coarseSlots, 1)...)
	}
	return e
}

// dist is the latency histogram of one arm in one stratum.
func (e *evidence) dist(s int, candidate bool) stats.Dist {
	k := distKey{s, candidate}
	d, ok := e.dists[k]
	if !ok {
		h := e.strata[s].b.Latency
		if candidate {
			h = e.strata[s].c.Latency
		}
		d = stats.NewDist(h)
		e.dists[k] = d
	}
	return d
}

// slots is a schedule of start times within a stratum: first are the slots of
// the first generation, unit long; each later generation is as long as all
// before it and has half as many slots, so that the schedule has no end and
// needs few marks.
type slots struct {
	first int64
	unit  time.Duration
}

// Tests that need a pass over a histogram for each start use fewer starts.
var (
	fineSlots   = slots{64, time.Second}
	coarseSlots = slots{4, 16 * time.Second}
)

// at gives the slot of an age and the slot's stake; all stakes sum to one.
// They depend on the age alone, never on the data or on which marks were kept,
// so marks may be thinned at will.
func (s slots) at(age time.Duration) (slot int64, stake float64) {
	n := max(int64(age/s.unit), 0)
	if n < s.first {
		return n, 0.5 / float64(s.first)
	}
	g := bits.Len64(uint64(n / s.first)) // generation 1, 2, …
	length := int64(1) << g              // in units; wide slots as the generation's span is first·2^(g-1)
	return int64(g)<<32 + n/length, 1 / float64((g+1)*(g+2)) / (float64(s.first) / 2)
}

// startsOf gives a window's start times with their stakes. Half of the test's
// stake lies on the very beginning; the other half is spread over strata (the
// step with index i gets 1/((i+1)(i+2)) of it), and within a stratum a quarter
// on its beginning, the rest on its marks. Of the marks, every n-th is used.
func startsOf(i int, w fairlead.Window, s slots, n int) []mark {
	step := max(i, w.Stratum.Step)
	whole := 0.5 / (float64(step+1) * float64(step+2))
	var out []mark
	if i > 0 {
		out = append(out, mark{start: stats.Start{Stratum: i, Stake: whole / 4}})
	}
	last := int64(-1)
	for j := 0; j < len(w.Marks); j += n {
		m := &w.Marks[j]
		slot, stake := s.at(m.At.Sub(w.Start))
		if slot <= last {
			continue // one mark a slot, or the stakes would sum to more than they may
		}
		last = slot
		out = append(out, mark{
			start: stats.Start{Stratum: i, Stake: whole * 0.75 * stake},
			c:     m.Arms[fairlead.Candidate], b: m.Arms[fairlead.Incumbent],
		})
	}
	return out
}
