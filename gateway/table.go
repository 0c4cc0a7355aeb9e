package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev"
)

// compiled is a route made ready: its models are loaded and its counters found.
// It never changes; a trip or a new revision makes another one.
type compiled struct {
	ep      *endpoint
	plan    fairlead.Route  // as it arrived
	instead *fairlead.Route // the route that this one, the incumbent alone, stands in for; nil: this one is whole
	route   fairlead.Route  // plan with the tripped arms' shares given to the incumbent
	arms    []arm           // as plan.Arms
	stratum *stratum        // evidence; nil: what is counted now belongs to no window
	pi      float64         // the candidate's share, for the tripwires
	timeout time.Duration
	window  int64 // µs in which feedback is taken
}

// arm is a version that can answer.
type arm struct {
	name, version, part string // part: the version without its model's name
	handle              *handle
	stats               *armStats // evidence of assigned requests
	aside               *armStats // of requests that pinned the version: no evidence, for they were not assigned by chance
	mirror              fairlead.Weight
	mirrorCounts        bool // mirrored copies are this arm's only exposure, so they are its evidence
	trips               []fairlead.Tripwire
}

// drop gives the route's models back.
func (rt *compiled) drop(g *Gateway) {
	for i := range rt.arms {
		rt.arms[i].handle.release(g)
	}
}

// endpoint is what outlives an endpoint's routes.
type endpoint struct {
	name     string
	applying sync.Mutex // one Apply at a time; never held by callers' requests
	disk     sync.Mutex // one writer of the route's file
	inflight atomic.Int64
	rejected [rejections]atomic.Int64 // by reason
	lastLog  atomic.Int64             // second of the last logged failure: one a second

	mu      sync.Mutex
	strata  map[fairlead.Stratum]*stratum
	over    map[fairlead.Stratum]bool // strata that were let go of: in reports they must not begin again
	asides  map[[2]string]*armStats   // arm, version
	retired map[[2]string]*fairlead.Counts
	metrics map[string]bool // names of feedback metrics, bounded
	trips   []fairlead.Trip // of the release attempt in force
	failed  int64           // revision that could not be taken
	err     string          // why
	retry   *fairlead.Route // that route, to be tried again
	tries   int
	retryAt int64 // µs
	seq     int64
}

func newEndpoint(name string) *endpoint {
	return &endpoint{name: name, strata: map[fairlead.Stratum]*stratum{}, over: map[fairlead.Stratum]bool{}, asides: map[[2]string]*armStats{},
		retired: map[[2]string]*fairlead.Counts{}, metrics: map[string]bool{}}
}

// Apply puts a route in force. All its models are loaded first; then the route
// is swapped in whole. A route not newer than the one in force changes nothing
// and is no error (messages arrive at least once). One that is invalid or whose
// models cannot be loaded leaves the old one in force, and reports say so; where
// none is in force, its incumbent answers alone meanwhile (standin.go).
func (g *Gateway) Apply(ctx context.Context, r fairlead.Route) error {
	if faults := checkRoute(r); len(faults) > 0 {
		err := fairlead.Faulty("the route cannot be taken", faults)
		if len(fairlead.CheckName("", r.Endpoint)) == 0 {
			g.endpoint(r.Endpoint).fail(r, err, 0)
		}
		return err
	}
	if g.closed.Load() {
		return errClosed
	}
	ep := g.endpoint(r.Endpoint)
	ep.applying.Lock()
	defer ep.applying.Unlock()
	old := g.lookup(r.Endpoint)
	if old.covers(r.Revision) {
		return nil
	}
	rt, failed := g.prepare(ctx, ep, r, old == nil)
	if failed != nil {
		ep.fail(r, failed, g.now())
		if !old.yields(r.Revision) || len(rt.arms) == 0 {
			rt.drop(g)
			return failed
		}
		rt.standIn(g, r)
	}
	old, ok := g.swap(ep, rt)
	if !ok {
		rt.drop(g)
		return errClosed
	}
	if old != nil {
		old.drop(g)
	}
	if err := g.keepRoute(ep); err != nil {
		// It is in force all the same; only a restart would miss it.
		g.log.Error("a route could not be kept on disk", "endpoint", ep.name, "error", err)
	}
	return failed
}

