package inproc

import (
	"fmt"
	"math"
)

// makeSlice takes its ranges as attributes before version 10, as inputs since.
func makeSlice(b *build) (kernel, error) {
	var attrs [4][]int // starts, ends, axes, steps
	old := b.version < 10
	if old {
		attrs[0], attrs[1], attrs[2] = b.ints("starts"), b.ints("ends"), b.ints("axes")
	}
	return func(c *call, in, out []*tensor) error {
		x, p := in[0], attrs
		if !old {
			for i := 1; i < len(in); i++ {
				if in[i] == nil {
					continue
				}
				var err error
				if p[i-1], err = in[i].integers(maxRank); err != nil {
					return err
				}
			}
		}
		starts, ends, axes, steps := p[0], p[1], p[2], p[3]
		if len(ends) != len(starts) || (axes != nil && len(axes) != len(starts)) || (steps != nil && len(steps) != len(starts)) || len(starts) > x.rank() {
			return fmt.Errorf("starts, ends, axes and steps of different lengths")
		}
		var shape, st dims
		copy(shape[:], x.shape)
		s := 1
		for i := x.rank() - 1; i >= 0; i-- {
			st[i] = s
			s *= x.shape[i]
		}
		from := 0
		var seen [maxRank]bool
		for i := range starts {
			a, step := i, 1
			if axes != nil {
				a = axes[i]
			}
			if steps != nil {
				step = steps[i]
			}
			a, err := axisOf(a, x.rank())
			if err != nil {
				return err
			}
			if step == 0 || seen[a] || step < -maxElements || step > maxElements {
				return fmt.Errorf("step %d on axis %d", step, a)
			}
			seen[a] = true
			first, n := sliceRange(starts[i], ends[i], step, x.shape[a])
			shape[a] = n
			from += first * st[a]
			st[a] *= step
		}
		if err := out[0].alloc(c, x.dt, shape[:x.rank()]...); err != nil {
			return err
		}
		return strided(c, out[0], x, from, st)
	}, nil
}

// sliceRange is the first index and the count of a Python-like slice of a
// dimension of d.
func sliceRange(start, end, step, d int) (first, n int) {
	lo, hi := 0, d
	if step < 0 {
		lo, hi = -1, d-1
	}
	fit := func(v int) int {
		if v < 0 {
			v += d // far below stays negative
		}
		return max(lo, min(v, hi))
	}
	if start < 0 && start < math.MinInt+d {
		start = -d - 1
	}
	s, e := fit(start), fit(end)
	if step > 0 && e > s {
		n = (e - s + step - 1) / step
	}
	if step < 0 && e < s {
		n = (s - e - step - 1) / -step
	}
	if n == 0 {
		return 0, 0
	}
	return s, n
}

func makeGather(b *build) (kernel, error) {
	axis := b.int("axis", 0)
	return func(c *call, in, out []*tensor) error {
		x, ix := in[0], in[1]
		a, err := axisOf(axis, x.rank())
		if err != nil {
			return err
		}
		if ix.dt != i64 && ix.dt != i32 {
			return fmt.Errorf("indices of type %s", ix.dt)
		}
		if x.rank()-1+ix.rank() > maxRank {
			return fmt.Errorf("more than %d dimensions", maxRank)
		}
		shape := make([]int, 0, maxRank)
		shape = append(append(append(shape, x.shape[:a]...), ix.shape...), x.shape[a+1:]...)
		o := out[0]
		if err := o.alloc(c, x.dt, shape...); err != nil {
			return err
		}
		rows, d, inner, k := product(x.shape[:a]), x.shape[a], product(x.shape[a+1:]), ix.count()
		if err := c.spend(rows * k); err != nil {
			return err
		}
		for j := range k {
			v := int(ix.float(j))
			if v < 0 {
				v += d
			}
			if v < 0 || v >= d {
				return dataError{fmt.Sprintf("index %d of a dimension of %d", v, d)}
			}
			for r := range rows {
				move(o, (r*k+j)*inner, x, (r*d+v)*inner, inner)
			}
		}
		return nil
	}, nil
}

