package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fairlead.dev"
	"fairlead.dev/op"
)

// Prefix of every verb's path.
const Prefix = "/api/v1"

// Limits of one request. A body's time runs from its first byte; blobs and the
// stream of changes have their own.
const (
	maxBody    = 8 << 20
	bodyTime   = 30 * time.Second
	verbTime   = 2 * time.Minute
	maxQuery   = 16 << 10
	writeGrace = 30 * time.Second
)

// Handler serves the verbs under /api/v1 and their description at
// /openapi.json and /openapi.yaml. Every request needs a token. The log gets
// one line a request: no secrets, no bodies, no queries.
func Handler(d *op.Deps, log *slog.Logger) http.Handler {
	h := &handler{deps: d, log: log, watchers: make(chan struct{}, maxWatchers)}
	mux := http.NewServeMux()
	config := huma.Config{OpenAPI: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "Fairlead", Version: fairlead.APIVersion,
			Description: "Registers model versions, serves them behind stable addresses, and moves traffic to better ones under judgement. Errors are application/problem+json with every fault at once."},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer",
				Description: "A token made by \"token create\"."}},
		},
		Security: []map[string][]string{{"token": {}}},
	}}
	adapter := humago.NewAdapter(mux, "")
	oapi := huma.NewAPI(config, adapter).OpenAPI()
	describe(oapi, adapter, h)
	h.blobs(oapi, adapter)
	h.changes(oapi, adapter)
	// Made once: it never changes while the server runs.
	asJSON, errJSON := json.MarshalIndent(oapi, "", "  ")
	asYAML, errYAML := oapi.YAML()
	serve := func(kind string, doc []byte, err error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err != nil {
				h.fail(w, r, err)
				return
			}
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(doc)
		}
	}
	mux.HandleFunc("GET /openapi.json", serve("application/openapi+json", asJSON, errJSON))
	mux.HandleFunc("GET /openapi.yaml", serve("application/openapi+yaml", asYAML, errYAML))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, fairlead.Errorf(fairlead.NotFound, "there is no %s %.200s here; /openapi.json lists what there is", r.Method, r.URL.Path))
	})
	return h.outer(mux)
}

type handler struct {
	deps     *op.Deps
	log      *slog.Logger
	watchers chan struct{} // one token a stream of changes
}

// outer is what every request passes: a line in the log, no panic past it, and
// credentials.
func (h *handler) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		var caller op.Caller
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a sentinel by identity
				h.log.Error("panic", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					h.fail(rec, r, fairlead.Errorf(fairlead.Internal, "the server made a mistake; its log has it"))
				}
			}
			level := slog.LevelInfo
			if reads := r.Method == http.MethodGet || r.Method == http.MethodHead; reads && rec.status < http.StatusBadRequest {
				level = slog.LevelDebug // whoever watches a release asks twice a second
			}
			h.log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", rec.status, "caller", caller.Name, "took", time.Since(start).Round(time.Microsecond))
		}()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			h.fail(rec, r, fairlead.Errorf(fairlead.Unauthenticated, "no credentials; send Authorization: Bearer <token>"))
			return
		}
		var err error
		if caller, err = op.Authenticate(r.Context(), h.deps, strings.TrimSpace(secret)); err != nil {
			h.fail(rec, r, err)
			return
		}
		next.ServeHTTP(rec, r.WithContext(op.WithCaller(r.Context(), caller)))
	})
}

// verb answers one verb.
func (h *handler) verb(v op.Verb) func(huma.Context) {
	return func(c huma.Context) {
		r, w := humago.Unwrap(c)
		ctx, cancel := context.WithTimeout(r.Context(), verbTime)
		defer cancel()
		in := v.New()
		if err := h.read(w, r, v, in); err != nil {
			h.fail(w, r, err)
			return
		}
		out, err := v.Call(ctx, h.deps, in)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.answer(w, r, http.StatusOK, out)
	}
}

