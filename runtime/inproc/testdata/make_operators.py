"""Writes the golden fixtures that go through the operators one by one: the
types, attributes and edge cases (ties, zeros, NaN, ranges out of order) that
the exported models of make_fixtures.py do not reach. Same versions, same form
of files; ONNX Runtime answers.

    python make_operators.py          # in this folder
    python make_operators.py FOLDER   # each operator as a file of its own, to find which one differs
"""
import itertools, os, sys
import numpy as np
from onnx import helper as h, numpy_helper as nh, TensorProto as T
import make_fixtures as m

ELEM = {"float32": T.FLOAT, "float64": T.DOUBLE, "int64": T.INT64, "int32": T.INT32, "bool": T.BOOL, "int8": T.INT8, "uint8": T.UINT8, "object": T.STRING}
ML = "ai.onnx.ml"


class Net:
    """A graph under construction: each operator's results become outputs."""

    def __init__(self, name, feeds, opset=17, ml=3):
        self.name, self.feeds, self.opset, self.ml = name, feeds, opset, ml
        self.nodes, self.outs, self.weights, self.count = [], [], {}, 0

    def const(self, v, dtype=None):
        a = np.asarray(v, dtype)
        k = "w%d" % len(self.weights)
        self.weights[k] = nh.from_array(a, k)
        return k

    def op(self, op, *ins, outs=1, domain="", keep=None, **attrs):
        """Adds an operator; an input is a name or an array, which becomes a constant."""
        ins = [i if isinstance(i, str) else self.const(i) for i in ins]
        self.count += 1
        names = ["%s_%d%s" % (op, self.count, "abc"[i] if outs > 1 else "") for i in range(outs)]
        node = h.make_node(op, ins, names, domain=domain, **attrs)
        self.nodes.append((node, keep if keep is not None else names))
        return names[0] if outs == 1 else names

    def mlop(self, op, *ins, **kw):
        return self.op(op, *ins, domain=ML, **kw)

    def model(self, nodes, outs):
        used = {i for n in nodes for i in n.input}
        feeds = {k: v for k, v in self.feeds.items() if k in used}
        ins = [h.make_tensor_value_info(k, ELEM[str(v.dtype)], v.shape) for k, v in feeds.items()]
        g = h.make_graph(nodes, self.name, ins, [h.make_empty_tensor_value_info(o) for o in outs], [w for k, w in self.weights.items() if k in used])
        ops = [h.make_opsetid("", self.opset), h.make_opsetid(ML, self.ml), h.make_opsetid("com.microsoft", 1)]
        return h.make_model(g, opset_imports=ops, ir_version=8), feeds

    def save(self, folder):
        if folder:
            m.HERE = folder
            made = {}
            for node, keep in self.nodes:
                made.update({o: node for o in node.output})
                need, todo = [], [node]
                while todo:
                    n = todo.pop()
                    if n in need:
                        need.remove(n)
                    need.insert(0, n)
                    todo += [made[i] for i in n.input if i in made]
                if not keep:
                    continue
                try:
                    m.save_onnx(self.name + "." + node.output[0], *self.model(need, keep))
                except Exception as e:
                    print("ONNX Runtime refuses", self.name, node.output[0], str(node).replace("\n", " ")[:200], str(e)[:300])
            return
        nodes = [n for n, _ in self.nodes]
        m.save_onnx(self.name, *self.model(nodes, [o for _, keep in self.nodes for o in keep]))


def f32(*v): return np.array(v, np.float32)
def i64(*v): return np.array(v, np.int64)


