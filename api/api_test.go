package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/core/audit"
	"fairlead.dev/op"
	"fairlead.dev/runtime"
	"fairlead.dev/store/mem"
)

// stub is a runtime that can read anything which begins with "ok".
type stub struct{}

func (stub) Name() string      { return "stub" }
func (stub) Formats() []string { return []string{"stub"} }
func (stub) Check(ctx context.Context, src runtime.Source) (runtime.Signature, error) {
	p := ""
	if f := src.Artifact().Files; len(f) > 0 {
		p = f[0].Path
	}
	r, err := src.Open(ctx, p)
	if err != nil {
		return runtime.Signature{}, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return runtime.Signature{}, err
	}
	if !bytes.HasPrefix(b, []byte("ok")) {
		return runtime.Signature{}, fairlead.Errorf(fairlead.Unsupported, "the operator Frobnicate is not supported")
	}
	return runtime.Signature{Platform: "stub", Inputs: []fairlead.TensorSpec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 4}}}}, nil
}
func (stub) Load(context.Context, runtime.Source, fairlead.TargetSpec) (runtime.Model, error) {
	return nil, errors.New("not here")
}

type world struct {
	deps *op.Deps
	srv  *httptest.Server
	root *api.Client // an administrator
	log  *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{log: &bytes.Buffer{}}
	st := mem.New()
	t.Cleanup(func() { _ = st.Close() })
	w.deps = &op.Deps{Store: st, Blobs: mem.NewBlobs(), Env: fairlead.System(), Runtimes: []runtime.Runtime{stub{}}, MaxBlob: 1 << 20, Version: "test"}
	var err error
	if w.deps.LedgerKey, _, err = audit.NewKey(rand.Reader, "test"); err != nil {
		t.Fatal(err)
	}
	secret, created, err := op.EnsureAdmin(t.Context(), w.deps)
	if err != nil || !created {
		t.Fatalf("no administrator: %v", err)
	}
	w.srv = httptest.NewServer(api.Handler(w.deps, slog.New(slog.NewTextHandler(w.log, nil))))
	t.Cleanup(w.srv.Close)
	w.root = w.client(secret)
	return w
}

func (w *world) client(secret string) *api.Client {
	return &api.Client{Base: w.srv.URL, Token: secret, HTTP: w.srv.Client()}
}

