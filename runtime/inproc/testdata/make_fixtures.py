"""Writes the golden fixtures of runtime/inproc: small models with inputs and
the answers of the library that is the authority on them.

Made with Python 3.11, numpy 2.4.6, scikit-learn 1.9.1, skl2onnx 1.20.0,
onnx 1.23.2, onnxmltools 1.16.0, onnxruntime 1.32.0, xgboost 3.2.0,
lightgbm 4.7.0. Every seed is 0 unless it is written out.

    python make_fixtures.py      # in this folder

NAME.onnx | NAME.json | NAME.txt   the model
NAME.golden                        JSON: {"inputs": [tensor], "outputs": [tensor]}
A tensor is {"name", "datatype", "shape", "data"}; NaN is written as null,
infinities as "inf" and "-inf". make_operators.py writes the op_* fixtures.
"""
import json, math, os, warnings
import numpy as np
import onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T
import onnxruntime as ort

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
OIP = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32", "bool": "BOOL", "int8": "INT8", "uint8": "UINT8"}


def tensor(name, a):
    a = np.asarray(a)
    if a.dtype.kind in "OUS":
        return {"name": name, "datatype": "BYTES", "shape": list(a.shape), "data": [str(v) for v in a.ravel()]}
    vals = a.ravel().tolist()
    if a.dtype.kind == "f":  # shortest text that reads back as the same number
        vals = [None if math.isnan(v) else str(v) if math.isinf(v) else (float(str(np.float32(v))) if a.dtype == np.float32 else v) for v in vals]
    return {"name": name, "datatype": OIP[str(a.dtype)], "shape": list(a.shape), "data": vals}


def golden(name, inputs, outputs):
    with open(os.path.join(HERE, name + ".golden"), "w") as f:
        json.dump({"inputs": inputs, "outputs": outputs}, f, separators=(",", ":"))
        f.write("\n")


def save_onnx(name, model, feeds):
    model.producer_name = model.producer_version = ""
    b = model.SerializeToString()
    with open(os.path.join(HERE, name + ".onnx"), "wb") as f:
        f.write(b)
    so = ort.SessionOptions()
    so.log_severity_level = 4
    s = ort.InferenceSession(b, so, providers=["CPUExecutionProvider"])
    outs = []
    for o, v in zip(s.get_outputs(), s.run(None, feeds)):
        if isinstance(v, list):  # ZipMap: maps back to a table, columns in class order
            keys = list(v[0].keys())
            v = np.array([[r[k] for k in keys] for r in v], dtype=np.float32)
        outs.append(tensor(o.name, v))
    golden(name, [tensor(k, v) for k, v in feeds.items()], outs)


