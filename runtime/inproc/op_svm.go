package inproc

import (
	"fmt"
	"math"
)

// svm is what classifier and regressor share: support vectors and a kernel.
type svm struct {
	kind                 string
	gamma, coef0, degree float64
	vectors, coef, rho   []float64
	count, features      int
	scratch              tensorScratch
}

func readSVM(b *build, count int) (*svm, error) {
	s := &svm{kind: b.choice("kernel_type", "LINEAR", "LINEAR", "POLY", "RBF", "SIGMOID"), count: count,
		vectors: b.doubles("support_vectors"), coef: b.doubles("coefficients"), rho: b.doubles("rho")}
	p := b.floats("kernel_params")
	for i, to := range []*float64{&s.gamma, &s.coef0, &s.degree} {
		if i < len(p) {
			*to = float64(p[i])
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	if count < 1 || len(s.vectors) == 0 || len(s.vectors)%count != 0 || len(s.rho) == 0 {
		return nil, fmt.Errorf("%d numbers for %d support vectors", len(s.vectors), count)
	}
	s.features = len(s.vectors) / count
	return s, nil
}

func (s *svm) kernel(x, v []float64) float64 {
	if s.kind == "RBF" {
		d := 0.0
		for i, a := range x {
			d += (a - v[i]) * (a - v[i])
		}
		return math.Exp(-s.gamma * d)
	}
	dot := 0.0
	for i, a := range x {
		dot += a * v[i]
	}
	switch s.kind {
	case "POLY":
		return math.Pow(s.gamma*dot+s.coef0, s.degree)
	case "SIGMOID":
		return math.Tanh(s.gamma*dot + s.coef0)
	}
	return dot
}

// rows calls f with each row's kernel values against all support vectors.
func (s *svm) rows(c *call, x *tensor, f func(row int, k []float64)) error {
	rows, cols, err := table(x)
	if err != nil {
		return err
	}
	if cols != s.features || x.dt == str || x.dt == boolean {
		return fmt.Errorf("%d features of type %s where the support vectors have %d", cols, x.dt, s.features)
	}
	t := s.scratch.get()
	defer s.scratch.put(t)
	if err := t.alloc(c, f64, cols+s.count); err != nil {
		return err
	}
	buf, k := t.view.f64[:cols], t.view.f64[cols:]
	for r := range rows {
		if err := c.spend(len(s.vectors) + 16*s.count); err != nil {
			return err
		}
		numbers(x, r, cols, buf)
		for i := range k {
			k[i] = s.kernel(buf, s.vectors[i*cols:i*cols+cols])
		}
		f(r, k)
	}
	return nil
}

func makeSVMRegressor(b *build) (kernel, error) {
	post := b.choice("post_transform", "NONE", "NONE")
	_ = post
	one := b.flag("one_class", false)
	s, err := readSVM(b, b.int("n_supports", 0))
	if err != nil {
		return nil, err
	}
	if len(s.coef) != s.count {
		return nil, fmt.Errorf("%d coefficients for %d support vectors", len(s.coef), s.count)
	}
	return func(c *call, in, out []*tensor) error {
		rows, _, err := table(in[0])
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, f32, rows, 1); err != nil {
			return err
		}
		return s.rows(c, in[0], func(r int, k []float64) {
			sum := s.rho[0]
			for i, v := range k {
				sum += s.coef[i] * v
			}
			if one {
				if sum > 0 {
					sum = 1
				} else {
					sum = -1
				}
			}
			out[0].view.f32[r] = float32(sum)
		})
	}, nil
}

// svmClassifier is libsvm's C-SVC: a decision for each pair of classes, votes
// for the label, and, with prob_a and prob_b, pairwise coupling (Wu, Lin and
// Weng, 2004) for probabilities.
type svmClassifier struct {
	*svm
	first, per   []int // of each class: first support vector, how many
	probA, probB []float64
}

func makeSVMClassifier(b *build) (kernel, error) {
	per := b.ints("vectors_per_class")
	if len(per) == 0 {
		return nil, unsupported("%s: without vectors_per_class", b.node.label())
	}
	b.choice("post_transform", "NONE", "NONE")
	m := &svmClassifier{per: per, probA: b.doubles("prob_a"), probB: b.doubles("prob_b")}
	l, err := readLabels(b, "classlabels_ints")
	if err != nil {
		return nil, err
	}
	total := 0
	for _, p := range per {
		if p < 0 || p > maxElements {
			return nil, fmt.Errorf("vectors_per_class %v", per)
		}
		m.first = append(m.first, total)
		total += p
	}
	if m.svm, err = readSVM(b, total); err != nil {
		return nil, err
	}
	n := len(per)
	pairs := n * (n - 1) / 2
	if n < 2 || n > 1000 || l.len() != n || len(m.rho) != pairs || len(m.coef) != (n-1)*total ||
		len(m.probA) != len(m.probB) || (len(m.probA) != 0 && len(m.probA) != pairs) {
		return nil, fmt.Errorf("its parameters do not fit %d classes and %d support vectors", n, total)
	}
	cols := n
	if len(m.probA) == 0 && n > 2 {
		cols = pairs
	}
	return func(c *call, in, out []*tensor) error {
		rows, _, err := table(in[0])
		if err != nil {
			return err
		}
		y, z := wanted(out, 0), wanted(out, 1)
		if err := l.alloc(c, y, rows); err != nil {
			return err
		}
		if err := z.alloc(c, f32, rows, cols); err != nil {
			return err
		}
		if err := c.take(8 * (pairs + 2*n*n)); err != nil {
			return err
		}
		score, votes := make([]float64, pairs), make([]int, n)
		return m.rows(c, in[0], func(r int, k []float64) {
			m.decide(k, score, votes)
			best := 0
			for i, v := range votes {
				if v > votes[best] {
					best = i
				}
			}
			l.set(y, r, best)
			row := z.view.f32[r*cols : r*cols+cols]
			switch {
			case len(m.probA) > 0:
				for i, p := range m.probabilities(score) {
					row[i] = float32(p)
				}
			case n == 2:
				row[0], row[1] = float32(-score[0]), float32(score[0])
			default:
				for i, v := range score {
					row[i] = float32(v)
				}
			}
		})
	}, nil
}

func (m *svmClassifier) decide(k, score []float64, votes []int) {
	clear(votes)
	n, p := len(m.per), 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			sum := m.rho[p]
			for _, side := range [2][2]int{{i, j - 1}, {j, i}} {
				from, w := m.first[side[0]], m.coef[side[1]*m.count:]
				for s := from; s < from+m.per[side[0]]; s++ {
					sum += w[s] * k[s]
				}
			}
			score[p] = sum
			if sum > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
			p++
		}
	}
}

