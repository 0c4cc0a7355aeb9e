package gate

import (
	"fmt"
	"time"

	"fairlead.dev"
)

// The methods of a gate.
const (
	methodSequential = "sequential"
	methodThreshold  = "threshold"
)

// defaultInterval of a threshold gate.
const defaultInterval = fairlead.Duration(time.Minute)

// span is a stretch of time between two states of the counters.
type span struct{ c, b fairlead.Counts }

// plainChange is the value that a threshold is compared with: the candidate's
// value, or its change against the incumbent's on the bound's scale (a drop
// counts positive).
func plainChange(b bound, c, base float64) (float64, bool) {
	switch {
	case !b.change:
		return c, true
	case b.relative() && base <= 0:
		if c <= base {
			return 0, true // nothing became of nothing
		}
		return 0, false // no ratio to nothing
	case b.relative():
		c = c/base - 1
	default:
		c -= base
	}
	if !b.increase {
		c = -c
	}
	return c, true
}

// threshold compares each interval's plain value with the bound, as fixed
// checks of other tools do: the gate fails when more than FailureLimit
// comparisons failed, passes when one was made, the last one held and the limit
// is kept. It gives no guarantee about false alarms: how often a harmless
// candidate fails depends on the volume of an interval.
func threshold(g fairlead.Gate, k kind, q question) fairlead.Verdict {
	v := fairlead.Verdict{Gate: g, Outcome: fairlead.Undecided, Test: "fixed threshold", Bound: q.bound.q.Value, Unit: q.bound.q.Unit}
	every := g.Interval.Std()
	if every <= 0 {
		every = defaultInterval.Std()
	}
	var made, failed int
	var last float64
	var lastFailed bool
	for _, s := range q.ev.strata {
		if q.bound.change && (s.pi <= 0 || s.pi >= 1) {
			continue
		}
		for _, sp := range spans(s, every) {
			value, ok := k.plain(q, sp)
			if !ok {
				continue
			}
			made++
			last = value
			lastFailed = value > q.bound.q.Value
			if !q.bound.change && !q.bound.increase {
				lastFailed = value < q.bound.q.Value
			}
			if lastFailed {
				failed++
			}
		}
	}
	// Only the summaries are wanted, so the start times may stay away.
	plain := *q.ev
	plain.fine, plain.coarse = nil, nil
	q.ev = &plain
	a := k.judge(q)
	v.Candidate, v.Incumbent = saneSummary(a.candidate), saneSummary(a.incumbent)
	if made > 0 {
		v.Estimate = finite(last)
	}
	facts := join(a.facts, fmt.Sprintf("%d of %d comparisons, one each %v, were beyond %s", failed, made, fairlead.Duration(every), amount(q.bound.q.Value, q.bound.q.Unit)))
	switch {
	case v.Candidate.N <= 0:
		v.Reason = join(a.facts, "no observations of the candidate yet")
	case v.Candidate.N < g.MinSamples:
		v.Reason = join(a.facts, "no verdict before "+count(g.MinSamples)+" observations of the candidate")
	case failed > g.FailureLimit:
		v.Outcome = fairlead.Fail
		v.Reason = fmt.Sprintf("%s; %d are tolerated", facts, g.FailureLimit)
	case made == 0:
		v.Reason = join(a.facts, fmt.Sprintf("no interval of %v with observations is complete yet", fairlead.Duration(every)))
	case lastFailed:
		v.Reason = fmt.Sprintf("%s; %d are tolerated, but the last one was among them", facts, g.FailureLimit)
	default:
		v.Outcome = fairlead.Pass
		v.Reason = fmt.Sprintf("%s; %d are tolerated", facts, g.FailureLimit)
	}
	return v
}

// spans cuts a stratum at its marks into stretches at least every long.
func spans(s stratum, every time.Duration) []span {
	var out []span
	from := s.window.Start
	var c, b fairlead.Counts
	cut := func(at time.Time, nextC, nextB fairlead.Counts) {
		if at.Sub(from) < every {
			return
		}
		out = append(out, span{since(nextC, c), since(nextB, b)})
		from, c, b = at, nextC, nextB
	}
	for _, m := range s.window.Marks {
		cut(m.At, m.Arms[fairlead.Candidate], m.Arms[fairlead.Incumbent])
	}
	cut(s.window.End, s.c, s.b)
	return out
}

// since is what counters gained since an earlier state.
func since(now, past fairlead.Counts) fairlead.Counts {
	d := now
	d.Requests -= past.Requests
	d.Errors -= past.Errors
	d.Compared -= past.Compared
	d.Differed -= past.Differed
	d.Dropped -= past.Dropped
	if len(now.Latency) > 0 {
		d.Latency = make(fairlead.Histogram, len(now.Latency))
		for i, n := range now.Latency {
			if n -= past.Latency[i]; n > 0 {
				d.Latency[i] = n
			}
		}
	}
	if len(now.Metrics) > 0 {
		d.Metrics = make(map[string]fairlead.Moments, len(now.Metrics))
		for k, m := range now.Metrics {
			p := past.Metrics[k]
			d.Metrics[k] = fairlead.Moments{N: m.N - p.N, Sum: m.Sum - p.Sum, Sum2: m.Sum2 - p.Sum2}
		}
	}
	return d
}
