package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fairlead.dev"
	model "fairlead.dev/runtime"
	"pgregory.net/rapid"
)

// one is a request with a single input.
func one(datatype, shape, data string) string {
	return fmt.Sprintf(`{"inputs":[{"name":"x","datatype":"%s","shape":%s,"data":%s}]}`, datatype, shape, data)
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       any // the first input's Data
	}{
		{"flat", one("FP32", "[2,2]", "[1,2.5,-3e2,0.1]"), []float32{1, 2.5, -300, 0.1}},
		{"nested", one("INT64", "[2,2]", "[[1,2],[3,4]]"), []int64{1, 2, 3, 4}},
		{"nested deep", one("INT8", "[2,1,2]", "[[[1,2]],[[3,4]]]"), []int8{1, 2, 3, 4}},
		{"scalar", one("INT32", "[]", "[7]"), []int32{7}},
		{"none", one("FP64", "[0,4]", "[]"), []float64{}},
		{"none nested", one("FP64", "[2,0]", "[[],[]]"), []float64{}},
		{"bool", one("BOOL", "[2]", "[true,false]"), []bool{true, false}},
		{"limits", one("INT64", "[2]", "[-9223372036854775808,9223372036854775807]"), []int64{math.MinInt64, math.MaxInt64}},
		{"unsigned limits", one("UINT64", "[3]", "[18446744073709551615,0,-0]"), []uint64{math.MaxUint64, 0, 0}},
		{"small", one("UINT8", "[2]", "[0,255]"), []uint8{0, 255}},
		{"half", one("FP16", "[5]", "[1,-2,65504,5.960464477539063e-08,0.1]"), []uint16{0x3c00, 0xc000, 0x7bff, 1, 0x2e66}},
		{"bytes", one("BYTES", "[3]", `["a","",  "\u00e9\n\ud83d\ude00"]`), [][]byte{[]byte("a"), {}, []byte("é\n😀")}},
		{"data first", `{"inputs":[{"data":[1,2],"shape":[2],"name":"x","datatype":"INT16","parameters":{"a":true}}],"id":"q","outputs":[{"name":"y","parameters":{"binary_data":true}}],"parameters":{"p":1.5,"q":null}}`, []int16{1, 2}},
		{"other clients' fields", `{"model_name":"digits","model_version":null,"id":null,"outputs":null,"parameters":null,` + one("FP32", "[1]", "[1]")[1:], []float32{1}},
		{"space", " {\n\t\"inputs\" : [ { \"name\":\"x\" , \"datatype\":\"UINT32\",\"shape\":[ 2 ] ,\"data\": [ 1 , 2 ] } ] } \r\n", []uint32{1, 2}},
	} {
		in, err := decodeInfer([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := in.req.Inputs[0]; !reflect.DeepEqual(got.Data, c.want) || got.Name != "x" {
			t.Errorf("%s: got %#v, want %#v", c.name, got.Data, c.want)
		}
	}
}

// TestDecodeFaults: each says where, what was expected and what was found.
func TestDecodeFaults(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, c := range []struct{ body, want string }{
		{``, "not valid\n  wrong type (expected an object; got the end of the body)"},
		{`[]`, "wrong type (expected an object; got a list)"},
		{`{"inputs":[]}`, "inputs: missing (expected a list of one tensor or more)"},
		{`{}`, "inputs: missing"},
		{`{"inputs":7}`, "inputs: wrong type (expected a list; got 7)"},
		{`{"inputs":[7]}`, "inputs[0]: wrong type (expected an object; got 7)"},
		{`{"input":[]}`, `unknown field "input" (known: id, inputs, outputs, parameters, model_name, model_version)`},
		{`{"id":5,"inputs":[]}`, "id: wrong type (expected a string; got 5)"},
		{`{"id":"a","id":"b"}`, "id: given twice"},
		{one("FP32", "[1]", "[1]") + "x", "not JSON at byte"},
		{`{"inputs":[{}]}`, "inputs[0].name: missing"},
		{`{"inputs":[{"name":"x","shape":[1],"data":[1]}]}`, "inputs[0].datatype: missing"},
		{`{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}`, "inputs[0].shape: missing"},
		{`{"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]}`, "inputs[0].data: missing"},
		{`{"inputs":[{"name":"","datatype":"FP32","shape":[1],"data":[1]}]}`, "inputs[0].name: not a tensor's name"},
		{`{"inputs":[{"name":"x","dtype":"FP32"}]}`, `inputs[0]: unknown field "dtype" (known: name, shape, datatype, data, parameters)`},
		{`{"inputs":[{"name":"x","datatype":"BF16"}]}`, `inputs[0].datatype: unknown datatype (expected BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FP16, FP32, FP64, BYTES; got "BF16")`},
		{`{"inputs":[{"name":"x","parameters":{"a":[1]}}]}`, "inputs[0].parameters.a: wrong type (expected a string, a number, true, false or null; got a list)"},
		{`{"outputs":[{"name":3}]}`, "outputs[0].name: wrong type (expected a string; got 3)"},
		{`{"outputs":[{}]}`, "outputs[0].name: missing"},
		{one("FP32", "[-1]", "[1]"), "inputs[0].shape[0]: not a dimension (expected a whole number, 0 or more; got -1)"},
		{one("FP32", "[1.5]", "[1]"), "inputs[0].shape[0]: not a dimension"},
		{one("FP32", `["1"]`, "[1]"), `inputs[0].shape[0]: not a dimension (expected a whole number, 0 or more; got "1")`},
		{one("FP32", "[4611686018427387904,4]", "[1]"), "inputs[0].shape: the tensor would be too large"},
		{one("FP32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[1]"), "inputs[0].shape: too many dimensions"},
		{one("FP32", "[100000000]", "[1]"), "inputs[0].data: too few elements (expected 100000000 for shape [100000000]; got 1)"},
		{one("BYTES", "[100,1000]", `[["a]\\"",  "b"], ["c"]]`), "inputs[0].data: too few elements (expected 100000 for shape [100 1000]; got 3)"},
		{one("FP32", "[100000000]", "null"), "inputs[0].data: wrong type (expected a list of elements; got null)"},
		{one("FP32", "[100000000]", `{"0": 1}`), "inputs[0].data: wrong type (expected a list of elements; got an object)"},
		{one("FP32", "[3]", "[1,2]"), "inputs[0].data: wrong number of elements (expected 3 for shape [3]; got 2)"},
		{one("FP32", "[1]", "[1,2]"), "inputs[0].data: wrong number of elements (expected 1 for shape [1]; got more than 1)"},
		{one("FP32", "[2,2]", "[[1,2],[3]]"), "inputs[0].data[1]: wrong number of elements (expected 2 for shape [2 2]; got 1)"},
		{one("FP32", "[2,2]", "[[1,2],3]"), "inputs[0].data[1]: wrong type (expected a list, as in dimension 1 of shape [2 2]; got 3)"},
		{one("FP32", "[2,2]", `[[1,2],[3,"x"]]`), `inputs[0].data[1][1]: not of datatype FP32 (expected a number within the range of FP32; got "x")`},
		{one("FP32", "[2]", "[[1],[2]]"), "inputs[0].data[0]: not of datatype FP32 (expected a number within the range of FP32; got a list)"},
		{one("FP32", "[4]", `[1,2,3,"four"]`), `inputs[0].data[3]: not of datatype FP32 (expected a number within the range of FP32; got "four")`},
		{one("FP32", "[1]", "[null]"), "got null"},
		{one("FP32", "[1]", "[1e39]"), "inputs[0].data[0]: not of datatype FP32"},
		{one("FP64", "[1]", "[1e309]"), "inputs[0].data[0]: not of datatype FP64"},
		{one("FP16", "[1]", "[65520]"), "inputs[0].data[0]: not of datatype FP16 (expected a number from -65504 to 65504; got 65520)"},
		{one("INT8", "[1]", "[128]"), "inputs[0].data[0]: not of datatype INT8 (expected a whole number from -128 to 127; got 128)"},
		{one("INT64", "[1]", "[9223372036854775808]"), "inputs[0].data[0]: not of datatype INT64"},
		{one("INT64", "[1]", "[1.0]"), "got 1.0"},
		{one("UINT8", "[1]", "[-1]"), "inputs[0].data[0]: not of datatype UINT8 (expected a whole number from 0 to 255; got -1)"},
		{one("UINT64", "[1]", "[18446744073709551616]"), "inputs[0].data[0]: not of datatype UINT64"},
		{one("BOOL", "[1]", "[1]"), "inputs[0].data[0]: not of datatype BOOL (expected true or false; got 1)"},
		{one("BYTES", "[1]", "[1]"), "inputs[0].data[0]: not of datatype BYTES (expected a string; got 1)"},
		{one("BYTES", "[1]", "[\"\xff\"]"), "inputs[0].data[0]: not of datatype BYTES"},
		{one("BYTES", "[1]", `["\ud800"]`), "inputs[0].data[0]"},
		{one("FP32", "[1]", "[01]"), "inputs[0].data[0]: not of datatype FP32 (expected a number within the range of FP32; got 01)"},
		{one("FP32", "[1]", "[1,]"), "inputs[0].data"},
		{one("FP32", "[1]", "7"), "inputs[0].data: wrong type (expected a list of FP32; got 7)"},
		{`{"inputs":[{"data":` + deep + `}]}`, "inputs[0].data: nested too deeply (expected at most 64 levels"},
		{`{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]},{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}`, `inputs[1].name: the name "x" was given to inputs[0] already`},
		{`{"inputs":[{"name":"x\u0000`, "not JSON at byte"},
		{"{\"id\":\"a\nb\"}", "id: not JSON at byte 8 (expected no control characters within a string"},
	} {
		_, err := decodeInfer([]byte(c.body))
		if err == nil || fairlead.CodeOf(err) != fairlead.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.120s:\n got %v\nwant %s", c.body, err, c.want)
		}
	}
}

