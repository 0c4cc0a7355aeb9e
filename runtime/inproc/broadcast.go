package inproc

import "fmt"

// broadcastShape is NumPy's rule over any number of operands.
func broadcastShape(ts []*tensor) (dims, int, error) {
	var out dims
	rank := 0
	for _, t := range ts {
		rank = max(rank, t.rank())
	}
	for i := range rank {
		out[i] = 1
	}
	for _, t := range ts {
		off := rank - t.rank()
		for j, d := range t.shape {
			switch o := out[off+j]; {
			case o == d || d == 1:
			case o == 1:
				out[off+j] = d
			default:
				return out, 0, fmt.Errorf("shapes do not broadcast: %v", shapesOf(ts))
			}
		}
	}
	return out, rank, nil
}

func shapesOf(ts []*tensor) [][]int {
	out := make([][]int, len(ts))
	for i, t := range ts {
		out[i] = append([]int(nil), t.shape...)
	}
	return out
}

// walker visits a broadcast result run by run: a run is a stretch of the last
// dimensions along which every operand either advances by one or stands still.
type walker struct {
	shape  dims // of the result, collapsed
	rank   int
	stride [3]dims // of each operand, in elements; 0 where it stands still
}

// newWalker collapses neighbouring dimensions over which all operands behave
// alike, so that equal shapes are one run and a bias row is one run a row.
func newWalker(out []int, ts []*tensor) walker {
	var w walker
	var raw [3]dims
	for k, t := range ts {
		s, off := 1, len(out)-t.rank()
		for j := t.rank() - 1; j >= 0; j-- {
			if t.shape[j] != 1 {
				raw[k][off+j] = s
			}
			s *= t.shape[j]
		}
	}
	for j := range out {
		if out[j] == 1 {
			continue
		}
		joins := w.rank > 0
		for k := range ts {
			joins = joins && w.stride[k][max(w.rank-1, 0)] == raw[k][j]*out[j]
		}
		if !joins {
			w.rank++
			w.shape[w.rank-1] = 1
		}
		w.shape[w.rank-1] *= out[j]
		for k := range ts {
			w.stride[k][w.rank-1] = raw[k][j]
		}
	}
	if w.rank == 0 {
		w.rank, w.shape[0] = 1, 1
	}
	return w
}

// runs calls f with the run's place in the result, its place in each operand,
// and its length.
func (w *walker) runs(f func(d int, at [3]int, n int)) {
	n := w.shape[w.rank-1]
	total := 1
	for i := range w.rank {
		total *= w.shape[i]
	}
	if total == 0 {
		return
	}
	var idx dims
	var at [3]int
	for d := 0; ; d += n {
		f(d, at, n)
		j := w.rank - 2
		for ; j >= 0; j-- {
			idx[j]++
			for k := range at {
				at[k] += w.stride[k][j]
			}
			if idx[j] < w.shape[j] {
				break
			}
			for k := range at {
				at[k] -= w.stride[k][j] * w.shape[j]
			}
			idx[j] = 0
		}
		if j < 0 {
			return
		}
	}
}

// inner is operand k's stride within a run.
func (w *walker) inner(k int) int { return w.stride[k][w.rank-1] }

// elementwise makes a kernel that combines two operands of one dtype element by
// element into dtype result (0: the operands').
func elementwise(result dtype, f func(dt dtype, w *walker, out, a, b *tensor) error) kernel {
	return func(c *call, in, out []*tensor) error {
		a, b := in[0], in[1]
		if a.dt != b.dt {
			return fmt.Errorf("operands of different types %s and %s", a.dt, b.dt)
		}
		pair := [2]*tensor{a, b}
		shape, rank, err := broadcastShape(pair[:])
		if err != nil {
			return err
		}
		dt := result
		if dt == 0 {
			dt = a.dt
		}
		if err := out[0].alloc(c, dt, shape[:rank]...); err != nil {
			return err
		}
		if err := c.spend(out[0].count()); err != nil {
			return err
		}
		w := newWalker(shape[:rank], pair[:])
		return f(a.dt, &w, out[0], a, b)
	}
}

// badType is the error of an operator that has no meaning for a dtype.
func badType(dt dtype) error { return fmt.Errorf("it is not defined here for %s", dt) }
