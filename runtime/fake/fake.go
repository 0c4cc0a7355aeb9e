// Package fake is a runtime that does what its artifact says: it answers, is
// slow, fails at a rate or after a number of calls, hangs, refuses to load.
// Tests and the simulation serve releases with it; a cue turns a behaviour on
// while the model is live.
//
// An artifact of format "fake" is one JSON object, a Script. Chance and time
// come from Config, so the same seed and a virtual clock give the same run.
//
// Begin with Script.
package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// Format is the artifact format that this runtime loads.
const Format = "fake"

// maxScript bounds a script's bytes.
const maxScript = 1 << 20

// Script is what a fake version does. Absent fields mean: answer at once, with
// zeros.
type Script struct {
	Inputs  []fairlead.TensorSpec `json:"inputs,omitempty"`  // one FP32 tensor "input" [-1, 4] if absent
	Outputs []fairlead.TensorSpec `json:"outputs,omitempty"` // one FP32 tensor "output" [-1, 1] if absent

	// Answer is what fills every numeric output; a bool output is Answer != 0,
	// a BYTES output Label.
	Answer float64 `json:"answer,omitempty"`
	Label  string  `json:"label,omitempty"`

	Latency    fairlead.Duration `json:"latency,omitempty"`  // of every call
	Jitter     fairlead.Duration `json:"jitter,omitempty"`   // uniform, on top
	SlowRate   float64           `json:"slowRate,omitempty"` // share of calls that also take Slow
	Slow       fairlead.Duration `json:"slow,omitempty"`
	ErrorRate  float64           `json:"errorRate,omitempty"`  // share of calls that fail with ErrorCode
	ErrorCode  fairlead.Code     `json:"errorCode,omitempty"`  // internal if absent
	FailAfter  int64             `json:"failAfter,omitempty"`  // calls answered before all fail; 0: never
	Hang       bool              `json:"hang,omitempty"`       // calls end only with their context
	WrongShape bool              `json:"wrongShape,omitempty"` // outputs have one element too few for their shape

	CheckError string `json:"checkError,omitempty"` // Check and Load refuse with this message, code invalid
	LoadError  string `json:"loadError,omitempty"`  // Load fails with this message, code unavailable
	LoadHang   bool   `json:"loadHang,omitempty"`   // Load ends only with its context
}

// Config is the world a fake lives in.
type Config struct {
	Rand  func() uint64                                    // uniform 64 bits; needed by rates and jitter
	Sleep func(ctx context.Context, d time.Duration) error // ctx's error if it ends first
}

// Runtime implements runtime.Runtime.
type Runtime struct {
	c  Config
	mu sync.Mutex
	// guarded by mu
	cues map[string]*Script
}