def sklearn_models():
    from sklearn.datasets import load_digits, load_iris, make_regression
    from sklearn.linear_model import LogisticRegression, LinearRegression, Ridge
    from sklearn.preprocessing import StandardScaler, MinMaxScaler, OneHotEncoder, Normalizer, PolynomialFeatures
    from sklearn.impute import SimpleImputer
    from sklearn.decomposition import PCA
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, GradientBoostingClassifier, GradientBoostingRegressor, ExtraTreesClassifier, IsolationForest
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.svm import SVC, SVR, LinearSVC
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.cluster import KMeans
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    Q = X[::11] + np.float32(0.013)
    D, dy = load_digits(return_X_y=True)
    D = (D / 16).astype(np.float32)
    DQ = D[1500::40]
    b = (y == 1).astype(int)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    RX, ry = make_regression(200, 5, noise=3.0, random_state=0)
    RX = RX.astype(np.float32)

    def put(name, m, X, y, Q, opt=None, **kw):
        m.fit(X, y)
        o = {id(m): opt} if opt else None
        save_onnx(name, to_onnx(m, X[:1], options=o, **kw), {"X": Q})

    nz = {"zipmap": False}
    put("logistic_binary", LogisticRegression(), X, b, Q, nz)
    put("logistic_multi_zipmap", LogisticRegression(), X, y, Q)
    put("logistic_strings_zipmap", LogisticRegression(), X, names, Q)
    put("scaler_pipeline", make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), X, y, Q, nz)
    put("minmax_l2", make_pipeline(MinMaxScaler(), Normalizer(), LogisticRegression()), X, y, Q, nz)
    put("poly_ridge", make_pipeline(PolynomialFeatures(2), Ridge()), RX, ry, RX[::9])
    put("linear_regression", LinearRegression(), RX, ry, RX[::9])
    put("tree", DecisionTreeClassifier(max_depth=4, random_state=0), X, y, Q, nz)
    put("tree_regression", DecisionTreeRegressor(max_depth=4, random_state=0), RX, ry, RX[::9])
    put("forest", RandomForestClassifier(12, max_depth=5, random_state=0), X, y, Q, nz)
    put("forest_binary", RandomForestClassifier(8, max_depth=4, random_state=0), X, b, Q, nz)
    put("forest_regression", RandomForestRegressor(8, max_depth=5, random_state=0), RX, ry, RX[::9])
    put("extra_trees", ExtraTreesClassifier(6, max_depth=4, random_state=0), X, names, Q, nz)
    put("gbm", GradientBoostingClassifier(n_estimators=8, random_state=0), X, y, Q, nz)
    put("gbm_binary", GradientBoostingClassifier(n_estimators=8, random_state=0), X, b, Q, nz)
    put("gbm_regression", GradientBoostingRegressor(n_estimators=15, random_state=0), RX, ry, RX[::9])
    put("mlp_digits", MLPClassifier(hidden_layer_sizes=(32,), random_state=0, max_iter=60), D, dy, DQ, nz)
    put("mlp_binary", MLPClassifier(hidden_layer_sizes=(16, 8), activation="tanh", random_state=0, max_iter=200), X, b, Q, nz)
    put("mlp_regression", MLPRegressor(hidden_layer_sizes=(16,), activation="logistic", random_state=0, max_iter=300), RX, ry, RX[::9])
    put("svc_rbf", SVC(), X, y, Q, nz)
    put("svc_proba", SVC(probability=True, random_state=0), X, y, Q, nz)
    put("svc_binary_poly", SVC(kernel="poly", degree=2, coef0=1), X, b, Q, nz)
    put("svc_binary_proba", SVC(probability=True, random_state=0), X, b, Q, nz)
    put("svr", SVR(C=10), RX, ry, RX[::9])
    put("linear_svc", LinearSVC(random_state=0), X, y, Q)
    put("naive_bayes", GaussianNB(), X, y, Q, nz)
    put("kmeans", KMeans(3, n_init=2, random_state=0), X, y, Q)
    put("isolation_forest", IsolationForest(n_estimators=6, max_samples=32, random_state=0), X, y, Q, target_opset={"": 18, "ai.onnx.ml": 3})
    put("knn_cdist", KNeighborsClassifier(3), X[::3], y[::3], Q, {"zipmap": False, "optim": "cdist"})

    XN = X.copy()
    XN[::5, 1] = np.nan
    put("imputer", make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), XN, y, XN[::11], nz)

    C = np.array([["red", "s"], ["blue", "m"], ["red", "l"], ["green", "s"]] * 10, dtype=object)
    cy = np.array([0, 1, 0, 1] * 10)
    m = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(C, cy)
    save_onnx("onehot_strings", to_onnx(m, initial_types=[("C", StringTensorType([None, 2]))], options={id(m): nz}),
              {"C": np.array([["red", "s"], ["green", "l"], ["mauve", "m"]], dtype=object)})

    ct = ColumnTransformer([("num", StandardScaler(), [0, 1]), ("mm", MinMaxScaler(), [2, 3])])
    put("columns", make_pipeline(ct, RandomForestClassifier(4, max_depth=3, random_state=0)), X, y, Q, nz)
    m = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X.astype(np.int64), y)
    save_onnx("tree_ints", to_onnx(m, X[:1].astype(np.int64), options={id(m): nz}), {"X": Q.astype(np.int64)})