def numbers():
    r = np.random.RandomState(0)
    x = (r.randn(3, 4) * 1.2).astype(np.float32)
    x[0, 0], x[1, 1], x[2, 2] = 1, 0, -1
    d = r.randn(3, 4) * 2
    i = np.array([[-7, 3, 0, 2], [5, -1, 9, -4], [2, 2, -3, 8]])
    n = Net("op_numbers", {"x": x, "d": d, "i": i, "j": i.astype(np.int32), "k": i.astype(np.int8), "u": (i + 7).astype(np.uint8), "b": i > 1,
                           "s": np.array([["a", "b", "", "a"], ["é", "b", "zz", "a"], ["1", "2", "3", "4"]], dtype=object)})
    for op in ["Acos", "Asin"]:
        n.op(op, "x")
    for op in ["Exp", "Log", "Sqrt", "Sigmoid", "Tanh", "Floor", "Ceil", "Round", "Relu", "Sin", "Cos", "Reciprocal", "IsNaN", "Abs", "Neg", "Sign", "LeakyRelu"]:
        n.op(op, "d")
    n.op("IsNaN", n.op("Log", "x"))
    for op, t in itertools.product(["Abs", "Neg", "Sign"], "ijk"):
        n.op(op, t)
    n.op("Abs", "u")
    n.op("Relu", "j")
    n.op("LeakyRelu", "x", alpha=.3); n.op("Elu", "x", alpha=2.); n.op("HardSigmoid", "x", alpha=.4, beta=.3)
    for op, (t, row) in itertools.product(["Add", "Sub", "Mul", "Div"], {"d": np.array([1.5, -2, .25, 3]), "i": i64(2, -3, 4, 5), "j": np.array([2, -3, 4, 5], np.int32), "u": np.array([2, 3, 4, 5], np.uint8)}.items()):
        n.op(op, t, row)
    n.op("Div", n.const(i64(100)), n.op("Add", "i", i64(20)))
    n.op("Sub", n.const(f32(1)), "x"); n.op("Div", "x", n.const(f32(.5)))
    for op in ["Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"]:
        n.op(op, "d", np.array([.5, 0, 1, -1.])); n.op(op, "i", i64(2, 2, -3, 2)); n.op(op, "j", np.array([2, 2, -3, 2], np.int32))
    n.op("Equal", "b", np.array([True]))
    nan = n.op("Log", "x")
    for op in ["Max", "Min"]:
        n.op(op, nan, "x"); n.op(op, "x", nan); n.op(op, "i", i64(1)); n.op(op, "j", np.array([1], np.int32)); n.op(op, "d", np.array([.1]), np.array([[1.], [0], [-1]])); n.op(op, "x")
    n.op("Sum", "d", np.array([1.])); n.op("Sum", "x"); n.op("Mean", "x", f32(1, 2, 3, 4), f32(0))
    n.op("Pow", "x", i64(2)); n.op("Pow", "x", f32(.5)); n.op("Pow", "i", i64(3)); n.op("Pow", "i", f32(2)); n.op("Pow", "d", np.array([3.])); n.op("Pow", n.const(f32(2)), "x")
    n.op("Where", n.op("Less", "x", f32(0)), "s", np.array(["other"], dtype=object)); n.op("Where", "b", "i", i64(-1)); n.op("Where", "b", n.const(np.array([1.])), "d")
    n.op("And", "b", np.array([[True], [False], [True]])); n.op("Or", "b", np.array([False])); n.op("Xor", "b", np.array([True]))
    for lo, hi in [(f32(-.5), f32(.5)), (None, f32(.2)), (f32(.2), None), (f32(.5), f32(-.5))]:
        n.op("Clip", nan, "" if lo is None else n.const(lo[0]), *([] if hi is None else [n.const(hi[0])]))
    n.op("Clip", "x"); n.op("Clip", "i", n.const(np.int64(-2)), n.const(np.int64(4))); n.op("Clip", "j", n.const(np.int32(-2)), n.const(np.int32(4))); n.op("Clip", "d", n.const(np.float64(-.5)))
    n.op("Clip", "k", n.const(np.int8(-2)), n.const(np.int8(4))); n.op("Clip", "u", n.const(np.uint8(5)), n.const(np.uint8(9)))
    return n


