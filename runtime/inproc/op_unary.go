package inproc

import (
	"fmt"
	"math"
	"strconv"
	"sync"
)

// tensorScratch lends temporary tensors to kernels, which run concurrently.
type tensorScratch struct{ pool sync.Pool }

func (s *tensorScratch) get() *tensor {
	if t, ok := s.pool.Get().(*tensor); ok {
		return t
	}
	return &tensor{}
}

func (s *tensorScratch) put(t *tensor) { s.pool.Put(t) }

// makeFloat is an operator that maps each float by itself; f works in float64,
// which costs little beside the functions it calls.
func makeFloat(f func(float64) float64) func(*build) (kernel, error) {
	return func(*build) (kernel, error) { return mapFloats(f), nil }
}

func mapFloats(f func(float64) float64) kernel {
	return func(c *call, in, out []*tensor) error {
		x, o := in[0], out[0]
		if err := o.alloc(c, x.dt, x.shape...); err != nil {
			return err
		}
		if err := c.spend(4 * x.count()); err != nil {
			return err
		}
		switch x.dt {
		case f32:
			for i, v := range x.view.f32 {
				o.view.f32[i] = float32(f(float64(v)))
			}
		case f64:
			for i, v := range x.view.f64 {
				o.view.f64[i] = f(v)
			}
		default:
			return badType(x.dt)
		}
		return nil
	}
}

// makeNumber maps each number; the two functions must agree.
func makeNumber(ff func(float64) float64, fi func(int64) int64) func(*build) (kernel, error) {
	return func(*build) (kernel, error) {
		floats := mapFloats(ff)
		return func(c *call, in, out []*tensor) error {
			x, o := in[0], out[0]
			if x.dt == f32 || x.dt == f64 {
				return floats(c, in, out)
			}
			if err := o.alloc(c, x.dt, x.shape...); err != nil {
				return err
			}
			if err := c.spend(x.count()); err != nil {
				return err
			}
			switch x.dt {
			case i64:
				for i, v := range x.view.i64 {
					o.view.i64[i] = fi(v)
				}
			case i32:
				for i, v := range x.view.i32 {
					o.view.i32[i] = int32(fi(int64(v)))
				}
			case i8:
				for i, v := range x.view.i8 {
					o.view.i8[i] = int8(fi(int64(v)))
				}
			case u8:
				for i, v := range x.view.u8 {
					o.view.u8[i] = uint8(fi(int64(v)))
				}
			default:
				return badType(x.dt)
			}
			return nil
		}, nil
	}
}

func makeRelu(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		x, o := in[0], out[0]
		if err := o.alloc(c, x.dt, x.shape...); err != nil {
			return err
		}
		if err := c.spend(x.count()); err != nil {
			return err
		}
		switch x.dt {
		case f32:
			relu(o.view.f32, x.view.f32)
		case f64:
			relu(o.view.f64, x.view.f64)
		case i64:
			relu(o.view.i64, x.view.i64)
		case i32:
			relu(o.view.i32, x.view.i32)
		default:
			return badType(x.dt)
		}
		return nil
	}, nil
}

func relu[T float32 | float64 | int64 | int32](o, x []T) {
	o = o[:len(x)]
	for i, v := range x {
		o[i] = max(v, 0) // NaN stays; no branch for a random sign to mispredict
	}
}

func makeLeakyRelu(b *build) (kernel, error) {
	alpha := float64(b.float("alpha", 0.01))
	return mapFloats(func(x float64) float64 {
		if x < 0 {
			return alpha * x
		}
		return x
	}), nil
}

func makeElu(b *build) (kernel, error) {
	alpha := float64(b.float("alpha", 1))
	return mapFloats(func(x float64) float64 {
		if x < 0 {
			return alpha * math.Expm1(x)
		}
		return x
	}), nil
}

func makeHardSigmoid(b *build) (kernel, error) {
	alpha, beta := float64(b.float("alpha", 0.2)), float64(b.float("beta", 0.5))
	return mapFloats(func(x float64) float64 { return max(0, min(1, alpha*x+beta)) }), nil
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func makeGelu(b *build) (kernel, error) {
	if b.choice("approximate", "none", "none", "tanh") == "tanh" {
		return mapFloats(func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}), nil
	}
	return mapFloats(func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }), nil
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

func makeNot(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		if in[0].dt != boolean {
			return badType(in[0].dt)
		}
		if err := out[0].alloc(c, boolean, in[0].shape...); err != nil {
			return err
		}
		for i, v := range in[0].view.b {
			out[0].view.b[i] = !v
		}
		return nil
	}, nil
}

func makeIsNaN(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if x.dt != f32 && x.dt != f64 {
			return badType(x.dt)
		}
		if err := out[0].alloc(c, boolean, x.shape...); err != nil {
			return err
		}
		for i := range out[0].view.b {
			out[0].view.b[i] = math.IsNaN(x.float(i))
		}
		return nil
	}, nil
}

