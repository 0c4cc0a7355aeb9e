package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// fakeModel answers as told. By default it says which version it is: output
// "version" (BYTES) and output "label" (INT64, one a row of its first input).
type fakeModel struct {
	version string
	infer   func(ctx context.Context, req *model.Request) (*model.Response, error)
	sig     model.Signature
	calls   atomic.Int64
	running atomic.Int64
	closed  atomic.Bool
	misused atomic.Bool // called or closed when it should not be
}

func (m *fakeModel) Signature() model.Signature { return m.sig }

func (m *fakeModel) Infer(ctx context.Context, req *model.Request) (*model.Response, error) {
	m.calls.Add(1)
	m.running.Add(1)
	defer m.running.Add(-1)
	if m.closed.Load() {
		m.misused.Store(true)
	}
	if m.infer != nil {
		return m.infer(ctx, req)
	}
	return say1(m.version, 7), nil
}

func (m *fakeModel) Close() error {
	if m.closed.Swap(true) || m.running.Load() > 0 {
		m.misused.Store(true)
	}
	return nil
}

func say1(version string, label int64) *model.Response {
	return &model.Response{Outputs: []model.Tensor{
		{Name: "version", Datatype: "BYTES", Shape: []int64{1}, Data: [][]byte{[]byte(version)}},
		{Name: "label", Datatype: "INT64", Shape: []int64{1}, Data: []int64{label}},
	}}
}

var fakeSig = model.Signature{Platform: "fake",
	Inputs:  []fairlead.TensorSpec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 2}}},
	Outputs: []fairlead.TensorSpec{{Name: "label", Datatype: "INT64", Shape: []int64{-1}}}}

// world is a gateway with a clock and models of its own.
type world struct {
	t   *testing.T
	g   *Gateway
	cfg Config
	log bytes.Buffer

	mu     sync.Mutex
	clock  time.Time
	models map[string]*fakeModel // by version; made on demand
	loads  int
	broken map[string]error // versions that cannot be loaded
	seed   uint64
}

func newWorld(t *testing.T, edit ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), models: map[string]*fakeModel{}, broken: map[string]error{}}
	env := fairlead.Env{Now: w.now, Rand: func() uint64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seed = w.seed*6364136223846793005 + 1442695040888963407
		return w.seed
	}}
	env.NewID = func() string { return fairlead.NewID(env.Now(), env.Rand) }
	w.cfg = Config{Env: env, ID: "gw", SyncMirror: true, Load: w.load,
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: &w.log}, nil))}
	for _, f := range edit {
		f(&w.cfg)
	}
	w.start()
	return w
}

// start makes a gateway; again after a kill.
func (w *world) start() {
	w.t.Helper()
	g, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	g.SetTokens(append(tokens("admin", "operator", "viewer", "caller", "chef"), expired(w.now())))
	w.g = g
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) load(_ context.Context, a fairlead.Arm) (model.Model, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads++
	if err := w.broken[a.Version]; err != nil {
		return nil, err
	}
	m := w.models[a.Version]
	if m == nil || m.closed.Load() {
		fresh := &fakeModel{version: a.Version, sig: fakeSig}
		if m != nil {
			fresh.infer = m.infer
		}
		m = fresh
		w.models[a.Version] = m
	}
	return m, nil
}

// model gives a version's model, before it is loaded if need be.
func (w *world) model(version string) *fakeModel {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.models[version] == nil {
		w.models[version] = &fakeModel{version: version, sig: fakeSig}
	}
	return w.models[version]
}

func tokens(names ...string) []fairlead.Token {
	var out []fairlead.Token
	for _, n := range names {
		sum := sha256.Sum256([]byte("flt_" + n))
		out = append(out, fairlead.Token{Meta: fairlead.Meta{Name: n}, Spec: fairlead.TokenSpec{Roles: []string{n}, Hash: hex.EncodeToString(sum[:])}})
	}
	return out
}

func expired(now time.Time) fairlead.Token {
	t := tokens("late")[0]
	t.Spec.Roles, t.Spec.Expires = []string{"admin"}, now
	return t
}

// plan is a route of endpoint "digits": version 1, and 2 as candidate at a weight.
func plan(rev int64, weight fairlead.Weight, edit ...func(*fairlead.Route)) fairlead.Route {
	arm := func(name, v string, w fairlead.Weight) fairlead.Arm {
		return fairlead.Arm{Name: name, Version: "digits@" + v, Weight: w, Target: "local",
			Artifact: fairlead.Artifact{Digest: "sha256:" + v, Format: "fake"}}
	}
	r := fairlead.Route{Endpoint: "digits", Revision: rev, Salt: "digits", Arms: []fairlead.Arm{arm("incumbent", "1", fairlead.FullWeight-weight)}}
	if weight > 0 {
		r.Stratum = fairlead.Stratum{Release: "digits-v2", Attempt: 1, Step: 1}
		r.Arms = append(r.Arms, arm("candidate", "2", weight))
	}
	r.Feedback.Prediction = "label"
	for _, f := range edit {
		f(&r)
	}
	return r
}

func withMirror(m fairlead.Weight) func(*fairlead.Route) {
	return func(r *fairlead.Route) {
		r.Stratum = fairlead.Stratum{Release: "digits-v2", Attempt: 1, Step: 0}
		if len(r.Arms) == 1 {
			r.Arms = append(r.Arms, fairlead.Arm{Name: "candidate", Version: "digits@2", Target: "local",
				Artifact: fairlead.Artifact{Digest: "sha256:2", Format: "fake"}})
		}
		r.Arms[1].Mirror = m
	}
}

func withTrip(r *fairlead.Route) {
	r.Tripwires = []fairlead.Tripwire{{Arm: "candidate", Ratio: 1.5, LogLine: 3.7}}
}

func (w *world) apply(r fairlead.Route) {
	w.t.Helper()
	if err := w.g.Apply(w.t.Context(), r); err != nil {
		w.t.Fatalf("apply: %v", err)
	}
}

// call infers without HTTP.
func (w *world) call(id string) (Answer, error) {
	return w.g.Infer(w.t.Context(), Call{Endpoint: "digits", RequestID: id, Request: request()})
}

func request() *model.Request {
	return &model.Request{Inputs: []model.Tensor{{Name: "x", Datatype: "FP32", Shape: []int64{1, 2}, Data: []float32{1, 2}}}}
}

const goodBody = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`

// do sends a request through the front door; headers are "Name: value".
func (w *world) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer flt_admin")
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	w.g.Handler().ServeHTTP(rec, r)
	return rec
}

func (w *world) infer(body string, headers ...string) *httptest.ResponseRecorder {
	return w.do(http.MethodPost, "/v2/models/digits/infer", body, headers...)
}

// counts of an arm in a stratum's window.
func (w *world) counts(step int, arm string) fairlead.Counts {
	w.t.Helper()
	for _, r := range w.g.Collect(true) {
		for _, win := range r.Windows {
			if win.Stratum.Release == "digits-v2" && win.Stratum.Step == step {
				return win.Arms[arm]
			}
		}
	}
	return fairlead.Counts{}
}

func (w *world) report() fairlead.GatewayReport {
	w.t.Helper()
	for _, r := range w.g.Collect(true) {
		if r.Endpoint == "digits" {
			return r
		}
	}
	w.t.Fatal("no report")
	return fairlead.GatewayReport{}
}

func must(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
