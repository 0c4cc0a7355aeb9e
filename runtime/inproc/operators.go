package inproc

import (
	"cmp"
	"math"
)

// operators is every operator that inproc knows: domain, name, the first
// version of the domain whose meaning the code has, inputs (required, at
// most), outputs, and what makes it. -1 is "any number".
func operators() []operator {
	less := func(a, b float64) bool { return a < b }
	more := func(a, b float64) bool { return a > b }
	return []operator{
		{"", "Abs", 6, 1, 1, 1, makeNumber(math.Abs, func(x int64) int64 { return max(x, -x) })},
		{"", "Acos", 7, 1, 1, 1, makeFloat(math.Acos)},
		{"", "Add", 7, 2, 2, 1, makeArith(opAdd)},
		{"", "And", 7, 2, 2, 1, makeLogic(func(a, b bool) bool { return a && b })},
		{"", "ArgMax", 1, 1, 1, 1, makeArg(more)},
		{"", "ArgMin", 1, 1, 1, 1, makeArg(less)},
		{"", "Asin", 7, 1, 1, 1, makeFloat(math.Asin)},
		{"", "Atan", 7, 1, 1, 1, makeFloat(math.Atan)},
		{"", "AveragePool", 7, 1, 1, 1, makePool(true)},
		{"", "BatchNormalization", 9, 5, 5, 1, makeBatchNorm},
		{"", "Cast", 6, 1, 1, 1, makeCast},
		{"", "Ceil", 6, 1, 1, 1, makeFloat(math.Ceil)},
		{"", "Clip", 6, 1, 3, 1, makeClip},
		{"", "Concat", 4, 1, -1, 1, makeConcat},
		{"", "Constant", 1, 0, 0, 1, makeConstant},
		{"", "ConstantOfShape", 9, 1, 1, 1, makeConstantOfShape},
		{"", "Conv", 1, 2, 3, 1, makeConv},
		{"", "Cos", 7, 1, 1, 1, makeFloat(math.Cos)},
		{"", "CumSum", 11, 2, 2, 1, makeCumSum},
		{"", "Div", 7, 2, 2, 1, makeArith(opDiv)},
		{"", "Dropout", 7, 1, 3, 2, makeDropout},
		{"", "Elu", 6, 1, 1, 1, makeElu},
		{"", "Equal", 7, 2, 2, 1, makeCompare(opEqual)},
		{"", "Erf", 9, 1, 1, 1, makeFloat(math.Erf)},
		{"", "Exp", 6, 1, 1, 1, makeFloat(math.Exp)},
		{"", "Expand", 8, 2, 2, 1, makeExpand},
		{"", "Flatten", 1, 1, 1, 1, makeFlatten},
		{"", "Floor", 6, 1, 1, 1, makeFloat(math.Floor)},
		{"", "Gather", 1, 2, 2, 1, makeGather},
		{"", "GatherElements", 11, 2, 2, 1, makeGatherElements},
		{"", "Gelu", 20, 1, 1, 1, makeGelu},
		{"", "Gemm", 7, 2, 3, 1, makeGemm},
		{"", "GlobalAveragePool", 1, 1, 1, 1, makeGlobalPool(meanReducer())},
		{"", "GlobalMaxPool", 1, 1, 1, 1, makeGlobalPool(extremeReducer(math.Inf(-1), math.Max))},
		{"", "Greater", 7, 2, 2, 1, makeCompare(opGreater)},
		{"", "GreaterOrEqual", 12, 2, 2, 1, makeCompare(opGreaterEq)},
		{"", "HardSigmoid", 6, 1, 1, 1, makeHardSigmoid},
		{"", "HardSwish", 14, 1, 1, 1, makeFloat(func(x float64) float64 { return x * max(0, min(1, x/6+0.5)) })},
		{"", "Identity", 1, 1, 1, 1, makeIdentity},
		{"", "IsNaN", 9, 1, 1, 1, makeIsNaN},
		{"", "LayerNormalization", 17, 2, 3, 1, makeLayerNorm},
		{"", "LeakyRelu", 6, 1, 1, 1, makeLeakyRelu},
		{"", "Less", 7, 2, 2, 1, makeCompare(opLess)},
		{"", "LessOrEqual", 12, 2, 2, 1, makeCompare(opLessEq)},
		{"", "Log", 6, 1, 1, 1, makeFloat(math.Log)},
		{"", "LogSoftmax", 1, 1, 1, 1, makeSoftmax(true)},
		{"", "LpNormalization", 1, 1, 1, 1, makeLpNorm},
		{"", "MatMul", 1, 2, 2, 1, makeMatMul},
		{"", "Max", 8, 1, -1, 1, makeFold(opMax, false)},
		{"", "MaxPool", 1, 1, 1, 1, makePool(false)},
		{"", "Mean", 8, 1, -1, 1, makeFold(opAdd, true)},
		{"", "Min", 8, 1, -1, 1, makeFold(opMin, false)},
		{"", "Mul", 7, 2, 2, 1, makeArith(opMul)},
		{"", "Neg", 6, 1, 1, 1, makeNumber(func(x float64) float64 { return -x }, func(x int64) int64 { return -x })},
		{"", "Not", 1, 1, 1, 1, makeNot},
		{"", "Or", 7, 2, 2, 1, makeLogic(func(a, b bool) bool { return a || b })},
		{"", "Pad", 2, 1, 4, 1, makePad},
		{"", "Pow", 7, 2, 2, 1, makePow},
		{"", "Reciprocal", 6, 1, 1, 1, makeFloat(func(x float64) float64 { return 1 / x })},
		{"", "ReduceL1", 1, 1, 2, 1, makeReduce(reducer{0, func(a, x float64) float64 { return a + math.Abs(x) }, nil, 18})},
		{"", "ReduceL2", 1, 1, 2, 1, makeReduce(squareReducer(sqrtEnd))},
		{"", "ReduceLogSumExp", 1, 1, 2, 1, makeReduce(reducer{math.Inf(-1), logAddExp, nil, 18})},
		{"", "ReduceMax", 1, 1, 2, 1, makeReduce(extremeReducer(math.Inf(-1), math.Max))},
		{"", "ReduceMean", 1, 1, 2, 1, makeReduce(meanReducer())},
		{"", "ReduceMin", 1, 1, 2, 1, makeReduce(extremeReducer(math.Inf(1), math.Min))},
		{"", "ReduceProd", 1, 1, 2, 1, makeReduce(reducer{1, func(a, x float64) float64 { return a * x }, nil, 18})},
		{"", "ReduceSum", 1, 1, 2, 1, makeReduce(sumReducer(13))},
		{"", "ReduceSumSquare", 1, 1, 2, 1, makeReduce(squareReducer(nil))},
		{"", "Relu", 6, 1, 1, 1, makeRelu},
		{"", "Reshape", 5, 2, 2, 1, makeReshape},
		{"", "Round", 11, 1, 1, 1, makeFloat(math.RoundToEven)},
		{"", "Shape", 1, 1, 1, 1, makeShape},
		{"", "Sigmoid", 6, 1, 1, 1, makeFloat(sigmoid)},
		{"", "Sign", 9, 1, 1, 1, makeNumber(sign, func(x int64) int64 { return int64(cmp.Compare(x, 0)) })},
		{"", "Sin", 7, 1, 1, 1, makeFloat(math.Sin)},
		{"", "Size", 1, 1, 1, 1, makeSize},
		{"", "Slice", 1, 1, 5, 1, makeSlice},
		{"", "Softmax", 1, 1, 1, 1, makeSoftmax(false)},
		{"", "Softplus", 1, 1, 1, 1, makeFloat(softplus)},
		{"", "Softsign", 1, 1, 1, 1, makeFloat(func(x float64) float64 { return x / (1 + math.Abs(x)) })},
		{"", "Split", 2, 1, 2, -1, makeSplit},
		{"", "Sqrt", 6, 1, 1, 1, makeFloat(math.Sqrt)},
		{"", "Squeeze", 1, 1, 2, 1, makeSqueeze},
		{"", "Sub", 7, 2, 2, 1, makeArith(opSub)},
		{"", "Sum", 8, 1, -1, 1, makeFold(opAdd, false)},
		{"", "Tanh", 6, 1, 1, 1, makeFloat(math.Tanh)},
		{"", "Tile", 6, 2, 2, 1, makeTile},
		{"", "TopK", 1, 1, 2, 2, makeTopK},
		{"", "Transpose", 1, 1, 1, 1, makeTranspose},
		{"", "Unsqueeze", 1, 1, 2, 1, makeUnsqueeze},
		{"", "Where", 9, 3, 3, 1, makeWhere},
		{"", "Xor", 7, 2, 2, 1, makeLogic(func(a, b bool) bool { return a != b })},

		{domainML, "ArrayFeatureExtractor", 1, 2, 2, 1, makeArrayFeatureExtractor},
		{domainML, "Binarizer", 1, 1, 1, 1, makeBinarizer},
		{domainML, "FeatureVectorizer", 1, 1, -1, 1, makeFeatureVectorizer},
		{domainML, "Imputer", 1, 1, 1, 1, makeImputer},
		{domainML, "LabelEncoder", 1, 1, 1, 1, makeLabelEncoder},
		{domainML, "LinearClassifier", 1, 1, 1, 2, makeLinearClassifier},
		{domainML, "LinearRegressor", 1, 1, 1, 1, makeLinearRegressor},
		{domainML, "Normalizer", 1, 1, 1, 1, makeNormalizer},
		{domainML, "OneHotEncoder", 1, 1, 1, 1, makeOneHotEncoder},
		{domainML, "SVMClassifier", 1, 1, 1, 2, makeSVMClassifier},
		{domainML, "SVMRegressor", 1, 1, 1, 1, makeSVMRegressor},
		{domainML, "Scaler", 1, 1, 1, 1, makeScaler},
		{domainML, "TreeEnsembleClassifier", 1, 1, 1, 2, makeTreeClassifier},
		{domainML, "TreeEnsembleRegressor", 1, 1, 1, 1, makeTreeRegressor},
		{domainML, "ZipMap", 1, 1, 1, 1, makeZipMap},

		{"com.microsoft", "CDist", 1, 2, 2, 1, makeCDist},
	}
}

func logAddExp(a, x float64) float64 {
	hi, lo := max(a, x), min(a, x)
	if math.IsInf(hi, -1) {
		return hi
	}
	return hi + math.Log1p(math.Exp(lo-hi))
}
