package inproc_test

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/inproc"
	"fairlead.dev/runtime/runtimetest"
)

func TestRuntime(t *testing.T) {
	for name, cuts := range map[string][]int{
		"mlp_digits.onnx": nil, "cnn.onnx": nil, "forest.onnx": nil, "logistic_strings_zipmap.onnx": nil,
		"xgb_multi.json": nil, "lgb_multi.txt": nil,
	} {
		t.Run(name, func(t *testing.T) {
			b := mustRead(t, name)
			runtimetest.Run(t, runtimetest.Case{Runtime: inproc.New(inproc.Config{}), Format: inproc.Detect(name, b), Artifact: b, Cuts: cuts})
		})
	}
}

func TestDetect(t *testing.T) {
	for name, want := range map[string]string{"cnn.onnx": "onnx", "gbm.onnx": "onnx", "xgb_dart.json": "xgboost-json", "lgb_zero.txt": "lightgbm-text", "cnn.golden": "", "make_fixtures.py": ""} {
		if got := inproc.Detect("some/file", mustRead(t, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if inproc.Detect("a.onnx", nil) != "onnx" || inproc.Detect("a.bin", nil) != "" {
		t.Error("an empty file goes by its name alone")
	}
}

// Small writers of ONNX records, for models that no exporter would write.

func msg(num protowire.Number, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
}
func txt(num protowire.Number, s string) []byte { return msg(num, []byte(s)) }
func num(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

// value is a float tensor's ValueInfo in field f; a dimension of 0 is free.
func value(f protowire.Number, name string, shape ...uint64) []byte {
	var ds []byte
	for _, d := range shape {
		if d == 0 {
			ds = append(ds, msg(1)...)
		} else {
			ds = append(ds, msg(1, num(1, d))...)
		}
	}
	return msg(f, txt(1, name), msg(2, msg(1, num(1, 1), msg(2, ds))))
}

func onnxFile(opset uint64, graph ...[]byte) []byte {
	return append(append(num(1, 8), msg(7, graph...)...), msg(8, num(2, opset))...)
}

// TestRefuses looks at what Check says of models it cannot or must not run.
func TestRefuses(t *testing.T) {
	x, y := value(11, "x", 0, 4), value(12, "y", 0, 4)
	one := func(op string, more ...[]byte) []byte {
		return msg(1, append([][]byte{txt(1, "x"), txt(2, "y"), txt(3, "the-node"), txt(4, op)}, more...)...)
	}
	ints := func(name string, vs ...uint64) []byte {
		b := append(txt(1, name), num(20, 7)...)
		for _, v := range vs {
			b = append(b, num(8, v)...)
		}
		return msg(5, b)
	}
	tensor := func(name string, dims []uint64, extra ...[]byte) []byte {
		b := append(txt(8, name), num(2, 1)...)
		for _, d := range dims {
			b = append(b, num(1, d)...)
		}
		for _, e := range extra {
			b = append(b, e...)
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		code fairlead.Code
		says []string
	}{
		"unknown operator":  {onnxFile(17, one("LSTM"), x, y), fairlead.Unsupported, []string{"LSTM", "the-node", "ai.onnx", "version 17"}},
		"unknown domain":    {onnxFile(17, one("Relu", txt(7, "com.example")), x, y), fairlead.Unsupported, []string{"Relu", "com.example"}},
		"old version":       {onnxFile(5, one("Relu"), x, y), fairlead.Unsupported, []string{"Relu", "version 5", "from version 6"}},
		"new version":       {onnxFile(99, one("Relu"), x, y), fairlead.Unsupported, []string{"version 99", "newest known"}},
		"unknown attribute": {onnxFile(17, one("Relu", ints("alphabet", 1)), x, y), fairlead.Unsupported, []string{"Relu", "alphabet"}},
		"attribute value":   {onnxFile(17, one("MaxPool", msg(5, txt(1, "auto_pad"), num(20, 3), txt(4, "SOME")), ints("kernel_shape", 2)), value(11, "x", 0, 1, 4), y), fairlead.Invalid, []string{"auto_pad", "SOME", "SAME_UPPER"}},
		"subgraph":          {onnxFile(17, one("If", msg(5, txt(1, "then_branch"), msg(6))), x, y), fairlead.Unsupported, []string{"If"}},
		"external data":     {onnxFile(17, one("Relu"), x, y, msg(5, tensor("w", []uint64{1}, num(14, 1)))), fairlead.Unsupported, []string{"another file"}},
		"missing elements":  {onnxFile(17, one("Relu"), x, y, msg(5, tensor("w", []uint64{1 << 30, 2}))), fairlead.Invalid, []string{"initializer 0 w", "the file has 0"}},
		"overflowing shape": {onnxFile(17, one("Relu"), x, y, msg(5, tensor("w", []uint64{0, 1 << 31, 1 << 31, 1 << 31}))), fairlead.Invalid, []string{"bad shape"}},
		"shapes that clash": {onnxFile(17, msg(1, txt(1, "x"), txt(1, "w"), txt(2, "y"), txt(4, "Add")), x, y, msg(5, tensor("w", []uint64{3}, txt(9, strings.Repeat("\x00", 12))))), fairlead.Invalid, []string{"Add", "broadcast"}},
		"a loop":            {onnxFile(17, msg(1, txt(1, "y"), txt(2, "y"), txt(4, "Relu")), x, y), fairlead.Invalid, []string{"no earlier node"}},
		"no such output":    {onnxFile(17, one("Relu"), x, value(12, "z", 1)), fairlead.Invalid, []string{`"z"`}},
		"float16":           {onnxFile(17, one("Relu"), msg(11, txt(1, "x"), msg(2, msg(1, num(1, 10), msg(2, msg(1))))), y), fairlead.Unsupported, []string{"float16"}},
		"huge input":        {onnxFile(17, one("Relu"), value(11, "x", 0, 1<<30), y), fairlead.TooLarge, nil},
		"no graph":          {num(1, 8), fairlead.Corrupt, []string{"no graph"}},
		"functions":         {append(onnxFile(17, one("Relu"), x, y), msg(25)...), fairlead.Unsupported, []string{"functions"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inproc.New(inproc.Config{}).Check(context.Background(), blob{inproc.FormatONNX, c.file})
			if fairlead.CodeOf(err) != c.code {
				t.Fatalf("got %v, want code %s", err, c.code)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
	if _, err := inproc.New(inproc.Config{}).Check(context.Background(), blob{inproc.FormatONNX, onnxFile(17, one("Relu"), x, y)}); err != nil {
		t.Errorf("the sound one: %v", err)
	}
}

// TestBounded: what a small file may cost is bounded by Config, and a deadline
// ends a long call.
func TestBounded(t *testing.T) {
	// 40 doublings by Concat(x, x): 4 floats become 2^42 values.
	var nodes [][]byte
	last := "x"
	for i := range 40 {
		next := "v" + string(rune('A'+i))
		nodes = append(nodes, msg(1, txt(1, last), txt(1, last), txt(2, next), txt(4, "Concat"), msg(5, txt(1, "axis"), num(20, 2), num(3, 1))))
		last = next
	}
	nodes = append(nodes, value(11, "x", 0, 4), value(12, last, 0, 0))
	_, err := inproc.New(inproc.Config{MaxMemory: 16 << 20}).Check(context.Background(), blob{inproc.FormatONNX, onnxFile(17, nodes...)})
	if fairlead.CodeOf(err) != fairlead.TooLarge {
		t.Errorf("doublings: %v, want code too_large", err)
	}
	rt := inproc.New(inproc.Config{MaxFile: 100})
	if _, err := rt.Check(context.Background(), blob{inproc.FormatONNX, make([]byte, 101)}); fairlead.CodeOf(err) != fairlead.TooLarge {
		t.Errorf("file: %v, want code too_large", err)
	}
	rt = inproc.New(inproc.Config{MaxWork: 60000})
	b := mustRead(t, "mlp_digits.onnx")
	m, err := rt.Load(context.Background(), blob{inproc.FormatONNX, b}, fairlead.TargetSpec{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 100)); fairlead.CodeOf(err) != fairlead.TooLarge {
		t.Errorf("work: %v, want code too_large", err)
	}
	if _, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 2)); err != nil {
		t.Errorf("little work: %v", err)
	}
}

// mlp is a net of dense layers with ReLU between, of random weights.
func mlp(sizes ...int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	graph := [][]byte{value(11, "x", 0, uint64(sizes[0]))}
	last := "x"
	for i := 1; i < len(sizes); i++ {
		k := string(rune('0' + i))
		raw := func(n int) []byte {
			b := make([]byte, 0, 4*n)
			for range n {
				b = protowire.AppendFixed32(b, 0x3d000000|uint32(r.IntN(1<<23)))
			}
			return msg(9, b)
		}
		graph = append(graph,
			msg(5, txt(8, "w"+k), num(2, 1), num(1, uint64(sizes[i-1])), num(1, uint64(sizes[i])), raw(sizes[i-1]*sizes[i])),
			msg(5, txt(8, "b"+k), num(2, 1), num(1, uint64(sizes[i])), raw(sizes[i])),
			msg(1, txt(1, last), txt(1, "w"+k), txt(1, "b"+k), txt(2, "g"+k), txt(4, "Gemm")))
		last = "g" + k
		if i < len(sizes)-1 {
			graph = append(graph, msg(1, txt(1, last), txt(2, "r"+k), txt(4, "Relu")))
			last = "r" + k
		}
	}
	return onnxFile(17, append(graph, value(12, last, 0, uint64(sizes[len(sizes)-1])))...)
}

func TestAllocations(t *testing.T) {
	if raceOn {
		t.Skip("the race detector empties pools")
	}
	m, err := inproc.New(inproc.Config{}).Load(context.Background(), blob{inproc.FormatONNX, mlp(32, 128, 64, 8)}, fairlead.TargetSpec{})
	if err != nil {
		t.Fatal(err)
	}
	req := runtimetest.Request(m.Signature(), 4)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pool
	n := testing.AllocsPerRun(100, func() {
		if _, err := m.Infer(context.Background(), req); err != nil {
			t.Fatal(err)
		}
	})
	// The answer, its data, and the data's place in the tensor.
	if n > 4 {
		t.Errorf("%v allocations a call, at most 4 expected", n)
	}
}

func benchmark(b *testing.B, m runtime.Model, rows int64) {
	r := rand.New(rand.NewPCG(3, 4))
	reqs := make([]*runtime.Request, 64) // varied rows: the same one flatters the branch predictor
	for i := range reqs {
		reqs[i] = runtimetest.Request(m.Signature(), rows)
		switch d := reqs[i].Inputs[0].Data.(type) {
		case []float32:
			for j := range d {
				d[j] = float32(r.NormFloat64())
			}
		case []float64:
			for j := range d {
				d[j] = r.NormFloat64()
			}
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.Infer(context.Background(), reqs[i%len(reqs)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInfer(b *testing.B) {
	net, err := inproc.New(inproc.Config{}).Load(context.Background(), blob{inproc.FormatONNX, mlp(32, 128, 64, 8)}, fairlead.TargetSpec{})
	if err != nil {
		b.Fatal(err)
	}
	forest := mustForest(b, 300, 6, 20)
	for _, c := range []struct {
		name string
		m    runtime.Model
		rows int64
	}{
		{"mlp-32-128-64-8/b1", net, 1}, {"mlp-32-128-64-8/b32", net, 32},
		{"trees-300x6/b1", forest, 1}, {"trees-300x6/b32", forest, 32},
		{"cnn/b1", mustLoad(b, "cnn.onnx"), 1}, {"digits/b1", mustLoad(b, "mlp_digits.onnx"), 1},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.m, c.rows) })
	}
}
