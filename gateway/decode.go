package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// Limits of an infer request, besides its body's size.
const (
	maxTensors = 256
	maxDims    = 16
	maxText    = 255 // bytes of a tensor's name
	maxParams  = 256
)

// inferIn is a decoded infer request.
type inferIn struct {
	req model.Request
}

// decodeInfer reads the protocol's infer request straight into typed tensors.
// Each fault names its JSON path. Nothing of the result refers to the body.
func decodeInfer(body []byte) (*inferIn, error) {
	p := &parser{b: body}
	in := &inferIn{}
	var seen fields
	err := p.object("", func(key string) error {
		if err := seen.once(p, "", key, requestFields); err != nil {
			return err
		}
		switch key {
		case "id":
			if p.null() {
				return nil
			}
			var err error
			in.req.ID, err = p.text("id")
			return err
		case "inputs":
			return p.list("inputs", func(i int) error { return p.input(in, i) })
		case "outputs":
			if p.null() {
				return nil
			}
			return p.list("outputs", func(i int) error { return p.output(in, i) })
		case "parameters":
			return p.parameters("parameters")
		default: // model_name, model_version: some clients send them; the path decides
			if p.null() {
				return nil
			}
			_, err := p.text(key)
			return err
		}
	})
	if err != nil {
		return nil, err
	}
	if p.peek() != 0 || p.i < len(p.b) {
		return nil, p.syntax("", "nothing after the request's object")
	}
	if !seen.has("inputs", requestFields) || len(in.req.Inputs) == 0 {
		return nil, &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid",
			Faults: []fairlead.Fault{{Path: "inputs", Message: "missing", Want: "a list of one tensor or more"}}}
	}
	return in, nil
}

// The members of the protocol's objects.
var (
	requestFields = []string{"id", "inputs", "outputs", "parameters", "model_name", "model_version"}
	inputFields   = []string{"name", "shape", "datatype", "data", "parameters"}
	outputFields  = []string{"name", "parameters"}
)

// fields are those of an object seen so far, one bit each.
type fields uint16

func (f *fields) once(p *parser, path, key string, known []string) error {
	for i, k := range known {
		if k != key {
			continue
		}
		if *f&(1<<i) != 0 {
			return p.fault(join2(path, key), "given twice", "each field once")
		}
		*f |= 1 << i
		return nil
	}
	return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid",
		Faults: []fairlead.Fault{{Path: path, Message: fmt.Sprintf("unknown field %.80q", key), Known: known}}}
}

func (f fields) has(key string, known []string) bool {
	for i, k := range known {
		if k == key {
			return f&(1<<i) != 0
		}
	}
	return false
}

