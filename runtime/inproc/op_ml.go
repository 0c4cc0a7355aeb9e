package inproc

import (
	"fmt"
	"math"
)

const domainML = "ai.onnx.ml"

// numbers reads a numeric table row by row into buf as float64.
func numbers(x *tensor, row, cols int, buf []float64) {
	switch x.dt {
	case f32:
		for i, v := range x.view.f32[row*cols : row*cols+cols] {
			buf[i] = float64(v)
		}
	default:
		for i := range cols {
			buf[i] = x.float(row*cols + i)
		}
	}
}

// linear is coefficients [targets][features] and intercepts.
type linear struct {
	coef, intercept []float64
	targets         int
	scratch         tensorScratch
}

func (l *linear) rows(c *call, x *tensor, f func(row int, s []float64)) error {
	rows, cols, err := table(x)
	if err != nil {
		return err
	}
	if x.dt == str || x.dt == boolean {
		return badType(x.dt)
	}
	if cols*l.targets != len(l.coef) {
		return fmt.Errorf("%d features, but %d coefficients for %d targets", cols, len(l.coef), l.targets)
	}
	t := l.scratch.get()
	defer l.scratch.put(t)
	if err := t.alloc(c, f64, cols+l.targets); err != nil {
		return err
	}
	buf, s := t.view.f64[:cols], t.view.f64[cols:]
	for r := range rows {
		if err := c.spend(len(l.coef)); err != nil {
			return err
		}
		numbers(x, r, cols, buf)
		for k := range s {
			sum := 0.0
			if len(l.intercept) > 0 {
				sum = l.intercept[k]
			}
			w := l.coef[k*cols : k*cols+cols]
			for i, v := range buf {
				sum += v * w[i]
			}
			s[k] = sum
		}
		f(r, s)
	}
	return nil
}

func makeLinearRegressor(b *build) (kernel, error) {
	l := &linear{coef: b.doubles("coefficients"), intercept: b.doubles("intercepts"), targets: b.int("targets", 1)}
	post := readPostTransform(b)
	if l.targets < 1 || l.targets > 1<<16 || len(l.coef) == 0 || (len(l.intercept) > 0 && len(l.intercept) != l.targets) {
		return nil, fmt.Errorf("%d coefficients and %d intercepts for %d targets", len(l.coef), len(l.intercept), l.targets)
	}
	if l.targets == 1 && post != "PROBIT" {
		post = "NONE" // as in ONNX Runtime, see makeTreeRegressor
	}
	return func(c *call, in, out []*tensor) error {
		rows, _, err := table(in[0])
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, f32, rows, l.targets); err != nil {
			return err
		}
		return l.rows(c, in[0], func(r int, s []float64) {
			postTransform(post, s)
			for k, v := range s {
				out[0].view.f32[r*l.targets+k] = float32(v)
			}
		})
	}, nil
}

func makeLinearClassifier(b *build) (kernel, error) {
	l := &linear{coef: b.doubles("coefficients"), intercept: b.doubles("intercepts")}
	post := readPostTransform(b)
	b.int("multi_class", 0)
	lab, err := readLabels(b, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	n := lab.len()
	l.targets = n
	if len(l.intercept) > 0 {
		l.targets = len(l.intercept)
	}
	if len(l.coef) == 0 || (l.targets != n && (l.targets != 1 || n != 2)) {
		return nil, fmt.Errorf("%d intercepts for %d classes", len(l.intercept), n)
	}
	if l.targets == 1 && n == 2 && post == "PROBIT" {
		// ONNX Runtime leaves the second score undefined.
		return nil, unsupported("%s: post_transform PROBIT of a single score", b.node.label())
	}
	return func(c *call, in, out []*tensor) error {
		rows, _, err := table(in[0])
		if err != nil {
			return err
		}
		y, z := wanted(out, 0), wanted(out, 1)
		if err := lab.alloc(c, y, rows); err != nil {
			return err
		}
		if err := z.alloc(c, f32, rows, n); err != nil {
			return err
		}
		return l.rows(c, in[0], func(r int, s []float64) {
			row := z.view.f32[r*n : r*n+n]
			if l.targets == 1 && n == 2 {
				class := 0
				if s[0] > 0 {
					class = 1
				}
				lab.set(y, r, class)
				if post == "LOGISTIC" { // a softmax of one score is left out, as in ONNX Runtime
					s[0] = sigmoid(s[0])
				}
				row[0], row[1] = float32(1-s[0]), float32(s[0])
				return
			}
			lab.set(y, r, maxIndex(s))
			postTransform(post, s)
			for k, v := range s {
				row[k] = float32(v)
			}
		})
	}, nil
}

// wanted is output i, or a throw-away where the graph does not use it.
func wanted(out []*tensor, i int) *tensor {
	if i < len(out) && out[i] != nil {
		return out[i]
	}
	return &tensor{}
}

func makeNormalizer(b *build) (kernel, error) {
	norm := b.choice("norm", "MAX", "MAX", "L1", "L2")
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		rows, cols, err := table(x)
		if err != nil {
			return err
		}
		if x.dt == str || x.dt == boolean {
			return badType(x.dt)
		}
		if err := out[0].alloc(c, f32, x.shape...); err != nil {
			return err
		}
		if err := c.spend(2 * x.count()); err != nil {
			return err
		}
		for r := range rows {
			sum := 0.0
			if norm == "MAX" {
				sum = math.Inf(-1)
			}
			for i := range cols {
				v := x.float(r*cols + i)
				switch norm {
				case "MAX":
					sum = max(sum, v) // the greatest, not the greatest magnitude: as ONNX Runtime
				case "L1":
					sum += math.Abs(v)
				default:
					sum += v * v
				}
			}
			if norm == "L2" {
				sum = math.Sqrt(sum)
			}
			for i := range cols {
				v := x.float(r*cols + i)
				if sum != 0 {
					v /= sum
				}
				out[0].view.f32[r*cols+i] = float32(v)
			}
		}
		return nil
	}, nil
}

