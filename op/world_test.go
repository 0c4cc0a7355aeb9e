package op_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/op"
	"fairlead.dev/runtime"
	"fairlead.dev/store/mem"
)

// stub is a runtime for files that begin with "ok"; the rest of the first line
// names the inputs. Any other file has an operator it cannot run.
type stub struct{}

func (stub) Name() string      { return "inproc" }
func (stub) Formats() []string { return []string{"onnx", "xgboost-json"} }
func (stub) Check(ctx context.Context, src runtime.Source) (runtime.Signature, error) {
	r, err := src.Open(ctx, "")
	if err != nil {
		return runtime.Signature{}, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return runtime.Signature{}, err
	}
	text, ok := strings.CutPrefix(string(b), "ok ")
	if !ok {
		return runtime.Signature{}, fairlead.Errorf(fairlead.Unsupported, "the operator Frobnicate is not supported")
	}
	sig := runtime.Signature{Platform: "onnx", Outputs: []fairlead.TensorSpec{{Name: "label", Datatype: "INT64", Shape: []int64{-1}}}}
	names, _, _ := strings.Cut(text, "\n")
	for _, n := range strings.Fields(names) {
		sig.Inputs = append(sig.Inputs, fairlead.TensorSpec{Name: n, Datatype: "FP32", Shape: []int64{-1, 4}})
	}
	return sig, nil
}
func (stub) Load(context.Context, runtime.Source, fairlead.TargetSpec) (runtime.Model, error) {
	return nil, errors.New("not here")
}

type world struct {
	t    *testing.T
	ctx  context.Context // of an operator named ann
	deps *op.Deps
	now  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	st := mem.New()
	t.Cleanup(func() { _ = st.Close() })
	env := fairlead.System()
	env.Now = func() time.Time { return w.now }
	w.deps = &op.Deps{Store: st, Blobs: mem.NewBlobs(), Env: env, Runtimes: []runtime.Runtime{stub{}}}
	w.ctx = as(t.Context(), "ann", fairlead.RoleOperator)
	return w
}

func as(ctx context.Context, name string, roles ...string) context.Context {
	return op.WithCaller(ctx, op.Caller{Name: name, Roles: roles})
}

func (w *world) upload(text string) string {
	w.t.Helper()
	digest, _, err := w.deps.Blobs.Put(w.ctx, strings.NewReader(text), "", 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return digest
}

func (w *world) register(names ...string) {
	w.t.Helper()
	for _, n := range names {
		must(w.t, op.VersionRegister, w, op.VersionIn{Name: n, Digest: w.upload("ok x\n" + n), Format: "onnx"})
	}
}

// must calls a verb that has to work.
func must[In, Out any](t *testing.T, o op.Op[In, Out], w *world, in In) Out {
	t.Helper()
	out, err := o.Call(w.ctx, w.deps, in)
	if err != nil {
		t.Fatalf("%s: %v", o.Name, err)
	}
	return out
}

// refused calls a verb that has to fail with the code and words, changing
// nothing.
func refused[In, Out any](t *testing.T, o op.Op[In, Out], w *world, in In, code fairlead.Code, words ...string) {
	t.Helper()
	before := w.ledger()
	_, err := o.Call(w.ctx, w.deps, in)
	if fairlead.CodeOf(err) != code {
		t.Errorf("%s: code %q, want %q: %v", o.Name, fairlead.CodeOf(err), code, err)
		return
	}
	for _, s := range words {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: %q does not say %q", o.Name, err, s)
		}
	}
	if after := w.ledger(); after != before {
		t.Errorf("%s was refused and left %d entries in the ledger", o.Name, after-before)
	}
}

func (w *world) ledger() int64 {
	w.t.Helper()
	n, _, err := w.deps.Store.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) apply(text string) op.ApplyOut {
	w.t.Helper()
	return must(w.t, op.Apply, w, op.ApplyIn{Files: []op.Manifest{{Name: "m.yaml", Text: text}}})
}

const digitsYAML = `
apiVersion: fairlead/v1
kind: Endpoint
metadata: {name: digits}
spec: {initial: digits@1}
`

const canaryYAML = `
apiVersion: fairlead/v1
kind: Release
metadata: {name: v2}
spec:
  endpoint: digits
  candidate: digits@2
  strategy: {canary: {steps: [{weight: 5%, hold: 10m}, {approve: {by: managers}}]}}
  gates: [{metric: error_rate, maxIncrease: 50%}]
`

// running is a world in which a release moves digits from 1 to 2.
func running(t *testing.T) *world {
	w := newWorld(t)
	w.register("digits@1", "digits@2", "digits@3", "other@1")
	w.apply(digitsYAML)
	w.apply(canaryYAML)
	return w
}
