package inproc

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev"
)

// kernel does a node's work. in holds nil where an optional input is absent;
// out has one tensor per declared output, nil where the graph wants none.
type kernel func(c *call, in, out []*tensor) error

// operator is a row of the list in operators.go.
type operator struct {
	domain, name string
	since        int // the first version of the domain that this code reads rightly
	in, most     int // inputs: required, at most (-1: any number)
	outs         int // outputs, at most (-1: any number)
	make         func(b *build) (kernel, error)
}

// The newest operator sets whose meaning was compared, operator by operator,
// with what the code does; later ones are refused until somebody has looked.
const (
	newestOnnx = 26
	newestML   = 5
)

// build is what an operator sees of its node while it is compiled: the
// attributes (each must be asked for, or the node is refused), the constant
// inputs, the version.
type build struct {
	node    *node
	version int
	inputs  []*tensor // nil where not constant
	layer   layer     // set by an operator that can take in what follows it
	err     error
}

func (b *build) attr(name string, kind int) *attribute {
	for i := range b.node.attrs {
		a := &b.node.attrs[i]
		if a.name != name || a.used {
			continue
		}
		a.used = true
		if a.kind != 0 && a.kind != kind && b.err == nil {
			b.err = fmt.Errorf("attribute %s has the wrong type %d, expected %d", name, a.kind, kind)
		}
		return a
	}
	return nil
}

func (b *build) has(name string) bool {
	return slices.ContainsFunc(b.node.attrs, func(a attribute) bool { return a.name == name })
}

func (b *build) int(name string, def int) int {
	if a := b.attr(name, attrInt); a != nil {
		return int(a.i)
	}
	return def
}

func (b *build) flag(name string, def bool) bool {
	n := 0
	if def {
		n = 1
	}
	return b.int(name, n) != 0
}

func (b *build) float(name string, def float32) float32 {
	if a := b.attr(name, attrFloat); a != nil {
		return a.f
	}
	return def
}

func (b *build) str(name, def string) string {
	if a := b.attr(name, attrString); a != nil {
		return string(a.s)
	}
	return def
}

// choice is a string attribute with a closed list of values.
func (b *build) choice(name, def string, known ...string) string {
	s := b.str(name, def)
	if !slices.Contains(known, s) && b.err == nil {
		b.err = fmt.Errorf("attribute %s is %q; known: %s", name, clip(s), strings.Join(known, ", "))
	}
	return s
}

func (b *build) ints(name string) []int {
	a := b.attr(name, attrInts)
	if a == nil {
		return nil
	}
	out := make([]int, len(a.ints))
	for i, v := range a.ints {
		out[i] = int(v)
	}
	return out
}

func (b *build) floats(name string) []float32 {
	if a := b.attr(name, attrFloats); a != nil {
		return a.floats
	}
	return nil
}

func (b *build) strings(name string) [][]byte {
	if a := b.attr(name, attrStrings); a != nil {
		return a.strings
	}
	return nil
}

func (b *build) tensor(name string) *tensor {
	if a := b.attr(name, attrTensor); a != nil {
		return a.t
	}
	return nil
}

// doubles reads an _as_tensor attribute or, without it, the float list.
func (b *build) doubles(name string) []float64 {
	if t := b.tensor(name + "_as_tensor"); t != nil {
		out := make([]float64, t.count())
		for i := range out {
			out[i] = t.float(i)
		}
		return out
	}
	fs := b.floats(name)
	out := make([]float64, len(fs))
	for i, v := range fs {
		out[i] = float64(v)
	}
	return out
}

// constant is an input known at compile time, nil otherwise.
func (b *build) constant(i int) *tensor {
	if i < len(b.inputs) {
		return b.inputs[i]
	}
	return nil
}

// given says whether an optional input is wired.
func (b *build) given(i int) bool { return i < len(b.node.in) && b.node.in[i] != "" }

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// compiler turns a graph into a plan.
type compiler struct {
	g      *graph
	plan   *plan
	slots  map[string]int
	consts map[string]*tensor
	uses   map[string]int // how many nodes and outputs read a value
	layers map[string]layer
	fold   call // budget for what is computed once, from constants
}

