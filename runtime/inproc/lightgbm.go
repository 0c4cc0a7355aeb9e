package inproc

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"fairlead.dev"
)

func lgbWrong(line int, format string, args ...any) error {
	return &fairlead.Error{Code: fairlead.Invalid, Message: "the LightGBM model is wrong", Faults: []fairlead.Fault{{Line: line, Column: 1, Message: fmt.Sprintf(format, args...)}}}
}

func lgbUnsupported(format string, args ...any) error {
	return fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: LightGBM "+format, args...)
}

// lgbReader reads "key=value" lines in sections, keeping the line number.
type lgbReader struct {
	rest []byte
	line int
}

func (r *lgbReader) next() (string, bool) {
	if len(r.rest) == 0 {
		return "", false
	}
	r.line++
	line, rest, _ := bytes.Cut(r.rest, []byte("\n"))
	r.rest = rest
	return string(bytes.TrimRight(line, "\r ")), true
}

// section reads to the next empty line or to one that begins a tree or the end.
func (r *lgbReader) section() map[string]string {
	m := map[string]string{}
	for {
		before := *r
		line, ok := r.next()
		if !ok || (line == "" && len(m) > 0) {
			return m
		}
		if strings.HasPrefix(line, "Tree=") || line == "end of trees" {
			*r = before
			return m
		}
		if line == "" {
			continue
		}
		k, v, _ := strings.Cut(line, "=")
		m[k] = v
	}
}

func parseLightGBM(ctx context.Context, b []byte, lim Config) (executor, error) {
	r := &lgbReader{rest: b}
	if first, _ := r.next(); first != "tree" {
		return nil, fairlead.Errorf(fairlead.Corrupt, "not a LightGBM text model: the first line is %q, expected \"tree\"", clip(first))
	}
	head := r.section()
	classes, err1 := count(head["num_class"], 1, 1<<16)
	per, err2 := count(head["num_tree_per_iteration"], 1, 1<<16)
	last, err3 := count(head["max_feature_idx"], 0, 1<<20)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, lgbWrong(r.line, "num_class, num_tree_per_iteration or max_feature_idx: %v", err)
		}
	}
	if v := head["version"]; v != "v3" && v != "v4" {
		return nil, lgbUnsupported("text version %q; known: v3, v4", clip(v))
	}
	if per != classes {
		return nil, lgbWrong(r.line, "%d trees an iteration for %d classes", per, classes)
	}
	f := &forest[float64]{features: last + 1, targets: per}
	ended := false
	for !ended {
		line, ok := r.next()
		switch {
		case !ok:
			return nil, fairlead.Errorf(fairlead.Corrupt, "the LightGBM model is cut off after line %d: no \"end of trees\"", r.line)
		case line == "":
		case line == "end of trees":
			ended = true
		case strings.HasPrefix(line, "Tree="):
			at := r.line
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			f.target = append(f.target, int32(len(f.roots)%per))
			if err := addLGBTree(f, r.section(), at); err != nil {
				return nil, err
			}
		default:
			return nil, lgbWrong(r.line, "expected Tree= or \"end of trees\", got %q", clip(line))
		}
	}
	if len(f.roots)%per != 0 {
		return nil, lgbWrong(r.line, "%d trees for %d classes", len(f.roots), per)
	}
	_, averaged := head["average_output"]
	return lgbExecutor(f, head["objective"], classes, averaged, lim)
}