// New makes the runtime. A nil Sleep waits in real time; a nil Rand is a fixed
// sequence.
func New(c Config) *Runtime {
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Rand == nil {
		var n atomic.Uint64
		c.Rand = func() uint64 { // splitmix64, seed 0
			z := n.Add(0x9e3779b97f4a7c15)
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			return z ^ z>>31
		}
	}
	return &Runtime{c: c, cues: map[string]*Script{}}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cue replaces the behaviour of every model loaded, now or later, from the
// artifact with this digest; nil returns to the artifact's own script. The
// signature stays the artifact's.
func (r *Runtime) Cue(digest string, s *Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == nil {
		delete(r.cues, digest)
		return
	}
	c := *s
	r.cues[digest] = &c
}

func (r *Runtime) script(digest string, own *Script) *Script {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.cues[digest]; s != nil {
		return s
	}
	return own
}

func (r *Runtime) Name() string { return "fake" }

func (r *Runtime) Formats() []string { return []string{Format} }

func (r *Runtime) Check(ctx context.Context, src runtime.Source) (runtime.Signature, error) {
	s, err := r.read(ctx, src)
	if err != nil {
		return runtime.Signature{}, err
	}
	return signature(s), nil
}

func (r *Runtime) Load(ctx context.Context, src runtime.Source, _ fairlead.TargetSpec) (runtime.Model, error) {
	own, err := r.read(ctx, src)
	if err != nil {
		return nil, err
	}
	digest := src.Artifact().Digest
	s := r.script(digest, own)
	if s.LoadHang {
		<-ctx.Done()
		return nil, fairlead.Errorf(fairlead.Timeout, "the fake hung while it loaded: %w", ctx.Err())
	}
	if s.LoadError != "" {
		return nil, fairlead.Errorf(fairlead.Unavailable, "the fake cannot load: %s", s.LoadError)
	}
	return &model{r: r, own: own, digest: digest, sig: signature(own)}, nil
}

func (r *Runtime) read(ctx context.Context, src runtime.Source) (*Script, error) {
	a := src.Artifact()
	if a.Format != Format {
		return nil, fairlead.Unknown("format for runtime fake", a.Format, r.Formats())
	}
	if len(a.Files) > 0 || a.Size > maxScript {
		return nil, fairlead.Errorf(fairlead.TooLarge, "a fake is one script of at most %d bytes", maxScript)
	}
	f, err := src.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	if err != nil {
		return nil, err
	}
	s, err := Parse(b)
	if err != nil {
		return nil, err
	}
	if c := r.script(a.Digest, s); c.CheckError != "" {
		return nil, fairlead.Errorf(fairlead.Invalid, "the fake does not check: %s", c.CheckError)
	}
	return s, nil
}

// Parse reads a script strictly: unknown keys, bad rates and malformed
// signatures are code Invalid, broken JSON is Corrupt.
func Parse(b []byte) (*Script, error) {
	if len(b) > maxScript {
		return nil, fairlead.Errorf(fairlead.TooLarge, "a fake script has at most %d bytes", maxScript)
	}
	s := &Script{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fairlead.Errorf(fairlead.Corrupt, "the fake's script is not readable JSON: %w", err)
		}
		return nil, fairlead.Errorf(fairlead.Invalid, "the fake's script is wrong: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fairlead.Errorf(fairlead.Corrupt, "the fake's script has text behind its object")
	}
	return s, s.check()
}

func (s *Script) check() error {
	var faults []fairlead.Fault
	for path, v := range map[string]float64{"/errorRate": s.ErrorRate, "/slowRate": s.SlowRate} {
		if !(v >= 0 && v <= 1) {
			faults = append(faults, fairlead.Fault{Path: path, Message: "a rate out of range", Want: "0 … 1"})
		}
	}
	for path, specs := range map[string][]fairlead.TensorSpec{"/inputs": s.Inputs, "/outputs": s.Outputs} {
		for _, x := range specs {
			if runtime.ElementSize(x.Datatype) < 0 {
				faults = append(faults, fairlead.Fault{Path: path, Message: "unknown datatype", Got: x.Datatype, Known: runtime.Datatypes()})
			}
			if len(x.Shape) > 16 || runtime.Elements(positive(x.Shape, 1)) < 0 || runtime.Elements(positive(x.Shape, 1)) > 1<<20 {
				faults = append(faults, fairlead.Fault{Path: path, Message: "a shape too large", Got: runtime.ShapeText(x.Shape[:min(len(x.Shape), 16)])})
			}
		}
	}
	slices.SortFunc(faults, func(a, b fairlead.Fault) int { return strings.Compare(a.Path, b.Path) })
	return fairlead.Faulty("the fake's script is wrong", faults)
}

// positive is shape with its free dimensions set to n.
func positive(shape []int64, n int64) []int64 {
	out := slices.Clone(shape)
	for i := range out {
		if out[i] < 0 {
			out[i] = n
		}
	}
	return out
}

func signature(s *Script) runtime.Signature {
	sig := runtime.Signature{Platform: Format, Inputs: s.Inputs, Outputs: s.Outputs}
	if sig.Inputs == nil {
		sig.Inputs = []fairlead.TensorSpec{{Name: "input", Datatype: "FP32", Shape: []int64{-1, 4}}}
	}
	if sig.Outputs == nil {
		sig.Outputs = []fairlead.TensorSpec{{Name: "output", Datatype: "FP32", Shape: []int64{-1, 1}}}
	}
	return sig
}