// read fills the verb's In from path, query and body; every fault at once.
func (h *handler) read(w http.ResponseWriter, r *http.Request, v op.Verb, in any) error {
	// Who may not call the verb learns nothing from its faults.
	if c, _ := op.CallerOf(r.Context()); !c.May(v.Can) {
		return nil // Call says so
	}
	var faults []fairlead.Fault
	set := func(p op.Param, text string) {
		var e *fairlead.Error
		if err := p.Set(in, text); errors.As(err, &e) {
			faults = append(faults, e.Faults...)
		}
	}
	if len(r.URL.RawQuery) > maxQuery {
		return fairlead.Errorf(fairlead.TooLarge, "the query is over %d bytes", maxQuery)
	}
	query := r.URL.Query()
	var known []string
	for _, p := range v.Params {
		switch p.In {
		case op.InPath:
			set(p, r.PathValue(p.Name))
		case op.InQuery:
			known = append(known, p.Name)
			values := query[p.Name]
			if len(values) > 1 && !p.List {
				faults = append(faults, fairlead.Fault{Path: p.Name, Message: "given twice"})
				continue
			}
			for _, text := range values {
				set(p, text)
			}
			query.Del(p.Name)
		}
	}
	for name := range query {
		faults = append(faults, fairlead.Fault{Path: name, Message: "unknown parameter", Known: known})
	}
	if v.HasBody() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil { // otherwise the deadline also ends the server's wait for the rest
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		}
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return fairlead.Errorf(fairlead.TooLarge, "the request's body is over %d bytes", maxBody)
		case err != nil:
			return &fairlead.Error{Code: fairlead.Invalid, Message: "the request's body did not arrive whole", Err: err}
		}
		faults = append(faults, v.DecodeBody(body, in)...)
	}
	return fairlead.Faulty("the request is wrong", faults)
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request, status int, out any) {
	body, err := encode(out)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that left does not matter
}

// encode writes JSON as a person may read it, too: "<" is no HTML here.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// Problem is an error as RFC 9457 spells it, with our code and faults.
type Problem struct {
	Type   string           `json:"type,omitempty" doc:"about:blank: the code says it all"`
	Title  string           `json:"title" doc:"the HTTP status in words"`
	Status int              `json:"status"`
	Code   fairlead.Code    `json:"code" doc:"invalid, not_found, exists, conflict, unauthenticated, denied, too_large, limited, unsupported, corrupt, unavailable, timeout or internal"`
	Detail string           `json:"detail" doc:"a sentence a person can act on"`
	Faults []fairlead.Fault `json:"faults,omitempty" doc:"everything that is wrong with the input"`
}

// statusOf maps every code to a status of HTTP.
func statusOf(c fairlead.Code) int {
	switch c {
	case fairlead.Invalid:
		return http.StatusBadRequest
	case fairlead.NotFound:
		return http.StatusNotFound
	case fairlead.Exists, fairlead.Conflict:
		return http.StatusConflict
	case fairlead.Unauthenticated:
		return http.StatusUnauthorized
	case fairlead.Denied:
		return http.StatusForbidden
	case fairlead.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fairlead.Limited:
		return http.StatusTooManyRequests
	case fairlead.Unsupported, fairlead.Corrupt:
		return http.StatusUnprocessableEntity
	case fairlead.Unavailable:
		return http.StatusServiceUnavailable
	case fairlead.Timeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// fail answers with a problem. The detail behind our own failures goes into
// the log, never to the caller.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := Problem{Code: fairlead.CodeOf(err), Detail: "the server made a mistake; its log has it"}
	var e *fairlead.Error
	if errors.As(err, &e) {
		p.Detail, p.Faults = e.Message, e.Faults
	}
	p.Status = statusOf(p.Code)
	p.Title = http.StatusText(p.Status)
	if p.Status >= 500 {
		h.log.Error("failed", "method", r.Method, "path", r.URL.Path, "code", p.Code, "err", err)
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="fairlead"`)
	}
	if (p.Status == http.StatusUnauthorized && r.ContentLength != 0) || p.Code == fairlead.TooLarge {
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	body, _ := encode(p) // strings and numbers only
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
