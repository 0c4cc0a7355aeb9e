package inproc

import (
	"fmt"
	"math"
)

// layer is a product with a constant right operand, prepared when the graph is
// compiled. A bias and a ReLU that follow it in the graph become part of it,
// see compiler.absorb.
type layer interface {
	// addBias takes a row of one number a column in, if it still can.
	addBias(t *tensor) bool
	// addRelu takes a ReLU in, if it still can.
	addRelu() bool
	// mul computes out[i·row + j·col] for m rows of x.
	mul(c *call, out, x *tensor, place rect, m int) error
}

// rect says where a product's operands begin and how its result lies.
type rect struct{ out, x, row, col int }

// dense holds the right operand as n rows of k, so that both operands of each
// sum are read in order. Six columns are summed together: an addition need not
// wait for the one before, an element of x is read once for all six, and more
// sums than that do not stay in registers. Each sum runs in an order that
// depends on its column alone, so a row's answer does not depend on its
// company.
type dense[T float] struct {
	n, k  int
	alpha T
	w     []T
	bias  []T // one a column, or nil
	relu  bool
}

// newLayer prepares w, [n, k] row by row (turned) or [k, n]; nil if w is not a
// matrix of floats.
func newLayer(w *tensor, n, k int, turned bool, alpha float32) layer {
	switch {
	case w == nil || n < 1 || k < 1 || w.count() != n*k:
	case w.dt == f32:
		return newDense(w.view.f32, n, k, turned, alpha)
	case w.dt == f64:
		return newDense(w.view.f64, n, k, turned, float64(alpha))
	}
	return nil
}

func newDense[T float](w []T, n, k int, turned bool, alpha T) *dense[T] {
	d := &dense[T]{n: n, k: k, alpha: alpha, w: w}
	if !turned {
		d.w = make([]T, n*k)
		turn(d.w, w, k, n)
	}
	return d
}

func (d *dense[T]) addBias(t *tensor) bool {
	if d.bias != nil || d.relu || t == nil || t.count() != d.n || t.rank() < 1 || t.shape[t.rank()-1] != d.n {
		return false
	}
	var zero T
	if (t.dt == f32) != (any(zero) == any(float32(0))) || (t.dt != f32 && t.dt != f64) {
		return false
	}
	d.bias = data[T](t)
	return true
}

func (d *dense[T]) addRelu() bool {
	ok := !d.relu
	d.relu = true
	return ok
}

func (d *dense[T]) mul(c *call, out, x *tensor, place rect, m int) error {
	o, v := data[T](out)[place.out:], data[T](x)[place.x:][:m*d.k]
	// So many rows at a time that they stay in the cache for all panels, and
	// that a cancelled call ends soon.
	step := max(1, 1<<16/d.k)
	for from := 0; from < m; from += step {
		rows := min(step, m-from)
		if err := c.spend(rows * d.n * d.k); err != nil {
			return err
		}
		d.block(o[from*place.row:], v[from*d.k:(from+rows)*d.k], place.row, place.col)
	}
	return nil
}

// block goes over all rows for a few columns, then for the next few: weights
// of a large layer are read from memory once a block rather than once a row.
// The last columns are taken together with some that are done already, which
// costs less than taking them one by one.
func (d *dense[T]) block(out, x []T, row, col int) {
	n, k := d.n, d.k
	e := ending[T]{alpha: d.alpha, floor: T(math.Inf(-1)), row: row, col: col}
	if d.relu {
		e.floor = 0
	}
	for j := 0; j < n; {
		width := 1
		switch {
		case n >= 6 && n-j > 4:
			width = 6
			j = min(j, n-6)
		case n >= 4:
			width = 4
			j = min(j, n-4)
		}
		if d.bias != nil {
			copy(e.bias[:], d.bias[j:j+width])
		}
		w := d.w[j*k : (j+width)*k]
		switch width {
		case 6:
			rows6(out[j*col:], x, w, k, &e)
		case 4:
			rows4(out[j*col:], x, w, k, &e)
		default:
			rows1(out[j*col:], x, w, k, &e)
		}
		j += width
	}
}

// ending is what happens to a finished sum and where it goes.
type ending[T float] struct {
	alpha, floor T
	bias         [6]T
	row, col     int
}

// of ends a sum. NaN stays NaN. The builtin has no branch, which a random sign
// would make the processor guess wrong half the time.
func (e *ending[T]) of(s T, q int) T {
	return max(s*e.alpha+e.bias[q], e.floor)
}

func rows6[T float](out, x, w []T, k int, e *ending[T]) {
	a, b, c, d, f, g := w[:k], w[k:][:k], w[2*k:][:k], w[3*k:][:k], w[4*k:][:k], w[5*k:][:k]
	for to := 0; len(x) >= k; to, x = to+e.row, x[k:] {
		var s0, s1, s2, s3, s4, s5 T
		for p, v := range x[:k] {
			s0 += v * a[p]
			s1 += v * b[p]
			s2 += v * c[p]
			s3 += v * d[p]
			s4 += v * f[p]
			s5 += v * g[p]
		}
		o, col := out[to:], e.col
		o[0] = e.of(s0, 0)
		o[col] = e.of(s1, 1)
		o[2*col] = e.of(s2, 2)
		o[3*col] = e.of(s3, 3)
		o[4*col] = e.of(s4, 4)
		o[5*col] = e.of(s5, 5)
	}
}

func rows4[T float](out, x, w []T, k int, e *ending[T]) {
	a, b, c, d := w[:k], w[k:][:k], w[2*k:][:k], w[3*k:][:k]
	for to := 0; len(x) >= k; to, x = to+e.row, x[k:] {
		var s0, s1, s2, s3 T
		for p, v := range x[:k] {
			s0 += v * a[p]
			s1 += v * b[p]
			s2 += v * c[p]
			s3 += v * d[p]
		}
		o, col := out[to:], e.col
		o[0] = e.of(s0, 0)
		o[col] = e.of(s1, 1)
		o[2*col] = e.of(s2, 2)
		o[3*col] = e.of(s3, 3)
	}
}

func rows1[T float](out, x, w []T, k int, e *ending[T]) {
	for to := 0; len(x) >= k; to, x = to+e.row, x[k:] {
		out[to] = e.of(dot1(x[:k], w), 0)
	}
}

// dot1 is for a layer of few columns: four sums over every fourth element.
func dot1[T float](x, w []T) T {
	var s0, s1, s2, s3 T
	w = w[:len(x)]
	p := 0
	for ; p+4 <= len(x); p += 4 {
		a, b := x[p:p+4:p+4], w[p:p+4:p+4]
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for ; p < len(x); p++ {
		s0 += x[p] * w[p]
	}
	return (s0 + s1) + (s2 + s3)
}

// denseKernel multiplies the last dimension of its input, of size k.
func denseKernel(l layer, dt dtype, n, k int, matrix bool) kernel {
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if x.dt != dt || x.rank() == 0 || (matrix && x.rank() != 2) {
			return fmt.Errorf("an input of type %s with %d dimensions for weights of type %s", x.dt, x.rank(), dt)
		}
		if x.shape[x.rank()-1] != k {
			return fmt.Errorf("shape %v does not multiply with weights of %d × %d", append([]int(nil), x.shape...), k, n)
		}
		var shape dims
		copy(shape[:], x.shape)
		shape[x.rank()-1] = n
		if err := out[0].alloc(c, dt, shape[:x.rank()]...); err != nil {
			return err
		}
		return l.mul(c, out[0], x, rect{row: n, col: 1}, x.count()/k)
	}
}