func addLGBTree(f *forest[float64], m map[string]string, line int) error {
	leaves, err := count(m["num_leaves"], 1, 1<<20)
	if err != nil {
		return lgbWrong(line, "num_leaves: %v", err)
	}
	if n, err := count(m["num_cat"], 0, 1<<20); err != nil || n > 0 {
		return lgbUnsupported("splits on categories (line %d); encode them before training", line)
	}
	if v := m["is_linear"]; v != "" && v != "0" {
		return lgbUnsupported("linear trees (line %d)", line)
	}
	n := leaves - 1
	var lists [5][]float64
	for i, key := range []string{"split_feature", "threshold", "decision_type", "left_child", "right_child"} {
		if lists[i], err = lgbNumbers(m[key], n); err != nil {
			return lgbWrong(line, "%s: %v", key, err)
		}
	}
	values, err := lgbNumbers(m["leaf_value"], leaves)
	if err != nil {
		return lgbWrong(line, "leaf_value: %v", err)
	}
	off := int32(len(f.nodes))
	f.roots = append(f.roots, off)
	// A child ≥ 0 is an inner node, a negative one is the leaf with the
	// complement as its number; inner nodes come first here, then the leaves.
	child := func(v float64) (int32, bool) {
		if v >= 0 {
			return off + int32(v), v < float64(n)
		}
		return off + int32(n) + int32(-v-1), -v <= float64(leaves)
	}
	for k := range n {
		kind := int(lists[2][k])
		if lists[2][k] < 0 || kind > 15 || kind&1 != 0 {
			return lgbUnsupported("decision type %d (line %d)", kind, line)
		}
		yes, ok1 := child(lists[3][k])
		no, ok2 := child(lists[4][k])
		if !ok1 || !ok2 || lists[0][k] < 0 || lists[0][k] > 1<<20 {
			return lgbWrong(line, "node %d points outside the tree or names no feature", k)
		}
		f.nodes = append(f.nodes, treeNode[float64]{cut: lists[1][k], feature: int32(lists[0][k]), yes: yes, no: no, cmp: cmpLightGBM, miss: uint8(kind)})
	}
	for _, v := range values {
		f.nodes = append(f.nodes, treeNode[float64]{cut: v, cmp: cmpLeaf})
	}
	return nil
}

func lgbNumbers(s string, want int) ([]float64, error) {
	// Two bytes a number at least: a small file cannot ask for a large slice.
	if want > len(s)/2+1 {
		return nil, fmt.Errorf("expected %d numbers", want)
	}
	out := make([]float64, 0, want)
	for part := range strings.FieldsSeq(s) {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", clip(part))
		}
		if len(out) == want {
			return nil, fmt.Errorf("more than %d numbers", want)
		}
		out = append(out, v)
	}
	if len(out) != want {
		return nil, fmt.Errorf("%d numbers, expected %d", len(out), want)
	}
	return out, nil
}

var lgbObjectives = []string{"regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "binary", "multiclass", "multiclassova", "cross_entropy", "lambdarank", "rank_xendcg"}

// lgbExecutor reads an objective such as "binary sigmoid:1" or "multiclass
// num_class:3".
func lgbExecutor(f *forest[float64], objective string, classes int, averaged bool, lim Config) (executor, error) {
	words := strings.Fields(objective)
	if len(words) == 0 {
		return nil, lgbUnsupported("without an objective")
	}
	steep, root := 1.0, false
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, ":")
		switch k {
		case "sigmoid":
			s, err := strconv.ParseFloat(v, 64)
			if err != nil || !(s > 0) || math.IsInf(s, 0) {
				return nil, lgbUnsupported("objective %q", clip(objective))
			}
			steep = s
		case "sqrt":
			root = true
		}
	}
	link, out := identityLink, 0
	switch words[0] {
	case "regression":
		if root {
			link = func(v []float64) { v[0] = math.Copysign(v[0]*v[0], v[0]) }
		}
	case "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg":
	case "poisson", "gamma", "tweedie":
		link = expLink
	case "binary":
		link, out = binaryLink(steep), 2
	case "cross_entropy":
		link = func(v []float64) { v[0] = sigmoid(v[0]) }
	case "multiclass":
		link, out = softmaxInPlace, classes
	case "multiclassova":
		out = classes
		link = func(v []float64) {
			for i := range v {
				v[i] = sigmoid(steep * v[i])
			}
		}
	default:
		return nil, lgbUnsupported("objective %q; known: %s", clip(words[0]), strings.Join(lgbObjectives, ", "))
	}
	if (classes > 1) != strings.HasPrefix(words[0], "multiclass") {
		return nil, lgbUnsupported("objective %q with %d classes", clip(words[0]), classes)
	}
	m, err := newBoosted(FormatLightGBM, f, lim, make([]float64, f.targets), out, link)
	if err != nil {
		return nil, err
	}
	if averaged {
		m.scale = float64(f.targets) / float64(len(f.roots))
	}
	return m, nil
}