// as gives a client with a token of those roles.
func (w *world) as(t *testing.T, name string, roles ...string) *api.Client {
	t.Helper()
	out, err := api.Call(t.Context(), w.root, op.TokenCreate, op.TokenIn{Name: name, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return w.client(out.Secret)
}

func (w *world) register(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		file := filepath.Join(t.TempDir(), "m.bin")
		if err := os.WriteFile(file, []byte("ok "+n), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := w.root.Upload(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		in.Name, in.Format = n, "stub"
		if _, err := api.Call(t.Context(), w.root, op.VersionRegister, in); err != nil {
			t.Fatal(err)
		}
	}
}

const endpointYAML = `
apiVersion: fairlead/v1
kind: Endpoint
metadata: {name: digits}
spec: {initial: digits@1}
`

func (w *world) apply(t *testing.T, texts ...string) {
	t.Helper()
	var in op.ApplyIn
	for _, s := range texts {
		in.Files = append(in.Files, op.Manifest{Name: "t.yaml", Text: s})
	}
	if _, err := api.Call(t.Context(), w.root, op.Apply, in); err != nil {
		t.Fatal(err)
	}
}

// sample fills the parameters of a verb with values that name real things.
func sample(t *testing.T, v op.Verb) any {
	t.Helper()
	in := v.New()
	for _, p := range v.Params {
		if p.In != op.InPath {
			continue
		}
		noun, _, _ := strings.Cut(v.Name, " ")
		text := map[string]string{"model": "digits", "version": "digits@2", "alias": "digits@best", "target": "t", "endpoint": "digits", "release": "digits-v2", "token": "viewer"}[noun]
		if err := p.Set(in, text); err != nil {
			t.Fatal(err)
		}
	}
	switch in := in.(type) {
	case *op.ApplyIn:
		in.Files = []op.Manifest{{Name: "e.yaml", Text: endpointYAML}}
	case *op.AliasSetIn:
		in.Version = "digits@2"
	case *op.ReleaseIn:
		in.Name = "digits-v2"
		in.Spec = fairlead.ReleaseSpec{Endpoint: "digits", Candidate: "digits@2", Strategy: fairlead.Strategy{Kind: "canary", Spec: json.RawMessage(`{"steps":[{"weight":"5%","hold":"10m"}]}`)}}
	case *op.TokenIn:
		in.Name, in.Roles = "new", []string{"viewer"}
	}
	return in
}

// Every verb of the table is in the OpenAPI description, has words, and can be
// called by the client: the server understands what the client sends.
func TestEveryVerbIsDescribedAndCallable(t *testing.T) {
	w := newWorld(t)
	w.register(t, "digits@1", "digits@2")
	w.as(t, "viewer", "viewer")
	w.apply(t, endpointYAML)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Parameters  []struct{ Name, In string }
			RequestBody any `json:"requestBody"`
		}
	}
	getJSON(t, w, "/openapi.json", &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %q", doc.OpenAPI)
	}
	var schemas struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage
				Required   []string
			}
		}
	}
	getJSON(t, w, "/openapi.json", &schemas)
	rel := schemas.Components.Schemas["ReleaseSpec"]
	if s := fmt.Sprint(string(rel.Properties["strategy"])); !strings.Contains(s+string(mustJSON(t, schemas.Components.Schemas)), "canary") {
		t.Errorf("strategies are not described: %s", s)
	}
	if !slices.Contains(rel.Required, "endpoint") || slices.Contains(rel.Required, "gates") {
		t.Errorf("required: %v", rel.Required)
	}
	for _, v := range op.All() {
		o, ok := doc.Paths[api.Prefix+v.Path][strings.ToLower(v.Method)]
		if !ok || o.OperationID != api.OperationID(v) || o.Summary == "" {
			t.Errorf("%s is not described: %+v", v.Name, o)
			continue
		}
		if (o.RequestBody != nil) != v.HasBody() {
			t.Errorf("%s: request body %v", v.Name, o.RequestBody)
		}
		for _, p := range v.Params {
			if p.In == op.InBody {
				continue
			}
			if !slices.ContainsFunc(o.Parameters, func(d struct{ Name, In string }) bool { return d.Name == p.Name && d.In == p.In }) {
				t.Errorf("%s: parameter %s is not described", v.Name, p.Name)
			}
		}
		_, err := w.root.Do(t.Context(), v, sample(t, v))
		// What the state forbids is fine here; what the server cannot
		// understand is not.
		switch fairlead.CodeOf(err) {
		case "", fairlead.NotFound, fairlead.Conflict, fairlead.Exists, fairlead.Denied:
		default:
			if v.Name != "version register" { // its artifact is another test's
				t.Errorf("%s: %v", v.Name, err)
			}
		}
		if strings.Contains(fmt.Sprint(err), "there is no "+v.Method) {
			t.Errorf("%s has no route: %v", v.Name, err)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func getJSON(t *testing.T, w *world, path string, into any) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.srv.URL+path, nil)
	req.Header.Set("Authorization", "Bearer "+w.root.Token)
	resp, err := w.srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v %s", path, resp.Status, err, b)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// Who may do what, by role, over the whole table.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	w.register(t, "digits@1", "digits@2")
	w.apply(t, endpointYAML)
	callers := map[string]*api.Client{
		"viewer": w.as(t, "viewer", "viewer"), "operator": w.as(t, "op", "operator"), "admin": w.root,
		"caller": w.as(t, "app", "caller"), "free": w.as(t, "boss", "managers"), "none": w.client(""), "wrong": w.client("flt_admin_" + strings.Repeat("A", 43)),
	}
	grants := map[string][]op.Permission{
		"viewer": {op.CanAny, op.CanRead}, "operator": {op.CanAny, op.CanRead, op.CanWrite}, "admin": {op.CanAny, op.CanRead, op.CanWrite, op.CanAdmin},
		"caller": {op.CanAny}, "free": {op.CanAny},
	}
	before, _, err := w.deps.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range op.All() {
		for who, c := range callers {
			allowed := slices.Contains(grants[who], v.Can)
			if allowed && v.Mutates() {
				continue // what it does is other tests' matter
			}
			_, err := c.Do(t.Context(), v, sample(t, v))
			code := fairlead.CodeOf(err)
			switch {
			case who == "none" || who == "wrong":
				if code != fairlead.Unauthenticated {
					t.Errorf("%s without credentials: %v", v.Name, err)
				}
			case allowed && (code == fairlead.Denied || code == fairlead.Unauthenticated):
				t.Errorf("%s: %s is refused: %v", v.Name, who, err)
			case !allowed && code != fairlead.Denied:
				t.Errorf("%s: %s is not refused: %v", v.Name, who, err)
			}
		}
	}
	if after, _, _ := w.deps.Store.Head(t.Context()); after != before {
		t.Errorf("refused requests left %d entries in the ledger", after-before)
	}
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/api/v1/watch", "/api/v1/blobs/x", "/", "/nothing"} {
		resp, err := http.Get(w.srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without a token: %s", path, resp.Status)
		}
	}
}

