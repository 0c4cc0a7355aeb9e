package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"fairlead.dev"
	"fairlead.dev/gateway"
	"fairlead.dev/op"
)

// readiness says whether this process wants traffic.
type readiness struct{ atomic.Bool }

// maxBody bounds every request body; endpoints and verbs have their own,
// smaller limits. Artifacts are the largest.
const maxBody = 16 << 30

// handler shares one listener between callers and control. Health alone is
// open to everybody; every other part checks credentials itself.
//
// Watchers' streams would never end by themselves; they end with stopping, so
// that a shutdown waits for requests alone.
func handler(stopping context.Context, gw *gateway.Gateway, api http.Handler, deps *op.Deps, ready *readiness) http.Handler {
	mux := http.NewServeMux()
	callers := gw.Handler()
	mux.Handle("/v2", callers)
	mux.Handle("/v2/", callers)
	mux.Handle("/v1/feedback", callers)
	mux.Handle("/", api)
	mux.HandleFunc("/api/v1/watch", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		api.ServeHTTP(w, r.WithContext(ctx))
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { metrics(w, r, gw, deps) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { health(w, ready.Load()) })
	return paced(http.MaxBytesHandler(mux, maxBody), bodyGrace, bodyRate)
}

func health(w http.ResponseWriter, ok bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "not ready\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// metrics answers Prometheus, which needs a viewer's token.
func metrics(w http.ResponseWriter, r *http.Request, gw *gateway.Gateway, deps *op.Deps) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		secret = ""
	}
	caller, err := op.Authenticate(r.Context(), deps, strings.TrimSpace(secret))
	status := http.StatusOK
	switch {
	case fairlead.CodeOf(err) == fairlead.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer realm="fairlead"`)
		status = http.StatusUnauthorized
	case err != nil:
		status = http.StatusServiceUnavailable
	case !caller.May(op.CanRead):
		status = http.StatusForbidden
	}
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = gw.WriteMetrics(w) // the client has gone away
}
