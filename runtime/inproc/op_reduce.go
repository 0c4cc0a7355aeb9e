package inproc

import (
	"fmt"
	"math"
	"sort"
)

// reducer folds floats: start, step for each element, end with the count.
type reducer struct {
	start float64
	step  func(acc, x float64) float64
	end   func(acc float64, n int) float64
	// axesInput is the version from which axes are an input.
	axesInput int
}

func sumReducer(axesInput int) reducer {
	return reducer{0, func(a, x float64) float64 { return a + x }, nil, axesInput}
}

func meanReducer() reducer {
	return reducer{0, func(a, x float64) float64 { return a + x }, func(a float64, n int) float64 { return a / float64(n) }, 18}
}

func extremeReducer(start float64, pick func(a, b float64) float64) reducer {
	return reducer{start, pick, nil, 18}
}

func squareReducer(end func(float64, int) float64) reducer {
	return reducer{0, func(a, x float64) float64 { return a + x*x }, end, 18}
}

func makeReduce(r reducer) func(*build) (kernel, error) {
	return func(b *build) (kernel, error) {
		keep := b.flag("keepdims", true)
		noop := b.flag("noop_with_empty_axes", false)
		axes := axesInput(b, r.axesInput)
		return func(c *call, in, out []*tensor) error {
			x, o := in[0], out[0]
			list, err := axes(in)
			if err != nil {
				return err
			}
			var gone [maxRank]bool
			for i := range x.shape {
				gone[i] = len(list) == 0 && !noop // then each element is reduced by itself
			}
			for _, a := range list {
				if a, err = axisOf(a, x.rank()); err != nil {
					return err
				}
				gone[a] = true
			}
			return reduce(c, o, x, gone, keep, r)
		}, nil
	}
}

// reduce walks the input in order and folds each element into its place.
func reduce(c *call, o, x *tensor, gone [maxRank]bool, keep bool, r reducer) error {
	var shape, st dims
	rank, n, s := 0, 1, 1
	for i, d := range x.shape {
		if gone[i] {
			n *= d
		}
	}
	for i := x.rank() - 1; i >= 0; i-- {
		if !gone[i] {
			st[i] = s
			s *= x.shape[i]
		}
	}
	for i, d := range x.shape {
		switch {
		case !gone[i]:
			shape[rank] = d
			rank++
		case keep:
			shape[rank] = 1
			rank++
		}
	}
	if x.dt == str || x.dt == boolean {
		return badType(x.dt)
	}
	if err := o.alloc(c, x.dt, shape[:rank]...); err != nil {
		return err
	}
	total := x.count()
	if err := c.spend(4 * total); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("a reduction over nothing")
	}
	// Sums run in float64 whatever the type, which also holds integers to 2^53.
	acc := make([]float64, s)
	if err := c.take(8 * s); err != nil {
		return err
	}
	for i := range acc {
		acc[i] = r.start
	}
	var idx dims
	at := 0
	for i := range total {
		acc[at] = r.step(acc[at], x.float(i))
		for j := x.rank() - 1; j >= 0; j-- {
			idx[j]++
			at += st[j]
			if idx[j] < x.shape[j] {
				break
			}
			at -= st[j] * x.shape[j]
			idx[j] = 0
		}
	}
	for i, v := range acc {
		if r.end != nil {
			v = r.end(v, n)
		}
		castOne(o, i, v)
	}
	return nil
}

func sqrtEnd(a float64, _ int) float64 { return math.Sqrt(a) }

// makeArg is ArgMax and ArgMin.
func makeArg(better func(a, b float64) bool) func(*build) (kernel, error) {
	return func(b *build) (kernel, error) {
		axis, keep, last := b.int("axis", 0), b.flag("keepdims", true), b.flag("select_last_index", false)
		return func(c *call, in, out []*tensor) error {
			x := in[0]
			a, err := axisOf(axis, x.rank())
			if err != nil {
				return err
			}
			if x.shape[a] == 0 {
				return fmt.Errorf("an empty axis %d", a)
			}
			shape := make([]int, 0, maxRank)
			for i, d := range x.shape {
				if i != a {
					shape = append(shape, d)
				} else if keep {
					shape = append(shape, 1)
				}
			}
			if err := out[0].alloc(c, i64, shape...); err != nil {
				return err
			}
			if err := c.spend(2 * x.count()); err != nil {
				return err
			}
			rows, d, inner := product(x.shape[:a]), x.shape[a], product(x.shape[a+1:])
			for r := range rows {
				for i := range inner {
					base, best := r*d*inner+i, 0
					top := x.float(base)
					for k := 1; k < d; k++ {
						v := x.float(base + k*inner)
						if better(v, top) || (last && v == top) {
							best, top = k, v
						}
					}
					out[0].view.i64[r*inner+i] = int64(best)
				}
			}
			return nil
		}, nil
	}
}

