package inproc

import (
	"fmt"
	"math"
)

func makeIdentity(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error { return out[0].alias(in[0], in[0].shape) }, nil
}

// makeDropout is inference: the mask, if wanted, keeps everything.
func makeDropout(b *build) (kernel, error) {
	b.float("ratio", 0.5)
	b.int("seed", 0)
	if t := b.constant(2); b.given(2) && (t == nil || t.dt != boolean || t.count() != 1 || t.view.b[0]) {
		return nil, fmt.Errorf("it is in training mode")
	}
	return func(c *call, in, out []*tensor) error {
		if len(out) > 1 && out[1] != nil {
			if err := out[1].alloc(c, boolean, in[0].shape...); err != nil {
				return err
			}
			for i := range out[1].view.b {
				out[1].view.b[i] = true
			}
		}
		return out[0].alias(in[0], in[0].shape)
	}, nil
}

func makeConstant(b *build) (kernel, error) {
	t := &tensor{}
	switch {
	case b.has("value"):
		t = b.tensor("value")
	case b.has("value_float"):
		t.dt, t.view.f32 = f32, []float32{b.float("value_float", 0)}
	case b.has("value_floats"):
		t.dt, t.view.f32 = f32, b.floats("value_floats")
		t.shape = []int{len(t.view.f32)}
	case b.has("value_int"):
		t.dt, t.view.i64 = i64, []int64{int64(b.int("value_int", 0))}
	case b.has("value_ints"):
		t.dt, t.view.i64 = i64, b.attr("value_ints", attrInts).ints
		t.shape = []int{len(t.view.i64)}
	case b.has("value_string"):
		t.dt, t.view.s = str, [][]byte{[]byte(b.str("value_string", ""))}
	case b.has("value_strings"):
		t.dt, t.view.s = str, b.strings("value_strings")
		t.shape = []int{len(t.view.s)}
	}
	if t == nil || t.dt == 0 {
		return nil, fmt.Errorf("it has no value of a known kind")
	}
	return func(c *call, in, out []*tensor) error { return out[0].alias(t, t.shape) }, nil
}

func makeConstantOfShape(b *build) (kernel, error) {
	v := b.tensor("value")
	if v == nil {
		v = &tensor{dt: f32, shape: []int{1}, view: storage{f32: []float32{0}}}
	}
	if v.count() != 1 {
		return nil, fmt.Errorf("its value has %d elements", v.count())
	}
	return func(c *call, in, out []*tensor) error {
		shape, err := in[0].integers(maxRank)
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, v.dt, shape...); err != nil {
			return err
		}
		return fill(c, out[0], v)
	}, nil
}

// fill repeats a one-element tensor.
func fill(c *call, out, v *tensor) error {
	n := out.count()
	for i := range n {
		move(out, i, v, 0, 1)
	}
	return c.spend(n)
}

func makeShape(b *build) (kernel, error) {
	start, end := b.int("start", 0), b.int("end", math.MaxInt32)
	return func(c *call, in, out []*tensor) error {
		r := in[0].rank()
		clampTo := func(v int) int {
			if v < 0 {
				v += r
			}
			return max(0, min(v, r))
		}
		s, e := clampTo(start), clampTo(end)
		if err := out[0].alloc(c, i64, max(e-s, 0)); err != nil {
			return err
		}
		for i := range out[0].view.i64 {
			out[0].view.i64[i] = int64(in[0].shape[s+i])
		}
		return nil
	}, nil
}

func makeSize(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		if err := out[0].alloc(c, i64); err != nil {
			return err
		}
		out[0].view.i64[0] = int64(in[0].count())
		return nil
	}, nil
}

func makeReshape(b *build) (kernel, error) {
	zeroes := b.flag("allowzero", false)
	return func(c *call, in, out []*tensor) error {
		want, err := in[1].integers(maxRank)
		if err != nil {
			return err
		}
		free, n := -1, 1
		for i, d := range want {
			switch {
			case d == -1 && free < 0:
				free = i
				continue
			case d == 0 && !zeroes:
				if i >= in[0].rank() {
					return fmt.Errorf("dimension %d copies one that the input lacks", i)
				}
				d = in[0].shape[i]
			case d < 0 || d > maxElements:
				return fmt.Errorf("bad shape %v", want)
			}
			want[i] = d
			if d > 0 && n > maxElements/d {
				return fmt.Errorf("bad shape %v", want)
			}
			n *= d
		}
		have := in[0].count()
		if free >= 0 && n > 0 {
			want[free] = have / n
			n *= want[free]
		} else if free >= 0 {
			want[free] = 0
		}
		if n != have {
			return fmt.Errorf("cannot reshape %v to %v", append([]int(nil), in[0].shape...), want)
		}
		return out[0].alias(in[0], want)
	}, nil
}

