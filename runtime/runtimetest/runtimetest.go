// Package runtimetest is the examination that every runtime passes. A runtime's
// own tests call Run with a sound artifact; what is particular to the kind
// (numbers, limits, protocols) they test beside it.
package runtimetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// Case is one runtime with an artifact it can load.
type Case struct {
	Runtime  runtime.Runtime
	Format   string
	Artifact []byte
	Place    fairlead.TargetSpec
	// LateSignature: the interface is known after Load only.
	LateSignature bool
	// Cuts are the shares of the artifact, in percent, at which cutting it off
	// must be noticed; 0, 10, 50 and 90 if nil.
	Cuts []int
}

// Blob is a Source over bytes in memory.
type Blob struct {
	Format string
	Bytes  []byte
}

// Artifact names the bytes with their digest and size.
func (b Blob) Artifact() fairlead.Artifact {
	d := sha256.Sum256(b.Bytes)
	return fairlead.Artifact{Digest: "sha256:" + hex.EncodeToString(d[:]), Format: b.Format, Size: int64(len(b.Bytes))}
}

// Open gives the bytes.
func (b Blob) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Bytes)), nil
}

// broken is a Source whose bytes end in an error, as when a digest differs.
type broken struct{ Blob }

func (b broken) Open(context.Context, string) (io.ReadCloser, error) {
	err := fairlead.Errorf(fairlead.Corrupt, "the bytes do not match their digest")
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.Bytes[:len(b.Bytes)/2]), failing{err})), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Run examines a runtime.
func Run(t *testing.T, c Case) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	src := Blob{c.Format, c.Artifact}
	load := func(t *testing.T) runtime.Model {
		t.Helper()
		m, err := c.Runtime.Load(ctx, src, c.Place)
		if err != nil {
			t.Fatalf("Load: %v", err)
		}
		return m
	}

	t.Run("names", func(t *testing.T) {
		if c.Runtime.Name() == "" || !slices.Contains(c.Runtime.Formats(), c.Format) {
			t.Errorf("runtime %q does not list its format %q: %v", c.Runtime.Name(), c.Format, c.Runtime.Formats())
		}
	})

	t.Run("signature", func(t *testing.T) {
		sig, err := c.Runtime.Check(ctx, src)
		if err != nil {
			t.Fatalf("Check: %v", err)
		}
		m := load(t)
		defer m.Close()
		if !c.LateSignature && !reflect.DeepEqual(sig, m.Signature()) {
			t.Errorf("Check says %+v, the loaded model %+v", sig, m.Signature())
		}
		got := m.Signature()
		if got.Platform == "" || len(got.Inputs) == 0 || len(got.Outputs) == 0 {
			t.Errorf("signature %+v", got)
		}
		for _, s := range append(slices.Clone(got.Inputs), got.Outputs...) {
			if s.Name == "" || runtime.ElementSize(s.Datatype) < 0 || s.Shape == nil {
				t.Errorf("tensor %+v", s)
			}
		}
	})

	t.Run("infer", func(t *testing.T) {
		m := load(t)
		defer m.Close()
		for _, rows := range []int64{1, 3, 1} { // small after large: buffers are reused
			resp, err := m.Infer(ctx, Request(m.Signature(), rows))
			if err != nil {
				t.Fatalf("%d rows: %v", rows, err)
			}
			answers(t, m.Signature(), resp)
		}
		sig := m.Signature()
		req := Request(sig, 1)
		req.Outputs = []string{sig.Outputs[len(sig.Outputs)-1].Name}
		resp, err := m.Infer(ctx, req)
		if err != nil || len(resp.Outputs) != 1 || resp.Outputs[0].Name != req.Outputs[0] {
			t.Errorf("one output wanted: %+v, %v", resp, err)
		}
	})

	t.Run("wrong input", func(t *testing.T) {
		m := load(t)
		defer m.Close()
		for name, spoil := range spoils {
			req := Request(m.Signature(), 2)
			if !spoil(req) {
				continue
			}
			resp, err := m.Infer(ctx, req)
			if fairlead.CodeOf(err) != fairlead.Invalid || resp != nil {
				t.Errorf("%s: got %v, %v; want code invalid", name, resp, err)
			}
		}
		if _, err := m.Infer(ctx, Request(m.Signature(), 2)); err != nil {
			t.Errorf("after wrong input: %v", err)
		}
	})

	t.Run("many at once", func(t *testing.T) {
		m := load(t)
		defer m.Close()
		want, err := m.Infer(ctx, Request(m.Signature(), 2))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 20 {
					rows := int64(2)
					if (g+i)%3 == 0 {
						rows = 5
					}
					got, err := m.Infer(ctx, Request(m.Signature(), rows))
					if err != nil || (rows == 2 && !reflect.DeepEqual(got, want)) {
						t.Errorf("call %d of %d: %v, %v", i, g, got, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})

	t.Run("ended context", func(t *testing.T) {
		m := load(t)
		defer m.Close()
		ended, end := context.WithCancel(ctx)
		end()
		if _, err := m.Infer(ended, Request(m.Signature(), 1)); fairlead.CodeOf(err) != fairlead.Timeout {
			t.Errorf("got %v, want code timeout", err)
		}
	})

	t.Run("close", func(t *testing.T) {
		m := load(t)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := m.Infer(ctx, Request(m.Signature(), 1)); fairlead.CodeOf(err) != fairlead.Unavailable {
			t.Errorf("after Close: %v, want code unavailable", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})

	t.Run("bad artifact", func(t *testing.T) { bad(ctx, t, c) })
}

// bad feeds damaged artifacts to Check and Load: each must refuse with a code
// that blames the bytes.
func bad(ctx context.Context, t *testing.T, c Case) {
	cuts := c.Cuts
	if cuts == nil {
		cuts = []int{0, 10, 50, 90}
	}
	cases := map[string]runtime.Source{
		"noise":   Blob{c.Format, bytes.Repeat([]byte{0xff, 0x00, 0x7b}, 100)},
		"digest":  broken{Blob{c.Format, c.Artifact}},
		"text":    Blob{c.Format, []byte("<html>404 not found</html>")},
		"unknown": Blob{"no-such-format", c.Artifact},
	}
	for _, p := range cuts {
		cases[fmt.Sprintf("cut at %d%%", p)] = Blob{c.Format, c.Artifact[:len(c.Artifact)*p/100]}
	}
	for name, src := range cases {
		_, err := c.Runtime.Check(ctx, src)
		m, err2 := c.Runtime.Load(ctx, src, c.Place)
		for _, e := range []error{err, err2} {
			switch fairlead.CodeOf(e) {
			case fairlead.Invalid, fairlead.Corrupt, fairlead.Unsupported:
			default:
				t.Errorf("%s: got %v, want code invalid, corrupt or unsupported", name, e)
			}
		}
		if m != nil {
			t.Errorf("%s: a model beside the error", name)
		}
	}
	// A flipped byte may still be a model; it may not end the process.
	for i := 0; i < len(c.Artifact); i += 1 + len(c.Artifact)/64 {
		b := bytes.Clone(c.Artifact)
		b[i] ^= 0x55
		if _, err := c.Runtime.Check(ctx, Blob{c.Format, b}); fairlead.CodeOf(err) == fairlead.Internal {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
}

// Request fits a signature: every free dimension is rows, every number a small
// one that depends on its place.
func Request(sig runtime.Signature, rows int64) *runtime.Request {
	req := &runtime.Request{ID: "r1"}
	for _, s := range sig.Inputs {
		shape := slices.Clone(s.Shape)
		for i := range shape {
			if shape[i] < 0 {
				shape[i] = rows
			}
		}
		data := runtime.NewData(s.Datatype, int(runtime.Elements(shape)))
		switch d := data.(type) {
		case []float32:
			for i := range d {
				d[i] = float32(i%7) / 4
			}
		case []float64:
			for i := range d {
				d[i] = float64(i%7) / 4
			}
		case []int64:
			for i := range d {
				d[i] = int64(i % 7)
			}
		case [][]byte:
			for i := range d {
				d[i] = []byte("a")
			}
		}
		req.Inputs = append(req.Inputs, runtime.Tensor{Name: s.Name, Datatype: s.Datatype, Shape: shape, Data: data})
	}
	return req
}

// answers holds a response against the signature.
func answers(t *testing.T, sig runtime.Signature, resp *runtime.Response) {
	t.Helper()
	if len(resp.Outputs) != len(sig.Outputs) {
		t.Fatalf("%d outputs, the signature has %d", len(resp.Outputs), len(sig.Outputs))
	}
	for i := range resp.Outputs {
		if faults := runtime.CheckTensor("", sig.Outputs[i], &resp.Outputs[i]); len(faults) > 0 {
			t.Errorf("output %d: %v", i, faults)
		}
	}
}

// spoils make a sound request wrong, one way each; false where a way does not
// apply to the request.
var spoils = map[string]func(*runtime.Request) bool{
	"no inputs":      func(r *runtime.Request) bool { r.Inputs = nil; return true },
	"unknown input":  func(r *runtime.Request) bool { r.Inputs[0].Name = "no-such-input"; return true },
	"input twice":    func(r *runtime.Request) bool { r.Inputs = append(r.Inputs, r.Inputs[0]); return true },
	"unknown output": func(r *runtime.Request) bool { r.Outputs = []string{"no-such-output"}; return true },
	"datatype": func(r *runtime.Request) bool {
		r.Inputs[0].Datatype = map[bool]string{true: "FP64", false: "FP32"}[r.Inputs[0].Datatype == "FP32"]
		return true
	},
	"unknown datatype": func(r *runtime.Request) bool { r.Inputs[0].Datatype = "FP31"; return true },
	"kind of data": func(r *runtime.Request) bool {
		r.Inputs[0].Data = make([]struct{}, runtime.Elements(r.Inputs[0].Shape))
		return true
	},
	"no data": func(r *runtime.Request) bool { r.Inputs[0].Data = nil; return true },
	"short data": func(r *runtime.Request) bool {
		r.Inputs[0].Data = runtime.NewData(r.Inputs[0].Datatype, int(runtime.Elements(r.Inputs[0].Shape))-1)
		return true
	},
	"dimension too many": func(r *runtime.Request) bool { r.Inputs[0].Shape = append(r.Inputs[0].Shape, 1); return true },
	"last dimension": func(r *runtime.Request) bool {
		s := r.Inputs[0].Shape
		if len(s) < 2 {
			return false
		}
		s[len(s)-1]++
		r.Inputs[0].Data = runtime.NewData(r.Inputs[0].Datatype, int(runtime.Elements(s)))
		return true
	},
	"negative dimension": func(r *runtime.Request) bool {
		if len(r.Inputs[0].Shape) == 0 {
			return false
		}
		r.Inputs[0].Shape[0] = -2
		return true
	},
	"overflowing shape": func(r *runtime.Request) bool {
		if len(r.Inputs[0].Shape) == 0 {
			return false
		}
		r.Inputs[0].Shape[0] = 1 << 62
		return true
	},
	"empty shape": func(r *runtime.Request) bool {
		if len(r.Inputs[0].Shape) == 0 {
			return false
		}
		r.Inputs[0].Shape = nil
		return true
	},
}
