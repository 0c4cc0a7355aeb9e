package inproc

import "math"

type arithOp int

const (
	opAdd arithOp = iota
	opSub
	opMul
	opDiv
	opMax
	opMin
	opPow
)

// makeArith is Add, Sub, Mul and Div.
func makeArith(op arithOp) func(*build) (kernel, error) {
	return func(*build) (kernel, error) {
		return elementwise(0, func(dt dtype, w *walker, out, a, b *tensor) error {
			return arithAny(op, dt, w, out, a, b)
		}), nil
	}
}

func arithAny(op arithOp, dt dtype, w *walker, out, a, b *tensor) error {
	switch dt {
	case f32:
		arith[float32](op, w, out, a, b)
	case f64:
		arith[float64](op, w, out, a, b)
	case i64:
		return arithInt[int64](op, w, out, a, b)
	case i32:
		return arithInt[int32](op, w, out, a, b)
	case u8:
		return arithInt[uint8](op, w, out, a, b)
	case i8:
		return arithInt[int8](op, w, out, a, b)
	default:
		return badType(dt)
	}
	return nil
}

func arithInt[T int64 | int32 | uint8 | int8](op arithOp, w *walker, out, a, b *tensor) error {
	if op == opDiv {
		for _, v := range data[T](b) {
			if v == 0 {
				return dataError{"integer division by zero"}
			}
		}
	}
	arith[T](op, w, out, a, b)
	return nil
}

func arith[T number](op arithOp, w *walker, out, a, b *tensor) {
	o, x, y := data[T](out), data[T](a), data[T](b)
	sx, sy := w.inner(0), w.inner(1)
	w.runs(func(d int, at [3]int, n int) {
		arithRun(op, o[d:d+n], x[at[0]:], y[at[1]:], sx, sy)
	})
}

// arithRun combines one run; a stride of 0 is one value for the whole run.
func arithRun[T number](op arithOp, o, x, y []T, sx, sy int) {
	switch {
	case sx != 0 && sy != 0:
		x, y = x[:len(o)], y[:len(o)]
		switch op {
		case opAdd:
			for i := range o {
				o[i] = x[i] + y[i]
			}
		case opSub:
			for i := range o {
				o[i] = x[i] - y[i]
			}
		case opMul:
			for i := range o {
				o[i] = x[i] * y[i]
			}
		default:
			for i := range o {
				o[i] = arithOne(op, x[i], y[i])
			}
		}
	case sy == 0 && sx != 0:
		v := y[0]
		x = x[:len(o)]
		switch op {
		case opAdd:
			for i := range o {
				o[i] = x[i] + v
			}
		case opMul:
			for i := range o {
				o[i] = x[i] * v
			}
		default:
			for i := range o {
				o[i] = arithOne(op, x[i], v)
			}
		}
	default:
		for i := range o {
			o[i] = arithOne(op, x[i*sx], y[i*sy])
		}
	}
}

func arithOne[T number](op arithOp, x, y T) T {
	switch op {
	case opAdd:
		return x + y
	case opSub:
		return x - y
	case opMul:
		return x * y
	case opDiv:
		return x / y // integers: the caller looked for zeros
	case opMax:
		if x != x { // NaN wins, as in ONNX Runtime
			return x
		}
		if y > x || y != y {
			return y
		}
		return x
	case opMin:
		if x != x {
			return x
		}
		if y < x || y != y {
			return y
		}
		return x
	}
	return T(math.Pow(float64(x), float64(y)))
}

// makePow allows an exponent of another type, as ONNX does: it is cast to the
// base's.
func makePow(*build) (kernel, error) {
	var cast tensorScratch
	k := elementwise(0, func(dt dtype, w *walker, out, a, b *tensor) error { return arithAny(opPow, dt, w, out, a, b) })
	return func(c *call, in, out []*tensor) error {
		if in[0].dt == in[1].dt {
			return k(c, in, out)
		}
		t := cast.get()
		defer cast.put(t)
		if err := castTo(c, t, in[1], in[0].dt); err != nil {
			return err
		}
		return k(c, []*tensor{in[0], t}, out)
	}, nil
}

