package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// handle is a loaded model and who needs it: one reference for each compiled
// route that names it and one for each running call. The last one out closes
// the model, so a swap never pulls a model from under a call.
type handle struct {
	model model.Model
	key   string
	refs  atomic.Int64
}

// use takes a reference; false when the model is closed already, which can
// only be seen by a call that read a route just before it was replaced.
func (h *handle) use() bool {
	for {
		n := h.refs.Load()
		if n == 0 {
			return false
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (h *handle) release(g *Gateway) {
	if h.refs.Add(-1) > 0 {
		return
	}
	g.mu.Lock()
	if g.handles[h.key] == h {
		delete(g.handles, h.key)
	}
	g.mu.Unlock()
	if err := h.model.Close(); err != nil {
		g.log.Warn("closing a model failed", "error", err)
	}
}

// handleKey: an artifact's bytes on a place are one model, whatever endpoint
// or version name asks for it.
func handleKey(a fairlead.Arm) string {
	return strings.Join([]string{a.Artifact.Digest, a.Artifact.Format, a.Target, a.Place.Runtime, a.Place.URL, a.Place.Timeout.String()}, "\x00")
}

// take gives a handle with a reference of its own, loading the model if nobody
// has it. No lock is held while loading.
func (g *Gateway) take(ctx context.Context, a fairlead.Arm) (*handle, error) {
	key := handleKey(a)
	g.mu.Lock()
	h := g.handles[key]
	g.mu.Unlock()
	if h != nil && h.use() {
		return h, nil
	}
	m, err := g.load(ctx, a)
	if err != nil {
		return nil, err
	}
	h = &handle{model: m, key: key}
	h.refs.Store(1)
	g.mu.Lock()
	first := g.handles[key]
	if first == nil || !first.use() {
		g.handles[key] = h
		g.mu.Unlock()
		return h, nil
	}
	g.mu.Unlock() // another endpoint loaded the same meanwhile
	if err := m.Close(); err != nil {
		g.log.Warn("closing a model failed", "version", a.Version, "error", err)
	}
	return first, nil
}

func (g *Gateway) load(ctx context.Context, a fairlead.Arm) (m model.Model, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fairlead.Error{Code: fairlead.Internal, Message: "loading " + a.Version + " panicked", Err: fmt.Errorf("%v", p)}
		}
	}()
	m, err = g.cfg.Load(ctx, a)
	if err == nil && m == nil {
		err = fairlead.Errorf(fairlead.Internal, "loading %s gave no model", a.Version)
	}
	return m, err
}