def casts():
    x = f32(0, 1, -1, 2.5, -2.7, 1e-7, 123456.789, 1e10, -3.25e-9, .1, 1e20, 99999999).reshape(4, 3)
    n = Net("op_casts", {"x": x, "d": x.astype(np.float64) / 3, "i": np.array([[0, 1, -300], [7, 2 ** 40, 255]]), "j": np.array([[0, 5, -9]], np.int32), "k": np.array([[0, 5, -9]], np.int8),
                         "u": np.array([[0, 5, 250]], np.uint8), "b": np.array([[True, False]]), "s": np.array([["1", "-2.5", "1e3"], ["0.1", "7", "NaN"]], dtype=object), "t": np.array([["12", "-7", "0"]], dtype=object)})
    small = n.op("Clip", "x", n.const(np.float32(-100)), n.const(np.float32(100)))
    for to in [T.FLOAT, T.DOUBLE, T.INT64, T.INT32, T.INT8, T.UINT8, T.BOOL, T.STRING]:
        for t in "dijkub":
            if t == "d" and to in (T.INT64, T.INT32, T.INT8, T.UINT8):
                continue  # out of range: undefined
            n.op("Cast", t, to=to)
        n.op("Cast", small, to=to) if to not in (T.UINT8,) else None
        if to in (T.FLOAT, T.DOUBLE, T.STRING):
            n.op("Cast", "s", to=to)
        if to in (T.INT64, T.INT32, T.FLOAT):
            n.op("Cast", "t", to=to)
    n.op("Cast", "x", to=T.STRING); n.op("Cast", n.op("Div", "x", f32(0)), to=T.STRING); n.op("Cast", n.op("Div", "x", f32(3)), to=T.STRING)
    return n


def tables():
    """Reductions, choices, shapes."""
    r = np.random.RandomState(1)
    x = r.randint(-4, 5, (2, 3, 4)).astype(np.float32) / 2  # ties
    n = Net("op_tables", {"x": x, "d": x.astype(np.float64), "i": (x * 2).astype(np.int64), "j": (x * 2).astype(np.int32), "s": np.array([["a", "b", "c"], ["d", "e", "f"]], dtype=object)}, opset=18)
    for op in ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"]:
        n.op("Reduce" + op, "x", i64(0, -1), keepdims=0); n.op("Reduce" + op, "d", i64(1)); n.op("Reduce" + op, "x", noop_with_empty_axes=1)
        if op != "LogSumExp":
            n.op("Reduce" + op, "i", i64(2), keepdims=0); n.op("Reduce" + op, "j", keepdims=0)
    for op, t, last in itertools.product(["ArgMax", "ArgMin"], "xij", [0, 1]):
        n.op(op, t, axis=2, select_last_index=last, keepdims=1 - last)
    n.op("ArgMax", "d", axis=0)
    for t, large, ax in itertools.product("xdi", [0, 1], [0, 2]):
        n.op("TopK", t, i64(2), axis=ax, largest=large, outs=2)
    n.op("CumSum", "d", n.const(np.array(2))); n.op("CumSum", "i", n.const(np.array(0))); n.op("CumSum", "j", n.const(np.array(-1)))
    for op, ax, t in itertools.product(["Softmax", "LogSoftmax"], [0, 1, -1], "xd"):
        n.op(op, t, axis=ax)
    n.op("LpNormalization", "x", axis=1, p=1); n.op("LpNormalization", "d", axis=-1, p=2)
    for t in "xis":
        n.op("Gather", t, np.array([1, 0, 1], np.int32), axis=0 if t != "s" else 1)  # strings by the first axis: ONNX Runtime 1.32 leaves most of them empty; n.op("Gather", t, np.array(-1), axis=1); n.op("Concat", t, t, axis=-1)
        n.op("Slice", t, i64(-1), i64(-9), i64(1), i64(-2)); n.op("Transpose", t); n.op("Tile", t, i64(2, 1, 1) if t != "s" else i64(1, 2)); n.op("Expand", t, i64(2, 2, 3, 4) if t != "s" else i64(3, 2, 3))
        n.op("Reshape", t, i64(0, -1)); n.op("Flatten", t, axis=0); n.op("Flatten", t, axis=-1); n.op("Identity", t); n.op("Unsqueeze", t, i64(-1, 0)); n.op("Shape", t, start=-2, end=-1); n.op("Size", t)
    n.op("Squeeze", n.op("Unsqueeze", "x", i64(0, 2))); n.op("GatherElements", "x", np.array([[[0, 2, 1, -1]]]), axis=1); n.op("GatherElements", "s", np.array([[1], [0]]), axis=1)
    n.op("Split", "x", outs=2, axis=2, num_outputs=2); n.op("Split", "i", i64(1, 0, 2), outs=3, axis=1, keep=["Split_%d%s" % (n.count + 1, k) for k in "ac"])
    n.op("Pad", "i", i64(0, 1, 0, 1, 0, 0), n.const(np.array(7))); n.op("Pad", "x", i64(0, 0, 1, 0, 2, 0)); n.op("ConstantOfShape", n.op("Shape", "x")); n.op("Dropout", "x", outs=2)
    # Constants: all the ways of writing one.
    n.op("Add", "x", n.op("Constant", value_floats=[1., 2, 3, 4], keep=[])); n.op("Add", "i", n.op("Constant", value_int=3, keep=[])); n.op("Add", "i", n.op("Constant", value_ints=[1, 2, 3, 4], keep=[]))
    n.op("Concat", "s", n.op("Reshape", n.op("Constant", value_strings=["a", "x"], keep=[]), i64(2, 1), keep=[]), axis=1); n.op("Where", n.op("Equal", "x", f32(0)), n.op("Constant", value_string="b", keep=[]), n.const(np.array("c", dtype=object))); n.op("Add", "d", n.op("Constant", value=nh.from_array(np.array([2.5])), keep=[]))
    return n