// makeTopK takes k as attribute before version 10, as input since.
func makeTopK(b *build) (kernel, error) {
	axis, largest := b.int("axis", -1), b.flag("largest", true)
	b.flag("sorted", true) // sorted is always a right answer
	fixed := b.int("k", 0)
	old := b.version < 10
	return func(c *call, in, out []*tensor) error {
		x, k := in[0], fixed
		if !old {
			ks, err := in[1].integers(1)
			if err != nil || len(ks) != 1 {
				return fmt.Errorf("k must be one integer")
			}
			k = ks[0]
		}
		a, err := axisOf(axis, x.rank())
		if err != nil {
			return err
		}
		d := x.shape[a]
		if k < 0 || k > d {
			return fmt.Errorf("the top %d of %d", k, d)
		}
		if x.dt == str || x.dt == boolean {
			return badType(x.dt)
		}
		var shape dims
		copy(shape[:], x.shape)
		shape[a] = k
		for i, dt := range []dtype{x.dt, i64} {
			if i < len(out) && out[i] != nil {
				if err := out[i].alloc(c, dt, shape[:x.rank()]...); err != nil {
					return err
				}
			}
		}
		if err := c.spend(16 * x.count()); err != nil {
			return err
		}
		rows, inner := product(x.shape[:a]), product(x.shape[a+1:])
		order := make([]int, d)
		for r := range rows {
			for i := range inner {
				base := r*d*inner + i
				for j := range order {
					order[j] = j
				}
				sort.SliceStable(order, func(p, q int) bool {
					u, v := x.float(base+order[p]*inner), x.float(base+order[q]*inner)
					if largest {
						return u > v
					}
					return u < v
				})
				for j, o := range order[:k] {
					to := (r*k+j)*inner + i
					if out[0] != nil {
						move(out[0], to, x, base+o*inner, 1)
					}
					if len(out) > 1 && out[1] != nil {
						out[1].view.i64[to] = int64(o)
					}
				}
			}
		}
		return nil
	}, nil
}

func makeCumSum(b *build) (kernel, error) {
	if b.flag("exclusive", false) || b.flag("reverse", false) {
		return nil, unsupported("%s: exclusive and reverse", b.node.label())
	}
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		axes, err := in[1].integers(1)
		if err != nil || len(axes) != 1 {
			return fmt.Errorf("axis must be one integer")
		}
		a, err := axisOf(axes[0], x.rank())
		if err != nil {
			return err
		}
		if err := copyTo(c, out[0], x); err != nil {
			return err
		}
		if err := c.spend(2 * x.count()); err != nil {
			return err
		}
		rows, d, inner := product(x.shape[:a]), x.shape[a], product(x.shape[a+1:])
		switch x.dt {
		case f32:
			cumSum(out[0].view.f32, rows, d, inner)
		case f64:
			cumSum(out[0].view.f64, rows, d, inner)
		case i64:
			cumSum(out[0].view.i64, rows, d, inner)
		case i32:
			cumSum(out[0].view.i32, rows, d, inner)
		default:
			return badType(x.dt)
		}
		return nil
	}, nil
}

func cumSum[T number](v []T, rows, d, inner int) {
	for r := range rows {
		for k := 1; k < d; k++ {
			at := (r*d + k) * inner
			for i := range inner {
				v[at+i] += v[at-inner+i]
			}
		}
	}
}

// makeSoftmax is Softmax and LogSoftmax: along one axis since version 13,
// over everything from axis on before.
func makeSoftmax(log bool) func(*build) (kernel, error) {
	return func(b *build) (kernel, error) {
		old := b.version < 13
		def := -1
		if old {
			def = 1
		}
		axis := b.int("axis", def)
		return func(c *call, in, out []*tensor) error {
			x := in[0]
			a, err := axisOf(axis, x.rank())
			if err != nil {
				return err
			}
			if err := out[0].alloc(c, x.dt, x.shape...); err != nil {
				return err
			}
			if err := c.spend(16 * x.count()); err != nil {
				return err
			}
			rows, d, inner := product(x.shape[:a]), x.shape[a], product(x.shape[a+1:])
			if old {
				d, inner = d*inner, 1
			}
			switch x.dt {
			case f32:
				softmax(out[0].view.f32, x.view.f32, rows, d, inner, log)
			case f64:
				softmax(out[0].view.f64, x.view.f64, rows, d, inner, log)
			default:
				return badType(x.dt)
			}
			return nil
		}, nil
	}
}

func softmax[T float](out, x []T, rows, d, inner int, log bool) {
	for r := range rows {
		for i := range inner {
			base := r*d*inner + i
			top := math.Inf(-1)
			for k := range d {
				top = max(top, float64(x[base+k*inner]))
			}
			sum := 0.0
			for k := range d {
				e := math.Exp(float64(x[base+k*inner]) - top)
				out[base+k*inner] = T(e)
				sum += e
			}
			ln := math.Log(sum)
			for k := range d {
				p := base + k*inner
				if log {
					out[p] = T(float64(x[p]) - top - ln)
				} else {
					out[p] = T(float64(out[p]) / sum)
				}
			}
		}
	}
}

// maxIndex is the first greatest value's index; 0 if none compares.
func maxIndex[T float](v []T) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}
