package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fairlead.dev"
)

// The headers of answers.
const (
	HeaderRequestID = "Fairlead-Request-Id"
	HeaderEndpoint  = "Fairlead-Endpoint"
	HeaderVersion   = "Fairlead-Version"
	HeaderArm       = "Fairlead-Arm"
	HeaderMirror    = "Fairlead-Mirror"
)

// binaryHeader announces Triton's binary tensors, which this build refuses.
const binaryHeader = "Inference-Header-Content-Length"

// Handler serves the Open Inference Protocol v2 over REST under /v2 and
// feedback at /v1/feedback. Everything but /v2/health needs a token.
func (g *Gateway) Handler() http.Handler { return http.HandlerFunc(g.serveHTTP) }

func (g *Gateway) serveHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel of net/http
				panic(p)
			}
			g.log.Error("answering a request panicked", "path", r.URL.Path, "panic", p)
			g.fault(w, fairlead.Errorf(fairlead.Internal, "internal error"))
		}
	}()
	if err := g.dispatch(w, r); err != nil {
		g.fault(w, err)
	}
}

// place is what a path names.
type place int

const (
	placeNone place = iota
	placeFeedback
	placeServer
	placeLive
	placeReady
	placeInfer
	placeModel
	placeModelReady
)

// match is the map of paths. Segments are decoded after cutting, so that a name
// may hold an escaped slash without being taken for two segments. It allocates
// nothing where nothing is escaped.
func match(path string) (where place, name, version string) {
	switch path {
	case "/v1/feedback":
		return placeFeedback, "", ""
	case "/v2":
		return placeServer, "", ""
	case "/v2/health/live":
		return placeLive, "", ""
	case "/v2/health/ready":
		return placeReady, "", ""
	}
	rest, ok := strings.CutPrefix(path, "/v2/models/")
	if !ok {
		return placeNone, "", ""
	}
	name, rest, more := strings.Cut(rest, "/")
	if tail, ok := strings.CutPrefix(rest, "versions/"); ok {
		if version, rest, more = strings.Cut(tail, "/"); version == "" {
			return placeNone, "", ""
		}
	}
	var err, verr error
	name, err = url.PathUnescape(name)
	version, verr = url.PathUnescape(version)
	switch {
	case err != nil || verr != nil || name == "":
		return placeNone, "", ""
	case !more:
		return placeModel, name, version
	case rest == "infer":
		return placeInfer, name, version
	case rest == "ready":
		return placeModelReady, name, version
	}
	return placeNone, "", ""
}

func (g *Gateway) dispatch(w http.ResponseWriter, r *http.Request) error {
	where, name, version := match(r.URL.EscapedPath())
	switch where {
	case placeInfer:
		return g.serveInfer(w, r, name, version)
	case placeFeedback:
		return g.serveFeedback(w, r)
	case placeLive, placeReady: // open to everybody
	case placeServer, placeModel, placeModelReady:
		if err := g.allow(r, mayRead); err != nil {
			return err
		}
	default:
		return notFound(r.URL.EscapedPath())
	}
	if err := method(r, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	switch where {
	case placeServer:
		return g.serverMeta(w)
	case placeLive:
		return g.live(w)
	case placeReady:
		return g.ready(w)
	case placeModelReady:
		return g.modelReady(w, name, version)
	default:
		return g.modelMeta(w, name, version)
	}
}

func notFound(path string) error {
	return fairlead.Errorf(fairlead.NotFound, "no such path %.120q; see /v2 and /v1/feedback", path)
}

// errMethod is answered with 405.
type errMethod struct{ allow string }

func (e errMethod) Error() string { return "method not allowed; use " + e.allow }

func method(r *http.Request, allowed ...string) error {
	for _, m := range allowed {
		if r.Method == m {
			return nil
		}
	}
	return errMethod{strings.Join(allowed, ", ")}
}

// answerHead sets headers whose names are written as net/http writes them. All
// values lie in one slice: http.Header.Set would make one for each.
type answerHead struct {
	h      http.Header
	values []string
}

func (a *answerHead) set(name, value string) {
	n := len(a.values)
	a.values = append(a.values, value)
	a.h[name] = a.values[n : n+1 : n+1]
}

// serveInfer is the hot path's transport.
func (g *Gateway) serveInfer(w http.ResponseWriter, r *http.Request, endpoint, version string) error {
	h := answerHead{w.Header(), make([]string, 0, 6)}
	id := r.Header.Get(HeaderRequestID)
	if id == "" {
		id = r.Header.Get("X-Request-Id")
	}
	if !validID(id) {
		id = ""
	}
	// Whatever goes wrong from here on, the caller can name the request.
	setID := func() {
		if id == "" {
			id = g.env.NewID()
		}
		h.set(HeaderRequestID, id)
	}
	if err := g.allow(r, mayInfer); err != nil {
		setID()
		return err
	}
	if err := method(r, http.MethodPost); err != nil {
		setID()
		return err
	}
	rt := g.lookup(endpoint)
	if rt == nil {
		setID()
		return g.unknown(endpoint)
	}
	h.set(HeaderEndpoint, endpoint)
	if r.Header.Get(binaryHeader) != "" {
		setID()
		return fairlead.Errorf(fairlead.Unsupported, "binary tensors (%s) are not supported; send the tensors' data as JSON", binaryHeader)
	}
	buf := g.buffer()
	defer g.bodies.Put(buf)
	body, err := readBody(r, (*buf)[:0], int64(rt.plan.Limits.Body))
	*buf = keepSmall(body)
	if err != nil {
		setID()
		rt.ep.rejected[rejectInvalid].Add(1)
		return err
	}
	in, err := decodeInfer(body)
	if err != nil {
		setID()
		rt.ep.rejected[rejectInvalid].Add(1)
		return err
	}
	if validID(in.req.ID) {
		id = in.req.ID
	}
	setID()
	in.req.ID = id
	call := Call{Endpoint: endpoint, Version: version, RequestID: id, Key: unitKey(rt.plan.Key, r, body),
		Request: &in.req, Size: int64(len(body)), Mirror: r.Header.Get(HeaderMirror) != ""}
	a, err := g.Infer(r.Context(), call)
	if a.Arm != "" {
		h.set(HeaderVersion, a.Version)
		h.set(HeaderArm, a.Arm)
	}
	if err != nil {
		return err
	}
	out := g.buffer()
	defer g.bodies.Put(out)
	_, part, _ := strings.Cut(a.Version, "@")
	answer := encodeInfer((*out)[:0], endpoint, part, id, a.Response)
	*out = keepSmall(answer)
	h.set("Content-Type", "application/json")
	h.set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer) // a caller that left is nobody's error
	return nil
}