def products():
    r = np.random.RandomState(2)
    f = lambda *s: (r.randn(*s) * .5).astype(np.float32)
    n = Net("op_products", {"x": f(3, 5), "d": r.randn(3, 5), "y": f(2, 3, 5), "w": f(5, 3), "v": f(5)})
    n.op("Gemm", "x", "w"); n.op("Gemm", "x", "x", transB=1); n.op("Gemm", "x", "x", transA=1, alpha=2.); n.op("Gemm", "w", "x", f32(3), transA=1, transB=1, beta=.5); n.op("Gemm", "x", f(5, 7), f(7)); n.op("Gemm", "x", f(7, 5), f(1), transB=1)
    n.op("Gemm", "d", r.randn(5, 9), r.randn(9)); n.op("Gemm", "d", r.randn(9, 5), r.randn(3, 1), transB=1, alpha=.5); n.op("Gemm", "d", "d", transB=1)
    n.op("MatMul", "x", "w"); n.op("MatMul", "y", "w"); n.op("MatMul", "x", "v"); n.op("MatMul", n.const(f(4, 3)), "y"); n.op("MatMul", "y", f(2, 5, 4)); n.op("MatMul", "y", f(1, 5, 1)); n.op("MatMul", n.const(f(3)), "x"); n.op("MatMul", "d", r.randn(5, 2)); n.op("MatMul", "y", f(5))
    # Dense layers as exporters write them: product, bias, activation; a shared product must stay readable.
    for act in ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSigmoid", "Softplus"]:
        n.op(act, n.op("Gemm", "x", f(6, 5), f(6), transB=1, keep=[]))
    for act in ["Relu", "Tanh"]:
        n.op(act, n.op("Add", n.op("MatMul", "y", f(5, 6), keep=[]), f(6), keep=[])); 
        n.op(act, n.op("Add", n.op("MatMul", "d", r.randn(5, 6), keep=[]), r.randn(6), keep=[]))
    n.op("Add", n.op("MatMul", "x", f(5, 6), keep=[]), f(3, 1)); n.op("Add", n.op("MatMul", "x", f(5, 1), keep=[]), f(4)); n.op("Add", n.const(f(6)), n.op("MatMul", "x", f(5, 6), keep=[])); n.op("Add", n.op("MatMul", "x", f(5, 6), keep=[]), f(2, 1, 6))
    g = n.op("Gemm", "x", f(5, 4), f(4)); n.op("Relu", g); n.op("Mul", g, g)
    n.op("Relu", n.op("Gemm", "x", f(6, 5), f(3, 1), transB=1, keep=[])); n.op("Relu", n.op("Gemm", "x", f(5, 6), keep=[])); n.op("Add", n.op("Gemm", "x", f(5, 6), f(6), keep=[]), f(6))
    n.op("BatchNormalization", "x", f(5), f(5), f(5), np.abs(f(5)) + .1); n.op("BatchNormalization", "y", f(3), f(3), f(3), np.abs(f(3)) + .1, epsilon=.01)
    n.op("LayerNormalization", "y", f(3, 5), axis=1); n.op("LayerNormalization", "d", r.randn(5), r.randn(5))
    n.op("CDist", "x", f(4, 5), domain="com.microsoft", metric="sqeuclidean"); n.op("CDist", "d", r.randn(4, 5), domain="com.microsoft", metric="euclidean")
    return n


