package inproc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"fairlead.dev"
)

// xgbModel is the part of XGBoost's JSON model that predicting needs; its
// schema is in XGBoost's documentation, "Introduction to Model IO".
type xgbModel struct {
	Version []int `json:"version"`
	Learner *struct {
		Param struct {
			BaseScore  string `json:"base_score"`
			NumClass   string `json:"num_class"`
			NumFeature string `json:"num_feature"`
			NumTarget  string `json:"num_target"`
		} `json:"learner_model_param"`
		Objective struct {
			Name string `json:"name"`
		} `json:"objective"`
		Booster struct {
			Name       string     `json:"name"`
			Model      *xgbTrees  `json:"model"`
			GBTree     *xgbGBTree `json:"gbtree"`
			WeightDrop []float64  `json:"weight_drop"`
		} `json:"gradient_booster"`
	} `json:"learner"`
}

type xgbGBTree struct {
	Model *xgbTrees `json:"model"`
}

type xgbTrees struct {
	Trees []xgbTree `json:"trees"`
	Info  []int32   `json:"tree_info"`
}

type xgbTree struct {
	Left       []int32   `json:"left_children"`
	Right      []int32   `json:"right_children"`
	Feature    []int32   `json:"split_indices"`
	Cut        []float32 `json:"split_conditions"`
	Default    []yesNo   `json:"default_left"`
	SplitType  []int     `json:"split_type"`
	Categories []int     `json:"categories"`
	Param      struct {
		LeafVector string `json:"size_leaf_vector"`
	} `json:"tree_param"`
}

// yesNo reads 0, 1, false and true: XGBoost's releases differ.
type yesNo bool

func (y *yesNo) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "1", "true":
		*y = true
	case "0", "false":
		*y = false
	default:
		return fmt.Errorf("expected 0 or 1, got %s", clip(string(b)))
	}
	return nil
}

func xgbWrong(format string, args ...any) error {
	return fairlead.Errorf(fairlead.Invalid, "the XGBoost model is wrong: "+format, args...)
}

// xgbObjectives says how a margin becomes an answer and a base score a margin.
var xgbObjectives = []string{
	"reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:linear", "rank:ndcg", "rank:map", "rank:pairwise", "binary:logitraw",
	"reg:logistic", "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "binary:logistic", "multi:softmax", "multi:softprob",
}

func parseXGBoost(ctx context.Context, b []byte, lim Config) (executor, error) {
	if len(b) > 1 && b[0] == '{' && (b[1] == 'L' || b[1] == 'i' || b[1] == 'U') {
		return nil, fairlead.Errorf(fairlead.Unsupported, "this is XGBoost's binary form (UBJSON); save the model as model.json")
	}
	var m xgbModel
	if err := json.Unmarshal(b, &m); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fairlead.Errorf(fairlead.Corrupt, "not readable JSON at byte %d: %w", syntax.Offset, err)
		}
		return nil, xgbWrong("%w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.Learner == nil {
		return nil, xgbWrong("it has no learner")
	}
	booster := &m.Learner.Booster
	trees := booster.Model
	switch booster.Name {
	case "gbtree":
	case "dart":
		if booster.GBTree != nil {
			trees = booster.GBTree.Model
		}
	default:
		return nil, fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: XGBoost booster %q; known: gbtree, dart", clip(booster.Name))
	}
	if trees == nil || len(trees.Info) != len(trees.Trees) {
		return nil, xgbWrong("it has no trees, or a tree_info of another length")
	}
	p := m.Learner.Param
	features, err := count(p.NumFeature, 1, 1<<20)
	if err != nil {
		return nil, xgbWrong("num_feature: %w", err)
	}
	classes, err := count(p.NumClass, 0, 1<<16)
	if err != nil {
		return nil, xgbWrong("num_class: %w", err)
	}
	if t, err := count(p.NumTarget, 0, 1<<16); err != nil || t > 1 {
		return nil, fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: XGBoost with %s targets", clip(p.NumTarget))
	}
	f := &forest[float32]{features: features, targets: max(classes, 1), target: trees.Info}
	for i := range trees.Trees {
		w := 1.0
		if booster.Name == "dart" {
			if len(booster.WeightDrop) != len(trees.Trees) {
				return nil, xgbWrong("weight_drop has %d numbers for %d trees", len(booster.WeightDrop), len(trees.Trees))
			}
			w = booster.WeightDrop[i]
		}
		if err := addXGBTree(f, &trees.Trees[i], i, w); err != nil {
			return nil, err
		}
	}
	return xgbExecutor(f, m.Learner.Objective.Name, p.BaseScore, classes, lim)
}