// buffer gives a reused slice; bodies and answers above 1 MiB are not kept.
func (g *Gateway) buffer() *[]byte {
	if b, ok := g.bodies.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 4096)
	return &b
}

func keepSmall(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b[:0]
}

// readBody reads at most limit bytes. Memory grows with what has arrived, not
// with what was announced.
func readBody(r *http.Request, buf []byte, limit int64) ([]byte, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return buf, fairlead.Errorf(fairlead.Unsupported, "Content-Encoding %.40q is not supported; send the body as it is", enc)
	}
	tooLarge := func() error {
		return fairlead.Errorf(fairlead.TooLarge, "the body is larger than this endpoint takes (%s)", fairlead.Bytes(limit))
	}
	if r.ContentLength > limit {
		return buf, tooLarge()
	}
	if n := min(r.ContentLength, 64<<10) + 1; n > int64(cap(buf)) {
		buf = make([]byte, 0, n)
	}
	for {
		if int64(len(buf)) > limit {
			return buf, tooLarge()
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF) && int64(len(buf)) > limit:
			return buf, tooLarge()
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, fairlead.Errorf(fairlead.Invalid, "the body ended early after %d bytes", len(buf))
		}
	}
}

// unitKey is the declared unit of assignment as this request carries it.
func unitKey(k *fairlead.Key, r *http.Request, body []byte) string {
	switch {
	case k == nil:
		return ""
	case k.Header != "":
		return r.Header.Get(k.Header)
	case k.Cookie != "":
		return cookie(r.Header["Cookie"], k.Cookie)
	default:
		return jsonKey(body, k.JSON)
	}
}

// cookie finds a cookie's value without making anything.
func cookie(lines []string, name string) string {
	for _, line := range lines {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && k == name {
				if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
					v = v[1 : len(v)-1]
				}
				return v
			}
		}
	}
	return ""
}

// status of each code, for callers.
func status(err error) int {
	if errors.Is(err, context.Canceled) {
		return 499
	}
	switch fairlead.CodeOf(err) {
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
	case fairlead.Unsupported:
		return http.StatusUnsupportedMediaType
	case fairlead.Unavailable:
		return http.StatusServiceUnavailable
	case fairlead.Timeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// fault answers with the protocol's error shape. Details for operators stay in
// the log.
func (g *Gateway) fault(w http.ResponseWriter, err error) {
	h := w.Header()
	code := status(err)
	if m := (errMethod{}); errors.As(err, &m) {
		h.Set("Allow", m.allow)
		code = http.StatusMethodNotAllowed
	}
	switch code {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="fairlead"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	body := append(appendJSONString([]byte(`{"error":`), say(err)), '}', '\n')
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// say is an error in words for the caller: message and faults on one line.
func say(err error) string {
	var e *fairlead.Error
	if !errors.As(err, &e) {
		if m := (errMethod{}); errors.As(err, &m) {
			return m.Error()
		}
		if errors.Is(err, context.Canceled) {
			return "the caller went away"
		}
		return "internal error"
	}
	s := e.Message
	for i, f := range e.Faults {
		if i == 0 {
			s += ": "
		} else {
			s += "; "
		}
		s += f.String()
	}
	return s
}
