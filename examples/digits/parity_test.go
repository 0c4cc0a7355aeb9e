package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/inproc"
)

// source is a model file of the demo.
type source struct{ data []byte }

func (s source) Artifact() fairlead.Artifact {
	return fairlead.Artifact{Format: "onnx", Size: int64(len(s.data))}
}

func (s source) Open(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s.data)), nil
}

// Our executor answers as ONNX Runtime does, on every held-out image and for
// all three versions: the same labels, probabilities alike to 1e-5.
func TestAnswersLikeONNXRuntime(t *testing.T) {
	f, err := os.Open("testdata/expected.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]struct {
		Labels        []int64     `json:"labels"`
		Probabilities [][]float64 `json:"probabilities"`
	}
	if err := json.NewDecoder(z).Decode(&expected); err != nil {
		t.Fatal(err)
	}
	csv, err := files.ReadFile("heldout.csv")
	if err != nil {
		t.Fatal(err)
	}
	var in []float32
	var truth []int64
	for _, row := range strings.Fields(string(csv)) {
		cells := strings.Split(row, ",")
		for i, c := range cells {
			n, err := strconv.Atoi(c)
			if err != nil {
				t.Fatal(err)
			}
			if i == pixels {
				truth = append(truth, int64(n))
			} else {
				in = append(in, float32(n))
			}
		}
	}
	n := int64(len(truth))
	accuracy := map[string]float64{"v1": 0.9034, "v2": 0.9674, "v3": 0.3651}

	rt := inproc.New(inproc.Config{})
	for name, want := range expected {
		t.Run(name, func(t *testing.T) {
			data, err := files.ReadFile(name + ".onnx")
			if err != nil {
				t.Fatal(err)
			}
			m, err := rt.Load(t.Context(), source{data}, fairlead.TargetSpec{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			res, err := m.Infer(t.Context(), &runtime.Request{Inputs: []runtime.Tensor{
				{Name: "pixels", Datatype: "FP32", Shape: []int64{n, pixels}, Data: in}}})
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]runtime.Tensor{}
			for _, o := range res.Outputs {
				out[o.Name] = o
			}
			labels, ok := out["label"].Data.([]int64)
			if !ok || int64(len(labels)) != n {
				t.Fatalf("label: got %s %v", out["label"].Datatype, out["label"].Shape)
			}
			probs, ok := out["probabilities"].Data.([]float32)
			if !ok || int64(len(probs)) != 10*n {
				t.Fatalf("probabilities: got %s %v", out["probabilities"].Datatype, out["probabilities"].Shape)
			}
			right := 0
			for i, l := range labels {
				if l != want.Labels[i] {
					t.Errorf("image %d: label %d, ONNX Runtime says %d", i, l, want.Labels[i])
				}
				if l == truth[i] {
					right++
				}
				for d, p := range want.Probabilities[i] {
					if got := float64(probs[10*i+d]); math.Abs(got-p) > 1e-5 {
						t.Errorf("image %d, digit %d: probability %.7f, ONNX Runtime says %.7f", i, d, got, p)
					}
				}
			}
			if got := float64(right) / float64(n); math.Abs(got-accuracy[name]) > 1e-4 {
				t.Errorf("accuracy %.4f, PROVENANCE.md says %.4f", got, accuracy[name])
			}
		})
	}
}
