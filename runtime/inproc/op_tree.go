package inproc

import (
	"fmt"
	"sync"
)

// labels is a classifier's class list: integers or strings.
type labels struct {
	ints []int64
	strs [][]byte
}

func readLabels(b *build, ints string) (labels, error) {
	var l labels
	l.strs = b.strings("classlabels_strings")
	if a := b.attr(ints, attrInts); a != nil {
		l.ints = a.ints
	}
	if (len(l.ints) == 0) == (len(l.strs) == 0) {
		return l, fmt.Errorf("it needs class labels of one kind, integers or strings")
	}
	return l, nil
}

func (l *labels) len() int { return max(len(l.ints), len(l.strs)) }

func (l *labels) alloc(c *call, out *tensor, rows int) error {
	dt := i64
	if l.strs != nil {
		dt = str
	}
	return out.alloc(c, dt, rows)
}

func (l *labels) set(out *tensor, row, class int) {
	if l.strs != nil {
		out.view.s[row] = l.strs[class]
	} else {
		out.view.i64[row] = l.ints[class]
	}
}

// table is the rows and columns of a feature tensor: [N, F], or [F] as one row.
func table(x *tensor) (rows, cols int, err error) {
	switch x.rank() {
	case 1:
		return 1, x.shape[0], nil
	case 2:
		return x.shape[0], x.shape[1], nil
	}
	return 0, 0, fmt.Errorf("expected a table of two dimensions, got shape %v", append([]int(nil), x.shape...))
}

// ensemble holds a tree ensemble in both precisions; the second is made when
// an input first asks for it, since only the input's type tells.
type ensemble struct {
	single  *forest[float32]
	double  func() *forest[float64]
	base    []float64
	post    string
	agg     string // "": SUM
	cast    tensorScratch
	singles scratchPool[float32]
	doubles scratchPool[float64]
}

var treeModes = map[string]uint8{"BRANCH_LEQ": cmpLE, "BRANCH_LT": cmpLT, "BRANCH_GTE": cmpGE, "BRANCH_GT": cmpGT, "BRANCH_EQ": cmpEQ, "BRANCH_NEQ": cmpNE, "LEAF": cmpLeaf}

// readEnsemble reads the parallel lists of a TreeEnsembleClassifier ("class")
// or TreeEnsembleRegressor ("target").
func readEnsemble(b *build, votes string, targets int) (*ensemble, error) {
	trees, ids, features := b.ints("nodes_treeids"), b.ints("nodes_nodeids"), b.ints("nodes_featureids")
	yes, no, modes := b.ints("nodes_truenodeids"), b.ints("nodes_falsenodeids"), b.strings("nodes_modes")
	miss, cuts := b.ints("nodes_missing_value_tracks_true"), b.doubles("nodes_values")
	b.doubles("nodes_hitrates")
	vTrees, vNodes, vTargets, weights := b.ints(votes+"_treeids"), b.ints(votes+"_nodeids"), b.ints(votes+"_ids"), b.doubles(votes+"_weights")
	e := &ensemble{base: b.doubles("base_values"), post: readPostTransform(b)}
	if b.err != nil {
		return nil, b.err
	}
	n := len(trees)
	for _, k := range []int{len(ids), len(features), len(yes), len(no), len(modes), len(cuts)} {
		if k != n {
			return nil, fmt.Errorf("its lists of nodes differ in length")
		}
	}
	if len(miss) != 0 && len(miss) != n {
		return nil, fmt.Errorf("its lists of nodes differ in length")
	}
	if len(vTrees) != len(vNodes) || len(vTrees) != len(vTargets) || len(vTrees) != len(weights) {
		return nil, fmt.Errorf("its lists of votes differ in length")
	}
	type key struct{ tree, node int }
	at := make(map[key]int32, n)
	for i := range n {
		k := key{trees[i], ids[i]}
		if _, twice := at[k]; twice {
			return nil, fmt.Errorf("node %d of tree %d is listed twice", k.node, k.tree)
		}
		at[k] = int32(i)
	}
	f := &forest[float64]{targets: targets, nodes: make([]treeNode[float64], n)}
	child := make([]bool, n)
	for i := range n {
		mode, known := treeModes[string(modes[i])]
		if !known {
			return nil, unsupported("%s: node mode %q", b.node.label(), clip(string(modes[i])))
		}
		t := &f.nodes[i]
		t.cmp = mode
		if mode == cmpLeaf {
			continue
		}
		if features[i] < 0 || features[i] >= maxElements {
			return nil, fmt.Errorf("feature %d", features[i])
		}
		t.cut, t.feature = cuts[i], int32(features[i])
		f.features = max(f.features, features[i]+1)
		if miss != nil && miss[i] != 0 {
			t.miss = 1
		}
		var ok [2]bool
		t.yes, ok[0] = at[key{trees[i], yes[i]}]
		t.no, ok[1] = at[key{trees[i], no[i]}]
		if !ok[0] || !ok[1] {
			return nil, fmt.Errorf("node %d of tree %d points to a node that is not there", ids[i], trees[i])
		}
		child[t.yes], child[t.no] = true, true
	}
	rooted := map[int]bool{}
	for i := range n {
		if !child[i] {
			if rooted[trees[i]] {
				return nil, fmt.Errorf("tree %d has two roots", trees[i])
			}
			rooted[trees[i]] = true
			f.roots = append(f.roots, int32(i))
			f.target = append(f.target, 0)
		}
	}
	if err := f.castVotes(n, len(vTrees), func(i int) (int32, bool, vote) {
		node, ok := at[key{vTrees[i], vNodes[i]}]
		return node, ok, vote{int32(max(min(vTargets[i], 1<<30), -1)), weights[i]}
	}); err != nil {
		return nil, err
	}
	if err := f.verify(); err != nil {
		return nil, err
	}
	e.single = convertForest[float32](f)
	e.single.fast = e.single.pack()
	e.double = sync.OnceValue(func() *forest[float64] { f.fast = f.pack(); return f })
	return e, nil
}