// perColumn maps each number of a table with its column; f32 results.
func perColumn(columns int, f func(v float64, col int) float64) kernel {
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if x.rank() == 0 || x.dt == str || x.dt == boolean {
			return badType(x.dt)
		}
		cols := x.shape[x.rank()-1]
		if columns > 1 && columns != cols {
			return fmt.Errorf("%d columns, but parameters for %d", cols, columns)
		}
		if err := out[0].alloc(c, f32, x.shape...); err != nil {
			return err
		}
		if err := c.spend(2 * x.count()); err != nil {
			return err
		}
		for i := range out[0].view.f32 {
			out[0].view.f32[i] = float32(f(x.float(i), i%cols))
		}
		return nil
	}
}

func makeScaler(b *build) (kernel, error) {
	offset, scale := b.doubles("offset"), b.doubles("scale")
	n := max(len(offset), len(scale))
	if len(offset) != len(scale) || n == 0 {
		return nil, fmt.Errorf("%d offsets and %d scales", len(offset), len(scale))
	}
	return perColumn(n, func(v float64, col int) float64 {
		if n == 1 {
			col = 0
		}
		return (v - offset[col]) * scale[col]
	}), nil
}

func makeBinarizer(b *build) (kernel, error) {
	cut := float64(b.float("threshold", 0))
	return perColumn(1, func(v float64, _ int) float64 {
		if v > cut {
			return 1
		}
		return 0
	}), nil
}

func makeImputer(b *build) (kernel, error) {
	fs, old := b.doubles("imputed_value_floats"), float64(b.float("replaced_value_float", 0))
	var ints []int64
	if a := b.attr("imputed_value_int64s", attrInts); a != nil {
		ints = a.ints
	}
	oldInt := int64(b.int("replaced_value_int64", 0))
	if (len(fs) == 0) == (len(ints) == 0) {
		return nil, fmt.Errorf("it needs imputed values of one kind")
	}
	pick := func(col, n int) int {
		if n == 1 {
			return 0
		}
		return col
	}
	floats := perColumn(len(fs), func(v float64, col int) float64 {
		if v == old || (math.IsNaN(old) && math.IsNaN(v)) {
			return fs[pick(col, len(fs))]
		}
		return v
	})
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if len(fs) > 0 {
			if x.dt != f32 {
				return badType(x.dt)
			}
			return floats(c, in, out)
		}
		if x.dt != i64 || x.rank() == 0 {
			return badType(x.dt)
		}
		cols := x.shape[x.rank()-1]
		if len(ints) > 1 && len(ints) != cols {
			return fmt.Errorf("%d columns, but values for %d", cols, len(ints))
		}
		if err := copyTo(c, out[0], x); err != nil {
			return err
		}
		for i, v := range out[0].view.i64 {
			if v == oldInt {
				out[0].view.i64[i] = ints[pick(i%cols, len(ints))]
			}
		}
		return nil
	}, nil
}

// makeFeatureVectorizer joins tables side by side.
func makeFeatureVectorizer(b *build) (kernel, error) {
	widths := b.ints("inputdimensions")
	return func(c *call, in, out []*tensor) error {
		total, n := 0, 0
		for i, t := range in {
			rows, cols, err := table(t)
			if err != nil {
				return err
			}
			if t.dt == str || t.dt == boolean {
				return badType(t.dt)
			}
			if (i > 0 && rows != n) || (i < len(widths) && widths[i] != cols) {
				return fmt.Errorf("input %d is %d × %d", i, rows, cols)
			}
			n, total = rows, total+cols
		}
		if err := out[0].alloc(c, f32, n, total); err != nil {
			return err
		}
		if err := c.spend(n * total); err != nil {
			return err
		}
		at := 0
		for _, t := range in {
			_, cols, _ := table(t)
			for r := range n {
				for i := range cols {
					out[0].view.f32[r*total+at+i] = float32(t.float(r*cols + i))
				}
			}
			at += cols
		}
		return nil
	}, nil
}

// makeArrayFeatureExtractor picks columns of the last dimension.
func makeArrayFeatureExtractor(*build) (kernel, error) {
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if x.rank() == 0 {
			return badType(x.dt)
		}
		pick, err := in[1].integers(1 << 20)
		if err != nil {
			return err
		}
		cols := x.shape[x.rank()-1]
		var shape dims
		copy(shape[:], x.shape)
		rows, rank := product(x.shape[:x.rank()-1]), x.rank()
		if rank == 1 { // a vector is answered as one row
			rank, shape[0] = 2, 1
		}
		shape[rank-1] = len(pick)
		if err := out[0].alloc(c, x.dt, shape[:rank]...); err != nil {
			return err
		}
		if err := c.spend(out[0].count()); err != nil {
			return err
		}
		for j, p := range pick {
			if p < 0 || p >= cols {
				return dataError{fmt.Sprintf("column %d of %d", p, cols)}
			}
			for r := range rows {
				move(out[0], r*len(pick)+j, x, r*cols+p, 1)
			}
		}
		return nil
	}, nil
}

// makeZipMap keeps the tensor; see the package comment.
func makeZipMap(b *build) (kernel, error) {
	l, err := readLabels(b, "classlabels_int64s")
	if err != nil {
		return nil, err
	}
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		rows, cols, err := table(x)
		if err != nil {
			return err
		}
		if cols != l.len() || x.dt != f32 {
			return fmt.Errorf("%d scores of type %s for %d classes", cols, x.dt, l.len())
		}
		return out[0].alias(x, []int{rows, cols})
	}, nil
}
