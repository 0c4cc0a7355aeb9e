package inproc_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/inproc"
)

// xgbForest is XGBoost JSON of full random trees.
func xgbForest(trees, depth, features int) string {
	r := rand.New(rand.NewPCG(5, 6))
	n, inner := 1<<(depth+1)-1, 1<<depth-1
	var all, info []string
	for range trees {
		cols := make([][]string, 5)
		for i := range n {
			left, right := -1, -1
			if i < inner {
				left, right = 2*i+1, 2*i+2
			}
			for k, v := range []any{left, right, r.IntN(features), float32(r.NormFloat64()), i % 2} {
				cols[k] = append(cols[k], fmt.Sprint(v))
			}
		}
		tree := make([]string, 5)
		for k, name := range []string{"left_children", "right_children", "split_indices", "split_conditions", "default_left"} {
			tree[k] = fmt.Sprintf("%q:[%s]", name, strings.Join(cols[k], ","))
		}
		all, info = append(all, "{"+strings.Join(tree, ",")+"}"), append(info, "0")
	}
	return fmt.Sprintf(`{"learner":{"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"%d"},"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"trees":[%s],"tree_info":[%s]}}},"version":[2,0,0]}`,
		features, strings.Join(all, ","), strings.Join(info, ","))
}

func mustForest(t testing.TB, trees, depth, features int) runtime.Model {
	t.Helper()
	m, err := inproc.New(inproc.Config{}).Load(context.Background(), blob{inproc.FormatXGBoost, []byte(xgbForest(trees, depth, features))}, fairlead.TargetSpec{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestForestRefuses: a file may not make a walk that leaves its trees or never
// ends.
func TestForestRefuses(t *testing.T) {
	sound := xgbForest(2, 1, 3)
	lgb := string(mustRead(t, "lgb_binary.txt"))
	for name, c := range map[string]struct {
		format, file string
		code         fairlead.Code
		says         string
	}{
		"a circle":           {"xgboost-json", strings.Replace(sound, `"left_children":[1`, `"left_children":[0`, 1), fairlead.Invalid, "twice"},
		"a shared node":      {"xgboost-json", strings.Replace(sound, `"left_children":[1`, `"left_children":[2`, 1), fairlead.Invalid, "twice"},
		"outside":            {"xgboost-json", strings.Replace(sound, `"left_children":[1`, `"left_children":[3`, 1), fairlead.Invalid, "outside"},
		"unknown feature":    {"xgboost-json", strings.Replace(sound, `"num_feature":"3"`, `"num_feature":"1"`, 1), fairlead.Invalid, "feature"},
		"uneven lists":       {"xgboost-json", strings.Replace(sound, `"default_left":[0`, `"default_left":[0,0`, 1), fairlead.Invalid, "/trees/0"},
		"class out of range": {"xgboost-json", strings.Replace(sound, `"tree_info":[0`, `"tree_info":[7`, 1), fairlead.Invalid, "target 7"},
		"objective":          {"xgboost-json", strings.Replace(sound, "binary:logistic", "binary:magic", 1), fairlead.Unsupported, "known: reg:squarederror"},
		"booster":            {"xgboost-json", strings.Replace(sound, "gbtree", "gblinear", 1), fairlead.Unsupported, "gblinear"},
		"categories":         {"xgboost-json", strings.Replace(sound, `"left_children"`, `"split_type":[1,0,0],"left_children"`, 1), fairlead.Unsupported, "categories"},
		"base score":         {"xgboost-json", strings.Replace(sound, "5E-1", "1", 1), fairlead.Invalid, "base_score"},
		"binary form":        {"xgboost-json", "{L\x00\x00", fairlead.Unsupported, "model.json"},
		"many categories":    {"lightgbm-text", strings.Replace(lgb, "num_cat=0", "num_cat=1", 1), fairlead.Unsupported, "categories"},
		"leaves":             {"lightgbm-text", strings.Replace(lgb, "num_leaves=12", "num_leaves=1048576", 1), fairlead.Invalid, "expected 1048575"},
		"lightgbm circle":    {"lightgbm-text", strings.Replace(lgb, "left_child=", "left_child=0 ", 1), fairlead.Invalid, "left_child"},
		"lightgbm objective": {"lightgbm-text", strings.Replace(lgb, "objective=binary", "objective=magic", 1), fairlead.Unsupported, "magic"},
		"lightgbm cut off":   {"lightgbm-text", lgb[:strings.Index(lgb, "end of trees")], fairlead.Corrupt, "cut off"},
	} {
		_, err := inproc.New(inproc.Config{}).Check(context.Background(), blob{c.format, []byte(c.file)})
		if fairlead.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want code %s saying %q", name, err, c.code, c.says)
		}
	}
	if _, err := inproc.New(inproc.Config{}).Check(context.Background(), blob{"xgboost-json", []byte(sound)}); err != nil {
		t.Errorf("the sound one: %v", err)
	}
}
