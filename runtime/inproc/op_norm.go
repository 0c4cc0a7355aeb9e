package inproc

import (
	"fmt"
	"math"
)

// makeBatchNorm is inference: each channel is scaled and shifted by constants.
func makeBatchNorm(b *build) (kernel, error) {
	eps := float64(b.float("epsilon", 1e-5))
	b.float("momentum", 0.9)
	if b.flag("training_mode", false) || !b.flag("spatial", true) {
		return nil, unsupported("%s: training mode or spatial 0", b.node.label())
	}
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if x.rank() < 2 {
			return fmt.Errorf("an input with %d dimensions", x.rank())
		}
		ch := x.shape[1]
		for _, t := range in[1:5] {
			if t.count() != ch || t.dt == str {
				return fmt.Errorf("%d parameters for %d channels", t.count(), ch)
			}
		}
		if err := out[0].alloc(c, x.dt, x.shape...); err != nil {
			return err
		}
		if err := c.spend(2*x.count() + 8*ch); err != nil {
			return err
		}
		rows, inner := x.shape[0], product(x.shape[2:])
		for k := range ch {
			mul := in[1].float(k) / math.Sqrt(in[4].float(k)+eps)
			add := in[2].float(k) - in[3].float(k)*mul
			for r := range rows {
				at := (r*ch + k) * inner
				switch x.dt {
				case f32:
					affine(out[0].view.f32[at:at+inner], x.view.f32[at:at+inner], mul, add)
				case f64:
					affine(out[0].view.f64[at:at+inner], x.view.f64[at:at+inner], mul, add)
				default:
					return badType(x.dt)
				}
			}
		}
		return nil
	}, nil
}

func affine[T float](out, x []T, mul, add float64) {
	for i, v := range x {
		out[i] = T(float64(v)*mul + add)
	}
}

func makeLayerNorm(b *build) (kernel, error) {
	axis, eps := b.int("axis", -1), float64(b.float("epsilon", 1e-5))
	b.int("stash_type", 1)
	if len(b.node.out) > 1 {
		return nil, unsupported("%s: its mean and deviation outputs", b.node.label())
	}
	return func(c *call, in, out []*tensor) error {
		x, scale := in[0], in[1]
		a, err := axisOf(axis, x.rank())
		if err != nil {
			return err
		}
		n := product(x.shape[a:])
		var bias *tensor
		if len(in) > 2 {
			bias = in[2]
		}
		if n == 0 || scale.count() != n || scale.dt != x.dt || (bias != nil && (bias.count() != n || bias.dt != x.dt)) {
			return fmt.Errorf("scale and bias must have the %d elements normalised over", n)
		}
		if err := out[0].alloc(c, x.dt, x.shape...); err != nil {
			return err
		}
		if err := c.spend(6 * x.count()); err != nil {
			return err
		}
		switch x.dt {
		case f32:
			layerNorm[float32](out[0], x, scale, bias, n, eps)
		case f64:
			layerNorm[float64](out[0], x, scale, bias, n, eps)
		default:
			return badType(x.dt)
		}
		return nil
	}, nil
}

func layerNorm[T float](out, x, scale, bias *tensor, n int, eps float64) {
	o, v, s := data[T](out), data[T](x), data[T](scale)
	for at := 0; at+n <= len(v); at += n {
		row := v[at : at+n]
		mean, dev := 0.0, 0.0
		for _, e := range row {
			mean += float64(e)
		}
		mean /= float64(n)
		for _, e := range row {
			dev += (float64(e) - mean) * (float64(e) - mean)
		}
		inv := 1 / math.Sqrt(dev/float64(n)+eps)
		for i, e := range row {
			y := (float64(e) - mean) * inv * float64(s[i])
			if bias != nil {
				y += bias.float(i)
			}
			o[at+i] = T(y)
		}
	}
}

func makeLpNorm(b *build) (kernel, error) {
	axis, p := b.int("axis", -1), b.int("p", 2)
	if p != 1 && p != 2 {
		return nil, unsupported("%s: p %d; known: 1, 2", b.node.label(), p)
	}
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		a, err := axisOf(axis, x.rank())
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, x.dt, x.shape...); err != nil {
			return err
		}
		if x.dt != f32 && x.dt != f64 {
			return badType(x.dt)
		}
		if err := c.spend(4 * x.count()); err != nil {
			return err
		}
		rows, d, inner := product(x.shape[:a]), x.shape[a], product(x.shape[a+1:])
		for r := range rows {
			for i := range inner {
				base, sum := r*d*inner+i, 0.0
				for k := range d {
					v := x.float(base + k*inner)
					if p == 1 {
						sum += math.Abs(v)
					} else {
						sum += v * v
					}
				}
				if p == 2 {
					sum = math.Sqrt(sum)
				}
				for k := range d {
					v := 0.0 // a row of zeros stays zeros
					if sum != 0 {
						v = x.float(base+k*inner) / sum
					}
					castOne(out[0], base+k*inner, v)
				}
			}
		}
		return nil
	}, nil
}