// drawTensor makes any tensor that JSON can carry.
func drawTensor(t *rapid.T, name string) model.Tensor {
	shape := rapid.SliceOfN(rapid.Int64Range(0, 3), 0, 4).Draw(t, "shape")
	n := int(model.Elements(shape))
	d := rapid.SampledFrom(model.Datatypes()).Draw(t, "datatype")
	x := model.Tensor{Name: name, Datatype: d, Shape: shape}
	switch d {
	case "BOOL":
		x.Data = rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "data")
	case "INT8":
		x.Data = rapid.SliceOfN(rapid.Int8(), n, n).Draw(t, "data")
	case "INT16":
		x.Data = rapid.SliceOfN(rapid.Int16(), n, n).Draw(t, "data")
	case "INT32":
		x.Data = rapid.SliceOfN(rapid.Int32(), n, n).Draw(t, "data")
	case "INT64":
		x.Data = rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "data")
	case "UINT8":
		x.Data = rapid.SliceOfN(rapid.Uint8(), n, n).Draw(t, "data")
	case "UINT16":
		x.Data = rapid.SliceOfN(rapid.Uint16(), n, n).Draw(t, "data")
	case "UINT32":
		x.Data = rapid.SliceOfN(rapid.Uint32(), n, n).Draw(t, "data")
	case "UINT64":
		x.Data = rapid.SliceOfN(rapid.Uint64(), n, n).Draw(t, "data")
	case "FP16":
		x.Data = rapid.SliceOfN(rapid.Uint16().Filter(func(h uint16) bool { return h>>10&31 != 31 }), n, n).Draw(t, "data")
	case "FP32":
		x.Data = rapid.SliceOfN(rapid.Float32(), n, n).Draw(t, "data")
	case "FP64":
		x.Data = rapid.SliceOfN(rapid.Float64(), n, n).Draw(t, "data")
	case "BYTES":
		var b [][]byte
		for _, s := range rapid.SliceOfN(rapid.String(), n, n).Draw(t, "data") {
			b = append(b, []byte(s))
		}
		x.Data = slices.Clip(append([][]byte{}, b...))
	}
	return x
}

