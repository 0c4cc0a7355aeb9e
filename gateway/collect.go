package gateway

import (
	"cmp"
	"slices"
	"time"

	"fairlead.dev"
)

// maxStrata bounds the strata kept of an endpoint; the longest idle go first.
const maxStrata = 256

// repeatFor is how long a window is reported after its last change. A report
// may be lost, or replaced by a newer one before anybody has read it; the newer
// one must say what it said.
const repeatFor = 10 * time.Second

// Collect says how every endpoint stands: the route in force, a route that
// could not be taken, trips, and the windows that changed since the last call or
// within repeatFor (all: every window still kept). Counters are cumulative since
// the gateway's start, so a lost report does no harm. It also lets go of strata
// that are long over. Reports come sorted by endpoint.
func (g *Gateway) Collect(all bool) []fairlead.GatewayReport {
	now := g.env.Now()
	eps, table := g.sortedEndpoints()
	var out []fairlead.GatewayReport
	for _, ep := range eps {
		if r, ok := g.collect(ep, table[ep.name], all, now); ok {
			out = append(out, r)
		}
	}
	if g.journal != nil {
		g.journal.flush()
	}
	return out
}

func (g *Gateway) collect(ep *endpoint, rt *compiled, all bool, now time.Time) (fairlead.GatewayReport, bool) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	r := fairlead.GatewayReport{Gateway: g.cfg.ID, Home: g.cfg.Home, Endpoint: ep.name, Error: ep.err, Failed: ep.failed}
	if rt != nil {
		r.Revision, r.Stratum = rt.plan.Revision, rt.plan.Stratum
		r.Trips = slices.Clone(ep.trips)
	}
	strata := make([]*stratum, 0, len(ep.strata))
	for _, st := range ep.strata {
		strata = append(strata, st)
	}
	slices.SortFunc(strata, func(a, b *stratum) int {
		return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.key.Release, b.key.Release),
			cmp.Compare(a.key.Attempt, b.key.Attempt), cmp.Compare(a.key.Step, b.key.Step))
	})
	for _, st := range strata {
		if st.dirty.Swap(false) { // before reading: a later change marks it again
			st.last.Store(now.UnixMicro())
		}
		last := time.UnixMicro(st.last.Load()).UTC()
		if all || now.Sub(last) < repeatFor {
			end := now
			if rt == nil || rt.plan.Stratum != st.key {
				end = last // it is over: said again it is the same, word for word
			}
			r.Windows = append(r.Windows, st.window(ep.name, end))
		}
	}
	ep.retireLocked(rt, strata, now)
	if rt == nil && r.Failed == 0 && len(r.Windows) == 0 {
		return r, false // known from the journal alone
	}
	ep.seq++
	r.Seq = ep.seq
	return r, true
}

// window is the stratum's evidence so far. endpoint.mu is held.
func (st *stratum) window(endpoint string, end time.Time) fairlead.Window {
	w := fairlead.Window{Endpoint: endpoint, Stratum: st.key, Start: st.start, End: end,
		Weight: st.weight, Mirror: st.mirror, Arms: map[string]fairlead.Counts{}}
	for k, s := range st.arms {
		c := s.counts()
		if had, ok := w.Arms[k[0]]; ok {
			c = had.Add(c)
		}
		w.Arms[k[0]] = c
	}
	return w
}

// retireLocked lets go of strata nothing can change any more: reported, not in
// force, and idle for longer than feedback is taken. A stratum that came back
// after that would begin at zero again, which reports must never do, so the
// stratum at rest, which does come back, stays.
func (ep *endpoint) retireLocked(rt *compiled, strata []*stratum, now time.Time) {
	keep := defaultWindow
	if rt != nil {
		keep = max(time.Duration(rt.window)*time.Microsecond, rt.timeout+time.Minute)
	}
	over := len(strata) - maxStrata
	for _, st := range strata {
		current := rt != nil && rt.plan.Stratum == st.key
		idle := time.Duration(now.UnixMicro()-st.last.Load()) * time.Microsecond
		if current || st.key.Release == "" || st.dirty.Load() || idle <= keep && !(over > 0 && idle > time.Minute) {
			continue
		}
		over--
		ep.foldLocked(st)
		delete(ep.strata, st.key)
		ep.over[st.key] = true
	}
}

// foldLocked adds a stratum that is let go of to the totals, so that the
// exposed counters never go back.
func (ep *endpoint) foldLocked(st *stratum) {
	for k, s := range st.arms {
		c := s.counts()
		if was := ep.retired[k]; was != nil {
			c = was.Add(c)
		}
		ep.retired[k] = &c
	}
}
