package inproc

import (
	"fmt"
)

// dots computes out[i][j] = Σ a[i][:] · bt[j][:] for m rows of a and n rows of
// bt, each k long. Both operands are read in order, and four columns share each
// load of a, which is what plain Go compiles best (about 0.4 ns a
// multiply-add).
func dots[T float](c *call, out, a, bt []T, m, n, k int) error {
	for i := range m {
		if err := c.spend(n * k); err != nil {
			return err
		}
		x := a[i*k : i*k+k]
		o := out[i*n : i*n+n]
		j := 0
		for ; j+4 <= n; j += 4 {
			b0 := bt[j*k:][:len(x)]
			b1 := bt[(j+1)*k:][:len(x)]
			b2 := bt[(j+2)*k:][:len(x)]
			b3 := bt[(j+3)*k:][:len(x)]
			var s0, s1, s2, s3 T
			for p, v := range x {
				s0 += v * b0[p]
				s1 += v * b1[p]
				s2 += v * b2[p]
				s3 += v * b3[p]
			}
			o[j], o[j+1], o[j+2], o[j+3] = s0, s1, s2, s3
		}
		for ; j < n; j++ {
			b0 := bt[j*k:][:len(x)]
			var s T
			for p, v := range x {
				s += v * b0[p]
			}
			o[j] = s
		}
	}
	return nil
}

// turn writes the transpose of a rows × cols matrix.
func turn[T float](to, from []T, rows, cols int) {
	for i := range rows {
		for j, v := range from[i*cols : i*cols+cols] {
			to[j*rows+i] = v
		}
	}
}

// turned is the last two dimensions of t swapped.
func turned(c *call, to, t *tensor, rows, cols int) error {
	if err := to.alloc(c, t.dt, t.shape...); err != nil {
		return err
	}
	size := rows * cols
	if size == 0 {
		return nil
	}
	for off := 0; off+size <= t.count(); off += size {
		switch t.dt {
		case f32:
			turn(to.view.f32[off:off+size], t.view.f32[off:off+size], rows, cols)
		case f64:
			turn(to.view.f64[off:off+size], t.view.f64[off:off+size], rows, cols)
		default:
			return badType(t.dt)
		}
	}
	return c.spend(t.count())
}

// freeCall has room for work at compile time that is linear in a constant.
func freeCall(t *tensor) *call {
	return &call{mem: 64 + 9*t.count()*8, work: 64 + 9*t.count()}
}

func makeMatMul(b *build) (kernel, error) {
	if w := b.constant(1); w != nil && w.rank() == 2 {
		k, n := w.shape[0], w.shape[1]
		if b.layer = newLayer(w, n, k, false, 1); b.layer != nil {
			return denseKernel(b.layer, w.dt, n, k, false), nil
		}
	}
	var scratch tensorScratch
	return func(c *call, in, out []*tensor) error {
		x, y := in[0], in[1]
		if x.dt != y.dt || (x.dt != f32 && x.dt != f64) {
			return badType(x.dt)
		}
		if x.rank() == 0 || y.rank() == 0 {
			return fmt.Errorf("a scalar operand")
		}
		return matMul(c, &scratch, out[0], x, y)
	}, nil
}

func dotsAny(c *call, o *tensor, oo int, a *tensor, ao int, bt *tensor, bo, m, n, k int) error {
	if a.dt == f64 {
		return dots(c, o.view.f64[oo:oo+m*n], a.view.f64[ao:ao+m*k], bt.view.f64[bo:bo+n*k], m, n, k)
	}
	return dots(c, o.view.f32[oo:oo+m*n], a.view.f32[ao:ao+m*k], bt.view.f32[bo:bo+n*k], m, n, k)
}

// matMul is the general case: stacks of matrices that broadcast, vectors.
func matMul(c *call, scratch *tensorScratch, out, x, y *tensor) error {
	xs, ys := append([]int(nil), x.shape...), append([]int(nil), y.shape...)
	xVec, yVec := len(xs) == 1, len(ys) == 1
	if xVec {
		xs = []int{1, xs[0]}
	}
	if yVec {
		ys = []int{ys[0], 1}
	}
	m, k, n := xs[len(xs)-2], xs[len(xs)-1], ys[len(ys)-1]
	if ys[len(ys)-2] != k {
		return fmt.Errorf("shapes %v and %v do not multiply", xs, ys)
	}
	stack := []*tensor{{shape: xs[:len(xs)-2]}, {shape: ys[:len(ys)-2]}}
	lead, rank, err := broadcastShape(stack)
	if err != nil {
		return err
	}
	shape := append([]int(nil), lead[:rank]...)
	if !xVec {
		shape = append(shape, m)
	}
	if !yVec {
		shape = append(shape, n)
	}
	if err := out.alloc(c, x.dt, shape...); err != nil {
		return err
	}
	if k == 0 || out.count() == 0 {
		out.zero()
		return nil
	}
	yt := scratch.get()
	defer scratch.put(yt)
	flat := tensor{dt: y.dt, shape: ys, view: y.view}
	if err := turned(c, yt, &flat, k, n); err != nil {
		return err
	}
	w := newWalker(lead[:rank], stack)
	si, sj := w.inner(0), w.inner(1)
	w.runs(func(d int, at [3]int, cnt int) {
		for i := 0; i < cnt && err == nil; i++ {
			err = dotsAny(c, out, (d+i)*m*n, x, (at[0]+i*si)*m*k, yt, (at[1]+i*sj)*k*n, m, n, k)
		}
	})
	return err
}

