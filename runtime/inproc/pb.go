package inproc

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"fairlead.dev"
)

// Limits on counts in a model, so that a small file of tiny records cannot
// become large structures: each of these costs some hundred bytes in memory
// and as few as two in the file.
const (
	maxNodes      = 20_000
	maxTensors    = 20_000
	maxAttributes = 100_000
	maxEnds       = 256 // graph inputs, outputs
	maxNodeIO     = 4096
	maxName       = 512
)

// graph is an ONNX model as read, before it means anything.
type graph struct {
	opset   map[string]int // version by domain; ai.onnx is ""
	nodes   []node
	init    map[string]*tensor
	inputs  []valueInfo
	outputs []valueInfo
	attrs   int // read so far, against maxAttributes
}

type node struct {
	op, name, domain string
	in, out          []string
	attrs            []attribute
}

// label names the node in messages.
func (n *node) label() string {
	d := n.domain
	if d == "" {
		d = "ai.onnx"
	}
	if n.name == "" {
		return fmt.Sprintf("operator %s (%s)", n.op, d)
	}
	return fmt.Sprintf("operator %s (%s), node %q", n.op, d, n.name)
}

// Kinds of attribute, with ONNX's numbers.
const (
	attrFloat   = 1
	attrInt     = 2
	attrString  = 3
	attrTensor  = 4
	attrGraph   = 5
	attrFloats  = 6
	attrInts    = 7
	attrStrings = 8
)

type attribute struct {
	name    string
	kind    int
	f       float32
	i       int64
	s       []byte
	t       *tensor
	floats  []float32
	ints    []int64
	strings [][]byte
	used    bool
}

type valueInfo struct {
	name  string
	dt    dtype // 0: not a plain tensor, or not said
	shape []int64
	sized bool // shape was given
	seq   bool // a sequence, as ZipMap answers
}

func corrupt(format string, args ...any) error {
	return fairlead.Errorf(fairlead.Corrupt, "not a readable ONNX file: "+format, args...)
}
func invalid(format string, args ...any) error {
	return fairlead.Errorf(fairlead.Invalid, "the ONNX model is wrong: "+format, args...)
}
func unsupported(format string, args ...any) error {
	return fairlead.Errorf(fairlead.Unsupported, "inproc cannot run this model: "+format, args...)
}

// field is one record of a protobuf message: num for varints and fixed sizes,
// bytes for the rest.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	value uint64
	bytes []byte
}

// each walks a message. Groups are refused: ONNX has none, and they nest.
func each(b []byte, where string, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return corrupt("%s: bad tag", where)
		}
		b = b[n:]
		x := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			x.value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			x.value = uint64(v)
		case protowire.Fixed64Type:
			x.value, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			x.bytes, n = protowire.ConsumeBytes(b)
		default:
			return corrupt("%s: wire type %d in field %d", where, typ, num)
		}
		if n < 0 {
			return corrupt("%s: field %d is cut off", where, num)
		}
		b = b[n:]
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

func (x field) message() ([]byte, error) {
	if x.typ != protowire.BytesType {
		return nil, corrupt("field %d has wire type %d", x.num, x.typ)
	}
	return x.bytes, nil
}

func (x field) name(where string) (string, error) {
	if x.typ != protowire.BytesType {
		return "", corrupt("%s: field %d has wire type %d", where, x.num, x.typ)
	}
	if len(x.bytes) > maxName {
		return "", invalid("%s: a name of %d bytes, at most %d are allowed", where, len(x.bytes), maxName)
	}
	return string(x.bytes), nil
}

// ints appends a repeated integer field, packed or not.
func (x field) ints(to []int64) ([]int64, error) {
	if x.typ == protowire.VarintType {
		return append(to, int64(x.value)), nil
	}
	b, err := x.message()
	if err != nil {
		return nil, err
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, corrupt("packed integers are cut off")
		}
		to, b = append(to, int64(v)), b[n:]
	}
	return to, nil
}

