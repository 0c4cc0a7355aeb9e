package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/route"
	model "fairlead.dev/runtime"
)

// Call is one inference, whatever brought it in.
type Call struct {
	Endpoint  string
	Version   string         // pins an arm by its version's name ("2") or reference; the router decides if empty
	RequestID string         // Request.ID, and then a new one, if empty
	Key       string         // the unit that stays with one arm; the request's id if empty
	Request   *model.Request // kept for mirrored copies: do not change it afterwards
	Size      int64          // of the request in bytes, for the mirror's budget; 0 if unknown
	Mirror    bool           // this is a mirrored copy already: no copies of it are made
}

// Answer says who answered. On an error the fields known by then are set.
type Answer struct {
	RequestID string
	Endpoint  string
	Arm       string
	Version   string          // model@version
	Revision  int64           // of the route that chose
	Response  *model.Response // read only: copies may still be compared with it
}

// Reasons why a request came to no arm's account.
const (
	rejectLimited = iota
	rejectInvalid
	rejectCancelled
	rejections
)

var rejectionNames = [rejections]string{"limited", "invalid", "cancelled"}

// Infer answers one call: match, choose, send, record, mirror. Errors are
// *fairlead.Error, or context.Canceled when the caller went away. Failures of
// the model (its errors, panics, lateness) count against its arm; the caller's
// own mistakes, limits and departures do not.
func (g *Gateway) Infer(ctx context.Context, c Call) (Answer, error) {
	for {
		rt := g.lookup(c.Endpoint)
		if rt == nil {
			return Answer{RequestID: c.RequestID, Endpoint: c.Endpoint}, g.unknown(c.Endpoint)
		}
		// A call that read a route just before it was replaced may find its
		// model closed; the table has a newer route by then.
		if a, err, ok := g.serve(ctx, rt, &c); ok {
			return a, err
		}
	}
}

func (g *Gateway) unknown(endpoint string) error {
	if g.closed.Load() {
		return errClosed
	}
	g.mu.Lock()
	ep := g.eps[endpoint]
	g.mu.Unlock()
	if ep != nil {
		ep.mu.Lock()
		defer ep.mu.Unlock()
		if ep.failed > 0 {
			return fairlead.Errorf(fairlead.Unavailable, "endpoint %q has no route that could be loaded", endpoint)
		}
	}
	return fairlead.Errorf(fairlead.NotFound, "unknown endpoint %.80q", endpoint)
}

// choose gives the index of the arm for a unit and the unit's bucket.
func (rt *compiled) choose(unit string) (int, int32) {
	bucket := route.Bucket(rt.route.Salt, unit)
	return route.Choose(&rt.route, bucket), bucket
}

// pinned gives the arm that serves a version by its name or full reference.
func (rt *compiled) pinned(version string) (int, error) {
	var known []string
	for i := range rt.arms {
		if a := &rt.arms[i]; a.part == version || a.version == version {
			return i, nil
		}
		known = append(known, rt.arms[i].part)
	}
	return 0, fairlead.Errorf(fairlead.NotFound, "version %.80q is not routed by endpoint %q; routed: %s", version, rt.ep.name, join(known))
}

// serve answers from one route; ok is false when the chosen model was closed
// before it could be taken.
func (g *Gateway) serve(ctx context.Context, rt *compiled, c *Call) (a Answer, err error, ok bool) { //nolint:staticcheck // ok last, as in a map access
	ep := rt.ep
	if c.RequestID == "" && c.Request != nil && validID(c.Request.ID) {
		c.RequestID = c.Request.ID
	}
	if c.RequestID == "" {
		c.RequestID = g.env.NewID()
	}
	a = Answer{RequestID: c.RequestID, Endpoint: ep.name, Revision: rt.plan.Revision}
	if c.Request == nil {
		return a, fairlead.Errorf(fairlead.Invalid, "no request"), true
	}
	running := ep.inflight.Add(1)
	defer ep.inflight.Add(-1)
	if running > int64(rt.plan.Limits.Concurrency) {
		ep.rejected[rejectLimited].Add(1)
		return a, fairlead.Errorf(fairlead.Limited, "endpoint %q answers %d requests at once already; try again later", ep.name, rt.plan.Limits.Concurrency), true
	}

	unit := c.Key
	if unit == "" {
		unit = c.RequestID
	}
	i, bucket := rt.choose(unit)
	if c.Version != "" {
		if i, err = rt.pinned(c.Version); err != nil {
			return a, err, true
		}
	}
	arm := &rt.arms[i]
	if !arm.handle.use() {
		return a, nil, false
	}
	defer arm.handle.release(g)
	a.Arm, a.Version = arm.name, arm.version

	counts := arm.stats
	if c.Version != "" {
		counts = arm.aside
	}
	start := g.env.Now()
	resp, err := g.send(ctx, arm, c.Request, rt.timeout)
	elapsed := g.env.Now().Sub(start)
	out := g.classify(ctx, rt, i, c.Request, elapsed, err)
	switch {
	case out.reject >= 0:
		ep.rejected[out.reject].Add(1)
		return a, out.err, true
	case out.err == nil:
		a.Response = resp
	}
	counts.record(uint32(bucket), elapsed.Seconds(), out.err != nil)
	var st *stratum
	if counts == arm.stats {
		st = rt.stratum
	}
	st.touch()
	g.decide(rt, counts, st, c.RequestID, start, a.Response)
	if out.err != nil {
		g.logFailure(ep, arm, out.err)
		if st != nil {
			g.checkTrips(rt, arm.name)
		}
		return a, out.err, true
	}
	if c.Version == "" && !c.Mirror {
		g.mirror(ctx, rt, i, unit, c, resp)
	}
	return a, nil, true
}

