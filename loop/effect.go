package loop

import (
	"bytes"
	"context"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/route"
	"fairlead.dev/store"
)

// passEffect does one effect. It looks at what is, so it may run at any time,
// asked for or not; the outbox row is removed only once it is done and nobody
// asked again meanwhile. Its failure is kept for the release loop to see.
func (r *Runner) passEffect(ctx context.Context, key string) (time.Time, error) {
	pending, err := r.cfg.Store.Pending(ctx)
	if err != nil {
		return time.Time{}, err
	}
	kind, name, _ := strings.Cut(key, "/")
	if kind != EffectRoute {
		err = fairlead.Unknown("effect", kind, []string{EffectRoute})
	} else {
		err = r.performRoute(ctx, name)
	}
	r.setTrouble(key, err)
	if err != nil {
		return time.Time{}, err
	}
	for _, e := range pending {
		if e.Kind == kind && e.Key == name {
			return time.Time{}, r.cfg.Store.Done(ctx, e)
		}
	}
	return time.Time{}, nil
}

// trouble is why an effect keeps failing; empty if it does not.
func (r *Runner) trouble(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.troubles[key]
}

func (r *Runner) setTrouble(key string, err error) {
	r.mu.Lock()
	before := r.troubles[key]
	if err == nil {
		delete(r.troubles, key)
	} else {
		r.troubles[key] = err.Error()
	}
	changed := before != r.troubles[key]
	r.mu.Unlock()
	if _, endpoint, ok := strings.Cut(key, "/"); ok && changed {
		r.queue.poke(Work{Endpoint, endpoint})
	}
}

// performRoute makes the stored route what the endpoint and its release ask
// for, and publishes it. It is the only writer of routes.
func (r *Runner) performRoute(ctx context.Context, endpoint string) error {
	for range 10 {
		e, edoc, err := get[fairlead.Endpoint](ctx, r, fairlead.KindEndpoint, endpoint)
		if fairlead.CodeOf(err) == fairlead.NotFound {
			return r.removeRoute(ctx, endpoint)
		}
		if err != nil {
			return err
		}
		rt, require, err := r.wanted(ctx, e, edoc)
		if err != nil {
			return err
		}
		stored, rdoc, err := get[fairlead.Route](ctx, r, fairlead.KindRoute, endpoint)
		switch code := fairlead.CodeOf(err); {
		case code == fairlead.NotFound:
			// The endpoint's commit index is above every revision that an earlier
			// endpoint of this name can have had: a gateway that missed its
			// removal still takes the new route.
			rdoc = store.Doc{}
			stored.Revision = edoc.Index - 1
		case err != nil:
			return err
		case sameRoute(rt, stored):
			return r.publishRoute(ctx, stored)
		}
		rt.Revision = stored.Revision + 1
		data, err := encode(rt)
		if err != nil {
			return err
		}
		err = r.commit(ctx, store.Commit{Require: require,
			Put: []store.Put{{Kind: fairlead.KindRoute, Key: endpoint, IfRev: rdoc.Rev, Data: data}}})
		if fairlead.CodeOf(err) == fairlead.Conflict {
			continue
		}
		if err != nil {
			return err
		}
		return r.publishRoute(ctx, rt)
	}
	return fairlead.Errorf(fairlead.Conflict, "the route of endpoint %s changes faster than it can be written", endpoint)
}