// TestRoundTrip: what the encoder writes the decoder reads, bit for bit.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := drawTensor(rt, rapid.StringN(1, 20, 200).Filter(func(s string) bool { return len(s) > 0 }).Draw(rt, "name"))
		body := encodeInfer(nil, "m", "1", "id", &model.Response{Outputs: []model.Tensor{x}})
		if !json.Valid(body) {
			rt.Fatalf("not JSON: %s", body)
		}
		req := bytes.Replace(body, []byte(`"outputs":[`), []byte(`"inputs":[`), 1)
		in, err := decodeInfer(req)
		if err != nil {
			rt.Fatalf("%s: %v", req, err)
		}
		got := in.req.Inputs[0]
		if got.Name != x.Name || !slices.Equal(got.Shape, x.Shape) || !sameBits(got.Data, x.Data) {
			rt.Fatalf("%+v became %+v", x, got)
		}
	})
}

// sameBits compares exactly: -0 is not 0.
func sameBits(a, b any) bool {
	switch x := a.(type) {
	case []float32:
		return slices.EqualFunc(x, b.([]float32), func(p, q float32) bool { return math.Float32bits(p) == math.Float32bits(q) })
	case []float64:
		return slices.EqualFunc(x, b.([]float64), func(p, q float64) bool { return math.Float64bits(p) == math.Float64bits(q) })
	case [][]byte:
		return slices.EqualFunc(x, b.([][]byte), bytes.Equal)
	}
	return reflect.DeepEqual(a, b)
}