// send calls the model under the endpoint's deadline. A panic there is an error
// of the arm, never the end of the process.
func (g *Gateway) send(ctx context.Context, a *arm, req *model.Request, timeout time.Duration) (resp *model.Response, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, &fairlead.Error{Code: fairlead.Internal, Message: a.version + " failed", Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	resp, err = a.handle.model.Infer(ctx, req)
	if err == nil {
		err = sound(a.version, resp)
	}
	if err != nil && context.Cause(ctx) == errTimeout {
		err = errTimeout
	}
	return resp, err
}

var errTimeout = errors.New("the endpoint's deadline passed")

// outcome is how a call ended: reject ≥ 0 keeps it off the arm's account.
type outcome struct {
	err    error
	reject int
}

func (g *Gateway) classify(ctx context.Context, rt *compiled, i int, req *model.Request, elapsed time.Duration, err error) outcome {
	a := &rt.arms[i]
	late := elapsed > rt.timeout || errors.Is(err, errTimeout)
	switch {
	case err == nil && !late:
		return outcome{nil, -1}
	case late:
		return outcome{fairlead.Errorf(fairlead.Timeout, "%s did not answer within %s", a.version, rt.timeout), -1}
	case ctx.Err() != nil:
		return outcome{context.Canceled, rejectCancelled}
	}
	code := fairlead.CodeOf(err)
	if code == fairlead.Invalid || code == fairlead.TooLarge {
		// A candidate that refuses what the incumbent declares it takes is at
		// fault itself: callers did not change, the version did.
		if i > 0 && conforms(rt.arms[0].handle.model.Signature(), req) && !conforms(a.handle.model.Signature(), req) {
			return outcome{err, -1}
		}
		return outcome{err, rejectInvalid}
	}
	switch code {
	case fairlead.Timeout, fairlead.Unavailable:
		return outcome{err, -1}
	case fairlead.Internal:
		var e *fairlead.Error
		if errors.As(err, &e) {
			return outcome{err, -1}
		}
	}
	return outcome{&fairlead.Error{Code: fairlead.Internal, Message: a.version + " failed", Err: err}, -1}
}

// conforms reports whether a request is what a signature declares. One that
// declares nothing says nothing of the request.
func conforms(sig model.Signature, req *model.Request) bool {
	return len(sig.Inputs) > 0 && model.CheckRequest(&sig, req) == nil
}

// sound checks that an answer's tensors are what they say, so that nothing
// after this (encoding, comparing, labels) can be led astray by a model.
func sound(version string, r *model.Response) error {
	if r == nil {
		return fairlead.Errorf(fairlead.Internal, "%s gave no answer", version)
	}
	for i := range r.Outputs {
		t := &r.Outputs[i]
		if n, ok := model.DataLen(t.Datatype, t.Data); !ok || int64(n) != model.Elements(t.Shape) {
			return fairlead.Errorf(fairlead.Internal, "output %.80q of %s is not what its datatype and shape say", t.Name, version)
		}
	}
	return nil
}

// logFailure logs at most one failure of an endpoint a second.
func (g *Gateway) logFailure(ep *endpoint, a *arm, err error) {
	sec := g.now() / 1e6
	if last := ep.lastLog.Load(); last != sec && ep.lastLog.CompareAndSwap(last, sec) {
		var detail error
		if e := (*fairlead.Error)(nil); errors.As(err, &e) {
			detail = e.Err
		}
		g.log.Warn("a version failed to answer", "endpoint", ep.name, "arm", a.name, "version", a.version, "error", err, "detail", detail)
	}
}

// validID: up to 128 printable ASCII characters, as they fit a header.
func validID(id string) bool {
	if len(id) == 0 || len(id) > 128 || id[0] == ' ' || id[len(id)-1] == ' ' {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func join(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}
