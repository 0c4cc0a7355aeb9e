// Package fake is a runtime that fails on cue: its artifact is a script that
// says how the version behaves. Tests, stories and the simulation use it; a
// server runs it only when told to.
//
//	{"latency": "5ms", "errorRate": 0.01, "failAfter": 100,
//	 "outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}], "answer": {"y": [0.5]}}
package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// Format of the artifacts.
const Format = "fake"

// maxScript bounds a script.
const maxScript = 1 << 20

// Script is what an artifact holds.
type Script struct {
	Inputs    []fairlead.TensorSpec `json:"inputs,omitempty"`
	Outputs   []fairlead.TensorSpec `json:"outputs,omitempty"` // one FP32 "y" of shape [1] if absent
	Answer    map[string][]float64  `json:"answer,omitempty"`  // by output; zeros if absent; numeric outputs alone
	Latency   fairlead.Duration     `json:"latency,omitempty"`
	ErrorRate float64               `json:"errorRate,omitempty"` // chance that an inference fails
	FailAfter int64                 `json:"failAfter,omitempty"` // every inference after this many fails; 0: none does
	Hang      bool                  `json:"hang,omitempty"`      // inferences end with their context alone
	LoadError string                `json:"loadError,omitempty"` // Load fails with this
	Refuse    string                `json:"refuse,omitempty"`    // Check fails with this, as for an unsupported operator
}

// Config is the world the fake lives in.
type Config struct {
	Rand  func() uint64                                    // uniform
	Sleep func(ctx context.Context, d time.Duration) error // waits, or fails with ctx's error
}

// Runtime is a runtime.Runtime.
type Runtime struct{ cfg Config }

// New makes one.
func New(cfg Config) *Runtime { return &Runtime{cfg} }

// Name is runtime.Runtime.Name.
func (r *Runtime) Name() string { return "fake" }

// Formats is runtime.Runtime.Formats.
func (r *Runtime) Formats() []string { return []string{Format} }

// Check is runtime.Runtime.Check.
func (r *Runtime) Check(ctx context.Context, src runtime.Source) (runtime.Signature, error) {
	s, err := read(ctx, src)
	if err != nil {
		return runtime.Signature{}, err
	}
	if s.Refuse != "" {
		return runtime.Signature{}, fairlead.Errorf(fairlead.Unsupported, "%s", s.Refuse)
	}
	return s.signature(), nil
}

// Load is runtime.Runtime.Load.
func (r *Runtime) Load(ctx context.Context, src runtime.Source, _ fairlead.TargetSpec) (runtime.Model, error) {
	s, err := read(ctx, src)
	if err != nil {
		return nil, err
	}
	if s.LoadError != "" {
		return nil, fairlead.Errorf(fairlead.Unavailable, "%s", s.LoadError)
	}
	return &model{cfg: r.cfg, script: s, sig: s.signature()}, nil
}

func read(ctx context.Context, src runtime.Source) (Script, error) {
	var s Script
	f, err := src.Open(ctx, "")
	if err != nil {
		return s, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	if err != nil {
		return s, err
	}
	if len(data) > maxScript {
		return s, fairlead.Errorf(fairlead.TooLarge, "the script is larger than %d bytes", maxScript)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fairlead.Errorf(fairlead.Invalid, "the script of the fake runtime is wrong at byte %d: %v", dec.InputOffset(), err)
	}
	return s, s.check()
}

func (s Script) check() error {
	var faults []fairlead.Fault
	if s.ErrorRate < 0 || s.ErrorRate > 1 {
		faults = append(faults, fairlead.Fault{Path: "/errorRate", Message: "not a probability", Want: "0 to 1", Got: fmt.Sprint(s.ErrorRate)})
	}
	for i, o := range s.signature().Outputs {
		path := fmt.Sprintf("/outputs/%d", i)
		n := runtime.Elements(o.Shape)
		if n < 0 || n > 1<<16 {
			faults = append(faults, fairlead.Fault{Path: path, Message: "a fake answers with a fixed shape of at most 65536 elements"})
		}
		if runtime.NewData(o.Datatype, 0) == nil {
			faults = append(faults, fairlead.Fault{Path: path, Message: "unknown datatype", Got: o.Datatype, Known: runtime.Datatypes()})
		}
		if a, ok := s.Answer[o.Name]; ok && int64(len(a)) != n {
			faults = append(faults, fairlead.Fault{Path: "/answer/" + o.Name, Message: "not as many numbers as the output has elements", Want: fmt.Sprint(n), Got: fmt.Sprint(len(a))})
		}
	}
	return fairlead.Faulty("the script of the fake runtime is wrong", faults)
}

func (s Script) signature() runtime.Signature {
	out := s.Outputs
	if out == nil {
		out = []fairlead.TensorSpec{{Name: "y", Datatype: "FP32", Shape: []int64{1}}}
	}
	return runtime.Signature{Platform: Format, Inputs: s.Inputs, Outputs: out}
}

type model struct {
	cfg    Config
	script Script
	sig    runtime.Signature
	calls  atomic.Int64
}

func (m *model) Signature() runtime.Signature { return m.sig }

func (m *model) Close() error { return nil }

func (m *model) Infer(ctx context.Context, req *runtime.Request) (*runtime.Response, error) {
	if len(m.sig.Inputs) > 0 {
		if err := runtime.CheckRequest(&m.sig, req); err != nil {
			return nil, err
		}
	}
	n := m.calls.Add(1)
	if m.script.Hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if d := m.script.Latency.Std(); d > 0 {
		if err := m.cfg.Sleep(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.script.FailAfter > 0 && n > m.script.FailAfter {
		return nil, fairlead.Errorf(fairlead.Internal, "the script fails after %d inferences", m.script.FailAfter)
	}
	if p := m.script.ErrorRate; p > 0 && float64(m.cfg.Rand()>>11)/(1<<53) < p {
		return nil, fairlead.Errorf(fairlead.Internal, "the script fails by chance")
	}
	out := make([]runtime.Tensor, 0, len(m.sig.Outputs))
	for _, o := range m.sig.Outputs {
		t := runtime.Tensor{Name: o.Name, Datatype: o.Datatype, Shape: o.Shape, Data: runtime.NewData(o.Datatype, int(runtime.Elements(o.Shape)))}
		fill(t.Data, m.script.Answer[o.Name])
		out = append(out, t)
	}
	return &runtime.Response{Outputs: out}, nil
}

// fill writes values into a numeric tensor's data; other types keep their zeros.
func fill(data any, values []float64) {
	switch d := data.(type) {
	case []float32:
		put(d, values)
	case []float64:
		put(d, values)
	case []int64:
		put(d, values)
	case []int32:
		put(d, values)
	}
}

func put[T float32 | float64 | int64 | int32](d []T, values []float64) {
	for i := range min(len(d), len(values)) {
		d[i] = T(values[i])
	}
}