func compile(ctx context.Context, g *graph, ops map[string]operator, lim Config) (*plan, error) {
	c := &compiler{g: g, plan: &plan{lim: lim}, slots: map[string]int{}, consts: map[string]*tensor{}, uses: map[string]int{}, layers: map[string]layer{},
		fold: call{ctx: ctx, mem: int(lim.MaxMemory) / 4, work: lim.MaxWork / 8}}
	c.fold.until = c.fold.work
	for name, t := range g.init {
		c.consts[name] = t
	}
	for i := range g.nodes {
		for _, name := range g.nodes[i].in {
			c.uses[name]++
		}
	}
	for i := range g.outputs {
		c.uses[g.outputs[i].name]++
	}
	if err := c.inputs(); err != nil {
		return nil, err
	}
	for i := range g.nodes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.node(&g.nodes[i], i, ops); err != nil {
			return nil, err
		}
	}
	return c.plan, c.outputs()
}

func (c *compiler) define(name string) (int, error) {
	if _, ok := c.slots[name]; ok || c.consts[name] != nil {
		return 0, invalid("value %q is defined twice", clip(name))
	}
	s := c.plan.slots
	c.plan.slots++
	c.slots[name] = s
	return s, nil
}

func (c *compiler) inputs() error {
	for _, v := range c.g.inputs {
		if c.consts[v.name] != nil {
			continue // an initializer with an input of the same name is its default
		}
		if v.dt == 0 {
			return unsupported("input %q is not a tensor of a known type", clip(v.name))
		}
		if !v.sized {
			return unsupported("input %q declares no shape; export the model with input shapes (a free dimension is fine)", clip(v.name))
		}
		if len(c.plan.sig.Inputs) >= maxEnds {
			return invalid("more than %d inputs", maxEnds)
		}
		s, err := c.define(v.name)
		if err != nil {
			return err
		}
		shape := v.shape
		if shape == nil {
			shape = []int64{}
		}
		c.plan.sig.Inputs = append(c.plan.sig.Inputs, fairlead.TensorSpec{Name: v.name, Datatype: v.dt.String(), Shape: shape})
		c.plan.in = append(c.plan.in, s)
	}
	if len(c.plan.in) == 0 {
		return unsupported("the graph has no inputs")
	}
	return nil
}

func (c *compiler) outputs() error {
	if len(c.g.outputs) == 0 {
		return invalid("the graph has no outputs")
	}
	if len(c.g.outputs) > maxEnds {
		return invalid("more than %d outputs", maxEnds)
	}
	seen := map[string]bool{}
	for _, v := range c.g.outputs {
		ref, ok := c.ref(v.name)
		if !ok || seen[v.name] {
			return invalid("output %q is computed by no node or listed twice", clip(v.name))
		}
		seen[v.name] = true
		shape := v.shape
		if shape == nil {
			shape = []int64{}
		}
		spec := fairlead.TensorSpec{Name: v.name, Shape: shape}
		if v.dt != 0 {
			spec.Datatype = v.dt.String()
		}
		c.plan.sig.Outputs = append(c.plan.sig.Outputs, spec)
		c.plan.sized = append(c.plan.sized, v.sized && !v.seq)
		c.plan.out = append(c.plan.out, ref)
	}
	return nil
}

// ref finds a value: a slot of the call, or a constant.
func (c *compiler) ref(name string) (ref, bool) {
	if t := c.consts[name]; t != nil {
		return ref{slot: -1, constant: t}, true
	}
	s, ok := c.slots[name]
	return ref{slot: s}, ok
}

func opKey(domain, name string) string { return domain + ":" + name }