// All faults of a request come at once, as RFC 9457 says it, and arrive in the
// client as they were.
func TestProblems(t *testing.T) {
	w := newWorld(t)
	post := func(path, body string) (int, api.Problem, string) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+api.Prefix+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+w.root.Token)
		resp, err := w.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var p api.Problem
		_ = json.NewDecoder(resp.Body).Decode(&p)
		return resp.StatusCode, p, resp.Header.Get("Content-Type")
	}
	status, p, kind := post("/releases", `{"name": "r", "speck": {}, "spec": {"endpoint": 3, "candidate": "x", "strategy": {"canry": {}}, "risk": {"alpha": 7}}}`)
	if status != 400 || kind != "application/problem+json" || p.Code != fairlead.Invalid || len(p.Faults) != 4 {
		t.Errorf("%d %s %+v", status, kind, p)
	}
	var paths []string
	for _, f := range p.Faults {
		paths = append(paths, f.Path)
	}
	if want := []string{"/speck", "/spec/endpoint", "/spec/strategy/canry", "/spec/risk/alpha"}; !slices.Equal(paths, want) {
		t.Errorf("paths %q", paths)
	}
	for body, want := range map[string]string{`{"name":`: "not valid JSON", `[]`: "wrong type", `null`: "empty body", ``: "missing"} {
		if status, p, _ := post("/releases", body); status != 400 || len(p.Faults) == 0 || !strings.Contains(p.Faults[0].Message, want) {
			t.Errorf("%s: %d %+v", body, status, p)
		}
	}
	if status, p, _ := post("/releases?hurry=1", `{}`); status != 400 || !slices.ContainsFunc(p.Faults, func(f fairlead.Fault) bool { return f.Path == "hurry" }) {
		t.Errorf("unknown parameter: %d %+v", status, p)
	}
	if status, p, _ := post("/apply", `{"files":[{"text":"`+strings.Repeat("x", 9<<20)+`"}]}`); status != 413 || p.Code != fairlead.TooLarge {
		t.Errorf("large body: %d %+v", status, p)
	}
	_, err := api.Call(t.Context(), w.root, op.Apply, op.ApplyIn{Files: []op.Manifest{{Name: "a.yaml", Text: "kind: Modle\n"}}})
	var e *fairlead.Error
	if !errors.As(err, &e) || e.Code != fairlead.Invalid || len(e.Faults) != 1 || e.Faults[0].File != "a.yaml" || e.Faults[0].Line != 1 || len(e.Faults[0].Known) != 5 {
		t.Errorf("client: %#v", err)
	}
	if strings.Contains(w.log.String(), w.root.Token[10:]) {
		t.Error("the log holds a secret")
	}
}