def hist_models():
    """HistGradientBoosting: skl2onnx 1.20 hands NumPy arrays and booleans on
    as attributes, which onnx 1.23 refuses; they are made plain numbers here."""
    from sklearn.datasets import load_iris, make_regression
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from skl2onnx import to_onnx
    from skl2onnx.common._container import ModelComponentContainer as Container
    add = Container.add_node

    def plain(v):
        if isinstance(v, np.ndarray):
            v = list(v.ravel())
        return [x.item() if isinstance(x, np.generic) else int(x) if isinstance(x, bool) else x for x in v] if isinstance(v, list) else v

    def add_node(self, op, ins, outs, op_domain="", op_version=None, name=None, **attrs):
        return add(self, op, ins, outs, op_domain, op_version, name, **{k: plain(v) for k, v in attrs.items()})

    Container.add_node = add_node
    r = np.random.RandomState(0)
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    X[r.rand(*X.shape) < .1] = np.nan
    RX, ry = make_regression(200, 5, noise=3.0, random_state=0)
    RX = RX.astype(np.float32)
    RX[r.rand(*RX.shape) < .1] = np.nan
    for name, m, X, y, step in [("hist_multi", HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=6, random_state=0), X, y, 7),
                                ("hist_binary", HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=6, random_state=0), X, (y == 1).astype(int), 7),
                                ("hist_regression", HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=8, random_state=0), RX, ry, 9)]:
        m.fit(X, y)
        save_onnx(name, to_onnx(m, X[:1], options={id(m): {"zipmap": False}} if "regression" not in name else None), {"X": X[::step]})
    Container.add_node = add


