package loop

import (
	"context"
	"slices"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/store"
)

// spread is how many of a stratum's marks lie evenly in its hold; the others
// follow it, each after twice the time, so that MaxMarks of them outlast any
// wait.
const spread = fairlead.MaxMarks * 3 / 4

// markDue is when mark n (0, 1, …) of a stratum is due, since its start.
//
// The times depend on the plan alone (the step's hold) and on no counter. That
// is what the tests need which start at a mark (statistics.md §1.2, start-time
// mixture): a start point must be chosen without looking at what it will be
// judged on, and its share of the evidence (1 of 2·MaxMarks) is fixed
// beforehand. Marks are never thinned for the same reason: dropping a start
// point later would be a choice made with the data in sight. A mark is taken at
// the first regular flush at or after its time; a flush made early, because of a
// trip, takes none.
func markDue(hold time.Duration, n int) time.Duration {
	even := max(hold/spread, time.Second)
	if hold == 0 {
		even = 0
	}
	if even > 0 && n < spread {
		return even * time.Duration(n+1)
	}
	d := time.Second
	if even > 0 {
		d, n = 2*even*spread, n-spread
	}
	for range n {
		if d > 1<<61 {
			break
		}
		d *= 2
	}
	return d
}

// nextMark is the time of the first mark due after the last one taken.
func nextMark(hold, last time.Duration) (time.Duration, bool) {
	for n := range fairlead.MaxMarks {
		if d := markDue(hold, n); d > last {
			return d, true
		}
	}
	return 0, false
}

// mark gives the put of a stratum's marks when one is due: the counters of all
// gateways as stored, with what is being stored now over them.
func (r *Runner) mark(ctx context.Context, endpoint string, s fairlead.Stratum, fresh map[string]fairlead.Window, now time.Time) ([]store.Put, error) {
	rel, _, err := get[fairlead.Release](ctx, r, fairlead.KindRelease, s.Release)
	if fairlead.CodeOf(err) == fairlead.NotFound || err == nil && rel.Stratum() != s {
		return nil, nil // late feedback for a stratum that has ended
	}
	if err != nil {
		return nil, err
	}
	hold := rel.Spec.Guard.Hold
	if s.Step < len(rel.Status.Steps) {
		hold = rel.Status.Steps[s.Step].Hold
	}
	docs, err := r.cfg.Store.List(ctx, fairlead.KindWindow, evidence.StratumPrefix(endpoint, s), "", 0)
	if err != nil {
		return nil, err
	}
	marks := fairlead.Window{Endpoint: endpoint, Stratum: s}
	var all fairlead.Window
	for _, d := range docs {
		w, err := decode[fairlead.Window](&r.memory, d)
		if err != nil {
			return nil, err
		}
		_, _, part, _ := evidence.Split(d.Key)
		if part == evidence.MarksPart {
			marks = w
		} else if _, newer := fresh[part]; !newer {
			evidence.Add(&all, w)
		}
	}
	for _, w := range fresh {
		evidence.Add(&all, w)
	}
	last := time.Duration(0)
	if n := len(marks.Marks); n > 0 {
		last = marks.Marks[n-1].At.Sub(all.Start)
	}
	due, ok := nextMark(hold.Std(), last)
	if !ok || now.Sub(all.Start) < due || len(marks.Marks) >= fairlead.MaxMarks {
		return nil, nil
	}
	marks.Start, marks.End = all.Start, now
	// Cloned: what was decoded is shared.
	marks.Marks = append(slices.Clone(marks.Marks), fairlead.Mark{At: now, Arms: all.Arms})
	data, err := encode(marks)
	if err != nil {
		return nil, err
	}
	return []store.Put{{Kind: fairlead.KindWindow, Key: evidence.Key(endpoint, s, evidence.MarksPart), IfRev: store.AnyRev, Data: data}}, nil
}
