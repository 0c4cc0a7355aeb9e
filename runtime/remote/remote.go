// Package remote is a runtime for models that another server runs: any Open
// Inference Protocol v2 server over HTTP, named by a target's URL.
//
// An artifact of format "remote" is one JSON object, a Reference: the model's
// name there and, if wanted, its version. Load asks the server whether the
// model is ready and what its tensors are; Infer sends JSON.
//
// Nothing is reached that the operator did not allow: Config.Allow is asked
// for the URL's host at Load and again for every address as it is dialled,
// redirects are not followed, environment proxies are not used.
//
// Begin with New; http.go has the calls, wire.go the tensors.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// Format is the artifact format that this runtime loads.
const Format = "remote"

// maxReference bounds a reference's bytes.
const maxReference = 64 << 10

// Reference is the content of a remote artifact.
type Reference struct {
	Model   string `json:"model"`
	Version string `json:"version,omitempty"`
}

// Config of the runtime.
type Config struct {
	// Allow says whether a host ("name:port" or "address:port") may be
	// reached; nil refuses every host.
	Allow func(host string) error
	// MaxResponse bounds an answer's bytes; 64 MiB if zero.
	MaxResponse int64
}

// Runtime implements runtime.Runtime.
type Runtime struct {
	c      Config
	client *http.Client
}

// New makes the runtime with its own connections, shared by its models.
func New(c Config) *Runtime {
	if c.Allow == nil {
		c.Allow = func(host string) error {
			return fairlead.Errorf(fairlead.Denied, "no remote host is allowed; the server's --allow-target names them")
		}
	}
	if c.MaxResponse <= 0 {
		c.MaxResponse = 64 << 20
	}
	r := &Runtime{c: c}
	r.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            r.dial,
			MaxIdleConns:           256,
			MaxIdleConnsPerHost:    128, // a busy endpoint keeps its connections
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  0,    // each call has its own deadline
			DisableCompression:     true, // a small answer could otherwise grow beyond its limit
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r
}

// Close ends idle connections.
func (r *Runtime) Close() { r.client.CloseIdleConnections() }

func (r *Runtime) Name() string { return "remote" }

func (r *Runtime) Formats() []string { return []string{Format} }

// dial asks Allow for the host by name, and again, through Control, looks at
// the address that the name turned out to mean: a name may not lead to
// link-local addresses (cloud metadata), multicast or "any" unless that very
// address is allowed.
func (r *Runtime) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := r.c.Allow(addr); err != nil {
		return nil, &deniedError{err}
	}
	d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second,
		Control: func(_, resolved string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(resolved)
			if err != nil {
				return err
			}
			ip := net.ParseIP(host)
			if ip == nil || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsMulticast() || ip.IsUnspecified() {
				if err := r.c.Allow(resolved); err != nil {
					return &deniedError{err}
				}
			}
			return nil
		}}
	return d.DialContext(ctx, network, addr)
}

// deniedError passes Allow's refusal through the layers of net/http.
type deniedError struct{ err error }

func (e *deniedError) Error() string { return e.err.Error() }
func (e *deniedError) Unwrap() error { return e.err }

// ParseReference reads a remote artifact strictly.
func ParseReference(b []byte) (Reference, error) {
	var ref Reference
	if len(b) > maxReference {
		return ref, fairlead.Errorf(fairlead.TooLarge, "a remote reference has at most %d bytes", maxReference)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&ref); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return ref, fairlead.Errorf(fairlead.Corrupt, "the remote reference is not readable JSON: %w", err)
		}
		return ref, fairlead.Errorf(fairlead.Invalid, "the remote reference is wrong: %w; known: model, version", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return ref, fairlead.Errorf(fairlead.Corrupt, "the remote reference has text behind its object")
	}
	var faults []fairlead.Fault
	for _, f := range []struct {
		path, value string
		needed      bool
	}{{"/model", ref.Model, true}, {"/version", ref.Version, false}} {
		switch {
		case f.value == "" && f.needed:
			faults = append(faults, fairlead.Fault{Path: f.path, Message: "missing", Want: "the model's name on the remote server"})
		case len(f.value) > 255 || f.value == "." || f.value == "..":
			faults = append(faults, fairlead.Fault{Path: f.path, Message: "not a usable name", Want: "1 to 255 bytes, not . or .."})
		}
	}
	return ref, fairlead.Faulty("the remote reference is wrong", faults)
}

// Check reads the reference. The interface is the server's, and only a target
// says which server, so the signature is empty here and known after Load.
func (r *Runtime) Check(ctx context.Context, src runtime.Source) (runtime.Signature, error) {
	_, err := read(ctx, src)
	if err != nil {
		return runtime.Signature{}, err
	}
	return runtime.Signature{Platform: Format}, nil
}

func read(ctx context.Context, src runtime.Source) (Reference, error) {
	a := src.Artifact()
	if a.Format != Format {
		return Reference{}, fairlead.Unknown("format for runtime remote", a.Format, []string{Format})
	}
	if len(a.Files) > 0 {
		return Reference{}, fairlead.Errorf(fairlead.Unsupported, "a remote reference is one file; this artifact is a folder")
	}
	f, err := src.Open(ctx, "")
	if err != nil {
		return Reference{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxReference+1))
	if err != nil {
		return Reference{}, err
	}
	return ParseReference(b)
}

// Load asks the server at place.URL for the model's readiness and metadata.
func (r *Runtime) Load(ctx context.Context, src runtime.Source, place fairlead.TargetSpec) (runtime.Model, error) {
	ref, err := read(ctx, src)
	if err != nil {
		return nil, err
	}
	base, err := r.baseURL(place.URL)
	if err != nil {
		return nil, err
	}
	m := &model{r: r, url: base.JoinPath("v2", "models", url.PathEscape(ref.Model)), timeout: place.Timeout.Std()}
	if ref.Version != "" {
		m.url = m.url.JoinPath("versions", url.PathEscape(ref.Version))
	}
	if m.timeout <= 0 {
		m.timeout = fairlead.DefaultTimeout.Std()
	}
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

func (r *Runtime) baseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return nil, fairlead.Errorf(fairlead.Invalid, "target URL %q: expected http:// or https:// and a host", cut(s))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fairlead.Errorf(fairlead.Invalid, "target URL: user, query and fragment are not taken")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if err := r.c.Allow(net.JoinHostPort(u.Hostname(), port)); err != nil {
		return nil, fairlead.Errorf(fairlead.Denied, "target %s is not allowed: %w", cut(u.Host), err)
	}
	return u, nil
}

// model is a loaded reference.
type model struct {
	r       *Runtime
	url     *url.URL
	timeout time.Duration
	sig     runtime.Signature
	closed  atomic.Bool
}

func (m *model) Signature() runtime.Signature { return m.sig }

// Close refuses further calls; connections belong to the runtime.
func (m *model) Close() error {
	m.closed.Store(true)
	return nil
}

func (m *model) Infer(ctx context.Context, req *runtime.Request) (*runtime.Response, error) {
	if err := runtime.Admit(ctx, m.closed.Load(), &m.sig, req); err != nil {
		return nil, err
	}
	body, err := encode(req)
	if err != nil {
		return nil, err
	}
	b, err := m.call(ctx, http.MethodPost, "infer", body)
	if err != nil {
		if fairlead.CodeOf(err) == fairlead.NotFound {
			return nil, fairlead.Errorf(fairlead.Unavailable, "the remote server no longer has the model: %w", err)
		}
		return nil, err
	}
	return decode(b, &m.sig, req.Outputs)
}

func cut(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