def windows():
    r = np.random.RandomState(3)
    f = lambda *s: (r.randn(*s) * .5).astype(np.float32)
    n = Net("op_windows", {"x": f(2, 4, 7, 6), "y": f(2, 3, 9)}, opset=19)
    w = f(4, 4, 3, 3)
    for pad in ["VALID", "SAME_UPPER", "SAME_LOWER"]:
        n.op("Conv", "x", w, f(4), auto_pad=pad, strides=[2, 2]); n.op("MaxPool", "x", kernel_shape=[2, 3], auto_pad=pad, strides=[2, 1])
    n.op("AveragePool", "x", kernel_shape=[2, 3], auto_pad="SAME_UPPER", strides=[2, 2])
    n.op("Conv", "x", f(8, 1, 3, 3), f(8), group=4, pads=[1, 1, 1, 1]); n.op("Conv", "x", f(5, 4, 1, 1)); n.op("Conv", "x", f(5, 4, 1, 1), f(5), strides=[2, 2]); n.op("Conv", "x", f(6, 4, 5, 2), pads=[2, 0, 2, 1], dilations=[1, 3]); n.op("Conv", "x", f(17, 4, 3, 3), f(17), pads=[1, 1, 1, 1])
    n.op("Relu", n.op("Conv", "x", f(6, 4, 3, 3), f(6), pads=[1, 0, 1, 2], keep=[])); n.op("Conv", "y", f(6, 1, 4), group=3, strides=[2]); n.op("Conv", "y", f(2, 3, 3), dilations=[2], pads=[0, 3])
    for op in ["MaxPool", "AveragePool"]:
        n.op(op, "x", kernel_shape=[3, 2], ceil_mode=1, strides=[3, 3]); n.op(op, "x", kernel_shape=[2, 2], dilations=[2, 3]); n.op(op, "y", kernel_shape=[4], strides=[3], pads=[1, 2])
    n.op("AveragePool", "x", kernel_shape=[3, 3], ceil_mode=1, strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1); n.op("AveragePool", "x", kernel_shape=[3, 3], strides=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1)
    n.op("GlobalAveragePool", "y"); n.op("GlobalMaxPool", "y"); n.op("Conv", "x", f(2, 4, 2, 2), pads=[3, 4, 3, 4], strides=[2, 2]); n.op("Conv", "y", f(2, 3, 2), pads=[5, 5], dilations=[2], strides=[3])  # windows all in the padding
    return n