func join2(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parameters are kept by nobody yet, but must be what the protocol says: an
// object of strings, numbers and booleans.
func (p *parser) parameters(path string) error {
	if p.null() {
		return nil
	}
	n := 0
	return p.object(path, func(key string) error {
		if n++; n > maxParams {
			return p.fault(path, "too many parameters", fmt.Sprintf("at most %d", maxParams))
		}
		if c := p.peek(); c == '{' || c == '[' {
			return p.fault(join2(path, clip(key)), "wrong type", "a string, a number, true, false or null")
		}
		return p.skip(join2(path, clip(key)), 1)
	})
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

func (p *parser) output(in *inferIn, i int) error {
	if i >= maxTensors {
		return p.fault("outputs", "too many", fmt.Sprintf("at most %d", maxTensors))
	}
	return within("outputs", i, p.outputFields(in))
}

func (p *parser) outputFields(in *inferIn) error {
	var seen fields
	err := p.object("", func(key string) error {
		if err := seen.once(p, "", key, outputFields); err != nil {
			return err
		}
		if key == "parameters" {
			return p.parameters("parameters")
		}
		name, err := p.name("name")
		in.req.Outputs = append(in.req.Outputs, name)
		return err
	})
	if err == nil && !seen.has("name", outputFields) {
		return missing("name", "the name of an output")
	}
	return err
}

// within says of faults found in one element of a list where that stands. Paths
// are put together here, once something is wrong, not for each element read.
func within(list string, i int, err error) error {
	var e *fairlead.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	at := list + "[" + strconv.Itoa(i) + "]"
	for k := range e.Faults {
		f := &e.Faults[k]
		if f.Path != "" {
			f.Path = "." + f.Path
		}
		f.Path = at + f.Path
	}
	return err
}

func missing(path, want string) error {
	return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid",
		Faults: []fairlead.Fault{{Path: path, Message: "missing", Want: want}}}
}

func (p *parser) name(path string) (string, error) {
	at := p.i
	s, err := p.text(path)
	if err == nil && (s == "" || len(s) > maxText) {
		p.i = at
		return "", p.fault(path, "not a tensor's name", fmt.Sprintf("1 to %d bytes", maxText))
	}
	return s, err
}

func (p *parser) input(in *inferIn, i int) error {
	if i >= maxTensors {
		return p.fault("inputs", "too many", fmt.Sprintf("at most %d", maxTensors))
	}
	in.req.Inputs = append(in.req.Inputs, model.Tensor{})
	return within("inputs", i, p.inputFields(in.req.Inputs))
}

// inputFields reads one tensor into the last of inputs. Its data may come before
// what says how to read them; then they are checked for form, left, and read at
// the end.
func (p *parser) inputFields(inputs []model.Tensor) error {
	others, t := inputs[:len(inputs)-1], &inputs[len(inputs)-1]
	var seen fields
	later := -1
	err := p.object("", func(key string) error {
		if err := seen.once(p, "", key, inputFields); err != nil {
			return err
		}
		switch key {
		case "name":
			var err error
			t.Name, err = p.name("name")
			return err
		case "datatype":
			return p.datatype("datatype", t)
		case "shape":
			return p.shape("shape", t)
		case "parameters":
			return p.parameters("parameters")
		}
		if !seen.has("datatype", inputFields) || !seen.has("shape", inputFields) {
			p.space()
			later = p.i
			return p.skip("data", 1)
		}
		return p.data("data", t)
	})
	if err != nil {
		return err
	}
	for _, f := range inputFields[:4] {
		if !seen.has(f, inputFields) {
			return missing(f, "each input has name, shape, datatype and data")
		}
	}
	if later >= 0 {
		end := p.i
		p.i = later
		if err := p.data("data", t); err != nil {
			return err
		}
		p.i = end
	}
	for k := range others {
		if others[k].Name == t.Name {
			return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid",
				Faults: []fairlead.Fault{{Path: "name", Message: fmt.Sprintf("the name %q was given to inputs[%d] already", t.Name, k)}}}
		}
	}
	return nil
}

func (p *parser) datatype(path string, t *model.Tensor) error {
	at := p.i
	s, err := p.text(path)
	if err != nil {
		return err
	}
	known := model.Datatypes()
	for _, d := range known {
		if d == s {
			t.Datatype = d // not s: the constant outlives the request at no cost
			return nil
		}
	}
	p.i = at
	return p.fault(path, "unknown datatype", strings.Join(known, ", "))
}

func (p *parser) shape(path string, t *model.Tensor) error {
	t.Shape = make([]int64, 0, 4)
	err := p.list(path, func(i int) error {
		if i >= maxDims {
			return p.fault(path, "too many dimensions", fmt.Sprintf("at most %d", maxDims))
		}
		p.space()
		at := p.i
		n, ok := p.number()
		d, whole := n.int(64)
		if !ok || !whole || d < 0 {
			p.i = at
			return p.fault(path+"["+strconv.Itoa(i)+"]", "not a dimension", "a whole number, 0 or more")
		}
		t.Shape = append(t.Shape, d)
		return nil
	})
	if err == nil && model.Elements(t.Shape) < 0 {
		return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid",
			Faults: []fairlead.Fault{{Path: path, Message: "the tensor would be too large", Got: fmt.Sprint(t.Shape)}}}
	}
	return err
}

// jsonKey reads the scalar at a dotted path of a body that decodeInfer has
// accepted; "" when there is none.
func jsonKey(body []byte, path string) string {
	p := &parser{b: body}
	for path != "" {
		var key string
		key, path, _ = strings.Cut(path, ".")
		if !p.enter(key) {
			return ""
		}
	}
	switch c := p.peek(); {
	case c == '"':
		s, err := p.text("")
		if err != nil {
			return ""
		}
		return s
	case c == 0 || c == '{' || c == '[' || c == 'n':
		return ""
	}
	return p.got()
}

// enter moves to the value of a key, or of an index in a list.
func (p *parser) enter(key string) bool {
	found := -1
	switch p.peek() {
	case '{':
		_ = p.object("", func(k string) error { return p.pass(k == key, &found) })
	case '[':
		want, err := strconv.Atoi(key)
		if err != nil {
			return false
		}
		_ = p.list("", func(i int) error { return p.pass(i == want, &found) })
	}
	if found < 0 {
		return false
	}
	p.i = found
	return true
}

var errFound = fairlead.Errorf(fairlead.Internal, "found") // stops a walk

func (p *parser) pass(hit bool, found *int) error {
	if hit {
		p.space()
		*found = p.i
		return errFound
	}
	return p.skip("", 1)
}
