package gateway

import (
	"fmt"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// checkTrips judges the tripwires armed for an arm that just failed. It reads
// two sums of counters and does arithmetic; errors are rare enough for it to
// run at each.
func (g *Gateway) checkTrips(rt *compiled, name string) {
	for i := range rt.arms {
		a := &rt.arms[i]
		if a.name != name {
			continue
		}
		for _, t := range a.trips {
			c := stats.RatioCount{Pi: rt.pi, Xc: a.stats.errors(), Xb: rt.arms[0].stats.errors()}
			if logE := stats.TripLogE(t.Ratio, c); logE >= t.LogLine {
				g.trip(rt, fairlead.Trip{Stratum: rt.plan.Stratum, Arm: name, LogE: logE,
					Reason: fmt.Sprintf("%d errors of %s (%s) against %d of the incumbent at %.4g%% of the traffic: evidence %.2f nats, line %.2f, tolerated ratio %.4g",
						c.Xc, name, a.version, c.Xb, 100*c.Pi, logE, t.LogLine, t.Ratio)})
				return
			}
		}
	}
}

// trip turns an arm off at once: a route without its share takes the place of
// the one in force, is kept on disk, and Run reports it without waiting for its
// next second.
func (g *Gateway) trip(rt *compiled, t fairlead.Trip) {
	ep := rt.ep
	g.mu.Lock()
	now := g.lookup(ep.name)
	if now == nil || now.ep != ep || now.plan.Stratum != t.Stratum {
		g.mu.Unlock()
		return // the plan moved on meanwhile
	}
	ep.mu.Lock()
	for _, had := range ep.trips {
		if had.Arm == t.Arm {
			ep.mu.Unlock()
			g.mu.Unlock()
			return
		}
	}
	ep.trips = append(ep.trips, t)
	next := *now
	next.arms = append([]arm(nil), now.arms...)
	for i := range next.arms {
		next.arms[i].handle.use() // cannot fail: now holds a reference until it is dropped below
	}
	g.bindLocked(ep, &next)
	ep.mu.Unlock()
	g.publishLocked(ep.name, &next)
	g.mu.Unlock()
	now.drop(g)
	rt.stratum.touch()
	g.log.Warn("tripwire: arm turned off", "endpoint", ep.name, "arm", t.Arm, "stratum", t.Stratum.String(), "reason", t.Reason)
	if err := g.keepRoute(ep); err != nil {
		g.log.Error("the trip could not be kept on disk", "endpoint", ep.name, "error", err)
	}
	g.nudge()
}
