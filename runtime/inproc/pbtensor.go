package inproc

import (
	"encoding/binary"
	"math"
)

// onnxType maps ONNX's element types to ours.
func onnxType(t uint64) (dtype, error) {
	switch t {
	case 1:
		return f32, nil
	case 2:
		return u8, nil
	case 3:
		return i8, nil
	case 6:
		return i32, nil
	case 7:
		return i64, nil
	case 8:
		return str, nil
	case 9:
		return boolean, nil
	case 11:
		return f64, nil
	}
	names := map[uint64]string{4: "uint16", 5: "int16", 10: "float16", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16"}
	if n, ok := names[t]; ok {
		return 0, unsupported("element type %s; known: float, double, int64, int32, int8, uint8, bool, string", n)
	}
	return 0, unsupported("element type %d; known: float, double, int64, int32, int8, uint8, bool, string", t)
}

// rawTensor is a TensorProto before its parts are put together.
type rawTensor struct {
	name     string
	typ      uint64
	dims     []int64
	raw      []byte
	hasRaw   bool
	f        []float32
	d        []float64
	i32, i64 []int64
	s        [][]byte
}

// parseTensor reads a TensorProto. Its element count is that of the data in
// the file, so memory stays within a small multiple of the file's size.
func parseTensor(b []byte, where string) (*tensor, string, error) {
	var r rawTensor
	err := each(b, where, func(x field) (err error) {
		switch x.num {
		case 1:
			r.dims, err = x.ints(r.dims)
		case 2:
			r.typ = x.value
		case 4:
			r.f, err = x.floats(r.f)
		case 5:
			r.i32, err = x.ints(r.i32)
		case 6:
			var m []byte
			if m, err = x.message(); err == nil {
				r.s = append(r.s, m)
			}
		case 7:
			r.i64, err = x.ints(r.i64)
		case 8:
			r.name, err = x.name(where)
		case 9:
			r.raw, err = x.message()
			r.hasRaw = true
		case 10:
			r.d, err = x.doubles(r.d)
		case 13:
			return unsupported("%s keeps its data in another file; export the model as one file", where)
		case 14:
			if x.value != 0 {
				return unsupported("%s keeps its data in another file; export the model as one file", where)
			}
		case 3:
			return unsupported("%s is a segment of a larger tensor", where)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if r.name != "" {
		where += " " + r.name
	}
	t, err := r.build(where)
	return t, r.name, err
}

func (r *rawTensor) build(where string) (*tensor, error) {
	dt, err := onnxType(r.typ)
	if err != nil {
		return nil, err
	}
	if len(r.dims) > maxRank {
		return nil, unsupported("%s has %d dimensions, at most %d are known", where, len(r.dims), maxRank)
	}
	t := &tensor{dt: dt}
	n, room := 1, maxElements
	for _, d := range r.dims {
		// A zero makes n nothing, but products of the other dimensions must
		// not overflow either.
		if d < 0 || d > maxElements || (d > 0 && room < int(d)) {
			return nil, invalid("%s: bad shape %v", where, r.dims)
		}
		room /= max(int(d), 1)
		n *= int(d)
		t.shape = append(t.shape, int(d))
	}
	var have int
	switch {
	case r.hasRaw && dt == str:
		return nil, invalid("%s: strings as raw data", where)
	case r.hasRaw:
		if len(r.raw)%dt.size() != 0 {
			return nil, invalid("%s: %d bytes of raw data for elements of %d", where, len(r.raw), dt.size())
		}
		have = len(r.raw) / dt.size()
	case dt == f32:
		have = len(r.f)
	case dt == f64:
		have = len(r.d)
	case dt == i64:
		have = len(r.i64)
	case dt == str:
		have = len(r.s)
	default:
		have = len(r.i32)
	}
	if have != n {
		return nil, invalid("%s: shape %v asks for %d elements, the file has %d", where, r.dims, n, have)
	}
	v := &t.view
	if !r.hasRaw {
		switch dt {
		case f32:
			v.f32 = r.f
		case f64:
			v.f64 = r.d
		case i64:
			v.i64 = r.i64
		case str:
			v.s = r.s
		case i32:
			v.i32 = convert[int32](r.i32)
		case i8:
			v.i8 = convert[int8](r.i32)
		case u8:
			v.u8 = convert[uint8](r.i32)
		case boolean:
			v.b = make([]bool, n)
			for i, x := range r.i32 {
				v.b[i] = x != 0
			}
		}
		return t, nil
	}
	le := binary.LittleEndian
	switch dt {
	case f32:
		v.f32 = make([]float32, n)
		for i := range v.f32 {
			v.f32[i] = math.Float32frombits(le.Uint32(r.raw[4*i:]))
		}
	case f64:
		v.f64 = make([]float64, n)
		for i := range v.f64 {
			v.f64[i] = math.Float64frombits(le.Uint64(r.raw[8*i:]))
		}
	case i64:
		v.i64 = make([]int64, n)
		for i := range v.i64 {
			v.i64[i] = int64(le.Uint64(r.raw[8*i:]))
		}
	case i32:
		v.i32 = make([]int32, n)
		for i := range v.i32 {
			v.i32[i] = int32(le.Uint32(r.raw[4*i:]))
		}
	case i8:
		v.i8 = make([]int8, n)
		for i := range v.i8 {
			v.i8[i] = int8(r.raw[i])
		}
	case u8:
		v.u8 = append([]uint8(nil), r.raw...)
	case boolean:
		v.b = make([]bool, n)
		for i := range v.b {
			v.b[i] = r.raw[i] != 0
		}
	}
	return t, nil
}

func convert[T int32 | int8 | uint8](from []int64) []T {
	out := make([]T, len(from))
	for i, v := range from {
		out[i] = T(v)
	}
	return out
}