def tabular():
    r = np.random.RandomState(4)
    x = r.randn(5, 3).astype(np.float32)
    x[0] = 0; x[1, 1] = .25; x[2, 0] = -1
    xn = x.copy(); xn[3, 2] = np.nan
    n = Net("op_tabular", {"x": x, "xn": xn, "d": x.astype(np.float64), "i": (x * 3).astype(np.int64), "j": (x * 3).astype(np.int32), "s": np.array([["a", "b"], ["c", "a"], ["zz", ""], ["b", "b"], ["a", "c"]], dtype=object), "v": x[:, 0].copy(), "p": (1 / (1 + np.exp(-x))).astype(np.float32)})
    n.mlop("Binarizer", "x", threshold=.25); n.mlop("Binarizer", "x")
    n.mlop("FeatureVectorizer", "x", "p", inputdimensions=[3, 3]); n.mlop("FeatureVectorizer", "i", "i", inputdimensions=[3, 3]); n.mlop("FeatureVectorizer", "d", "d", inputdimensions=[3, 3]); n.mlop("FeatureVectorizer", "x", inputdimensions=[3])
    for t in "xdij":
        n.mlop("Scaler", t, offset=[.5, 1., -1.], scale=[2., .5, 3.]); n.mlop("Scaler", t, offset=[.5], scale=[2.])
        for k in ["MAX", "L1", "L2"]:
            n.mlop("Normalizer", t, norm=k)
    n.mlop("Imputer", "xn", imputed_value_floats=[1., 2., 3.], replaced_value_float=float("nan")); n.mlop("Imputer", "x", imputed_value_floats=[9.]); n.mlop("Imputer", "i", imputed_value_int64s=[9, 8, 7], replaced_value_int64=0); n.mlop("Imputer", "i", imputed_value_int64s=[5], replaced_value_int64=1)
    n.mlop("ArrayFeatureExtractor", "x", i64(2, 0)); n.mlop("ArrayFeatureExtractor", "s", i64(1)); n.mlop("ArrayFeatureExtractor", "i", i64(1, 1, 2)); n.mlop("ArrayFeatureExtractor", "v", i64(1, 3))
    n.mlop("LabelEncoder", "s", keys_strings=["a", "b", "c"], values_int64s=[10, 20, 30], default_int64=-5); n.mlop("LabelEncoder", "s", keys_strings=["a", "b"], values_strings=["A", "B"], default_string="?"); n.mlop("LabelEncoder", "s", keys_strings=["a", "a", "b"], values_floats=[1.5, 9., 2.5])
    n.mlop("LabelEncoder", "i", keys_int64s=[0, 1, -3], values_strings=["zero", "one", "m3"]); n.mlop("LabelEncoder", "i", keys_int64s=[0, 1], values_floats=[.5, 1.5], default_float=-1.); n.mlop("LabelEncoder", "i", keys_int64s=[0, 1], values_int64s=[5, 6])
    n.mlop("LabelEncoder", "xn", keys_floats=[0., .25, float("nan")], values_strings=["zero", "quarter", "nan"]); n.mlop("LabelEncoder", "x", keys_floats=[0., -1.], values_int64s=[7, 8]); n.mlop("LabelEncoder", "x", keys_floats=[0.], values_floats=[3.])
    n.mlop("OneHotEncoder", "s", cats_strings=["a", "b", "c"]); n.mlop("OneHotEncoder", "i", cats_int64s=[0, 1, -3]); n.mlop("OneHotEncoder", "x", cats_int64s=[0, 1, -1]); n.mlop("OneHotEncoder", "d", cats_int64s=[0, 1]); n.mlop("OneHotEncoder", n.mlop("LabelEncoder", "v", keys_floats=[0.], values_int64s=[7]), cats_int64s=[7, -1], zeros=0)
    posts = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
    co3 = [float(v) for v in (r.randn(9) * .7).astype(np.float32)]
    for post in posts:
        t = "p" if post == "PROBIT" else "x"
        n.mlop("LinearClassifier", t, outs=2, coefficients=[.2, .1, .3, .1, .1, .1, .4, .2, .1] if post == "PROBIT" else co3, intercepts=[.1, -.05, 0.], classlabels_ints=[4, 5, 6], post_transform=post, multi_class=1)
        if post != "PROBIT":  # ONNX Runtime leaves half of the scores undefined
            n.mlop("LinearClassifier", t, outs=2, coefficients=co3[:3], intercepts=[.1], classlabels_ints=[0, 1], post_transform=post)
        n.mlop("LinearClassifier", t, outs=2, coefficients=[.2, .1, .3, .1, .1, .1] if post == "PROBIT" else co3[:6], intercepts=[.1, .2], classlabels_strings=["no", "yes"], post_transform=post)
        n.mlop("LinearRegressor", t, coefficients=[.2, .1, .3] if post == "PROBIT" else co3[:3], intercepts=[.1], post_transform=post)
        n.mlop("LinearRegressor", t, coefficients=[.2, .1, .3, .1, .1, .1] if post == "PROBIT" else co3[:6], intercepts=[.1, .2], targets=2, post_transform=post)
    for t in "dij":
        n.mlop("LinearClassifier", t, outs=2, coefficients=co3, intercepts=[.1, -.2, 0.], classlabels_ints=[4, 5, 6], post_transform="SOFTMAX")
    n.mlop("LinearClassifier", "x", outs=2, coefficients=co3[:3], intercepts=[.1], classlabels_strings=["no", "yes"])
    n.mlop("LinearRegressor", "x", coefficients=co3[:3]); n.mlop("LinearRegressor", "x", coefficients=co3[:6], targets=2)
    sv = [float(v) for v in r.randn(12).astype(np.float32)]
    for kind, one in itertools.product(["LINEAR", "POLY", "RBF", "SIGMOID"], [0, 1]):
        n.mlop("SVMRegressor", "x", kernel_type=kind, kernel_params=[.5, .3, 3.], n_supports=4, support_vectors=sv, coefficients=[.5, -1., .25, .4], rho=[.1], one_class=one)
    for kind, post in itertools.product(["LINEAR", "POLY", "RBF", "SIGMOID"], ["NONE"]):
        n.mlop("SVMClassifier", "x", outs=2, kernel_type=kind, kernel_params=[.5, .3, 2.], support_vectors=sv, vectors_per_class=[2, 2], coefficients=[.5, 1., -.25, -.4], rho=[.1], classlabels_ints=[3, 9], post_transform=post)
    n.mlop("SVMClassifier", "x", outs=2, kernel_type="RBF", kernel_params=[.5, .3, 2.], support_vectors=sv, vectors_per_class=[1, 2, 1], coefficients=[.5, 1., -.25, -.4, -.1, .2, .6, -.9], rho=[.1, .2, -.3], classlabels_strings=["a", "b", "c"])
    return n