func (m *svmClassifier) probabilities(score []float64) []float64 {
	n, at := len(m.per), 0
	r := make([]float64, n*n)
	for i := range n {
		for j := i + 1; j < n; j++ {
			v := 1 - sigmoid(score[at]*m.probA[at]+m.probB[at])
			v = max(1e-7, min(1-1e-7, v))
			r[i*n+j], r[j*n+i] = v, 1-v
			at++
		}
	}
	// libsvm's multiclass_probability, its iteration limit and tolerance.
	q, p, qp := make([]float64, n*n), make([]float64, n), make([]float64, n)
	for t := range n {
		p[t] = 1 / float64(n)
		for j := range n {
			if j == t {
				continue
			}
			q[t*n+t] += r[j*n+t] * r[j*n+t]
			q[t*n+j] = -r[j*n+t] * r[t*n+j]
		}
	}
	for range max(100, n) {
		pQp := 0.0
		for t := range n {
			qp[t] = 0
			for j := range n {
				qp[t] += q[t*n+j] * p[j]
			}
			pQp += p[t] * qp[t]
		}
		worst := 0.0
		for t := range n {
			worst = max(worst, math.Abs(qp[t]-pQp))
		}
		if worst < 0.005/float64(n) {
			break
		}
		for t := range n {
			diff := (-qp[t] + pQp) / q[t*n+t]
			p[t] += diff
			pQp = (pQp + diff*(diff*q[t*n+t]+2*qp[t])) / (1 + diff) / (1 + diff)
			for j := range n {
				qp[j] = (qp[j] + diff*q[t*n+j]) / (1 + diff)
				p[j] /= 1 + diff
			}
		}
	}
	return p
}

// makeCDist is ONNX Runtime's own operator for distances between the rows of
// two tables; skl2onnx emits it for nearest neighbours.
func makeCDist(b *build) (kernel, error) {
	root := b.choice("metric", "sqeuclidean", "euclidean", "sqeuclidean") == "euclidean"
	return func(c *call, in, out []*tensor) error {
		x, y := in[0], in[1]
		if x.rank() != 2 || y.rank() != 2 || x.shape[1] != y.shape[1] || x.dt != y.dt || (x.dt != f32 && x.dt != f64) {
			return fmt.Errorf("expected two float tables of one width, got %v", shapesOf(in))
		}
		m, n, k := x.shape[0], y.shape[0], x.shape[1]
		if err := out[0].alloc(c, x.dt, m, n); err != nil {
			return err
		}
		for i := range m {
			if err := c.spend(n * k); err != nil {
				return err
			}
			for j := range n {
				d := 0.0
				for p := range k {
					v := x.float(i*k+p) - y.float(j*k+p)
					d += v * v
				}
				if root {
					d = math.Sqrt(d)
				}
				castOne(out[0], i*n+j, d)
			}
		}
		return nil
	}, nil
}
