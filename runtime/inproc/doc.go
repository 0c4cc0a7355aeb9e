// Package inproc runs models inside this process, in plain Go: ONNX graphs of
// the operators that tabular models and small nets use (domains ai.onnx and
// ai.onnx.ml), XGBoost JSON and LightGBM text.
//
// A model file is untrusted. It is read within Config's limits into a plan,
// once; an answer walks the plan over pooled buffers within a budget of memory
// and work. What cannot be run is refused at Check with the operator's name.
//
//	bytes ─ pb.go ─→ graph ─ compile.go + ops ─→ plan ─ plan.go ─→ answers
//	bytes ─ xgboost.go, lightgbm.go ─→ forest (trees.go) ─→ answers
//
// Products with constant weights are prepared by dense.go, which also takes in
// the bias and the ReLU behind them; trees of every format are walked in the
// form of packed.go.
//
// Begin with inproc.go. An operator is one small function in the op file of
// its family, one line in operators.go and its place in a fixture
// (testdata/make_operators.py).
//
// ZipMap, which scikit-learn's converter puts behind class probabilities,
// answers with the probabilities themselves: one tensor [N, classes] under the
// same output name, columns in the order of the operator's class list. The
// protocol has no maps, and the tensor is what every client rebuilds anyway.
package inproc