func (x field) floats(to []float32) ([]float32, error) {
	if x.typ == protowire.Fixed32Type {
		return append(to, math.Float32frombits(uint32(x.value))), nil
	}
	b, err := x.message()
	if err != nil {
		return nil, err
	}
	if len(b)%4 != 0 {
		return nil, corrupt("packed floats are cut off")
	}
	for ; len(b) > 0; b = b[4:] {
		to = append(to, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return to, nil
}

func (x field) doubles(to []float64) ([]float64, error) {
	if x.typ == protowire.Fixed64Type {
		return append(to, math.Float64frombits(x.value)), nil
	}
	b, err := x.message()
	if err != nil {
		return nil, err
	}
	if len(b)%8 != 0 {
		return nil, corrupt("packed doubles are cut off")
	}
	for ; len(b) > 0; b = b[8:] {
		to = append(to, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return to, nil
}

// parseONNX reads a ModelProto.
func parseONNX(b []byte) (*graph, error) {
	g := &graph{opset: map[string]int{}, init: map[string]*tensor{}}
	var body []byte
	err := each(b, "model", func(x field) error {
		switch x.num {
		case 7:
			m, err := x.message()
			if err != nil {
				return err
			}
			if body != nil {
				return invalid("two graphs")
			}
			body = m
		case 8:
			return g.parseOpset(x)
		case 20:
			return unsupported("it carries training information")
		case 25:
			return unsupported("it defines functions of its own; export it with functions inlined")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, corrupt("it has no graph")
	}
	if len(g.opset) == 0 {
		return nil, invalid("it imports no operator set")
	}
	err = each(body, "graph", g.parseField)
	return g, err
}

func (g *graph) parseOpset(x field) error {
	m, err := x.message()
	if err != nil {
		return err
	}
	var domain string
	var version int64
	err = each(m, "opset_import", func(x field) (err error) {
		switch x.num {
		case 1:
			domain, err = x.name("opset_import")
		case 2:
			version = int64(x.value)
		}
		return err
	})
	if err != nil {
		return err
	}
	if domain == "ai.onnx" {
		domain = ""
	}
	if len(g.opset) >= 64 || version < 1 || version > 1000 {
		return invalid("opset_import: version %d of domain %q", version, domain)
	}
	g.opset[domain] = int(version)
	return nil
}

func (g *graph) parseField(x field) error {
	switch x.num {
	case 1, 5, 11, 12:
	case 15:
		return unsupported("it has a sparse initializer")
	default:
		return nil
	}
	m, err := x.message()
	if err != nil {
		return err
	}
	switch x.num {
	case 1:
		if len(g.nodes) >= maxNodes {
			return invalid("more than %d nodes", maxNodes)
		}
		n, err := g.parseNode(m, len(g.nodes))
		if err != nil {
			return err
		}
		g.nodes = append(g.nodes, n)
	case 5:
		if len(g.init) >= maxTensors {
			return invalid("more than %d initializers", maxTensors)
		}
		t, name, err := parseTensor(m, fmt.Sprintf("initializer %d", len(g.init)))
		if err != nil {
			return err
		}
		if _, twice := g.init[name]; twice || name == "" {
			return invalid("initializer %q is nameless or given twice", name)
		}
		g.init[name] = t
	case 11, 12:
		to := &g.inputs
		if x.num == 12 {
			to = &g.outputs
		}
		// Old files list every initializer as an input too.
		if len(*to) >= maxTensors {
			return invalid("more than %d inputs or outputs", maxTensors)
		}
		v, err := parseValueInfo(m)
		if err != nil {
			return err
		}
		*to = append(*to, v)
	}
	return nil
}

func (g *graph) parseNode(b []byte, index int) (node, error) {
	where := fmt.Sprintf("node %d", index)
	var n node
	err := each(b, where, func(x field) (err error) {
		var s string
		switch x.num {
		case 1, 2:
			if len(n.in)+len(n.out) >= maxNodeIO {
				return invalid("%s: more than %d inputs and outputs", where, maxNodeIO)
			}
			if s, err = x.name(where); err != nil {
				return err
			}
			if x.num == 1 {
				n.in = append(n.in, s)
			} else {
				n.out = append(n.out, s)
			}
		case 3:
			n.name, err = x.name(where)
		case 4:
			n.op, err = x.name(where)
		case 5:
			var m []byte
			if m, err = x.message(); err != nil {
				return err
			}
			if g.attrs++; g.attrs > maxAttributes {
				return invalid("more than %d attributes", maxAttributes)
			}
			var a attribute
			if a, err = parseAttribute(m, where); err == nil {
				n.attrs = append(n.attrs, a)
			}
		case 7:
			if n.domain, err = x.name(where); n.domain == "ai.onnx" {
				n.domain = ""
			}
		}
		return err
	})
	return n, err
}
