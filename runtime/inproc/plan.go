package inproc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// ref is a value that a step reads: a slot of the call's state, a constant, or
// (slot -1, no constant) nothing.
type ref struct {
	slot     int
	constant *tensor
}

type step struct {
	run kernel
	in  []ref
	out []int
	who string
}

// plan is a compiled graph. It is immutable; each call borrows a state.
type plan struct {
	sig   runtime.Signature
	lim   Config
	slots int
	steps []step
	in    []int
	out   []ref
	sized []bool // which outputs declared a shape
	pool  sync.Pool
}

// state is the values of one call, with the steps' arguments bound to them.
type state struct {
	call call
	vals []tensor
	ins  [][]*tensor
	outs [][]*tensor
}

func (p *plan) newState() *state {
	s := &state{vals: make([]tensor, p.slots), ins: make([][]*tensor, len(p.steps)), outs: make([][]*tensor, len(p.steps))}
	for i, st := range p.steps {
		in := make([]*tensor, len(st.in))
		for j, r := range st.in {
			if r.constant != nil {
				in[j] = r.constant
			} else if r.slot >= 0 {
				in[j] = &s.vals[r.slot]
			}
		}
		out := make([]*tensor, len(st.out))
		for j, slot := range st.out {
			out[j] = &s.vals[slot]
		}
		s.ins[i], s.outs[i] = in, out
	}
	return s
}

// keepBytes bounds what an idle state may hold on to.
const keepBytes = 32 << 20

func (p *plan) signature() runtime.Signature { return p.sig }

func (p *plan) infer(ctx context.Context, req *runtime.Request) (*runtime.Response, error) {
	return p.walk(call{ctx: ctx, mem: int(p.lim.MaxMemory), work: p.lim.MaxWork}, req.Inputs, req.Outputs)
}

// walk runs the plan over inputs that fit the signature.
func (p *plan) walk(budget call, inputs []runtime.Tensor, wanted []string) (*runtime.Response, error) {
	s, _ := p.pool.Get().(*state)
	if s == nil {
		s = p.newState()
	}
	c := &s.call
	*c = budget
	c.until = c.work - pollEvery
	for i, slot := range p.in {
		bind(&s.vals[slot], findInput(inputs, p.sig.Inputs[i].Name, i))
	}
	for i := range p.steps {
		if err := p.steps[i].run(c, s.ins[i], s.outs[i]); err != nil {
			return nil, p.explain(c, i, err)
		}
	}
	a := &answer{}
	a.resp.Outputs = a.few[:0]
	dims := a.dims[:0]
	for i, r := range p.out {
		name := p.sig.Outputs[i].Name
		if len(wanted) > 0 && !slices.Contains(wanted, name) {
			continue
		}
		t := r.constant
		if t == nil {
			t = &s.vals[r.slot]
		}
		from := len(dims)
		for _, d := range t.shape {
			dims = append(dims, int64(d))
		}
		a.resp.Outputs = append(a.resp.Outputs, runtime.Tensor{Name: name, Datatype: t.dt.String(), Shape: dims[from:len(dims):len(dims)], Data: t.clone()})
	}
	c.ctx = nil
	for _, slot := range p.in {
		s.vals[slot].view = storage{} // let go of the caller's memory
	}
	if budget.mem-c.mem <= keepBytes {
		p.pool.Put(s)
	}
	return &a.resp, nil
}

// answer holds a response together with what it is made of, so that the usual
// one is one allocation beside its data.
type answer struct {
	resp runtime.Response
	few  [2]runtime.Tensor
	dims [4]int64
}

// explain gives a kernel's failure its code. The graph itself passed a dry run
// or was refused, so what a caller can meet is the doing of its input's sizes
// or values, of a limit, or of its deadline.
func (p *plan) explain(c *call, i int, err error) error {
	if cause := c.ctx.Err(); cause != nil {
		return fairlead.Errorf(fairlead.Timeout, "the call was ended before its answer: %w", cause)
	}
	if errors.Is(err, errMemory) || errors.Is(err, errWork) {
		return fairlead.Errorf(fairlead.TooLarge, "%s: %w", p.steps[i].who, err)
	}
	return fairlead.Errorf(fairlead.Invalid, "the model cannot take this input: %s: %w", p.steps[i].who, err)
}

func findInput(inputs []runtime.Tensor, name string, i int) *runtime.Tensor {
	if i < len(inputs) && inputs[i].Name == name {
		return &inputs[i]
	}
	for j := range inputs {
		if inputs[j].Name == name {
			return &inputs[j]
		}
	}
	return nil
}