// makeGatherElements picks one element along axis for each place of the
// indices, which lie within the data in every other dimension.
func makeGatherElements(b *build) (kernel, error) {
	axis := b.int("axis", 0)
	return func(c *call, in, out []*tensor) error {
		x, ix := in[0], in[1]
		a, err := axisOf(axis, x.rank())
		if err != nil {
			return err
		}
		if (ix.dt != i64 && ix.dt != i32) || ix.rank() != x.rank() {
			return fmt.Errorf("indices of type %s with %d dimensions into %d", ix.dt, ix.rank(), x.rank())
		}
		var st, idx dims
		s := 1
		for i := x.rank() - 1; i >= 0; i-- {
			if i != a && ix.shape[i] > x.shape[i] {
				return fmt.Errorf("indices of shape %v into %v", append([]int(nil), ix.shape...), append([]int(nil), x.shape...))
			}
			st[i] = s
			s *= x.shape[i]
		}
		if err := out[0].alloc(c, x.dt, ix.shape...); err != nil {
			return err
		}
		n := ix.count()
		if err := c.spend(2 * n); err != nil {
			return err
		}
		for i := range n {
			v := int(ix.float(i))
			if v < 0 {
				v += x.shape[a]
			}
			if v < 0 || v >= x.shape[a] {
				return dataError{fmt.Sprintf("index %d of a dimension of %d", v, x.shape[a])}
			}
			from := v * st[a]
			for j := range x.rank() {
				if j != a {
					from += idx[j] * st[j]
				}
			}
			move(out[0], i, x, from, 1)
			for j := x.rank() - 1; j >= 0; j-- {
				if idx[j]++; idx[j] < ix.shape[j] {
					break
				}
				idx[j] = 0
			}
		}
		return nil
	}, nil
}

// makePad knows mode constant; pads come as attribute before version 11.
func makePad(b *build) (kernel, error) {
	b.choice("mode", "constant", "constant")
	var fixed []int
	old := b.version < 11
	var value float32
	if old {
		fixed, value = b.ints("pads"), b.float("value", 0)
	}
	if b.given(3) {
		return nil, unsupported("%s: its axes input", b.node.label())
	}
	return func(c *call, in, out []*tensor) error {
		x, pads := in[0], fixed
		var err error
		if !old {
			if pads, err = in[1].integers(2 * maxRank); err != nil {
				return err
			}
		}
		r := x.rank()
		if len(pads) != 2*r {
			return fmt.Errorf("%d pads for %d dimensions", len(pads), r)
		}
		var shape, st, xst dims
		for i, d := range x.shape {
			if pads[i] < 0 || pads[r+i] < 0 || pads[i] > maxElements || pads[r+i] > maxElements {
				return fmt.Errorf("negative pads %v are not known", pads)
			}
			shape[i] = d + pads[i] + pads[r+i]
		}
		o := out[0]
		if err := o.alloc(c, x.dt, shape[:r]...); err != nil {
			return err
		}
		o.zero()
		v := &tensor{dt: f32, view: storage{f32: []float32{value}}}
		if len(in) > 2 && in[2] != nil {
			v = in[2]
		}
		if v.dt == x.dt && v.count() == 1 {
			if err := fill(c, o, v); err != nil {
				return err
			}
		} else if old && value != 0 || !old && len(in) > 2 && in[2] != nil {
			return fmt.Errorf("a pad value of type %s for %s", v.dt, x.dt)
		}
		s, xs, at := 1, 1, 0
		for i := r - 1; i >= 0; i-- {
			st[i], xst[i] = s, xs
			at += pads[i] * s
			s *= shape[i]
			xs *= x.shape[i]
		}
		if x.count() == 0 {
			return nil
		}
		if r == 0 {
			move(o, 0, x, 0, 1)
			return nil
		}
		// Row by row of x into its place.
		w := x.shape[r-1]
		var idx dims
		for from := 0; from < x.count(); from += w {
			move(o, at, x, from, w)
			for j := r - 2; j >= 0; j-- {
				idx[j]++
				at += st[j]
				if idx[j] < x.shape[j] {
					break
				}
				at -= st[j] * x.shape[j]
				idx[j] = 0
			}
		}
		return c.spend(x.count())
	}, nil
}