def boosted_models():
    import xgboost as xgb
    import lightgbm as lgb
    from sklearn.datasets import load_iris, make_regression, make_classification

    r = np.random.RandomState(0)
    BX, by = make_classification(400, 8, n_informative=5, random_state=0)
    MX, my = make_classification(400, 8, n_informative=6, n_classes=4, random_state=1)
    RX, ry = make_regression(400, 6, noise=5.0, random_state=0)

    def holes(X):
        X = X.astype(np.float32).copy()
        X[r.rand(*X.shape) < 0.1] = np.nan
        return X

    def probs(p):
        p = np.asarray(p)
        if p.ndim == 1:
            p = np.stack([1 - p, p], 1)
        return [tensor("label", p.argmax(1).astype(np.int64)), tensor("probabilities", p)]

    def put_xgb(name, params, X, y, kind, rounds=10, **kw):
        X = holes(X)
        m = xgb.train({"seed": 0, "max_depth": 4, "nthread": 1, **params}, xgb.DMatrix(X, y), rounds, **kw)
        path = os.path.join(HERE, name + ".json")
        m.save_model(path)
        Q = X[::13]
        p = m.predict(xgb.DMatrix(Q)).astype(np.float32)
        golden(name, [tensor("input", Q)], probs(p) if kind == "class" else [tensor("prediction", p)])

    put_xgb("xgb_binary", {"objective": "binary:logistic"}, BX, by, "class")
    put_xgb("xgb_base", {"objective": "binary:logistic", "base_score": 0.3}, BX, by, "class", 5)
    put_xgb("xgb_multi", {"objective": "multi:softprob", "num_class": 4, "max_depth": 3}, MX, my, "class", 6)
    put_xgb("xgb_regression", {"objective": "reg:squarederror"}, RX, ry, "reg")
    put_xgb("xgb_poisson", {"objective": "count:poisson"}, RX, np.abs(ry) // 20, "reg", 8)
    put_xgb("xgb_dart", {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.3}, RX, ry, "reg")
    put_xgb("xgb_forest", {"objective": "binary:logistic", "num_parallel_tree": 3, "subsample": 0.7}, BX, by, "class", 3)
    put_xgb("xgb_logitraw", {"objective": "binary:logitraw"}, BX, by, "reg", 5)

    def put_lgb(name, params, X, y, kind, rounds=10, zeros=False):
        X = holes(X).astype(np.float64)
        if zeros:
            X[r.rand(*X.shape) < 0.2] = 0
        m = lgb.train({"seed": 0, "num_leaves": 12, "verbose": -1, "num_threads": 1, "deterministic": True, **params}, lgb.Dataset(X, y), rounds)
        text = m.model_to_string()
        text = text[: text.index("\nparameters:")] if "\nparameters:" in text else text
        with open(os.path.join(HERE, name + ".txt"), "w") as f:
            f.write(text)
        Q = X[::13]
        p = m.predict(Q)
        golden(name, [tensor("input", Q)], probs(p) if kind == "class" else [tensor("prediction", p)])

    put_lgb("lgb_binary", {"objective": "binary"}, BX, by, "class")
    put_lgb("lgb_zero", {"objective": "binary", "zero_as_missing": True}, BX, by, "class", zeros=True)
    put_lgb("lgb_nomissing", {"objective": "binary", "use_missing": False}, BX, by, "class")
    put_lgb("lgb_multi", {"objective": "multiclass", "num_class": 4, "num_leaves": 8}, MX, my, "class", 6)
    put_lgb("lgb_ova", {"objective": "multiclassova", "num_class": 4, "num_leaves": 6}, MX, my, "class", 4)
    put_lgb("lgb_regression", {"objective": "regression"}, RX, ry, "reg")
    put_lgb("lgb_poisson", {"objective": "poisson"}, RX, np.abs(ry) // 20, "reg")
    put_lgb("lgb_forest", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}, BX, by, "class", 6)

    # The same libraries by way of ONNX.
    from onnxmltools import convert_xgboost, convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    b = (y == 1).astype(int)
    for name, m in {
        "xgb_onnx_multi": xgb.XGBClassifier(n_estimators=6, max_depth=3, random_state=0).fit(X, y),
        "xgb_onnx_binary": xgb.XGBClassifier(n_estimators=6, max_depth=3, random_state=0).fit(X, b),
        "xgb_onnx_regression": xgb.XGBRegressor(n_estimators=6, max_depth=3, random_state=0).fit(X, y + 0.5),
    }.items():
        save_onnx(name, convert_xgboost(m, initial_types=[("X", FloatTensorType([None, 4]))], target_opset=15), {"X": X[::11]})
    for name, m in {
        "lgb_onnx_multi": lgb.LGBMClassifier(n_estimators=6, num_leaves=8, verbose=-1, random_state=0).fit(X, y),
        "lgb_onnx_binary": lgb.LGBMClassifier(n_estimators=6, num_leaves=8, verbose=-1, random_state=0).fit(X, b),
        "lgb_onnx_regression": lgb.LGBMRegressor(n_estimators=6, num_leaves=8, verbose=-1, random_state=0).fit(X, y + 0.5),
    }.items():
        save_onnx(name, convert_lightgbm(m, initial_types=[("X", FloatTensorType([None, 4]))], target_opset=15), {"X": X[::11]})


def net(name, nodes, inputs, outputs, weights, feeds, opset=17):
    g = h.make_graph(nodes, name, [h.make_tensor_value_info(n, t, s) for n, t, s in inputs],
                     [h.make_tensor_value_info(n, t, s) for n, t, s in outputs],
                     [nh.from_array(v, k) for k, v in weights.items()])
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    save_onnx(name, m, feeds)


def nets():
    r = np.random.RandomState(0)
    f = lambda *s: (r.randn(*s) * 0.3).astype(np.float32)
    n = h.make_node
    # The graph PyTorch's exporter writes for conv-relu-pool twice, flatten, two dense layers.
    net("cnn", [
        n("Conv", ["x", "c1w", "c1b"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1, name="/conv1/Conv"),
        n("Relu", ["a"], ["b"], name="/Relu"),
        n("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0], ceil_mode=0, name="/pool/MaxPool"),
        n("Conv", ["c", "c2w", "c2b"], ["d"], kernel_shape=[3, 3], pads=[0, 0, 0, 0], name="/conv2/Conv"),
        n("BatchNormalization", ["d", "bs", "bb", "bm", "bv"], ["e"], epsilon=1e-5, momentum=0.9, name="/bn/BatchNormalization"),
        n("Relu", ["e"], ["f"], name="/Relu_1"),
        n("GlobalAveragePool", ["f"], ["gp"], name="/gap"),
        n("Flatten", ["gp"], ["g"], axis=1, name="/Flatten"),
        n("Gemm", ["g", "w1", "b1"], ["i"], alpha=1.0, beta=1.0, transB=1, name="/fc1/Gemm"),
        n("LeakyRelu", ["i"], ["j"], alpha=0.1),
        n("Gemm", ["j", "w2", "b2"], ["k"], transB=1, name="/fc2/Gemm"),
        n("LogSoftmax", ["k"], ["y"], axis=1)],
        [("x", T.FLOAT, ["batch", 1, 8, 8])], [("y", T.FLOAT, ["batch", 10])],
        {"c1w": f(6, 1, 3, 3), "c1b": f(6), "c2w": f(8, 6, 3, 3), "c2b": f(8), "bs": f(8) + 1, "bb": f(8), "bm": f(8), "bv": np.abs(f(8)) + .5,
         "w1": f(16, 8), "b1": f(16), "w2": f(10, 16), "b2": f(10)}, {"x": f(3, 1, 8, 8)})
    net("conv_kinds", [
        n("Conv", ["x", "gw"], ["a"], group=2, strides=[2, 1], dilations=[1, 2], pads=[1, 2, 0, 1], kernel_shape=[3, 2]),
        n("AveragePool", ["a"], ["ya"], kernel_shape=[2, 3], strides=[1, 2], pads=[0, 1, 1, 1], count_include_pad=1),
        n("AveragePool", ["x"], ["yb"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        n("MaxPool", ["x"], ["yc"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        n("Conv", ["x", "sw"], ["yd"], auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
        n("GlobalMaxPool", ["a"], ["ye"])],
        [("x", T.FLOAT, ["n", 4, 9, 8])], [(o, T.FLOAT, None) for o in ["ya", "yb", "yc", "yd", "ye"]],
        {"gw": f(6, 2, 3, 2), "sw": f(2, 4, 3, 3)}, {"x": f(2, 4, 9, 8)})
    net("conv1d", [n("Conv", ["x", "w", "b"], ["a"], kernel_shape=[3], pads=[1, 1]), n("MaxPool", ["a"], ["c"], kernel_shape=[2], strides=[2]),
                   n("ReduceMean", ["c"], ["y"], axes=[2], keepdims=0)],
        [("x", T.FLOAT, ["n", 3, 12])], [("y", T.FLOAT, ["n", 5])], {"w": f(5, 3, 3), "b": f(5)}, {"x": f(4, 3, 12)})
    # One attention block, as exporters write it.
    net("attention", [
        n("MatMul", ["x", "wq"], ["q"]), n("MatMul", ["x", "wk"], ["k"]), n("MatMul", ["x", "wv"], ["v"]),
        n("Shape", ["x"], ["sh"]), n("Gather", ["sh", "zero"], ["bs"], axis=0), n("Unsqueeze", ["bs", "ax0"], ["bs1"]),
        n("Concat", ["bs1", "heads"], ["hs"], axis=0),
        n("Reshape", ["q", "hs"], ["q1"]), n("Transpose", ["q1"], ["q2"], perm=[0, 2, 1, 3]),
        n("Reshape", ["k", "hs"], ["k1"]), n("Transpose", ["k1"], ["k2"], perm=[0, 2, 3, 1]),
        n("Reshape", ["v", "hs"], ["v1"]), n("Transpose", ["v1"], ["v2"], perm=[0, 2, 1, 3]),
        n("MatMul", ["q2", "k2"], ["s"]), n("Div", ["s", "scale"], ["s1"]), n("Softmax", ["s1"], ["p"], axis=-1),
        n("MatMul", ["p", "v2"], ["o"]), n("Transpose", ["o"], ["o1"], perm=[0, 2, 1, 3]), n("Reshape", ["o1", "back"], ["o2"]),
        n("Add", ["o2", "x"], ["r"]), n("LayerNormalization", ["r", "ls", "lb"], ["l"], axis=-1, epsilon=1e-5),
        n("Div", ["l", "sqrt2"], ["e0"]), n("Erf", ["e0"], ["e1"]), n("Add", ["e1", "one"], ["e2"]), n("Mul", ["l", "e2"], ["e3"]), n("Mul", ["e3", "half"], ["y"])],
        [("x", T.FLOAT, ["batch", 5, 8])], [("y", T.FLOAT, ["batch", 5, 8])],
        {"wq": f(8, 8), "wk": f(8, 8), "wv": f(8, 8), "zero": np.array(0), "ax0": np.array([0]), "heads": np.array([5, 2, 4]), "back": np.array([0, 5, 8]),
         "scale": np.array(2, np.float32), "ls": f(8) + 1, "lb": f(8), "sqrt2": np.array(2 ** .5, np.float32), "one": np.array(1, np.float32), "half": np.array(.5, np.float32)},
        {"x": f(2, 5, 8)})
    shapes(f, n)
    maths(f, n)


def shapes(f, n):
    i = lambda *v: np.array(v, np.int64)
    net("shapes", [
        n("Slice", ["x", "s0", "s1", "s2", "s3"], ["a"]), n("Slice", ["x", "m1", "low", "ax2", "m1"], ["b"]),
        n("Split", ["x", "sp"], ["c0", "c1"], axis=1), n("Concat", ["c1", "c0", "x"], ["d"], axis=1),
        n("Pad", ["x", "pads", "pv"], ["e"]), n("Tile", ["c0", "reps"], ["g"]), n("Expand", ["col", "ex"], ["hh"]),
        n("TopK", ["x", "k2"], ["tv", "ti"], axis=2), n("ArgMax", ["x"], ["am"], axis=1, keepdims=0), n("ArgMin", ["x"], ["an"], axis=-1, select_last_index=1),
        n("Gather", ["x", "gi"], ["ga"], axis=2), n("Unsqueeze", ["am", "ax1"], ["am1"]), n("Squeeze", ["am1", "ax1"], ["sq"]),
        n("Shape", ["x"], ["shp"], start=1), n("ConstantOfShape", ["shp"], ["cs"], value=h.make_tensor("v", T.INT64, [1], [7])),
        n("CumSum", ["x", "ax1s"], ["cum"]), n("Size", ["x"], ["size"])],
        [("x", T.FLOAT, ["n", 3, 4])],
        [(o, T.FLOAT, None) for o in ["a", "b", "d", "e", "hh", "tv", "ga", "cum", "g"]] + [(o, T.INT64, None) for o in ["ti", "am", "an", "am1", "sq", "shp", "cs", "size"]],
        {"s0": i(0, 1), "s1": i(9, 2 ** 62), "s2": i(1, 2), "s3": i(2, 1), "m1": i(-1), "low": i(-2 ** 63 + 1), "ax2": i(2), "sp": i(1, 2), "pads": i(0, 1, 0, 0, 0, 2),
         "pv": np.array(.5, np.float32), "reps": i(1, 2, 3), "col": f(3, 1), "ex": i(2, 1, 2), "k2": i(2), "gi": np.array([[0, -1], [2, 2]]), "ax1": i(1), "ax1s": np.array(1)},
        {"x": f(2, 3, 4)}, opset=16)


def maths(f, n):
    un = ["Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Round", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Tanh", "Atan", "HardSwish", "Reciprocal", "Elu", "HardSigmoid", "Identity"]
    nodes = [n(o, ["x"], ["u_" + o]) for o in un]
    outs = [("u_" + o, T.FLOAT, None) for o in un]
    nodes += [n("Abs", ["x"], ["ax"]), n("Sqrt", ["ax"], ["sq"]), n("Log", ["ax"], ["lg"]), n("Pow", ["ax", "three"], ["pw"]), n("Clip", ["x", "lo", "hi"], ["cl"])]
    outs += [(o, T.FLOAT, None) for o in ["sq", "lg", "pw", "cl"]]
    for o in ["Add", "Sub", "Mul", "Div"]:
        nodes += [n(o, ["x", "row"], ["b_" + o]), n(o, ["col", "x"], ["c_" + o])]
        outs += [("b_" + o, T.FLOAT, None), ("c_" + o, T.FLOAT, None)]
    for o in ["Max", "Min", "Sum", "Mean"]:
        nodes.append(n(o, ["x", "row", "col"], ["f_" + o]))
        outs.append(("f_" + o, T.FLOAT, None))
    for o in ["Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"]:
        nodes.append(n(o, ["x", "row"], ["p_" + o]))
        outs.append(("p_" + o, T.BOOL, None))
    nodes += [n("Not", ["p_Less"], ["nt"]), n("And", ["p_Less", "nt"], ["an"]), n("Or", ["p_Less", "nt"], ["or"]), n("Xor", ["p_Less", "p_Greater"], ["xo"]), n("Where", ["p_Less", "x", "row"], ["wh"])]
    outs += [(o, T.BOOL, None) for o in ["nt", "an", "or", "xo"]] + [("wh", T.FLOAT, None)]
    for o in ["L1", "L2", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"]:
        nodes += [n("Reduce" + o, ["x"], ["r_" + o], axes=[1], keepdims=0), n("Reduce" + o, ["x"], ["s_" + o], keepdims=1)]
        outs += [("r_" + o, T.FLOAT, None), ("s_" + o, T.FLOAT, None)]
    nodes += [n("ReduceSum", ["x", "axes"], ["rs"], keepdims=0), n("Cast", ["x"], ["ci"], to=T.INT64), n("Cast", ["ci"], ["cd"], to=T.DOUBLE), n("Cast", ["x"], ["cb"], to=T.BOOL),
              n("Mul", ["ci", "ci"], ["mi"]), n("LpNormalization", ["x"], ["lp"], axis=1, p=2), n("Constant", [], ["k"], value_float=2.5), n("Mul", ["x", "k"], ["mk"]), n("IsNaN", ["lg"], ["isn"]),
              n("Dropout", ["x"], ["dr"]), n("MatMul", ["x", "xt"], ["mm"]), n("Gemm", ["x", "row", "col"], ["gm"], transB=1, alpha=.5, beta=2.0)]
    outs += [("rs", T.FLOAT, None), ("ci", T.INT64, None), ("cd", T.DOUBLE, None), ("cb", T.BOOL, None), ("mi", T.INT64, None), ("lp", T.FLOAT, None), ("mk", T.FLOAT, None), ("isn", T.BOOL, None), ("dr", T.FLOAT, None), ("mm", T.FLOAT, None), ("gm", T.FLOAT, None)]
    net("maths", nodes, [("x", T.FLOAT, [3, 4])], outs,
        {"row": f(1, 4), "col": f(3, 1), "three": np.array(3, np.float32), "lo": np.array(-.2, np.float32), "hi": np.array(.3, np.float32), "axes": np.array([0]), "xt": f(4, 5)}, {"x": f(3, 4) * 4})
    net("old_opset", [n("Clip", ["x"], ["a"], min=-.2, max=.4), n("Slice", ["a"], ["b"], starts=[1], ends=[3], axes=[1]), n("Unsqueeze", ["b"], ["c"], axes=[1]),
                      n("Softmax", ["c"], ["d"], axis=1), n("ReduceSum", ["x"], ["e"], axes=[1], keepdims=1), n("TopK", ["x"], ["g", "gi"], k=2), n("Pad", ["x"], ["p"], pads=[0, 1, 0, 0], value=1.5),
                      n("Split", ["x"], ["s0", "s1"], axis=1, split=[1, 3]), n("Squeeze", ["c"], ["q"], axes=[1])],
        [("x", T.FLOAT, ["n", 4])], [(o, T.FLOAT, None) for o in ["d", "e", "g", "p", "s1", "q"]], {}, {"x": f(3, 4)}, opset=9)
    net("new_opset", [n("Gelu", ["x"], ["a"]), n("Gelu", ["x"], ["b"], approximate="tanh"), n("ReduceMean", ["x", "axes"], ["c"]), n("ReduceMax", ["x", "axes"], ["d"], keepdims=0),
                      n("Split", ["x"], ["s0", "s1", "s2"], axis=1, num_outputs=3)],
        [("x", T.FLOAT, ["n", 5])], [(o, T.FLOAT, None) for o in ["a", "b", "c", "d", "s0", "s2"]], {"axes": np.array([1])}, {"x": f(3, 5)}, opset=20)


if __name__ == "__main__":
    import sys
    for part in [sklearn_models, hist_models, boosted_models, nets]:
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            part()