// TestNumbers: every number reads as strconv reads it.
func TestNumbers(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		p := &parser{b: []byte(s)}
		n, ok := p.number()
		if !ok || p.i != len(s) {
			t.Fatalf("%q was not read", s)
		}
		f64, ok64 := n.float64()
		w64, err := strconv.ParseFloat(s, 64)
		if ok64 != (err == nil) || ok64 && math.Float64bits(f64) != math.Float64bits(w64) {
			t.Fatalf("%q: got %v %v, want %v %v", s, f64, ok64, w64, err)
		}
		f32, ok32 := n.float32()
		w32, err := strconv.ParseFloat(s, 32)
		if ok32 != (err == nil) || ok32 && math.Float32bits(f32) != math.Float32bits(float32(w32)) {
			t.Fatalf("%q: got %v %v, want %v %v", s, f32, ok32, w32, err)
		}
		for _, bits := range []int{8, 16, 32, 64} {
			i, ok := n.int(bits)
			wi, err := strconv.ParseInt(s, 10, bits)
			if ok != (err == nil) || ok && i != wi {
				t.Fatalf("%q int%d: got %v %v, want %v %v", s, bits, i, ok, wi, err)
			}
			u, ok := n.uint(bits)
			wu, err := strconv.ParseUint(strings.Replace(s, "-0", "0", 1), 10, bits)
			if ok != (err == nil) || ok && u != wu {
				t.Fatalf("%q uint%d: got %v %v, want %v %v", s, bits, u, ok, wu, err)
			}
		}
	}
	for _, s := range []string{"0", "-0", "16777216", "16777217", "9007199254740993", "0.1", "1e22", "1e23", "123456789012345678901234567890", "18446744073709551615", "18446744073709551616",
		"-9223372036854775808", "-9223372036854775809", "1e-400", "1e400", "4.9e-324", "5e-324", "2.4703282292062327e-324", "1.00000005960464477539062500001", "-128", "-129", "255", "256"} {
		check(t, s)
	}
	for m := 1<<24 - 50; m < 1<<24+200; m++ { // around the last exact mantissa of FP32
		for e := -11; e <= 11; e++ {
			check(t, fmt.Sprintf("%de%d", m, e))
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		check(rt, rapid.StringMatching(`-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?`).Draw(rt, "number"))
	})
}

// TestHalf: all 65,536 halves go through a float and back.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		f := float64(halfToFloat(uint16(h)))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		if got, ok := floatToHalf(f); !ok || got != uint16(h) {
			t.Fatalf("%#04x: %v: %#04x %v", h, f, got, ok)
		}
	}
}