// castVotes gives each leaf its range of votes, in the file's order.
func (f *forest[T]) castVotes(nodes, votes int, get func(int) (int32, bool, vote)) error {
	count := make([]int32, nodes+1)
	for i := range votes {
		node, ok, _ := get(i)
		if !ok {
			return fmt.Errorf("vote %d is of a node that is not there", i)
		}
		count[node+1]++
	}
	for i := range nodes {
		count[i+1] += count[i]
	}
	f.votes = make([]vote, votes)
	next := append([]int32(nil), count...)
	for i := range votes {
		node, _, v := get(i)
		f.votes[next[node]] = v
		next[node]++
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.cmp != cmpLeaf {
			continue
		}
		n.many, n.yes, n.no = true, count[i], count[i+1]
		// The usual leaf has one vote, for target 0 where there is only one:
		// keep it in the node.
		if n.no-n.yes == 1 && f.votes[n.yes].target == 0 {
			n.many, n.cut = false, T(f.votes[n.yes].weight)
		}
	}
	return nil
}

func convertForest[T float](f *forest[float64]) *forest[T] {
	g := &forest[T]{roots: f.roots, target: f.target, votes: f.votes, features: f.features, targets: f.targets, depth: f.depth}
	g.nodes = make([]treeNode[T], len(f.nodes))
	for i, n := range f.nodes {
		g.nodes[i] = treeNode[T]{cut: T(n.cut), feature: n.feature, yes: n.yes, no: n.no, cmp: n.cmp, miss: n.miss, many: n.many}
	}
	return g
}

// rows calls f with the scores of each row; a float64 table is compared in
// float64, everything else in float32, as ONNX Runtime does.
func (e *ensemble) rows(c *call, x *tensor, f func(row int, scores []float64, seen []bool)) error {
	rows, cols, err := table(x)
	if err != nil {
		return err
	}
	if cols < e.single.features {
		return fmt.Errorf("%d features where the trees ask for %d", cols, e.single.features)
	}
	if x.dt == f64 {
		return eachRow(c, e.double(), e.agg, &e.doubles, x.view.f64, rows, cols, f)
	}
	v := x
	if x.dt != f32 {
		v = e.cast.get()
		defer e.cast.put(v)
		if x.dt == str || x.dt == boolean {
			return badType(x.dt)
		}
		if err := castTo(c, v, x, f32); err != nil {
			return err
		}
	}
	return eachRow(c, e.single, e.agg, &e.singles, v.view.f32, rows, cols, f)
}

func eachRow[T float](c *call, fo *forest[T], agg string, pool *scratchPool[T], x []T, rows, cols int, f func(int, []float64, []bool)) error {
	if err := c.take(fo.room(min(rows, fo.block()))); err != nil {
		return err
	}
	s := pool.get()
	defer pool.put(s)
	step := fo.block()
	for from := 0; from < rows; from += step {
		n := min(step, rows-from)
		if err := c.spend(n * fo.work()); err != nil {
			return err
		}
		block := x[from*cols : (from+n)*cols]
		if agg == "MIN" || agg == "MAX" {
			fo.extremes(s, block, n, cols, agg == "MAX")
		} else {
			fo.sums(s, block, n, cols)
		}
		for r := range n {
			f(from+r, s.acc[r*fo.targets:(r+1)*fo.targets], s.seen[r*fo.targets:(r+1)*fo.targets])
		}
	}
	return nil
}

