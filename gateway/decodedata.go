package gateway

import (
	"fmt"
	"strconv"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// data reads a tensor's elements, flat or nested as the shape says.
func (p *parser) data(path string, t *model.Tensor) (err error) {
	f := filler{p: p, path: path, t: t, n: model.Elements(t.Shape)}
	// An element takes a byte and a comma at least; without this a small body
	// could ask for any amount of memory.
	least := int64(2)
	if t.Datatype == "BYTES" {
		least = 3
	}
	if f.n > int64(len(p.b)-p.i)/least {
		if p.peek() != '[' {
			return p.fault(path, "wrong type", "a list of elements")
		}
		return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid", Faults: []fairlead.Fault{{Path: path,
			Message: "too few elements", Want: fmt.Sprintf("%d for shape %v", f.n, t.Shape), Got: strconv.Itoa(elements(p.b[p.i:]))}}}
	}
	switch t.Datatype {
	case "BOOL":
		t.Data, err = fill(f, "true or false", (*parser).bool)
	case "INT8":
		t.Data, err = fill(f, "a whole number from -128 to 127", signed[int8](8))
	case "INT16":
		t.Data, err = fill(f, "a whole number from -32768 to 32767", signed[int16](16))
	case "INT32":
		t.Data, err = fill(f, "a whole number from -2147483648 to 2147483647", signed[int32](32))
	case "INT64":
		t.Data, err = fill(f, "a whole number from -9223372036854775808 to 9223372036854775807", signed[int64](64))
	case "UINT8":
		t.Data, err = fill(f, "a whole number from 0 to 255", unsigned[uint8](8))
	case "UINT16":
		t.Data, err = fill(f, "a whole number from 0 to 65535", unsigned[uint16](16))
	case "UINT32":
		t.Data, err = fill(f, "a whole number from 0 to 4294967295", unsigned[uint32](32))
	case "UINT64":
		t.Data, err = fill(f, "a whole number from 0 to 18446744073709551615", unsigned[uint64](64))
	case "FP16":
		t.Data, err = fill(f, "a number from -65504 to 65504", half)
	case "FP32":
		t.Data, err = fill(f, "a number within the range of FP32", single)
	case "FP64":
		t.Data, err = fill(f, "a number within the range of FP64", double)
	case "BYTES":
		// All strings share one buffer; each is cut so that it cannot grow into
		// the next.
		var arena []byte
		t.Data, err = fill(f, "a string", func(p *parser) ([]byte, bool) {
			if p.peek() != '"' {
				return nil, false
			}
			start := len(arena)
			at := p.i
			var err error
			if arena, err = p.bytes(arena, ""); err != nil {
				p.i = at
				return nil, false
			}
			return arena[start:len(arena):len(arena)], true
		})
	}
	return err
}

// elements counts the scalars of the list that b begins with, as far as it
// goes: for a message, so it need not be well-formed.
func elements(b []byte) (n int) {
	depth, inside := 0, false // inside a scalar
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '[', ']', ',', ' ', '\t', '\r', '\n', '{', '}':
			inside = false
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				if depth--; depth <= 0 {
					return n
				}
			}
		case '"':
			if !inside {
				n++
			}
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		default:
			if !inside {
				n++
			}
			inside = true
		}
	}
	return n
}

func signed[T int8 | int16 | int32 | int64](bits int) func(*parser) (T, bool) {
	return func(p *parser) (T, bool) {
		n, ok := p.number()
		if !ok {
			return 0, false
		}
		v, ok := n.int(bits)
		return T(v), ok
	}
}

func unsigned[T uint8 | uint16 | uint32 | uint64](bits int) func(*parser) (T, bool) {
	return func(p *parser) (T, bool) {
		n, ok := p.number()
		if !ok {
			return 0, false
		}
		v, ok := n.uint(bits)
		return T(v), ok
	}
}

func half(p *parser) (uint16, bool) {
	n, ok := p.number()
	if !ok {
		return 0, false
	}
	v, ok := n.float64()
	if !ok {
		return 0, false
	}
	return floatToHalf(v)
}

func single(p *parser) (float32, bool) {
	n, ok := p.number()
	if !ok {
		return 0, false
	}
	return n.float32()
}

func double(p *parser) (float64, bool) {
	n, ok := p.number()
	if !ok {
		return 0, false
	}
	return n.float64()
}

// filler is the state of reading one tensor's data.
type filler struct {
	p    *parser
	path string
	t    *model.Tensor
	n    int64
	at   [maxDims]int // where a nested walk stands
}

// fill reads all elements with one.
func fill[T any](f filler, want string, one func(*parser) (T, bool)) ([]T, error) {
	out := make([]T, 0, f.n)
	p := f.p
	if p.peek() != '[' {
		return nil, p.fault(f.path, "wrong type", "a list of "+f.t.Datatype)
	}
	start := p.i
	p.i++
	nested := p.peek() == '[' && len(f.t.Shape) > 1
	p.i = start
	if nested {
		return fillNested(&f, 0, out, want, one)
	}
	err := p.list(f.path, func(i int) error {
		if int64(i) >= f.n {
			return f.count(f.path, f.n, fmt.Sprintf("more than %d", f.n))
		}
		p.space()
		at := p.i
		v, ok := one(p)
		if !ok {
			p.i = at
			return f.element(f.path+"["+strconv.Itoa(i)+"]", want)
		}
		out = append(out, v)
		return nil
	})
	if err == nil && int64(len(out)) != f.n {
		return nil, f.count(f.path, f.n, strconv.Itoa(len(out)))
	}
	return out, err
}

// fillNested reads one list of dimension d.
func fillNested[T any](f *filler, d int, out []T, want string, one func(*parser) (T, bool)) ([]T, error) {
	p := f.p
	if p.peek() != '[' {
		return nil, p.fault(f.where(d), "wrong type", fmt.Sprintf("a list, as in dimension %d of shape %v", d, f.t.Shape))
	}
	n := 0
	err := p.list(f.path, func(i int) error {
		if int64(i) >= f.t.Shape[d] {
			return f.count(f.where(d), f.t.Shape[d], fmt.Sprintf("more than %d", f.t.Shape[d]))
		}
		f.at[d], n = i, i+1
		if d+1 < len(f.t.Shape) {
			var err error
			out, err = fillNested(f, d+1, out, want, one)
			return err
		}
		p.space()
		at := p.i
		v, ok := one(p)
		if !ok {
			p.i = at
			return f.element(f.where(d+1), want)
		}
		out = append(out, v)
		return nil
	})
	if err == nil && int64(n) != f.t.Shape[d] {
		return nil, f.count(f.where(d), f.t.Shape[d], strconv.Itoa(n))
	}
	return out, err
}

// where is the path of the list or element at the first d indices.
func (f *filler) where(d int) string {
	s := f.path
	for _, i := range f.at[:d] {
		s += "[" + strconv.Itoa(i) + "]"
	}
	return s
}

func (f *filler) element(path, want string) error {
	return f.p.fault(path, "not of datatype "+f.t.Datatype, want)
}

func (f *filler) count(path string, want int64, got string) error {
	return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid", Faults: []fairlead.Fault{{Path: path,
		Message: "wrong number of elements", Want: fmt.Sprintf("%d for shape %v", want, f.t.Shape), Got: got}}}
}
