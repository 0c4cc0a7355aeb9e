package inproc_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/inproc"
)

// fuzzModel loads arbitrary bytes within tight limits. Nothing may panic (the
// executor turns a panic into Internal, which counts as one here) or take long.
func fuzzModel(f *testing.F, format, pattern string, limit int) {
	files, _ := filepath.Glob(filepath.Join("testdata", pattern))
	for _, file := range files {
		if b := mustRead(f, filepath.Base(file)); len(b) <= limit {
			f.Add(b)
		}
	}
	rt := inproc.New(inproc.Config{MaxFile: 1 << 20, MaxMemory: 8 << 20, MaxWork: 4e7})
	f.Fuzz(func(t *testing.T, b []byte) { loadAndAsk(t, rt, format, b) })
}

// loadAndAsk loads bytes and, if they are a model, asks it once. It fails
// unless both end well or with one of the codes that a wrong model may have.
func loadAndAsk(t *testing.T, rt runtime.Runtime, format string, b []byte) (loaded bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	inproc.Detect("m", b)
	m, err := rt.Load(ctx, blob{format, b}, fairlead.TargetSpec{})
	if err != nil {
		switch fairlead.CodeOf(err) {
		case fairlead.Invalid, fairlead.Corrupt, fairlead.Unsupported, fairlead.TooLarge:
			return false
		}
		t.Fatalf("code %s: %v", fairlead.CodeOf(err), err)
	}
	sig := m.Signature()
	req := &runtime.Request{}
	total := int64(0)
	for _, s := range sig.Inputs {
		shape := append([]int64(nil), s.Shape...)
		for i := range shape {
			if shape[i] < 0 {
				shape[i] = 3
			}
		}
		n := runtime.Elements(shape)
		if total += n; n < 0 || total > 1<<20 {
			return true
		}
		req.Inputs = append(req.Inputs, runtime.Tensor{Name: s.Name, Datatype: s.Datatype, Shape: shape, Data: runtime.NewData(s.Datatype, int(n))})
	}
	resp, err := m.Infer(ctx, req)
	if err != nil {
		if code := fairlead.CodeOf(err); code != fairlead.Invalid && code != fairlead.TooLarge {
			t.Fatalf("infer: code %s: %v", code, err)
		}
		return true
	}
	for _, o := range resp.Outputs {
		if n, ok := runtime.DataLen(o.Datatype, o.Data); !ok || int64(n) != runtime.Elements(o.Shape) {
			t.Fatalf("output %s: %d elements for shape %v", o.Name, n, o.Shape)
		}
	}
	return true
}

func FuzzONNX(f *testing.F)     { fuzzModel(f, inproc.FormatONNX, "*.onnx", 6000) }
func FuzzXGBoost(f *testing.F)  { fuzzModel(f, inproc.FormatXGBoost, "*.json", 20000) }
func FuzzLightGBM(f *testing.F) { fuzzModel(f, inproc.FormatLightGBM, "*.txt", 20000) }