func addXGBTree(f *forest[float32], t *xgbTree, i int, weight float64) error {
	n := len(t.Left)
	if n == 0 || len(t.Right) != n || len(t.Feature) != n || len(t.Cut) != n || len(t.Default) != n {
		return xgbWrong("/learner/gradient_booster/model/trees/%d: its lists differ in length or are empty", i)
	}
	if s, err := count(t.Param.LeafVector, 0, 1<<16); err != nil || s > 1 {
		return fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: tree %d has vector leaves", i)
	}
	for _, s := range t.SplitType {
		if s != 0 {
			return fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: tree %d splits on categories; encode them before training", i)
		}
	}
	if len(t.Categories) > 0 {
		return fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: tree %d splits on categories; encode them before training", i)
	}
	off := int32(len(f.nodes))
	if len(f.nodes)+n > maxElements/64 {
		return xgbWrong("too many nodes")
	}
	f.roots = append(f.roots, off)
	for k := range n {
		node := treeNode[float32]{cut: t.Cut[k], cmp: cmpLeaf}
		if t.Left[k] >= 0 {
			// Children are checked against this tree, so that one cannot
			// borrow another's; -1 marks a leaf.
			if int(t.Left[k]) >= n || t.Right[k] < 0 || int(t.Right[k]) >= n {
				return xgbWrong("/learner/gradient_booster/model/trees/%d: node %d points outside", i, k)
			}
			node = treeNode[float32]{cut: t.Cut[k], cmp: cmpLT, feature: t.Feature[k], yes: off + t.Left[k], no: off + t.Right[k]}
			if t.Default[k] {
				node.miss = 1
			}
		} else if weight != 1 {
			node.cut = float32(weight * float64(node.cut))
		}
		f.nodes = append(f.nodes, node)
	}
	return nil
}

func xgbExecutor(f *forest[float32], objective, baseScore string, classes int, lim Config) (executor, error) {
	base, err := xgbBase(baseScore, f.targets)
	if err != nil {
		return nil, xgbWrong("base_score: %w", err)
	}
	link, margin := identityLink, func(v float64) float64 { return v }
	out := 0
	switch objective {
	case "reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:linear", "rank:ndcg", "rank:map", "rank:pairwise", "binary:logitraw":
	case "reg:logistic", "binary:logistic":
		margin = func(v float64) float64 { return -math.Log(1/v - 1) }
		link = func(v []float64) { v[0] = sigmoid(v[0]) }
		if objective == "binary:logistic" {
			link, out = binaryLink(1), 2
		}
	case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox":
		link = expLink
		margin = math.Log
	case "multi:softmax", "multi:softprob":
		link, out = softmaxInPlace, classes
		if classes < 2 {
			return nil, xgbWrong("objective %s with num_class %d", objective, classes)
		}
	default:
		return nil, fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: XGBoost objective %q; known: %s", clip(objective), strings.Join(xgbObjectives, ", "))
	}
	if (classes > 1) != (out > 2 || strings.HasPrefix(objective, "multi:")) {
		return nil, xgbWrong("objective %s with num_class %d", objective, classes)
	}
	for i, v := range base {
		if base[i] = margin(v); math.IsNaN(base[i]) || math.IsInf(base[i], 0) {
			return nil, xgbWrong("base_score %v with objective %s", v, objective)
		}
	}
	return newBoosted(FormatXGBoost, f, lim, base, out, link)
}

// xgbBase reads a base score: one number, or since XGBoost 3.1 a list.
func xgbBase(s string, targets int) ([]float64, error) {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ",")
	if s == "" {
		parts = []string{"0.5"}
	}
	if len(parts) != 1 && len(parts) != targets {
		return nil, fmt.Errorf("%d numbers for %d targets", len(parts), targets)
	}
	base := make([]float64, targets)
	for i := range base {
		v, err := strconv.ParseFloat(strings.TrimSpace(parts[min(i, len(parts)-1)]), 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", clip(s))
		}
		base[i] = v
	}
	return base, nil
}

// count reads a small integer that XGBoost writes as text; "" is 0.
func count(s string, lo, hi int) (int, error) {
	if s == "" && lo == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("expected an integer from %d to %d, got %q", lo, hi, clip(s))
	}
	return n, nil
}