// prepare loads the arms' models; hurry bounds the time that a candidate may
// take. With an error, the arms before the one that failed are ready: they are
// the caller's to use or drop.
func (g *Gateway) prepare(ctx context.Context, ep *endpoint, r fairlead.Route, hurry bool) (*compiled, error) {
	rt := &compiled{ep: ep, plan: r, timeout: r.Limits.Timeout.Std(), window: r.Feedback.Window.Std().Microseconds()}
	if rt.timeout <= 0 {
		rt.timeout = fairlead.DefaultTimeout.Std()
	}
	if rt.window <= 0 {
		rt.window = defaultWindow.Microseconds()
	}
	if rt.plan.Limits.Body <= 0 {
		rt.plan.Limits.Body = fairlead.DefaultBody
	}
	if rt.plan.Limits.Concurrency <= 0 {
		rt.plan.Limits.Concurrency = fairlead.DefaultConcurrency
	}
	if k := r.Key; k != nil && k.Header != "" {
		rt.plan.Key = &fairlead.Key{Header: http.CanonicalHeaderKey(k.Header)} // so that looking it up makes nothing
	}
	for i, a := range r.Arms {
		h, err := g.takeArm(ctx, a, hurry && i > 0)
		if err != nil {
			return rt, &fairlead.Error{Code: fairlead.Unavailable, Message: fmt.Sprintf("arm %s (%s) cannot be loaded on %s", a.Name, a.Version, a.Target), Err: err}
		}
		_, part, _ := strings.Cut(a.Version, "@")
		rt.arms = append(rt.arms, arm{name: a.Name, version: a.Version, part: part, handle: h})
	}
	return rt, nil
}

var errClosed = fairlead.Errorf(fairlead.Unavailable, "the gateway is shut down")

// swap puts rt in force and gives the route before, if any; false when the
// gateway was shut down meanwhile.
func (g *Gateway) swap(ep *endpoint, rt *compiled) (*compiled, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed.Load() {
		return nil, false
	}
	g.eps[ep.name] = ep // a Remove may have come between
	ep.mu.Lock()
	if rt.instead == nil {
		ep.failed, ep.err, ep.retry, ep.tries = 0, "", nil, 0
	}
	keep, now := ep.trips[:0:0], rt.wanted().Stratum
	for _, t := range ep.trips {
		// A trip holds for the whole attempt: a step that was taken before the
		// control plane heard of it must not bring the arm back.
		if t.Stratum.Release == now.Release && t.Stratum.Attempt == now.Attempt {
			keep = append(keep, t)
		}
	}
	ep.trips = keep
	g.bindLocked(ep, rt)
	ep.mu.Unlock()
	return g.publishLocked(ep.name, rt), true
}

// publishLocked replaces one entry of the table; nil removes it. mu is held.
func (g *Gateway) publishLocked(name string, rt *compiled) *compiled {
	was := *g.table.Load()
	next := maps.Clone(was)
	if rt == nil {
		delete(next, name)
	} else {
		next[name] = rt
	}
	g.table.Store(&next)
	return was[name]
}

// bindLocked finds rt's counters and applies the trips. ep.mu is held.
func (g *Gateway) bindLocked(ep *endpoint, rt *compiled) {
	rt.route = rt.plan
	rt.route.Arms = append([]fairlead.Arm(nil), rt.plan.Arms...)
	tripped := false
	for i := 1; i < len(rt.route.Arms); i++ {
		a := &rt.route.Arms[i]
		for _, t := range ep.trips {
			if t.Arm == a.Name {
				rt.route.Arms[0].Weight += a.Weight
				a.Weight, a.Mirror = 0, 0
				tripped = true
			}
		}
	}
	weight, mirror := exposure(rt.plan)
	rt.pi = float64(weight) / float64(fairlead.FullWeight)
	if weight == 0 {
		rt.pi = float64(mirror) / float64(mirror+fairlead.FullWeight)
	}
	rt.stratum = nil
	if !tripped {
		// Once an arm is off, what is counted no longer compares two arms over
		// the same traffic: it would dilute the very evidence of the trip.
		rt.stratum = g.stratumLocked(ep, rt.plan.Stratum, weight, mirror, g.env.Now())
		rt.stratum.touch()
	}
	for i := range rt.arms {
		a, spec := &rt.arms[i], rt.route.Arms[i]
		a.aside = ep.asideLocked(a.name, a.version, g.mask)
		a.stats = a.aside
		if rt.stratum != nil {
			a.stats = rt.stratum.armLocked(a.name, a.version, g.mask)
		}
		a.mirror = spec.Mirror
		a.mirrorCounts = spec.Weight == 0 && rt.stratum != nil
		a.trips = nil
		for _, t := range rt.plan.Tripwires {
			if t.Arm == a.name && rt.stratum != nil {
				a.trips = append(a.trips, t)
			}
		}
	}
}