func makeFlatten(b *build) (kernel, error) {
	axis := b.int("axis", 1)
	return func(c *call, in, out []*tensor) error {
		x, a := in[0], axis
		if a < 0 {
			a += x.rank()
		}
		if a < 0 || a > x.rank() {
			return fmt.Errorf("axis %d of a tensor with %d dimensions", axis, x.rank())
		}
		shape := [2]int{product(x.shape[:a]), product(x.shape[a:])}
		return out[0].alias(x, shape[:])
	}, nil
}

func makeTranspose(b *build) (kernel, error) {
	perm := b.ints("perm")
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		r := x.rank()
		if perm != nil && len(perm) != r {
			return fmt.Errorf("perm %v for a tensor with %d dimensions", perm, r)
		}
		var stride, st, shape dims
		var seen [maxRank]bool
		s := 1
		for i := r - 1; i >= 0; i-- {
			stride[i] = s
			s *= x.shape[i]
		}
		for i := range r {
			p := r - 1 - i
			if perm != nil {
				p = perm[i]
			}
			if p < 0 || p >= r || seen[p] {
				return fmt.Errorf("perm %v is not a permutation", perm)
			}
			seen[p] = true
			shape[i], st[i] = x.shape[p], stride[p]
		}
		if err := out[0].alloc(c, x.dt, shape[:r]...); err != nil {
			return err
		}
		return strided(c, out[0], x, 0, st)
	}, nil
}

// strided fills out with x's elements from start on, stepping by a stride for
// each dimension of out. The caller made sure that every place exists.
func strided(c *call, out, x *tensor, start int, st dims) error {
	n := out.count()
	if n == 0 {
		return nil
	}
	if err := c.spend(n); err != nil {
		return err
	}
	r := out.rank()
	run := 1
	if r > 0 && st[r-1] == 1 {
		run = out.shape[r-1]
		r--
	}
	var idx dims
	at := start
	for d := 0; ; d += run {
		move(out, d, x, at, run)
		j := r - 1
		for ; j >= 0; j-- {
			idx[j]++
			at += st[j]
			if idx[j] < out.shape[j] {
				break
			}
			at -= st[j] * out.shape[j]
			idx[j] = 0
		}
		if j < 0 {
			return nil
		}
	}
}

func makeConcat(b *build) (kernel, error) {
	axis := b.int("axis", 0)
	return func(c *call, in, out []*tensor) error {
		r := in[0].rank()
		a, err := axisOf(axis, r)
		if err != nil {
			return err
		}
		var shape dims
		copy(shape[:], in[0].shape)
		for _, t := range in[1:] {
			if t == nil || t.dt != in[0].dt || t.rank() != r {
				return fmt.Errorf("inputs of different types or dimensions: %v", shapesOf(in))
			}
			for i, d := range t.shape {
				if i == a {
					shape[a] += d
				} else if d != shape[i] {
					return fmt.Errorf("shapes differ beside axis %d: %v", a, shapesOf(in))
				}
			}
		}
		o := out[0]
		if err := o.alloc(c, in[0].dt, shape[:r]...); err != nil {
			return err
		}
		if err := c.spend(o.count()); err != nil {
			return err
		}
		rows, at := product(shape[:a]), 0
		width := product(shape[a:r])
		for _, t := range in {
			w := product(t.shape[a:])
			for i := range rows {
				move(o, i*width+at, t, i*w, w)
			}
			at += w
		}
		return nil
	}, nil
}

func makeSplit(b *build) (kernel, error) {
	axis := b.int("axis", 0)
	parts := b.ints("split")
	number := b.int("num_outputs", 0)
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		a, err := axisOf(axis, x.rank())
		if err != nil {
			return err
		}
		sizes := parts
		if len(in) > 1 && in[1] != nil {
			if sizes, err = in[1].integers(maxNodeIO); err != nil {
				return err
			}
		}
		d := x.shape[a]
		if sizes == nil {
			if number != 0 && number != len(out) {
				return fmt.Errorf("num_outputs %d for %d outputs", number, len(out))
			}
			each := (d + len(out) - 1) / len(out)
			for i := range out {
				sizes = append(sizes, max(0, min(each, d-i*each)))
			}
		}
		total := 0
		for _, s := range sizes {
			if s < 0 || s > d {
				return fmt.Errorf("bad split %v", sizes)
			}
			total += s
		}
		if total != d || len(sizes) != len(out) {
			return fmt.Errorf("split %v of a dimension of %d into %d", sizes, d, len(out))
		}
		if err := c.spend(x.count()); err != nil {
			return err
		}
		rows, width, inner, at := product(x.shape[:a]), product(x.shape[a:]), product(x.shape[a+1:]), 0
		for i, o := range out {
			w := sizes[i] * inner
			if o != nil {
				var shape dims
				copy(shape[:], x.shape)
				shape[a] = sizes[i]
				if err := o.alloc(c, x.dt, shape[:x.rank()]...); err != nil {
					return err
				}
				for r := range rows {
					move(o, r*w, x, r*width+at, w)
				}
			}
			at += w
		}
		return nil
	}, nil
}