func makeTreeRegressor(b *build) (kernel, error) {
	n := b.int("n_targets", 1)
	agg := b.choice("aggregate_function", "SUM", "SUM", "AVERAGE", "MIN", "MAX")
	if n < 1 || n > 1<<16 {
		return nil, fmt.Errorf("n_targets %d", n)
	}
	e, err := readEnsemble(b, "target", n)
	if err != nil {
		return nil, err
	}
	if len(e.base) != 0 && len(e.base) != n {
		return nil, fmt.Errorf("%d base values for %d targets", len(e.base), n)
	}
	e.agg = agg
	if agg != "MIN" && agg != "MAX" && e.single.fast != nil {
		e.single.forget()
	}
	trees := float64(len(e.single.roots))
	post := e.post
	if n == 1 && post != "PROBIT" {
		post = "NONE" // ONNX Runtime transforms one target by PROBIT only
	}
	return func(c *call, in, out []*tensor) error {
		rows, _, err := table(in[0])
		if err != nil {
			return err
		}
		if err := out[0].alloc(c, f32, rows, n); err != nil {
			return err
		}
		return e.rows(c, in[0], func(row int, s []float64, seen []bool) {
			for k := range s {
				if agg == "AVERAGE" {
					s[k] /= trees
				}
				if len(e.base) > 0 && (n == 1 || seen[k]) { // a target without votes stays 0, as in ONNX Runtime
					s[k] += e.base[k]
				}
			}
			postTransform(post, s)
			for k, v := range s {
				out[0].view.f32[row*n+k] = float32(v)
			}
		})
	}, nil
}

func makeTreeClassifier(b *build) (kernel, error) {
	l, err := readLabels(b, "classlabels_int64s")
	if err != nil {
		return nil, err
	}
	n := l.len()
	e, err := readEnsemble(b, "class", n)
	if err != nil {
		return nil, err
	}
	if n < 2 {
		return nil, unsupported("%s: fewer than two classes", b.node.label())
	}
	if k := len(e.base); k != 0 && k != n && (n != 2 || k != 1) {
		return nil, fmt.Errorf("%d base values for %d classes", k, n)
	}
	// One class listed for all votes of a two-class model: the votes are one
	// score, whose sign or half decides.
	lone, positive := n == 2, true
	for _, v := range e.single.votes {
		lone = lone && v.target == e.single.votes[0].target
		positive = positive && v.weight >= 0
	}
	if e.single.fast != nil {
		e.single.forget()
	}
	if lone && e.post == "PROBIT" && len(e.base) < 2 {
		// ONNX Runtime leaves the second score undefined.
		return nil, unsupported("%s: post_transform PROBIT of a single score", b.node.label())
	}
	return func(c *call, in, out []*tensor) error {
		rows, _, err := table(in[0])
		if err != nil {
			return err
		}
		y, z := out[0], &tensor{}
		if len(out) > 1 && out[1] != nil {
			z = out[1]
		}
		if y == nil {
			y = &tensor{}
		}
		if err := l.alloc(c, y, rows); err != nil {
			return err
		}
		if err := z.alloc(c, f32, rows, n); err != nil {
			return err
		}
		return e.rows(c, in[0], func(row int, s []float64, seen []bool) {
			l.set(y, row, e.classify(s, seen, lone, positive))
			for k, v := range s {
				z.view.f32[row*n+k] = float32(v)
			}
		})
	}, nil
}

// classify turns votes into scores, in place, and gives the class. It follows
// ONNX Runtime's tree aggregator, whose rules for two classes are its own.
func (e *ensemble) classify(s []float64, seen []bool, lone, positive bool) int {
	if len(s) > 2 {
		best := -1
		for k := range s {
			if len(e.base) > 0 {
				s[k] += e.base[k]
				seen[k] = true
			}
			if seen[k] && (best < 0 || float32(s[k]) > float32(s[best])) {
				best = k
			}
		}
		postTransform(e.post, s)
		return max(best, 0)
	}
	two := seen[1]
	switch {
	case len(e.base) == 2 && two:
		s[1] = e.base[1] + s[0]
		s[0] = -s[1]
	case len(e.base) > 0:
		s[0] += e.base[0]
	}
	score := s[0]
	if two {
		score = s[1]
	}
	cut := 0.0
	if lone && positive {
		cut = 0.5
	}
	class := 0
	if float32(score) > float32(cut) {
		class = 1
	}
	switch {
	case two || len(e.base) == 2:
		postTransform(e.post, s)
	case !lone: // this row met votes for the first class only
	case e.post == "LOGISTIC":
		s[0], s[1] = sigmoid(-score), sigmoid(score)
	case positive:
		s[0], s[1] = 1-score, score
	default:
		s[0], s[1] = -score, score
	}
	return class
}