// exposure of the candidate in a route.
func exposure(r fairlead.Route) (weight, mirror fairlead.Weight) {
	for _, a := range r.Arms[1:] {
		weight, mirror = weight+a.Weight, mirror+a.Mirror
	}
	return weight, mirror
}

// fail remembers a route that could not be taken. at 0: it is malformed, and
// trying again is of no use.
func (ep *endpoint) fail(r fairlead.Route, err error, at int64) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.retry == nil || ep.retry.Revision != r.Revision {
		ep.tries = 0
	}
	ep.failed, ep.err, ep.retry = r.Revision, err.Error(), nil
	if at > 0 {
		wait := min(int64(time.Second/time.Microsecond)<<min(ep.tries, 5), int64(30*time.Second/time.Microsecond))
		ep.retry, ep.retryAt = &r, at+wait
		ep.tries++
	}
}

// Remove takes an endpoint away. Calls that are running end as they would.
func (g *Gateway) Remove(endpoint string) {
	g.mu.Lock()
	ep := g.eps[endpoint]
	g.mu.Unlock()
	if ep == nil {
		return
	}
	ep.applying.Lock()
	defer ep.applying.Unlock()
	g.mu.Lock()
	old := g.publishLocked(endpoint, nil)
	delete(g.eps, endpoint)
	g.mu.Unlock()
	if old != nil {
		old.drop(g)
	}
	ep.mu.Lock()
	ep.retry = nil
	ep.mu.Unlock()
	g.forgetRoute(ep)
}

// checkRoute is the last line of defence: core/route compiles only good routes,
// but a route also arrives from disk and over the network.
func checkRoute(r fairlead.Route) []fairlead.Fault {
	faults := fairlead.CheckName("/endpoint", r.Endpoint)
	if r.Revision < 1 {
		faults = append(faults, fairlead.Fault{Path: "/revision", Message: "not a revision", Want: "1 or more", Got: fmt.Sprint(r.Revision)})
	}
	if len(r.Arms) == 0 || len(r.Arms) > maxArms {
		return append(faults, fairlead.Fault{Path: "/arms", Message: "wrong number of arms", Want: fmt.Sprintf("1 to %d", maxArms), Got: fmt.Sprint(len(r.Arms))})
	}
	var sum int64
	seen := map[string]bool{}
	for i, a := range r.Arms {
		path := fmt.Sprintf("/arms/%d", i)
		if a.Weight < 0 || a.Weight > fairlead.FullWeight || a.Mirror < 0 || a.Mirror > fairlead.FullWeight {
			faults = append(faults, fairlead.Fault{Path: path, Message: "a share outside 0% to 100%"})
		}
		if _, _, ok := fairlead.SplitRef(a.Version); !ok {
			faults = append(faults, fairlead.Fault{Path: path + "/version", Message: "not a version", Want: "model@version", Got: a.Version})
		}
		if a.Name == "" || seen[a.Name] {
			faults = append(faults, fairlead.Fault{Path: path + "/name", Message: "arms need names of their own", Got: a.Name})
		}
		seen[a.Name] = true
		sum += int64(a.Weight)
	}
	if sum != int64(fairlead.FullWeight) {
		faults = append(faults, fairlead.Fault{Path: "/arms", Message: "the weights do not sum to 100%", Got: fairlead.Weight(sum).String()})
	}
	for i, t := range r.Tripwires {
		if !seen[t.Arm] || !(t.Ratio > 0) || !(t.LogLine > 0) {
			faults = append(faults, fairlead.Fault{Path: fmt.Sprintf("/tripwires/%d", i), Message: "needs a known arm, a ratio and a line above 0"})
		}
	}
	return faults
}

// maxArms bounds a route.
const maxArms = 16

// defaultWindow is FeedbackSpec.Window where absent.
const defaultWindow = 24 * time.Hour