// axesInput reads axes from an attribute (older versions) or an input.
func axesInput(b *build, since int) func(in []*tensor) ([]int, error) {
	if b.version < since {
		axes := b.ints("axes")
		return func([]*tensor) ([]int, error) { return axes, nil }
	}
	return func(in []*tensor) ([]int, error) {
		if len(in) < 2 || in[1] == nil {
			return nil, nil
		}
		return in[1].integers(maxRank)
	}
}

func makeSqueeze(b *build) (kernel, error) {
	axes := axesInput(b, 13)
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		list, err := axes(in)
		if err != nil {
			return err
		}
		var drop [maxRank]bool
		for _, a := range list {
			if a, err = axisOf(a, x.rank()); err != nil {
				return err
			}
			if x.shape[a] != 1 {
				return fmt.Errorf("dimension %d is %d, not 1", a, x.shape[a])
			}
			drop[a] = true
		}
		shape := make([]int, 0, maxRank)
		for i, d := range x.shape {
			if drop[i] || (list == nil && d == 1) {
				continue
			}
			shape = append(shape, d)
		}
		return out[0].alias(x, shape)
	}, nil
}

func makeUnsqueeze(b *build) (kernel, error) {
	axes := axesInput(b, 13)
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		list, err := axes(in)
		if err != nil {
			return err
		}
		r := x.rank() + len(list)
		if r > maxRank {
			return fmt.Errorf("more than %d dimensions", maxRank)
		}
		var put [maxRank]bool
		for _, a := range list {
			if a, err = axisOf(a, r); err != nil {
				return err
			}
			if put[a] {
				return fmt.Errorf("axis %d twice", a)
			}
			put[a] = true
		}
		shape, k := make([]int, 0, maxRank), 0
		for i := range r {
			if put[i] {
				shape = append(shape, 1)
			} else {
				shape = append(shape, x.shape[k])
				k++
			}
		}
		return out[0].alias(x, shape)
	}, nil
}

func makeExpand(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		want, err := in[1].integers(maxRank)
		if err != nil {
			return err
		}
		for _, d := range want {
			if d < 0 || d > maxElements {
				return fmt.Errorf("bad shape %v", want)
			}
		}
		ts := [2]*tensor{in[0], {shape: want}}
		shape, r, err := broadcastShape(ts[:])
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, in[0].dt, shape[:r]...); err != nil {
			return err
		}
		return strided(c, out[0], in[0], 0, expandStrides(in[0], r))
	}, nil
}

// expandStrides are x's strides within a broadcast of r dimensions.
func expandStrides(x *tensor, r int) dims {
	var st dims
	s, off := 1, r-x.rank()
	for j := x.rank() - 1; j >= 0; j-- {
		if x.shape[j] != 1 {
			st[off+j] = s
		}
		s *= x.shape[j]
	}
	return st
}

func makeTile(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		reps, err := in[1].integers(maxRank)
		if err != nil {
			return err
		}
		if len(reps) != x.rank() {
			return fmt.Errorf("%d repeats for %d dimensions", len(reps), x.rank())
		}
		// Each dimension d repeated k times is a pair (k, d) read with strides (0, s).
		if 2*x.rank() > maxRank {
			return unsupported("Tile of more than %d dimensions", maxRank/2)
		}
		var shape, pair, st dims
		s := 1
		for i := x.rank() - 1; i >= 0; i-- {
			if reps[i] < 0 || reps[i] > maxElements || (x.shape[i] > 0 && reps[i] > maxElements/x.shape[i]) {
				return fmt.Errorf("bad repeats %v", reps)
			}
			shape[i] = reps[i] * x.shape[i]
			pair[2*i], pair[2*i+1] = reps[i], x.shape[i]
			st[2*i+1] = s
			s *= x.shape[i]
		}
		if err := out[0].alloc(c, x.dt, pair[:2*x.rank()]...); err != nil {
			return err
		}
		if err := strided(c, out[0], x, 0, st); err != nil {
			return err
		}
		out[0].shape = append(out[0].shape[:0], shape[:x.rank()]...)
		return nil
	}, nil
}