def old():
    x = np.random.RandomState(5).randn(3, 2, 3).astype(np.float32)
    n = Net("op_old", {"x": x, "s": np.array([["a", "q"], ["b", "a"]], dtype=object), "i": np.array([[0, 2], [1, -1]])}, opset=10, ml=1)
    n.mlop("LabelEncoder", "s", classes_strings=["a", "b", "c"], default_int64=-7); n.mlop("LabelEncoder", "i", classes_strings=["a", "b"], default_string="none"); n.mlop("LabelEncoder", "s", classes_strings=["a"])
    for ax in [0, 1, 2, -1]:
        n.op("Softmax", "x", axis=ax); n.op("LogSoftmax", "x", axis=ax)
    n.op("Softmax", "x"); n.op("TopK", "x", i64(2), outs=2, axis=1); n.op("Slice", "x", i64(1), i64(3), i64(2)); n.op("Dropout", "x"); n.op("Clip", "x", max=.1); n.op("Clip", "x"); n.op("Flatten", "x", axis=2); n.op("Squeeze", n.op("Slice", "x", i64(0), i64(1), i64(1)))
    n.op("AveragePool", "x", kernel_shape=[2]); n.op("ReduceMean", "x", axes=[-1, 1]); n.op("Split", "x", outs=3, axis=2)
    return n


