package inproc

import (
	"fmt"
	"math"
)

// How a node decides, and which way a missing value (NaN) goes.
const (
	cmpLE uint8 = iota
	cmpLT
	cmpGE
	cmpGT
	cmpEQ
	cmpNE
	cmpLightGBM // ≤ with LightGBM's handling of missing values, see treeNode.miss
	cmpLeaf
)

// treeNode is one node of a forest; all trees lie in one slice. A node that
// decides goes to yes or no; a leaf holds its value in cut, or, when it votes
// for several targets, a range of votes in yes and no.
type treeNode[T float] struct {
	cut     T
	feature int32
	yes, no int32
	cmp     uint8
	miss    uint8 // 1: NaN goes to yes; cmpLightGBM: bits of decision_type
	many    bool  // leaf: votes[yes:no] instead of cut
}

type vote struct {
	target int32
	weight float64
}

// forest is the flat layout that XGBoost, LightGBM and ONNX TreeEnsembles
// share.
type forest[T float] struct {
	nodes    []treeNode[T]
	roots    []int32
	target   []int32 // of the leaf values of each tree
	votes    []vote
	features int
	targets  int
	depth    int        // steps from a root to a leaf, at most
	fast     *packed[T] // nil: walked by leaf
}

// leaf walks one tree for one row.
func (f *forest[T]) leaf(root int32, row []T) *treeNode[T] {
	nodes := f.nodes
	n := &nodes[root]
	for {
		var yes bool
		switch n.cmp {
		case cmpLeaf:
			return n
		case cmpLT:
			x := row[n.feature]
			yes = x < n.cut || (n.miss != 0 && x != x)
		case cmpLE:
			x := row[n.feature]
			yes = x <= n.cut || (n.miss != 0 && x != x)
		case cmpLightGBM:
			yes = n.lightgbm(row[n.feature])
		default:
			x := row[n.feature]
			switch n.cmp {
			case cmpGE:
				yes = x >= n.cut
			case cmpGT:
				yes = x > n.cut
			case cmpEQ:
				yes = x == n.cut
			case cmpNE:
				yes = x != n.cut
			}
			yes = yes || (n.miss != 0 && x != x)
		}
		if yes {
			n = &nodes[n.yes]
		} else {
			n = &nodes[n.no]
		}
	}
}

// lightgbm is NumericalDecision of LightGBM's tree.h: bit 1 of decision_type
// sends missing values left, bits 2–3 say what is missing (0 none, 1 zero,
// 2 NaN).
func (n *treeNode[T]) lightgbm(x T) bool {
	const zero = 1e-35
	kind := n.miss >> 2 & 3
	if x != x && kind != 2 {
		x = 0
	}
	if (kind == 1 && x >= -zero && x <= zero) || (kind == 2 && x != x) {
		return n.miss&2 != 0
	}
	return x <= n.cut
}

// sum adds every tree's vote for one row to acc, which has one place a target.
// seen, when not nil, is told which targets got a vote.
func (f *forest[T]) sum(acc []float64, row []T, seen []bool) {
	for i, root := range f.roots {
		n := f.leaf(root, row)
		if !n.many {
			t := f.target[i]
			acc[t] += float64(n.cut)
			if seen != nil {
				seen[t] = true
			}
			continue
		}
		for _, v := range f.votes[n.yes:n.no] {
			acc[v.target] += v.weight
			if seen != nil {
				seen[v.target] = true
			}
		}
	}
}

// extremes is sums for the least or the greatest vote.
func (f *forest[T]) extremes(s *forestScratch[T], x []T, rows, cols int, greatest bool) {
	s.reset(rows * f.targets)
	k := f.targets
	for r := range rows {
		f.extreme(s.acc[r*k:r*k+k], x[r*cols:r*cols+cols], s.seen[r*k:r*k+k], greatest)
	}
}

// extreme gives each target its least or greatest vote.
func (f *forest[T]) extreme(acc []float64, row []T, seen []bool, greatest bool) {
	one := make([]vote, 1)
	for i, root := range f.roots {
		n, votes := f.leaf(root, row), one
		if n.many {
			votes = f.votes[n.yes:n.no]
		} else {
			one[0] = vote{f.target[i], float64(n.cut)}
		}
		for _, v := range votes {
			if !seen[v.target] || (v.weight > acc[v.target]) == greatest {
				acc[v.target], seen[v.target] = v.weight, true
			}
		}
	}
}