// wanted compiles the route that the documents ask for, and gives the guards
// under which that holds.
func (r *Runner) wanted(ctx context.Context, e fairlead.Endpoint, edoc store.Doc) (fairlead.Route, []store.Require, error) {
	require := []store.Require{{Kind: fairlead.KindEndpoint, Key: edoc.Key, Rev: edoc.Rev}}
	var rel *fairlead.Release
	var wires []fairlead.Tripwire
	if name := e.Status.Release; name != "" {
		found, doc, err := get[fairlead.Release](ctx, r, fairlead.KindRelease, name)
		if err != nil && fairlead.CodeOf(err) != fairlead.NotFound {
			return fairlead.Route{}, nil, err
		}
		if err == nil {
			rel = &found
			wires = gate.Tripwires(rel.Spec.Gates, rel.Spec.Risk.Alpha)
		} else {
			doc.Rev = 0
		}
		require = append(require, store.Require{Kind: fairlead.KindRelease, Key: name, Rev: doc.Rev})
	}
	var failed error // of the store, which is not the same as a missing document
	note := func(err error) bool {
		if err != nil && fairlead.CodeOf(err) != fairlead.NotFound {
			failed = err
		}
		return err == nil
	}
	rt, err := route.Compile(e, rel, func(ref string) (fairlead.Version, bool) {
		v, _, err := get[fairlead.Version](ctx, r, fairlead.KindVersion, ref)
		return v, note(err)
	}, func(name string) (fairlead.TargetSpec, bool) {
		t, _, err := get[fairlead.Target](ctx, r, fairlead.KindTarget, name)
		return t.Spec, note(err)
	}, wires...)
	if failed != nil {
		err = failed
	}
	return rt, require, err
}

// sameRoute: nothing but the revision differs.
func sameRoute(a, b fairlead.Route) bool {
	a.Revision, b.Revision = 0, 0
	x, errA := encode(a)
	y, errB := encode(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

func (r *Runner) publishRoute(ctx context.Context, rt fairlead.Route) error {
	data, err := encode(rt)
	if err != nil {
		return err
	}
	return r.cfg.Bus.Publish(ctx, bus.Message{Topic: bus.TopicRoute, Key: rt.Endpoint, Data: data})
}

// removeRoute takes the route of a deleted endpoint from the store and from the
// gateways.
func (r *Runner) removeRoute(ctx context.Context, endpoint string) error {
	c := store.Commit{Require: []store.Require{{Kind: fairlead.KindEndpoint, Key: endpoint, Rev: 0}}}
	if _, err := r.cfg.Store.Get(ctx, fairlead.KindRoute, endpoint); err == nil {
		c.Put = append(c.Put, store.Put{Kind: fairlead.KindRoute, Key: endpoint, IfRev: store.AnyRev, Delete: true})
	} else if fairlead.CodeOf(err) != fairlead.NotFound {
		return err
	}
	gateways, err := r.cfg.Store.List(ctx, fairlead.KindGateway, endpoint+"/", "", 0)
	if err != nil {
		return err
	}
	for _, d := range gateways {
		c.Put = append(c.Put, store.Put{Kind: fairlead.KindGateway, Key: d.Key, IfRev: store.AnyRev, Delete: true})
	}
	if len(c.Put) > 0 {
		if err := r.commit(ctx, c); err != nil {
			return err
		}
	}
	r.forget(endpoint)
	return r.cfg.Bus.Publish(ctx, bus.Message{Topic: bus.TopicRoute, Key: endpoint})
}

// passRoutes publishes every stored route again: a bus in memory forgot them
// with the process.
func (r *Runner) passRoutes(ctx context.Context, _ string) (time.Time, error) {
	docs, err := r.cfg.Store.List(ctx, fairlead.KindRoute, "", "", 0)
	if err != nil {
		return time.Time{}, err
	}
	for _, d := range docs {
		if err := r.cfg.Bus.Publish(ctx, bus.Message{Topic: bus.TopicRoute, Key: d.Key, Data: d.Data}); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}

// passTokens publishes the tokens' documents (hashes, never secrets).
func (r *Runner) passTokens(ctx context.Context, _ string) (time.Time, error) {
	docs, err := r.cfg.Store.List(ctx, fairlead.KindToken, "", "", 0)
	if err != nil {
		return time.Time{}, err
	}
	tokens := make([]fairlead.Token, 0, len(docs))
	for _, d := range docs {
		t, err := decode[fairlead.Token](&r.memory, d)
		if err != nil {
			return time.Time{}, err
		}
		tokens = append(tokens, t)
	}
	data, err := encode(tokens)
	if err != nil {
		return time.Time{}, err
	}
	return time.Time{}, r.cfg.Bus.Publish(ctx, bus.Message{Topic: bus.TopicTokens, Data: data})
}
