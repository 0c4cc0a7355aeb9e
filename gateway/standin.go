package gateway

import (
	"context"
	"time"

	"fairlead.dev"
)

// A candidate must never keep the incumbent from answering. Where a route is in
// force, one whose candidate cannot be loaded leaves it there. Where none is (a
// start after a crash, an endpoint's first route), the incumbent of the route
// that failed answers alone:
//
//   - at full weight, without the candidate's share, copies and tripwires;
//   - outside the release's stratum, for what it does alone compares nothing;
//   - under revision 0, so that nobody takes the failed route for one in force.
//
// The whole route is tried again as any that failed, and takes its place.

// candidateHurry bounds the loading of a candidate while nothing answers: a
// server that hangs would cost the endpoint as long as one that is down. The
// next try, with the incumbent answering, has all the time it wants.
const candidateHurry = 5 * time.Second

// takeArm is take, bounded in a hurry.
func (g *Gateway) takeArm(ctx context.Context, a fairlead.Arm, hurry bool) (*handle, error) {
	if hurry {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, candidateHurry)
		defer cancel()
	}
	return g.take(ctx, a)
}

// standIn makes rt, of which arms could be prepared, its incumbent alone.
func (rt *compiled) standIn(g *Gateway, r fairlead.Route) {
	for i := range rt.arms[1:] {
		rt.arms[i+1].handle.release(g)
	}
	incumbent := r.Arms[0]
	incumbent.Weight, incumbent.Mirror = fairlead.FullWeight, 0
	rt.instead, rt.arms = &r, rt.arms[:1]
	rt.plan.Arms = []fairlead.Arm{incumbent}
	rt.plan.Revision, rt.plan.Stratum, rt.plan.Tripwires = 0, fairlead.Stratum{}, nil
	g.log.Warn("the incumbent answers alone until the whole route can be taken", "endpoint", r.Endpoint, "revision", r.Revision, "version", incumbent.Version)
}

// wanted is the route that was asked for.
func (rt *compiled) wanted() *fairlead.Route {
	if rt.instead != nil {
		return rt.instead
	}
	return &rt.plan
}

// covers reports whether a route of that revision has nothing to add to rt. The
// one that rt stands in for has.
func (rt *compiled) covers(revision int64) bool {
	switch {
	case rt == nil:
		return false
	case rt.instead != nil:
		return rt.instead.Revision > revision
	}
	return rt.plan.Revision >= revision
}

// yields reports whether rt gives way to the incumbent of a newer route that
// cannot be taken whole: nothing does, and so does an older stand-in.
func (rt *compiled) yields(revision int64) bool {
	return rt == nil || rt.instead != nil && rt.instead.Revision < revision
}