func TestBlobs(t *testing.T) {
	w := newWorld(t)
	digest := "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	if has, err := w.root.HasBlob(t.Context(), digest); has || err != nil {
		t.Fatalf("there before: %v %v", has, err)
	}
	if _, err := w.root.PutBlob(t.Context(), digest, strings.NewReader("hullo"), 5); fairlead.CodeOf(err) != fairlead.Corrupt {
		t.Errorf("other bytes: %v", err)
	}
	if b, err := w.root.PutBlob(t.Context(), digest, strings.NewReader("hello"), 5); err != nil || b.Size != 5 || b.Digest != digest {
		t.Errorf("%+v %v", b, err)
	}
	if has, err := w.root.HasBlob(t.Context(), digest); !has || err != nil {
		t.Errorf("not there after: %v %v", has, err)
	}
	for _, size := range []int64{-1, 1<<20 + 1} { // of unknown and of told length
		if _, err := w.root.PutBlob(t.Context(), digest, io.LimitReader(zeros{}, 1<<20+1), size); fairlead.CodeOf(err) != fairlead.TooLarge {
			t.Errorf("too large, told %d: %v", size, err)
		}
	}
	if _, err := w.root.PutBlob(t.Context(), "sha256:../../etc", strings.NewReader(""), 0); fairlead.CodeOf(err) != fairlead.Invalid {
		t.Errorf("not a digest: %v", err)
	}
	viewer := w.as(t, "v", "viewer")
	if _, err := viewer.PutBlob(t.Context(), digest, strings.NewReader("hello"), 5); fairlead.CodeOf(err) != fairlead.Denied {
		t.Errorf("a viewer uploads: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A folder arrives whole, is registered under a digest of its own, and is not
// sent twice.
func TestUploadFolder(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"a/model.bin": "ok folder", "readme": "text", "empty": ""} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := w.root.Upload(t.Context(), dir)
	if err != nil || len(in.Files) != 3 {
		t.Fatalf("%+v %v", in, err)
	}
	in.Name, in.Format = "m@1", "stub"
	out, err := api.Call(t.Context(), w.root, op.VersionRegister, in)
	if err != nil || out.Outcome != op.Created || out.Version.Spec.Artifact.Size != 13 {
		t.Fatalf("%+v %v", out, err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.root.Upload(t.Context(), dir); fairlead.CodeOf(err) != fairlead.Invalid {
		t.Errorf("a link: %v", err)
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	w.register(t, "digits@1")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stop := errors.New("enough")
	last, err := w.root.Watch(ctx, fairlead.KindVersion, "", 0, func(c api.Change) error {
		if c.Name == "digits@1" {
			w.register(t, "digits@2") // while the stream is open
			return nil
		}
		if c.Kind != fairlead.KindVersion {
			t.Errorf("not asked for: %+v", c)
		}
		return stop
	})
	if !errors.Is(err, stop) || last == 0 {
		t.Fatalf("%d %v", last, err)
	}
	// From there on only what is new.
	if _, err := w.root.Watch(ctx, fairlead.KindVersion, "", last, func(c api.Change) error {
		if c.Name != "digits@2" {
			t.Errorf("old news: %+v", c)
		}
		return stop
	}); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	// Tokens are not for a viewer's eyes.
	viewer := w.as(t, "v", "viewer")
	if _, err := viewer.Watch(ctx, "", "", 0, func(c api.Change) error {
		if c.Kind == fairlead.KindToken {
			t.Errorf("a viewer sees %+v", c)
		}
		if c.Name == "digits@2" {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Fatal(err)
	}
}

func TestClientSaysWhatIsTheMatter(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/server" {
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("<html>"))
	}))
	defer other.Close()
	for base, want := range map[string]string{"127.0.0.1:1": "not a server's address", "http://127.0.0.1:1": "cannot reach", other.URL: "is this a Fairlead server"} {
		c := &api.Client{Base: base, Token: "t"}
		if _, err := api.Call(t.Context(), c, op.ServerInfo, struct{}{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", base, err)
		}
		if _, err := api.Call(t.Context(), c, op.ModelGet, op.Named{Name: ""}); fairlead.CodeOf(err) != fairlead.Invalid {
			t.Errorf("no name: %v", err)
		}
	}
}