// verify proves that walking ends and stays inside: children lie in the same
// forest, every node has one parent at most, features exist. Without it a file
// could make leaf loop for ever.
func (f *forest[T]) verify() error {
	if len(f.roots) == 0 {
		return fmt.Errorf("no trees")
	}
	seen := make([]bool, len(f.nodes))
	type place struct{ node, depth int32 }
	var stack []place
	for i, root := range f.roots {
		if f.target[i] < 0 || int(f.target[i]) >= f.targets {
			return fmt.Errorf("tree %d votes for target %d of %d", i, f.target[i], f.targets)
		}
		stack = append(stack[:0], place{root, 0})
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if p.node < 0 || int(p.node) >= len(f.nodes) {
				return fmt.Errorf("tree %d points to node %d of %d", i, p.node, len(f.nodes))
			}
			if seen[p.node] {
				return fmt.Errorf("tree %d reaches node %d twice", i, p.node)
			}
			seen[p.node] = true
			f.depth = max(f.depth, int(p.depth))
			n := &f.nodes[p.node]
			if n.cmp == cmpLeaf {
				if n.many && (n.yes < 0 || n.no < n.yes || int(n.no) > len(f.votes)) {
					return fmt.Errorf("tree %d: a leaf without its votes", i)
				}
				continue
			}
			if n.feature < 0 || int(n.feature) >= f.features {
				return fmt.Errorf("tree %d asks for feature %d of %d", i, n.feature, f.features)
			}
			stack = append(stack, place{n.yes, p.depth + 1}, place{n.no, p.depth + 1})
		}
	}
	for _, v := range f.votes {
		if v.target < 0 || int(v.target) >= f.targets {
			return fmt.Errorf("a leaf votes for target %d of %d", v.target, f.targets)
		}
	}
	return nil
}

// forget lets go of what the packed form replaces.
func (f *forest[T]) forget() { f.nodes, f.votes = nil, nil }

// work is an upper bound of the node visits for one row.
func (f *forest[T]) work() int {
	nodes, votes := len(f.nodes), len(f.votes)
	if f.nodes == nil {
		nodes, votes = len(f.fast.nodes), len(f.fast.votes)
	}
	return min(nodes, len(f.roots)*(f.depth+1)) + votes
}

// Post transforms of ai.onnx.ml, which the boosted-tree formats use too.

func softmaxInPlace(v []float64) {
	top, sum := math.Inf(-1), 0.0
	for _, x := range v {
		top = max(top, x)
	}
	for i, x := range v {
		v[i] = math.Exp(x - top)
		sum += v[i]
	}
	for i := range v {
		v[i] /= sum
	}
}

// softmaxZero leaves scores of zero at zero, as ONNX Runtime does.
func softmaxZero(v []float64) {
	top, sum := math.Inf(-1), 0.0
	for _, x := range v {
		top = max(top, x)
	}
	low := math.Exp(-top)
	for i, x := range v {
		if math.Abs(x) > 1e-7 {
			v[i] = math.Exp(x - top)
			sum += v[i]
		} else {
			v[i] = x * low
		}
	}
	for i := range v {
		v[i] /= sum
	}
}

// probit is the inverse of the standard normal distribution function by
// Winitzki's approximation of the inverse error function, whose error of some
// 2e-3 is ONNX Runtime's too: its constants and its float32 are the same.
func probit(p float64) float64 {
	const a = 0.147
	x := 2*float32(p) - 1
	ln := float32(math.Log(float64((1 - x) * (1 + x))))
	v := 2/float32(3.14159*a) + ln/2
	root := float32(math.Sqrt(float64(v*v - ln/a)))
	return math.Copysign(math.Sqrt2*math.Sqrt(float64(root-v)), float64(x))
}

// postTransform applies a post_transform to one row of scores.
func postTransform(kind string, v []float64) {
	switch kind {
	case "SOFTMAX":
		softmaxInPlace(v)
	case "SOFTMAX_ZERO":
		softmaxZero(v)
	case "LOGISTIC":
		for i, x := range v {
			v[i] = sigmoid(x)
		}
	case "PROBIT":
		for i, x := range v {
			v[i] = probit(x)
		}
	}
}

func readPostTransform(b *build) string {
	return b.choice("post_transform", "NONE", "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
}