func (c *compiler) node(n *node, index int, ops map[string]operator) error {
	version, imported := c.g.opset[n.domain]
	op, known := ops[opKey(n.domain, n.op)]
	domain := n.domain
	if domain == "" {
		domain = "ai.onnx"
	}
	who := fmt.Sprintf("%s version %d", n.label(), version)
	if n.name == "" {
		who += ", node " + strconv.Itoa(index)
	}
	switch {
	case !known:
		return unsupported("unknown %s", who)
	case !imported:
		return invalid("%s: domain %s is not imported", who, domain)
	case version < op.since:
		return unsupported("%s: known from version %d of %s", who, op.since, domain)
	case n.domain == "" && version > newestOnnx || n.domain == domainML && version > newestML:
		return unsupported("%s: the newest known version of %s is %d", who, domain, map[bool]int{true: newestOnnx, false: newestML}[n.domain == ""])
	case len(n.in) < op.in || (op.most >= 0 && len(n.in) > op.most):
		return invalid("%s: %d inputs", who, len(n.in))
	case len(n.out) < 1 || (op.outs >= 0 && len(n.out) > op.outs):
		return unsupported("%s: %d outputs", who, len(n.out))
	}
	b := &build{node: n, version: version}
	st := step{who: who}
	constant := true
	for i, name := range n.in {
		if name == "" {
			if i < op.in || op.most < 0 {
				return invalid("%s: required input %d is absent", who, i)
			}
			st.in = append(st.in, ref{slot: -1})
			b.inputs = append(b.inputs, nil)
			continue
		}
		r, ok := c.ref(name)
		if !ok {
			return invalid("%s: input %q comes from no earlier node", who, clip(name))
		}
		st.in = append(st.in, r)
		b.inputs = append(b.inputs, r.constant)
		constant = constant && r.constant != nil
	}
	for _, a := range n.attrs {
		if a.kind == attrGraph {
			return unsupported("%s: attribute %q is a graph", who, clip(a.name))
		}
	}
	k, err := op.make(b)
	if err == nil {
		err = b.err
	}
	if err != nil {
		if fairlead.CodeOf(err) != fairlead.Internal {
			return err
		}
		return invalid("%s: %w", who, err)
	}
	for _, a := range n.attrs {
		if !a.used {
			return unsupported("%s: attribute %q is not known for it in this version", who, clip(a.name))
		}
	}
	st.run = k
	if constant {
		return c.foldNode(n, st)
	}
	if done, err := c.absorb(n, b); done || err != nil {
		return err
	}
	if b.layer != nil {
		c.layers[n.out[0]] = b.layer
		st.in = st.in[:1] // the layer has its own form of the rest
	}
	for _, name := range n.out {
		s := c.plan.slots // an output without a name gets a slot that nobody reads
		if name == "" {
			c.plan.slots++
		} else if s, err = c.define(name); err != nil {
			return err
		}
		st.out = append(st.out, s)
	}
	c.plan.steps = append(c.plan.steps, st)
	return nil
}

// absorb makes a bias or a ReLU part of the product before it, if nothing else
// reads that product: the value is then written once, in its final form.
func (c *compiler) absorb(n *node, b *build) (bool, error) {
	if n.domain != "" || len(n.out) != 1 || n.out[0] == "" {
		return false, nil
	}
	for i, name := range n.in {
		l := c.layers[name]
		if l == nil || c.uses[name] != 1 {
			continue
		}
		switch {
		case n.op == "Relu":
		case n.op == "Add" && b.constant(1-i) != nil && b.constant(1-i).rank() == 1:
		default:
			return false, nil
		}
		if (n.op == "Relu" && !l.addRelu()) || (n.op == "Add" && !l.addBias(b.constant(1-i))) {
			return false, nil
		}
		if _, taken := c.ref(n.out[0]); taken {
			return false, invalid("value %q is defined twice", clip(n.out[0]))
		}
		c.slots[n.out[0]] = c.slots[name]
		delete(c.layers, name)
		c.layers[n.out[0]] = l
		return true, nil
	}
	return false, nil
}

// foldNode computes a node of constants now, so that later nodes see a
// constant (a Reshape's shape, a weight that was cast).
func (c *compiler) foldNode(n *node, st step) error {
	in := make([]*tensor, len(st.in))
	for i, r := range st.in {
		in[i] = r.constant
	}
	out := make([]*tensor, len(n.out))
	for i := range out {
		out[i] = &tensor{}
	}
	if err := protect(func() error { return st.run(&c.fold, in, out) }); err != nil {
		return invalid("%s: %w", st.who, err)
	}
	for i, name := range n.out {
		if name == "" {
			continue
		}
		if _, ok := c.ref(name); ok {
			return invalid("value %q is defined twice", clip(name))
		}
		c.consts[name] = out[i]
	}
	return nil
}
