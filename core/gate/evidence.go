package gate

import (
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
		e.coarse = append(e.coarse, startsOf(i, w, coarseStep)...)
		// Of the strata behind us a quarter of the starts suffices. Their
		// stakes stay what they were; leaving starts out is always sound.
		for j, m := range startsOf(i, w, 1) {
			if i == len(windows)-1 || j%4 == 0 {
				e.fine = append(e.fine, m)
			}
		}
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

// coarse tests use every coarseStep-th mark: those that need a pass over a
// histogram for each start.
const coarseStep = 4

// startsOf gives a window's start times with their stakes. Half of the test's
// stake lies on the very beginning; the other half is spread over strata (the
// step with index i gets 1/((i+1)(i+2)) of it, which needs no knowledge of how
// many there will be), and within a stratum a quarter on its beginning, the
// rest evenly on the MaxMarks marks that a stratum may ever have, or on every
// n-th of them, each having n times the stake.
//
// Marks are taken by a schedule fixed beforehand, only appended, never thinned
// or moved (loop/marks.go): with a stake given twice the mixture would no
// longer be an e-process.
func startsOf(i int, w fairlead.Window, n int) []mark {
	step := max(i, w.Stratum.Step)
	whole := 0.5 / (float64(step+1) * float64(step+2))
	out := make([]mark, 0, 1+len(w.Marks)/n)
	if i > 0 {
		out = append(out, mark{start: stats.Start{Stratum: i, Stake: whole / 4}})
	}
	for j := n - 1; j < min(len(w.Marks), fairlead.MaxMarks); j += n {
		m := &w.Marks[j]
		out = append(out, mark{
			start: stats.Start{Stratum: i, Stake: whole * 0.75 * float64(n) / fairlead.MaxMarks},
			c:     m.Arms[fairlead.Candidate], b: m.Arms[fairlead.Incumbent],
		})
	}
	return out
}
