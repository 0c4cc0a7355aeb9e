package inproc

import "fmt"

// window is the geometry that convolutions and pools share: two spatial
// dimensions; one-dimensional ones are given a first dimension of 1.
type window struct {
	kernel, stride, pad, end, dilation [2]int
	auto                               string
	given                              bool // kernel_shape was
	one                                bool // the tensor has one spatial dimension
	ceil                               bool
	attrs                              [4][]int
}

func readWindow(b *build) *window {
	w := &window{auto: b.choice("auto_pad", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")}
	w.attrs = [4][]int{b.ints("kernel_shape"), b.ints("strides"), b.ints("pads"), b.ints("dilations")}
	w.given = w.attrs[0] != nil
	for i, list := range w.attrs {
		for _, v := range list {
			if (v < 1 && i != 2) || v < 0 || v > 1<<16 {
				b.err = fmt.Errorf("bad kernel_shape, strides, pads or dilations %v", w.attrs)
			}
		}
	}
	return w
}

// fit completes the geometry for a tensor [N, C, spatial…] and gives its
// height and width and the output's.
func (w window) fit(x *tensor, kernel []int) (_ window, h, wd, oh, ow int, err error) {
	sp := x.rank() - 2
	if sp != 1 && sp != 2 {
		return w, 0, 0, 0, 0, unsupported("convolution or pooling over %d spatial dimensions; known: 1, 2", sp)
	}
	if w.given {
		kernel = w.attrs[0]
	}
	if len(kernel) != sp {
		return w, 0, 0, 0, 0, fmt.Errorf("a kernel of %v over %d spatial dimensions", kernel, sp)
	}
	w.one = sp == 1
	size := [2]int{1, 1}
	w.kernel, w.stride, w.dilation = [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1}
	var o [2]int
	o[0] = 1
	for i := range sp {
		k := i + 2 - sp
		size[k], w.kernel[k] = x.shape[2+i], kernel[i]
		for j, to := range []*int{nil, &w.stride[k], &w.pad[k], &w.dilation[k]} {
			list := w.attrs[j]
			want := sp
			if j == 2 {
				want = 2 * sp
			}
			if j == 0 || list == nil {
				continue
			}
			if len(list) != want {
				return w, 0, 0, 0, 0, fmt.Errorf("strides, pads or dilations %v for %d spatial dimensions", list, sp)
			}
			*to = list[i]
			if j == 2 {
				w.end[k] = list[sp+i]
			}
		}
		span := (w.kernel[k]-1)*w.dilation[k] + 1
		switch w.auto {
		case "VALID":
			w.pad[k], w.end[k] = 0, 0
		case "SAME_UPPER", "SAME_LOWER":
			out := (size[k] + w.stride[k] - 1) / w.stride[k]
			total := max(0, (out-1)*w.stride[k]+span-size[k])
			w.pad[k], w.end[k] = total/2, total-total/2
			if w.auto == "SAME_LOWER" {
				w.pad[k], w.end[k] = w.end[k], w.pad[k]
			}
		}
		room := size[k] + w.pad[k] + w.end[k] - span
		if room < 0 {
			return w, 0, 0, 0, 0, fmt.Errorf("a kernel of %d over a dimension of %d", span, size[k])
		}
		o[k] = room/w.stride[k] + 1
		if w.ceil && room%w.stride[k] != 0 && (o[k])*w.stride[k] < size[k]+w.pad[k] {
			o[k]++ // a window that starts in the end padding alone is dropped
		}
	}
	return w, size[0], size[1], o[0], o[1], nil
}

func (w *window) shape(x *tensor, channels, oh, ow int) []int {
	if w.one {
		return []int{x.shape[0], channels, ow}
	}
	return []int{x.shape[0], channels, oh, ow}
}

// makeConv lays each output position's patch out as a row and multiplies by
// the weights, which are rows already.
func makeConv(b *build) (kernel, error) {
	base := readWindow(b)
	group := b.int("group", 1)
	if group < 1 {
		return nil, fmt.Errorf("group %d", group)
	}
	var scratch tensorScratch
	return func(c *call, in, out []*tensor) error {
		x, wt := in[0], in[1]
		if x.dt != wt.dt || (x.dt != f32 && x.dt != f64) || wt.rank() != x.rank() || x.rank() < 3 {
			return fmt.Errorf("input %s with %d and weights %s with %d dimensions", x.dt, x.rank(), wt.dt, wt.rank())
		}
		w, h, wd, oh, ow, err := base.fit(x, wt.shape[2:])
		if err != nil {
			return err
		}
		m, cg := wt.shape[0], wt.shape[1]
		if x.shape[1] != cg*group || m%group != 0 || product(wt.shape[2:]) != w.kernel[0]*w.kernel[1] {
			return fmt.Errorf("%d channels, weights of %v and %d groups do not fit", x.shape[1], append([]int(nil), wt.shape...), group)
		}
		if len(in) > 2 && in[2] != nil && (in[2].count() != m || in[2].dt != x.dt) {
			return fmt.Errorf("a bias of %d for %d channels", in[2].count(), m)
		}
		o := out[0]
		if err := o.alloc(c, x.dt, w.shape(x, m, oh, ow)...); err != nil {
			return err
		}
		k := cg * w.kernel[0] * w.kernel[1]
		if k == 0 || o.count() == 0 {
			o.zero()
			return nil
		}
		rows := scratch.get()
		defer scratch.put(rows)
		if err := rows.alloc(c, x.dt, oh*ow, k); err != nil {
			return err
		}
		mg := m / group
		for n := range x.shape[0] {
			for g := range group {
				if err := c.spend(oh * ow * k); err != nil {
					return err
				}
				at := (n*group + g) * cg * h * wd
				if x.dt == f64 {
					patches(rows.view.f64, x.view.f64[at:at+cg*h*wd], &w, cg, h, wd, oh, ow)
				} else {
					patches(rows.view.f32, x.view.f32[at:at+cg*h*wd], &w, cg, h, wd, oh, ow)
				}
				if err := dotsAny(c, o, (n*m+g*mg)*oh*ow, wt, g*mg*k, rows, 0, mg, oh*ow, k); err != nil {
					return err
				}
			}
		}
		if len(in) > 2 && in[2] != nil {
			p := oh * ow
			for i := range x.shape[0] * m {
				if x.dt == f64 {
					addAll(o.view.f64[i*p:i*p+p], in[2].view.f64[i%m])
				} else {
					addAll(o.view.f32[i*p:i*p+p], in[2].view.f32[i%m])
				}
			}
		}
		return nil
	}, nil
}

func addAll[T float](v []T, by T) {
	for i := range v {
		v[i] += by
	}
}

func patches[T float](to, x []T, w *window, channels, h, wd, oh, ow int) {
	p, width, step := 0, w.kernel[1], w.dilation[1]
	for i := range oh {
		for j := range ow {
			z := j*w.stride[1] - w.pad[1]
			left, right := within(z, step, width, wd)
			for ch := range channels {
				for a := range w.kernel[0] {
					o := to[p : p+width]
					p += width
					y := i*w.stride[0] - w.pad[0] + a*w.dilation[0]
					if y < 0 || y >= h {
						clear(o)
						continue
					}
					clear(o[:left])
					clear(o[right:])
					if left == right {
						continue // all padding; z is outside the row
					}
					row := x[(ch*h+y)*wd:][:wd]
					if step == 1 {
						for e, v := range row[z+left : z+right] {
							o[left+e] = v
						}
						continue
					}
					for e := left; e < right; e++ {
						o[e] = row[z+e*step]
					}
				}
			}
		}
	}
}

// makePool is MaxPool and AveragePool.
func makePool(average bool) func(*build) (kernel, error) {
	return func(b *build) (kernel, error) {
		base := readWindow(b)
		base.ceil = b.flag("ceil_mode", false)
		include := b.flag("count_include_pad", false)
		if b.flag("storage_order", false) || len(b.node.out) > 1 {
			return nil, unsupported("%s: storage_order and the indices output", b.node.label())
		}
		if !base.given {
			return nil, fmt.Errorf("it has no kernel_shape")
		}
		return func(c *call, in, out []*tensor) error {
			x := in[0]
			w, h, wd, oh, ow, err := base.fit(x, nil)
			if err != nil {
				return err
			}
			if err := out[0].alloc(c, x.dt, w.shape(x, x.shape[1], oh, ow)...); err != nil {
				return err
			}
			for i := range x.shape[0] * x.shape[1] {
				if err := c.spend(oh * ow * w.kernel[0] * w.kernel[1]); err != nil {
					return err
				}
				from, to := i*h*wd, i*oh*ow
				switch x.dt {
				case f32:
					poolPlane(out[0].view.f32[to:to+oh*ow], x.view.f32[from:from+h*wd], &w, h, wd, oh, ow, average, include)
				case f64:
					poolPlane(out[0].view.f64[to:to+oh*ow], x.view.f64[from:from+h*wd], &w, h, wd, oh, ow, average, include)
				default:
					return badType(x.dt)
				}
			}
			return nil
		}, nil
	}
}

func poolPlane[T float](to, x []T, w *window, h, wd, oh, ow int, average, include bool) {
	for i := range oh {
		y := i*w.stride[0] - w.pad[0]
		top, bottom := within(y, w.dilation[0], w.kernel[0], h)
		for j := range ow {
			z := j*w.stride[1] - w.pad[1]
			left, right := within(z, w.dilation[1], w.kernel[1], wd)
			var sum, most T
			first := true
			for a := top; a < bottom; a++ {
				row := x[(y+a*w.dilation[0])*wd:][:wd]
				for e := left; e < right; e++ {
					v := row[z+e*w.dilation[1]]
					if first || v > most {
						most, first = v, false
					}
					sum += v
				}
			}
			n := (bottom - top) * (right - left)
			if include {
				_, below := within(y, w.dilation[0], w.kernel[0], h+w.end[0])
				_, beyond := within(z, w.dilation[1], w.kernel[1], wd+w.end[1])
				n = below * beyond
			}
			if average {
				most = sum / T(max(n, 1))
			}
			to[i*ow+j] = most
		}
	}
}

// within is the range of a window's places that lie inside a dimension: from
// the first at or after 0 to the first at or after size.
func within(first, step, places, size int) (lo, hi int) {
	if first < 0 {
		lo = (-first + step - 1) / step
	}
	if first < size {
		hi = (size-1-first)/step + 1
	}
	hi = min(hi, places)
	return min(lo, hi), hi
}

// makeGlobalPool reduces all spatial dimensions.
func makeGlobalPool(r reducer) func(*build) (kernel, error) {
	return func(*build) (kernel, error) {
		return func(c *call, in, out []*tensor) error {
			x := in[0]
			if x.rank() < 3 {
				return fmt.Errorf("an input with %d dimensions", x.rank())
			}
			var gone [maxRank]bool
			for i := 2; i < x.rank(); i++ {
				gone[i] = true
			}
			return reduce(c, out[0], x, gone, true, r)
		}, nil
	}
}
