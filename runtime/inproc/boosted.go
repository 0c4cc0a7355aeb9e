package inproc

import (
	"context"
	"errors"
	"math"
	"slices"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// boosted is a gradient-boosted model of a library's own format. Its input is
// one table [-1, features]; it answers
//
//	classification: label INT64 [-1], probabilities [-1, classes]
//	everything else: prediction [-1]
//
// in the input's float type: FP32 for XGBoost, FP64 for LightGBM, as those
// libraries compare.
type boosted[T float] struct {
	f       *forest[T]
	sig     runtime.Signature
	lim     Config
	base    []float64 // margins added to each target
	scale   float64   // of the sum: 1, or 1/trees for averaged forests
	link    func(v []float64)
	classes int // 0: not a classifier
	pool    scratchPool[T]
}

func (m *boosted[T]) signature() runtime.Signature { return m.sig }

func newBoosted[T float](platform string, f *forest[T], lim Config, base []float64, classes int, link func([]float64)) (*boosted[T], error) {
	if err := f.verify(); err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "the %s model is wrong: %w", platform, err)
	}
	if f.fast = f.pack(); f.fast != nil {
		f.forget()
	}
	dt := "FP32"
	if any(T(0)) == any(float64(0)) {
		dt = "FP64"
	}
	m := &boosted[T]{f: f, lim: lim, base: base, scale: 1, link: link, classes: classes}
	m.sig = runtime.Signature{Platform: platform, Inputs: []fairlead.TensorSpec{{Name: "input", Datatype: dt, Shape: []int64{-1, int64(f.features)}}}}
	if classes > 0 {
		m.sig.Outputs = []fairlead.TensorSpec{{Name: "label", Datatype: "INT64", Shape: []int64{-1}}, {Name: "probabilities", Datatype: dt, Shape: []int64{-1, int64(classes)}}}
	} else {
		m.sig.Outputs = []fairlead.TensorSpec{{Name: "prediction", Datatype: dt, Shape: []int64{-1}}}
	}
	return m, nil
}

func (m *boosted[T]) infer(ctx context.Context, req *runtime.Request) (*runtime.Response, error) {
	x, _ := req.Inputs[0].Data.([]T)
	rows, cols := int(req.Inputs[0].Shape[0]), m.f.features
	c := call{ctx: ctx, mem: int(m.lim.MaxMemory), work: m.lim.MaxWork}
	c.until = c.work - pollEvery
	width := max(m.classes, 1)
	if rows > maxElements/width || c.take(rows*(width+1)*8+m.f.room(min(rows, m.f.block()))) != nil {
		return nil, fairlead.Errorf(fairlead.TooLarge, "%d rows: %w", rows, errMemory)
	}
	out := make([]T, rows*width)
	var class []int64
	if m.classes > 0 {
		class = make([]int64, rows)
	}
	sc := m.pool.get()
	defer m.pool.put(sc)
	k := m.f.targets
	block := m.f.block()
	for from := 0; from < rows; from += block {
		n := min(block, rows-from)
		if err := c.spend(n * m.f.work()); err != nil {
			if errors.Is(err, errWork) {
				return nil, fairlead.Errorf(fairlead.TooLarge, "%d rows: %w", rows, err)
			}
			return nil, fairlead.Errorf(fairlead.Timeout, "the call was ended before its answer: %w", err)
		}
		m.f.sums(sc, x[from*cols:(from+n)*cols], n, cols)
		for r := range n {
			o := out[(from+r)*width : (from+r+1)*width]
			m.finish(o, sc.acc[r*k:r*k+k], sc.two[:])
			if class != nil {
				class[from+r] = int64(maxIndex(o))
			}
		}
	}
	return m.answer(req, rows, out, class), nil
}

// finish turns a row's sums into its answer.
func (m *boosted[T]) finish(o []T, s, two []float64) {
	if m.f.targets < m.classes { // one margin for two classes
		two[0] = s[0]
		s = two
	}
	for k, b := range m.base {
		s[k] = s[k]*m.scale + b
	}
	m.link(s)
	for k := range o {
		o[k] = T(s[k])
	}
}

func (m *boosted[T]) answer(req *runtime.Request, rows int, out []T, class []int64) *runtime.Response {
	a := &struct { // one allocation for what an answer consists of
		resp    runtime.Response
		outputs [2]runtime.Tensor
		shapes  [3]int64
	}{shapes: [3]int64{int64(rows), int64(rows), int64(m.classes)}}
	a.resp.Outputs = a.outputs[:0]
	for _, spec := range m.sig.Outputs {
		if len(req.Outputs) > 0 && !slices.Contains(req.Outputs, spec.Name) {
			continue
		}
		t := runtime.Tensor{Name: spec.Name, Datatype: spec.Datatype, Shape: a.shapes[:1:1]}
		switch {
		case m.classes == 0:
			t.Data = out
		case spec.Name == "label":
			t.Data = class
		default:
			t.Shape, t.Data = a.shapes[1:3:3], out
		}
		a.resp.Outputs = append(a.resp.Outputs, t)
	}
	return &a.resp
}

// Links from margins to answers.

func identityLink([]float64) {}
func expLink(v []float64)    { v[0] = math.Exp(v[0]) }

// binaryLink spreads one margin over two classes.
func binaryLink(steep float64) func([]float64) {
	return func(v []float64) {
		p := sigmoid(steep * v[0])
		v[0], v[1] = 1-p, p
	}
}