// gemmLayer is a Gemm of constant weights and of a bias that is a row or none;
// nil for any other.
func gemmLayer(b *build, alpha, beta float32, transA, transB bool) kernel {
	w, bias := b.constant(1), b.constant(2)
	if transA || w == nil || w.rank() != 2 || (b.given(2) && bias == nil) {
		return nil
	}
	k, n := w.shape[0], w.shape[1]
	if transB {
		k, n = n, k
	}
	l := newLayer(w, n, k, transB, alpha)
	if l == nil {
		return nil
	}
	if bias != nil {
		if bias.rank() > 2 || bias.dt != w.dt {
			return nil
		}
		if beta != 1 {
			t := &tensor{}
			if scaleTo(freeCall(bias), t, bias, float64(beta)) != nil {
				return nil
			}
			bias = t
		}
		if !l.addBias(bias) {
			return nil
		}
	}
	b.layer = l
	return denseKernel(l, w.dt, n, k, true)
}

func makeGemm(b *build) (kernel, error) {
	alpha, beta := b.float("alpha", 1), b.float("beta", 1)
	transA, transB := b.flag("transA", false), b.flag("transB", false)
	if k := gemmLayer(b, alpha, beta, transA, transB); k != nil {
		return k, nil
	}
	var scratch tensorScratch
	return func(c *call, in, out []*tensor) error {
		x, y := in[0], in[1]
		if x.rank() != 2 || y.rank() != 2 || x.dt != y.dt || (x.dt != f32 && x.dt != f64) {
			return fmt.Errorf("operands must be two matrices of one float type, got %s with %d and %s with %d dimensions", x.dt, x.rank(), y.dt, y.rank())
		}
		m, k := x.shape[0], x.shape[1]
		if transA {
			t := scratch.get()
			defer scratch.put(t)
			if err := turned(c, t, x, m, k); err != nil {
				return err
			}
			x, m, k = t, k, m
		}
		ky, n := y.shape[0], y.shape[1]
		if transB {
			ky, n = n, ky
		}
		if k != ky {
			return fmt.Errorf("inner sizes %d and %d differ", k, ky)
		}
		bt := y
		if !transB {
			bt = scratch.get()
			defer scratch.put(bt)
			if err := turned(c, bt, y, ky, n); err != nil {
				return err
			}
		}
		o := out[0]
		if err := o.alloc(c, x.dt, m, n); err != nil {
			return err
		}
		if k == 0 {
			o.zero()
		} else if err := dotsAny(c, o, 0, x, 0, bt, 0, m, n, k); err != nil {
			return err
		}
		var bias *tensor
		if len(in) > 2 {
			bias = in[2]
		}
		if o.dt == f64 {
			return gemmEnd[float64](o, bias, float64(alpha), float64(beta), m, n)
		}
		return gemmEnd[float32](o, bias, alpha, beta, m, n)
	}, nil
}

// gemmEnd scales by alpha and adds beta times the bias, which may be a scalar,
// a row, a column or a whole matrix.
func gemmEnd[T float](o, bias *tensor, alpha, beta T, m, n int) error {
	out := data[T](o)
	if alpha != 1 {
		for i := range out {
			out[i] *= alpha
		}
	}
	if bias == nil {
		return nil
	}
	if bias.dt != o.dt || bias.rank() > 2 {
		return fmt.Errorf("bias of type %s with %d dimensions", bias.dt, bias.rank())
	}
	r, cl := 1, 1
	if bias.rank() > 0 {
		cl = bias.shape[bias.rank()-1]
	}
	if bias.rank() == 2 {
		r = bias.shape[0]
	}
	if (r != 1 && r != m) || (cl != 1 && cl != n) {
		return fmt.Errorf("bias of shape %v for a result of %d × %d", append([]int(nil), bias.shape...), m, n)
	}
	v := data[T](bias)
	for i := range m {
		row := out[i*n : i*n+n]
		b := v
		if r == m {
			b = v[i*cl:]
		}
		if cl == 1 {
			for j := range row {
				row[j] += beta * b[0]
			}
			continue
		}
		b = b[:len(row)]
		for j := range row {
			row[j] += beta * b[j]
		}
	}
	return nil
}