// bind lets a slot read the caller's slice, without a copy.
func bind(t *tensor, in *runtime.Tensor) {
	t.shape = t.shape[:0]
	for _, d := range in.Shape {
		t.shape = append(t.shape, int(d))
	}
	switch d := in.Data.(type) {
	case []float32:
		t.dt, t.view.f32 = f32, d
	case []float64:
		t.dt, t.view.f64 = f64, d
	case []int64:
		t.dt, t.view.i64 = i64, d
	case []int32:
		t.dt, t.view.i32 = i32, d
	case []int8:
		t.dt, t.view.i8 = i8, d
	case []uint8:
		t.dt, t.view.u8 = u8, d
	case []bool:
		t.dt, t.view.b = boolean, d
	case [][]byte:
		t.dt, t.view.s = str, d
	}
}

// clone copies the elements out of the pooled state.
func (t *tensor) clone() any {
	switch t.dt {
	case f32:
		return slices.Clone(t.view.f32)
	case f64:
		return slices.Clone(t.view.f64)
	case i64:
		return slices.Clone(t.view.i64)
	case i32:
		return slices.Clone(t.view.i32)
	case i8:
		return slices.Clone(t.view.i8)
	case u8:
		return slices.Clone(t.view.u8)
	case boolean:
		return slices.Clone(t.view.b)
	case str:
		return slices.Clone(t.view.s)
	}
	return nil
}

// settle runs the plan over zeros to learn whether its parts fit together and
// what its outputs look like: declared output shapes are often missing or
// wrong, and a graph whose shapes clash is better refused at registration than
// at the first request. Rows 1 and 2 are tried, so a dimension that follows
// the batch shows itself.
func (p *plan) settle(ctx context.Context) error {
	var seen [2][]runtime.Tensor
	inner := false // a free dimension beside the batch: 1 may not be a size the model can take
	for k := range seen {
		inputs := make([]runtime.Tensor, len(p.sig.Inputs))
		room := int(p.lim.MaxMemory)
		for i, spec := range p.sig.Inputs {
			shape := slices.Clone(spec.Shape)
			for j, d := range shape {
				if d < 0 {
					shape[j] = int64(k + 1)
					inner = inner || j > 0
				}
			}
			n := runtime.Elements(shape)
			if n < 0 || n > int64(room/8) {
				return fairlead.Errorf(fairlead.TooLarge, "input %q has %s elements, more than the memory limit allows", spec.Name, runtime.ShapeText(shape))
			}
			room -= int(n) * 8
			inputs[i] = runtime.Tensor{Name: spec.Name, Datatype: spec.Datatype, Shape: shape, Data: runtime.NewData(spec.Datatype, int(n))}
			if texts, ok := inputs[i].Data.([][]byte); ok {
				for j := range texts {
					texts[j] = []byte("0") // some graphs read their strings as numbers
				}
			}
		}
		var resp *runtime.Response
		err := protect(func() (err error) {
			resp, err = p.walk(call{ctx: ctx, mem: room, work: p.lim.MaxWork / 4}, inputs, nil)
			return err
		})
		var values dataError
		code := fairlead.CodeOf(err)
		switch {
		case err == nil:
			seen[k] = resp.Outputs
		case code == fairlead.Invalid && (inner || errors.As(err, &values)):
			return p.trustDeclared() // zeros or ones prove nothing here
		case code == fairlead.Invalid:
			return fairlead.Errorf(fairlead.Invalid, "the ONNX model does not run: %w", err)
		default:
			return err
		}
	}
	for i := range p.sig.Outputs {
		a, b, spec := seen[0][i], seen[1][i], &p.sig.Outputs[i]
		if spec.Datatype != "" && spec.Datatype != a.Datatype {
			return invalid("output %q is declared %s but computes %s", spec.Name, spec.Datatype, a.Datatype)
		}
		spec.Datatype = a.Datatype
		shape := make([]int64, len(a.Shape))
		if len(a.Shape) != len(b.Shape) {
			return p.trustDeclared()
		}
		for j := range shape {
			shape[j] = a.Shape[j]
			if a.Shape[j] != b.Shape[j] {
				shape[j] = -1
			}
		}
		spec.Shape = shape
	}
	return nil
}

// trustDeclared accepts the outputs as the file declares them.
func (p *plan) trustDeclared() error {
	for i, spec := range p.sig.Outputs {
		if spec.Datatype == "" || !p.sized[i] {
			return unsupported("output %q declares no datatype or shape, and neither could be found by a dry run", spec.Name)
		}
	}
	return nil
}

// protect is the last wall around code that walks an untrusted model: a panic
// there must not end the process. The fuzz targets treat what it returns as a
// bug.
func protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fairlead.Errorf(fairlead.Internal, "the executor failed on this model: %s", clip(fmt.Sprint(r)))
		}
	}()
	return f()
}