// FuzzDecode: the decoder never panics, accepts nothing that is not JSON, and
// reads the same values as encoding/json.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodBody))
	f.Add([]byte(one("INT64", "[2,2]", "[[1,2],[3,4]]")))
	f.Add([]byte(one("BYTES", "[3]", `["a","",  "\u00e9\n\ud83d\ude00"]`)))
	f.Add([]byte(one("FP16", "[5]", "[1,-2,65504,5.960464477539063e-08,0.1]")))
	f.Add([]byte(one("UINT64", "[3]", "[18446744073709551615,0,-0]")))
	f.Add([]byte(`{"inputs":[{"data":[true,false],"shape":[2],"name":"x","datatype":"BOOL","parameters":{"a":true}}],"id":"q","outputs":[{"name":"y"}],"parameters":{"p":1.5}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := decodeInfer(body)
		if err != nil {
			if fairlead.CodeOf(err) != fairlead.Invalid {
				t.Fatal(err)
			}
			return
		}
		var ref struct {
			ID     string
			Inputs []struct {
				Name, Datatype string
				Shape          []int64
				Data           any
			}
			Outputs []struct{ Name string }
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		if err := dec.Decode(&ref); err != nil || !json.Valid(body) {
			t.Fatalf("accepted, but encoding/json says %v: %q", err, body)
		}
		if ref.ID != in.req.ID || len(ref.Inputs) != len(in.req.Inputs) || len(ref.Outputs) != len(in.req.Outputs) {
			t.Fatalf("%+v is not %+v", in.req, ref)
		}
		for i, want := range ref.Inputs {
			got := in.req.Inputs[i]
			flat := flatten(nil, want.Data)
			if got.Name != want.Name || got.Datatype != want.Datatype || !slices.Equal(got.Shape, want.Shape) || int64(len(flat)) != model.Elements(got.Shape) {
				t.Fatalf("%+v is not %+v", got, want)
			}
			if n, ok := model.DataLen(got.Datatype, got.Data); !ok || n != len(flat) {
				t.Fatalf("%T of %d for %s", got.Data, n, got.Datatype)
			}
			for k, v := range flat {
				if !sameValue(got, k, v) {
					t.Fatalf("element %d of %+v is not %v", k, got, v)
				}
			}
		}
	})
}

func flatten(out []any, v any) []any {
	if l, ok := v.([]any); ok {
		for _, x := range l {
			out = flatten(out, x)
		}
		return out
	}
	return append(out, v)
}

// sameValue compares an element with what encoding/json read.
func sameValue(t model.Tensor, k int, want any) bool {
	switch x := t.Data.(type) {
	case []bool:
		return want == x[k]
	case [][]byte:
		return want == string(x[k])
	case []float32:
		f, err := strconv.ParseFloat(string(want.(json.Number)), 32)
		return err == nil && math.Float32bits(float32(f)) == math.Float32bits(x[k])
	case []float64:
		f, err := strconv.ParseFloat(string(want.(json.Number)), 64)
		return err == nil && math.Float64bits(f) == math.Float64bits(x[k])
	case []uint16:
		if t.Datatype == "FP16" {
			f, err := strconv.ParseFloat(string(want.(json.Number)), 64)
			d := math.Abs(f - float64(halfToFloat(x[k])))
			return err == nil && d <= math.Max(math.Abs(f)/2048, 1.0/(1<<25)) // within half a unit
		}
	}
	text := fmt.Sprint(reflect.ValueOf(t.Data).Index(k))
	return text == string(want.(json.Number)) || text == "0" && want.(json.Number) == "-0"
}

// FuzzFeedback: whatever is sent, it is taken or refused, never a panic.
func FuzzFeedback(f *testing.F) {
	f.Add([]byte(`{"request_id":"r1","label":[1,2,4],"metrics":{"a":1},"at":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte("[{\"request_id\":\"r1\",\"label\":7}]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newWorld(t)
		w.apply(plan(1, 0))
		_, _ = w.call("r1")
		if r := w.do("POST", "/v1/feedback", string(body)); r.Code != 200 && r.Code != 400 {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
	})
}
