package inproc

import (
	"fmt"
	"slices"
)

// dtype is an element type that kernels know.
type dtype uint8

const (
	f32 dtype = iota + 1
	f64
	i64
	i32
	i8
	u8
	boolean
	str
)

var dtypeNames = [...]string{f32: "FP32", f64: "FP64", i64: "INT64", i32: "INT32", i8: "INT8", u8: "UINT8", boolean: "BOOL", str: "BYTES"}

// String is the Open Inference Protocol's name.
func (d dtype) String() string {
	if int(d) < len(dtypeNames) && d > 0 {
		return dtypeNames[d]
	}
	return fmt.Sprintf("type %d", d)
}

// size is what one element costs in the memory budget; a string counts its
// header only, as its bytes are shared with the model or the request.
func (d dtype) size() int {
	switch d {
	case f32, i32:
		return 4
	case f64, i64:
		return 8
	case str:
		return 24
	}
	return 1
}

// maxRank bounds a tensor's dimensions, so that index arithmetic fits in arrays.
const maxRank = 8

type dims [maxRank]int

type storage struct {
	f32 []float32
	f64 []float64
	i64 []int64
	i32 []int32
	i8  []int8
	u8  []uint8
	b   []bool
	s   [][]byte
}

// tensor is a dense row-major value. The slice in view that dt names holds the
// elements; own keeps a buffer for the next call, so that a view may alias
// another tensor without the buffer being lost or overwritten.
type tensor struct {
	dt    dtype
	shape []int
	view  storage
	own   storage
}

type element interface {
	float32 | float64 | int64 | int32 | int8 | uint8 | bool | []byte
}
type number interface {
	float32 | float64 | int64 | int32 | int8 | uint8
}
type float interface{ float32 | float64 }

func slot[T element](s *storage) *[]T {
	var p any
	switch any((*T)(nil)).(type) {
	case *float32:
		p = &s.f32
	case *float64:
		p = &s.f64
	case *int64:
		p = &s.i64
	case *int32:
		p = &s.i32
	case *int8:
		p = &s.i8
	case *uint8:
		p = &s.u8
	case *bool:
		p = &s.b
	default:
		p = &s.s
	}
	return p.(*[]T)
}

// data is the elements of a tensor whose dtype is known to be T's.
func data[T element](t *tensor) []T { return *slot[T](&t.view) }

func (t *tensor) count() int { return product(t.shape) }

func (t *tensor) rank() int { return len(t.shape) }

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// alloc gives t a shape and room for it, holding whatever was there before. It
// fails when the call's memory budget is spent.
func (t *tensor) alloc(c *call, dt dtype, shape ...int) error {
	if len(shape) > maxRank {
		return fmt.Errorf("more than %d dimensions", maxRank)
	}
	n, room := 1, maxElements
	for _, d := range shape {
		if d < 0 {
			return fmt.Errorf("negative dimension in %v", slices.Clone(shape))
		}
		if d > room {
			return errMemory
		}
		room /= max(d, 1)
		n *= d
	}
	if err := c.take(n * dt.size()); err != nil {
		return err
	}
	t.dt = dt
	t.shape = append(t.shape[:0], shape...)
	switch dt {
	case f32:
		grow(&t.own.f32, &t.view.f32, n)
	case f64:
		grow(&t.own.f64, &t.view.f64, n)
	case i64:
		grow(&t.own.i64, &t.view.i64, n)
	case i32:
		grow(&t.own.i32, &t.view.i32, n)
	case i8:
		grow(&t.own.i8, &t.view.i8, n)
	case u8:
		grow(&t.own.u8, &t.view.u8, n)
	case boolean:
		grow(&t.own.b, &t.view.b, n)
	case str:
		grow(&t.own.s, &t.view.s, n)
	}
	return nil
}

// maxElements bounds one tensor, whatever the budget, so that products of
// dimensions and of element sizes never overflow.
const maxElements = 1 << 31

func grow[T any](own, view *[]T, n int) {
	if cap(*own) < n {
		*own = make([]T, n)
	}
	*view = (*own)[:n]
}

// alias makes t another shape of x's elements; shape's product is x's count.
func (t *tensor) alias(x *tensor, shape []int) error {
	if len(shape) > maxRank {
		return fmt.Errorf("more than %d dimensions", maxRank)
	}
	t.dt, t.view = x.dt, x.view
	t.shape = append(t.shape[:0], shape...)
	return nil
}

// move copies n elements within the same dtype.
func move(dst *tensor, d int, src *tensor, s, n int) {
	switch src.dt {
	case f32:
		copy(dst.view.f32[d:d+n], src.view.f32[s:s+n])
	case f64:
		copy(dst.view.f64[d:d+n], src.view.f64[s:s+n])
	case i64:
		copy(dst.view.i64[d:d+n], src.view.i64[s:s+n])
	case i32:
		copy(dst.view.i32[d:d+n], src.view.i32[s:s+n])
	case i8:
		copy(dst.view.i8[d:d+n], src.view.i8[s:s+n])
	case u8:
		copy(dst.view.u8[d:d+n], src.view.u8[s:s+n])
	case boolean:
		copy(dst.view.b[d:d+n], src.view.b[s:s+n])
	case str:
		copy(dst.view.s[d:d+n], src.view.s[s:s+n])
	}
}

// zero clears elements; a string becomes empty.
func (t *tensor) zero() {
	v := &t.view
	switch t.dt {
	case f32:
		clear(v.f32)
	case f64:
		clear(v.f64)
	case i64:
		clear(v.i64)
	case i32:
		clear(v.i32)
	case i8:
		clear(v.i8)
	case u8:
		clear(v.u8)
	case boolean:
		clear(v.b)
	case str:
		clear(v.s)
	}
}

// integers reads a small integer tensor such as a shape or an axis list.
func (t *tensor) integers(max int) ([]int, error) {
	n := t.count()
	if n > max {
		return nil, fmt.Errorf("%d integers where at most %d make sense", n, max)
	}
	out := make([]int, n)
	switch t.dt {
	case i64:
		for i, v := range t.view.i64 {
			out[i] = int(v)
		}
	case i32:
		for i, v := range t.view.i32 {
			out[i] = int(v)
		}
	default:
		return nil, fmt.Errorf("expected integers, got %s", t.dt)
	}
	return out, nil
}

// float is element i of a numeric or boolean tensor as a float64.
func (t *tensor) float(i int) float64 {
	switch t.dt {
	case f32:
		return float64(t.view.f32[i])
	case f64:
		return t.view.f64[i]
	case i64:
		return float64(t.view.i64[i])
	case i32:
		return float64(t.view.i32[i])
	case i8:
		return float64(t.view.i8[i])
	case u8:
		return float64(t.view.u8[i])
	case boolean:
		if t.view.b[i] {
			return 1
		}
	}
	return 0
}

// axisOf maps an axis that may count from the end into 0 … rank-1.
func axisOf(axis, rank int) (int, error) {
	if axis < -rank || axis >= rank {
		return 0, fmt.Errorf("axis %d of a tensor with %d dimensions", axis, rank)
	}
	if axis < 0 {
		axis += rank
	}
	return axis, nil
}