// makeFold is Max, Min, Sum and Mean over any number of operands.
func makeFold(op arithOp, mean bool) func(*build) (kernel, error) {
	return func(b *build) (kernel, error) {
		var scratch tensorScratch
		step := elementwise(0, func(dt dtype, w *walker, out, a, b *tensor) error { return arithAny(op, dt, w, out, a, b) })
		return func(c *call, in, out []*tensor) error {
			acc := in[0]
			var spare [2]*tensor
			for i := range spare {
				spare[i] = scratch.get()
				defer scratch.put(spare[i])
			}
			for i := 1; i < len(in); i++ {
				to := spare[i%2]
				if err := step(c, []*tensor{acc, in[i]}, []*tensor{to}); err != nil {
					return err
				}
				acc = to
			}
			if mean {
				return scaleTo(c, out[0], acc, 1/float64(len(in)))
			}
			return copyTo(c, out[0], acc)
		}, nil
	}
}

func copyTo(c *call, out, x *tensor) error {
	if err := out.alloc(c, x.dt, x.shape...); err != nil {
		return err
	}
	move(out, 0, x, 0, x.count())
	return nil
}

func scaleTo(c *call, out, x *tensor, by float64) error {
	if err := copyTo(c, out, x); err != nil {
		return err
	}
	switch x.dt {
	case f32:
		for i := range out.view.f32 {
			out.view.f32[i] *= float32(by)
		}
	case f64:
		for i := range out.view.f64 {
			out.view.f64[i] *= by
		}
	default:
		return badType(x.dt)
	}
	return nil
}

type compareOp int

const (
	opEqual compareOp = iota
	opLess
	opGreater
	opLessEq
	opGreaterEq
)

func makeCompare(op compareOp) func(*build) (kernel, error) {
	return func(*build) (kernel, error) {
		return elementwise(boolean, func(dt dtype, w *walker, out, a, b *tensor) error {
			switch dt {
			case f32:
				compare[float32](op, w, out, a, b)
			case f64:
				compare[float64](op, w, out, a, b)
			case i64:
				compare[int64](op, w, out, a, b)
			case i32:
				compare[int32](op, w, out, a, b)
			case u8:
				compare[uint8](op, w, out, a, b)
			case i8:
				compare[int8](op, w, out, a, b)
			case boolean, str:
				if op != opEqual {
					return badType(dt)
				}
				sx, sy := w.inner(0), w.inner(1)
				w.runs(func(d int, at [3]int, n int) {
					for i := range n {
						p, q := at[0]+i*sx, at[1]+i*sy
						if dt == boolean {
							out.view.b[d+i] = a.view.b[p] == b.view.b[q]
						} else {
							out.view.b[d+i] = string(a.view.s[p]) == string(b.view.s[q])
						}
					}
				})
			default:
				return badType(dt)
			}
			return nil
		}), nil
	}
}

func compare[T number](op compareOp, w *walker, out, a, b *tensor) {
	o, x, y := out.view.b, data[T](a), data[T](b)
	sx, sy := w.inner(0), w.inner(1)
	w.runs(func(d int, at [3]int, n int) {
		for i := range n {
			p, q := x[at[0]+i*sx], y[at[1]+i*sy]
			var v bool
			switch op {
			case opEqual:
				v = p == q
			case opLess:
				v = p < q
			case opGreater:
				v = p > q
			case opLessEq:
				v = p <= q
			default:
				v = p >= q
			}
			o[d+i] = v
		}
	})
}

// makeLogic is And, Or and Xor.
func makeLogic(f func(a, b bool) bool) func(*build) (kernel, error) {
	return func(*build) (kernel, error) {
		return elementwise(boolean, func(dt dtype, w *walker, out, a, b *tensor) error {
			if dt != boolean {
				return badType(dt)
			}
			sx, sy := w.inner(0), w.inner(1)
			w.runs(func(d int, at [3]int, n int) {
				for i := range n {
					out.view.b[d+i] = f(a.view.b[at[0]+i*sx], b.view.b[at[1]+i*sy])
				}
			})
			return nil
		}), nil
	}
}

func makeWhere(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		cond, x, y := in[0], in[1], in[2]
		if cond.dt != boolean || x.dt != y.dt {
			return badType(cond.dt)
		}
		ts := [3]*tensor{cond, x, y}
		shape, rank, err := broadcastShape(ts[:])
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, x.dt, shape[:rank]...); err != nil {
			return err
		}
		if err := c.spend(out[0].count()); err != nil {
			return err
		}
		w := newWalker(shape[:rank], ts[:])
		sc, sx, sy := w.inner(0), w.inner(1), w.inner(2)
		w.runs(func(d int, at [3]int, n int) {
			for i := range n {
				if cond.view.b[at[0]+i*sc] {
					move(out[0], d+i, x, at[1]+i*sx, 1)
				} else {
					move(out[0], d+i, y, at[2]+i*sy, 1)
				}
			}
		})
		return nil
	}, nil
}