def ensemble(votes, r, targets, modes=("BRANCH_LEQ",), trees=2, lone=False, positive=False, pair=False):
    """Full trees of depth 2 over three features as attributes."""
    a = {k: [] for k in ["treeids", "nodeids", "featureids", "truenodeids", "falsenodeids", "modes", "values", "missing_value_tracks_true"]}
    v = {k: [] for k in ["treeids", "nodeids", "ids", "weights"]}
    for t in range(trees):
        for k in range(7):
            leaf = k > 2
            row = [t, k, r.randint(3), 0 if leaf else 2 * k + 1, 0 if leaf else 2 * k + 2, "LEAF" if leaf else modes[r.randint(len(modes))], float(r.choice([0, .25, -.5, 1])), int(r.randint(2))]
            for key, val in zip(a, row):
                a[key].append(val)
            if leaf:
                for c in ([0, 1] if pair else [0 if lone or targets == 1 else int(r.randint(targets))]):
                    w = float(np.float32(r.rand() if positive else r.randn()))
                    for key, val in zip(v, [t, k, c, w]):
                        v[key].append(val)
    d = {"nodes_" + k: l for k, l in a.items()}
    d.update({votes + "_" + k: l for k, l in v.items()})
    return d


def trees():
    r = np.random.RandomState(6)
    x = r.choice([0, .25, -.5, 1, .7, -1.5], (6, 3)).astype(np.float32)
    x[4, 1] = np.nan
    n = Net("op_trees", {"x": x, "d": x.astype(np.float64), "i": np.nan_to_num(x * 4).astype(np.int64), "j": np.nan_to_num(x * 4).astype(np.int32)})
    posts = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
    every = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    for mode in every:
        n.mlop("TreeEnsembleRegressor", "x", n_targets=1, **ensemble("target", r, 1, [mode]))
    n.mlop("TreeEnsembleRegressor", "x", n_targets=2, **ensemble("target", r, 2, every)); n.mlop("TreeEnsembleRegressor", "d", n_targets=1, **ensemble("target", r, 1))
    for post, agg in itertools.product(posts, ["SUM", "AVERAGE", "MIN", "MAX"]):
        pr = post == "PROBIT"
        if agg != "SUM" and post not in ("NONE", "SOFTMAX"):
            continue
        for k in [1, 2, 3] if agg == "SUM" else [1, 2]:
            base = {"base_values": [.01, .02, .03][:k]} if agg != "MAX" else {}
            e = ensemble("target", r, k, positive=pr)
            if pr:
                e["target_weights"] = [w / 4 for w in e["target_weights"]]
            n.mlop("TreeEnsembleRegressor", "x", n_targets=k, post_transform=post, aggregate_function=agg, **base, **e)
    for post, base in itertools.product(posts, [0, 1, 2]):
        pr = post == "PROBIT"
        for kw in [dict(lone=True), dict(lone=True, positive=True), dict(pair=True), dict(pair=True, positive=True)]:
            if pr:
                kw["positive"] = True
            if pr and "lone" in kw and base < 2:
                continue  # ONNX Runtime leaves the second score undefined
            e = ensemble("class", r, 2, **kw)
            if pr:
                e["class_weights"] = [w / 8 for w in e["class_weights"]]
            b = {"base_values": [.05, .02][:base]} if base else {}
            n.mlop("TreeEnsembleClassifier", "x", outs=2, classlabels_int64s=[7, 4] if "lone" in kw else [0, 1], post_transform=post, **b, **e)
        if base != 1:
            e = ensemble("class", r, 3, positive=pr)
            if pr:
                e["class_weights"] = [w / 8 for w in e["class_weights"]]
            n.mlop("TreeEnsembleClassifier", "x", outs=2, classlabels_strings=["a", "b", "c"], post_transform=post, **({"base_values": [.05, .02, .01]} if base else {}), **e)
    n.mlop("TreeEnsembleClassifier", "x", outs=2, classlabels_strings=["no", "yes"], **ensemble("class", r, 2, lone=True)); n.mlop("TreeEnsembleClassifier", "d", outs=2, classlabels_int64s=[1, 2, 3], **ensemble("class", r, 3, every)); n.mlop("TreeEnsembleClassifier", "i", outs=2, classlabels_int64s=[1, 2, 3], **ensemble("class", r, 3))
    return n


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    for part in [numbers, casts, tables, products, windows, tabular, old, trees]:
        try:
            part().save(folder)
        except Exception as e:
            print(part.__name__, str(e)[:600])