// makeClip takes its bounds as attributes before version 11, as inputs since.
// A bound that is not given is the type's lowest or highest finite number, as
// in ONNX Runtime, so that infinities are clipped too.
func makeClip(b *build) (kernel, error) {
	var lo, hi *tensor
	if b.version < 11 {
		lo = &tensor{dt: f32, view: storage{f32: []float32{b.float("min", -math.MaxFloat32)}}}
		hi = &tensor{dt: f32, view: storage{f32: []float32{b.float("max", math.MaxFloat32)}}}
	}
	return func(c *call, in, out []*tensor) error {
		x, o, lo, hi := in[0], out[0], lo, hi
		for i := 1; i < len(in); i++ {
			if in[i] == nil {
				continue
			}
			if in[i].count() != 1 || in[i].dt != x.dt {
				return fmt.Errorf("a bound of type %s with %d elements", in[i].dt, in[i].count())
			}
			if i == 1 {
				lo = in[i]
			} else {
				hi = in[i]
			}
		}
		if err := o.alloc(c, x.dt, x.shape...); err != nil {
			return err
		}
		if err := c.spend(x.count()); err != nil {
			return err
		}
		switch x.dt {
		case f32:
			clamp(o.view.f32, x.view.f32, bound[float32](lo, -math.MaxFloat32), bound[float32](hi, math.MaxFloat32))
		case f64:
			clamp(o.view.f64, x.view.f64, bound[float64](lo, -math.MaxFloat64), bound[float64](hi, math.MaxFloat64))
		case i64:
			clamp(o.view.i64, x.view.i64, bound[int64](lo, math.MinInt64), bound[int64](hi, math.MaxInt64))
		case i32:
			clamp(o.view.i32, x.view.i32, bound[int32](lo, math.MinInt32), bound[int32](hi, math.MaxInt32))
		case i8:
			clamp(o.view.i8, x.view.i8, bound[int8](lo, math.MinInt8), bound[int8](hi, math.MaxInt8))
		case u8:
			clamp(o.view.u8, x.view.u8, bound[uint8](lo, 0), bound[uint8](hi, math.MaxUint8))
		default:
			return badType(x.dt)
		}
		return nil
	}, nil
}

func bound[T number](t *tensor, def T) T {
	if t == nil {
		return def
	}
	if v := data[T](t); len(v) == 1 {
		return v[0]
	}
	return T(t.float(0)) // an attribute, which is FP32 whatever the input
}

// clamp keeps NaN. The upper bound comes last: where lo > hi, ONNX gives hi.
func clamp[T number](o, x []T, lo, hi T) {
	o = o[:len(x)]
	for i, v := range x {
		if v < lo {
			v = lo
		}
		if v > hi {
			v = hi
		}
		o[i] = v
	}
}

func makeCast(b *build) (kernel, error) {
	to := b.int("to", 0)
	b.int("saturate", 1) // only of float8 types, which are refused
	b.str("round_mode", "up")
	dt, err := onnxType(uint64(max(to, 0)))
	if err != nil {
		return nil, err
	}
	return func(c *call, in, out []*tensor) error { return castTo(c, out[0], in[0], dt) }, nil
}

func castTo(c *call, o, x *tensor, dt dtype) error {
	if err := o.alloc(c, dt, x.shape...); err != nil {
		return err
	}
	n := x.count()
	if err := c.spend(n); err != nil {
		return err
	}
	if x.dt == dt {
		move(o, 0, x, 0, n)
		return nil
	}
	switch {
	case dt == str:
		return castToText(c, o, x, n)
	case x.dt == str:
		return castFromText(o, x, dt)
	}
	switch x.dt {
	case f32:
		castFrom(o, x.view.f32)
	case f64:
		castFrom(o, x.view.f64)
	case i64:
		castFrom(o, x.view.i64)
	case i32:
		castFrom(o, x.view.i32)
	case i8:
		castFrom(o, x.view.i8)
	case u8:
		castFrom(o, x.view.u8)
	case boolean:
		for i, v := range x.view.b {
			w := int64(0)
			if v {
				w = 1
			}
			castOne(o, i, w)
		}
	}
	return nil
}

func castFrom[T number](o *tensor, x []T) {
	for i, v := range x {
		castOne(o, i, v)
	}
}

func castOne[T number](o *tensor, i int, v T) {
	switch o.dt {
	case f32:
		o.view.f32[i] = float32(v)
	case f64:
		o.view.f64[i] = float64(v)
	case i64:
		o.view.i64[i] = int64(v)
	case i32:
		o.view.i32[i] = int32(v)
	case i8:
		o.view.i8[i] = int8(v)
	case u8:
		o.view.u8[i] = uint8(v)
	case boolean:
		o.view.b[i] = v != 0
	}
}

// castToText writes what ONNX Runtime writes: of a float 8 significant digits
// without trailing zeros, whatever its type.
func castToText(c *call, o, x *tensor, n int) error {
	if err := c.take(24 * n); err != nil {
		return err
	}
	for i := range n {
		switch x.dt {
		case f32:
			o.view.s[i] = floatText(float64(x.view.f32[i]))
		case f64:
			o.view.s[i] = floatText(x.view.f64[i])
		case i64:
			o.view.s[i] = strconv.AppendInt(nil, x.view.i64[i], 10)
		default:
			o.view.s[i] = strconv.AppendInt(nil, int64(x.float(i)), 10)
		}
	}
	return nil
}

func floatText(v float64) []byte {
	switch {
	case math.IsNaN(v):
		return []byte("NaN")
	case math.IsInf(v, 1):
		return []byte("INF")
	case math.IsInf(v, -1):
		return []byte("-INF")
	}
	return strconv.AppendFloat(nil, v, 'g', 8, 64)
}

func castFromText(o, x *tensor, dt dtype) error {
	for i, s := range x.view.s {
		switch dt {
		case f32, f64:
			v, err := strconv.ParseFloat(string(s), 64)
			if err != nil {
				return dataError{fmt.Sprintf("%q is not a number", clip(string(s)))}
			}
			castOne(o, i, v)
		case i64, i32:
			v, err := strconv.ParseInt(string(s), 10, 64)
			if err != nil {
				return dataError{fmt.Sprintf("%q is not an integer", clip(string(s)))}
			}
			castOne(o, i, v)
		default:
			return fmt.Errorf("casting strings to %s is not known", dt)
		}
	}
	return nil
}
