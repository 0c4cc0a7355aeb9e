package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"fairlead.dev"
)

// Union describes a type that is written as one key over that key's own
// struct, such as {canary: {…}}.
type Union struct {
	What  string   // what is chosen, for messages: "strategy"
	Known []string // the keys there are
	New   func(kind string) any
	// Set stores the choice: into points to the union's value, spec is the
	// canonical JSON of what New gave, filled in.
	Set func(into any, kind string, spec json.RawMessage)
}

// Unions are the hooks, by the type they fill.
type Unions map[reflect.Type]Union

type decoder struct {
	unions Unions
	file   string
	faults []fairlead.Fault
	nodes  int
	depth  int
}

// Decode fills the struct that into points to. Fields tagged readOnly are
// skipped wherever they appear, so that a document that was read can be
// written again. All faults are given, in the order of the text.
func (d Document) Decode(into any, unions Unions) []fairlead.Fault {
	dec := &decoder{unions: unions, file: d.File}
	if d.node == nil {
		return []fairlead.Fault{{File: d.File, Message: "empty document"}}
	}
	dec.value(d.node, reflect.ValueOf(into).Elem(), "", "")
	slices.SortStableFunc(dec.faults, func(a, b fairlead.Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return dec.faults
}

func (d *decoder) fault(n *yaml.Node, path string, f fairlead.Fault) {
	if len(d.faults) < maxFaults {
		f.File, f.Line, f.Column, f.Path = d.file, n.Line, n.Column, path
		d.faults = append(d.faults, f)
	}
}

var (
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawType  = reflect.TypeFor[json.RawMessage]()
	timeType = reflect.TypeFor[time.Time]()
	octal    = regexp.MustCompile(`^[-+]?0[0-9_]+$`)
	decimal  = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
)

// coreTags are those of plain JSON, and of times, which YAML tells from text.
var coreTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!map", "!!seq", "!!merge"}

// value decodes n into v. Limits are kept here because every value passes.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	at := n
	if n = follow(n); n == nil {
		d.fault(at, path, fairlead.Fault{Message: "an alias of itself"})
		return
	}
	d.nodes++
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > MaxDepth || d.nodes > MaxNodes {
		if d.depth > MaxDepth {
			d.fault(at, path, fairlead.Fault{Message: "nested too deep", Want: fmt.Sprintf("at most %d levels", MaxDepth)})
		} else if d.nodes == MaxNodes+1 {
			d.fault(at, path, fairlead.Fault{Message: "too many values", Want: fmt.Sprintf("at most %d, aliases counted as often as used", MaxNodes)})
		}
		return
	}
	if !slices.Contains(coreTags, n.Tag) {
		d.fault(at, path, fairlead.Fault{Message: "unknown YAML tag", Got: n.Tag})
		return
	}
	t := v.Type()
	if u, ok := d.unions[t]; ok {
		d.union(n, v, path, u)
		return
	}
	if isNull(n) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice:
		default:
			d.fault(at, path, fairlead.Fault{Message: "empty value", Want: want(t, tag)})
		}
		return
	}
	switch {
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.depth--
		d.value(n, v.Elem(), path, tag)
		d.depth++
	case t == rawType:
		raw, err := json.Marshal(d.plain(n, path))
		if err == nil {
			v.SetBytes(raw)
		}
	case reflect.PointerTo(t).Implements(textType):
		d.text(n, v, path, tag)
	case t.Kind() == reflect.Struct:
		d.structure(n, v, path)
	case t.Kind() == reflect.Map:
		d.mapping(n, v, path)
	case t.Kind() == reflect.Slice:
		d.sequence(n, v, path, tag)
	default:
		d.scalar(n, v, path, tag)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// union decodes {kind: spec}.
func (d *decoder) union(n *yaml.Node, v reflect.Value, path string, u Union) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		got := describe(n)
		if n.Kind == yaml.MappingNode {
			got = fmt.Sprintf("%d keys", len(n.Content)/2)
		}
		d.fault(n, path, fairlead.Fault{Message: "not a " + u.What, Want: "exactly one " + u.What + " as the key of its settings", Got: got, Known: u.Known})
		return
	}
	key, val := n.Content[0], n.Content[1]
	if !slices.Contains(u.Known, key.Value) {
		d.fault(key, path+"/"+escape(key.Value), fairlead.Fault{Message: unknown(u.What, key.Value, u.Known), Known: u.Known})
		return
	}
	spec := u.New(key.Value)
	before := len(d.faults)
	if !isNull(val) { // "bluegreen:" alone means its defaults
		d.value(val, reflect.ValueOf(spec).Elem(), path+"/"+escape(key.Value), "")
	}
	if len(d.faults) > before {
		return
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		d.fault(val, path, fairlead.Fault{Message: err.Error()})
		return
	}
	u.Set(v.Addr().Interface(), key.Value, raw)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, fairlead.Fault{Message: "wrong type", Want: "keys and values", Got: describe(n)})
		return
	}
	fields := fieldsOf(v.Type())
	known := make([]string, 0, len(fields))
	for _, f := range fields {
		known = append(known, f.name)
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if !d.key(key, path, seen) {
			continue
		}
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		if at < 0 {
			d.fault(key, path+"/"+escape(key.Value), fairlead.Fault{Message: unknown("key", key.Value, known), Known: known})
			continue
		}
		f := fields[at]
		if f.readOnly {
			continue
		}
		d.value(val, v.FieldByIndex(f.index), path+"/"+escape(key.Value), f.tag)
	}
	for _, f := range fields {
		if f.required && seen[f.name] == nil {
			missing := fairlead.Fault{Message: "missing", Want: want(f.typ, f.tag)}
			if u, ok := d.unions[f.typ]; ok {
				missing.Want, missing.Known = "a "+u.What, u.Known
			}
			d.fault(n, path+"/"+escape(f.name), missing)
		}
	}
}

// key checks a mapping's key and notes where it stands; false when its value
// is to be skipped.
func (d *decoder) key(key *yaml.Node, path string, seen map[string]*yaml.Node) bool {
	if key.Kind != yaml.ScalarNode {
		d.fault(key, path, fairlead.Fault{Message: "not a key", Want: "a plain word", Got: describe(key)})
		return false
	}
	if key.Tag == "!!merge" {
		d.fault(key, path, fairlead.Fault{Message: "merge keys (<<) are not supported", Want: "the values written out"})
		return false
	}
	if first := seen[key.Value]; first != nil {
		d.fault(key, path+"/"+escape(key.Value), fairlead.Fault{Message: fmt.Sprintf("given twice; first on line %d", first.Line)})
		return false
	}
	seen[key.Value] = key
	return true
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, path, fairlead.Fault{Message: "wrong type", Want: "keys and values", Got: describe(n)})
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if !d.key(key, path, seen) {
			continue
		}
		if len(key.Value) > 255 || key.Value == "" {
			d.fault(key, path, fairlead.Fault{Message: "not a usable key", Want: "1 to 255 bytes", Got: fmt.Sprintf("%d bytes", len(key.Value))})
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(val, e, path+"/"+escape(key.Value), "")
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), e)
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, path, fairlead.Fault{Message: "wrong type", Want: "a list", Got: describe(n)})
		return
	}
	if hi, ok := intTag(tag, "maxItems"); ok && len(n.Content) > hi {
		d.fault(n, path, fairlead.Fault{Message: "too many items", Want: fmt.Sprintf("at most %d", hi), Got: strconv.Itoa(len(n.Content))})
		return
	}
	if lo, ok := intTag(tag, "minItems"); ok && len(n.Content) < lo {
		d.fault(n, path, fairlead.Fault{Message: "too few items", Want: fmt.Sprintf("at least %d", lo), Got: strconv.Itoa(len(n.Content))})
	}
	// Grown one by one: a list of aliases must not reserve memory that the
	// limit on values would have refused.
	for i, c := range n.Content {
		if d.nodes > MaxNodes {
			return
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(c, e, path+"/"+strconv.Itoa(i), "")
		v.Set(reflect.Append(v, e))
	}
}

// text decodes types that read themselves: Weight, Duration, times.
func (d *decoder) text(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n.Kind != yaml.ScalarNode {
		d.fault(n, path, fairlead.Fault{Message: "wrong type", Want: want(v.Type(), tag), Got: describe(n)})
		return
	}
	if d.octal(n, path) {
		return
	}
	if v.Type() == timeType {
		ts, err := time.Parse(time.RFC3339Nano, n.Value)
		if err != nil {
			d.fault(n, path, fairlead.Fault{Message: "not a time", Want: "RFC 3339, e.g. 2026-01-31T12:00:00Z", Got: describe(n)})
			return
		}
		v.Set(reflect.ValueOf(ts.UTC()))
		return
	}
	if len(n.Value) > 255 {
		d.fault(n, path, fairlead.Fault{Message: "too long", Want: want(v.Type(), tag), Got: fmt.Sprintf("%d bytes", len(n.Value))})
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.fault(n, path, fairlead.Fault{Message: err.Error()})
	}
}

// octal refuses 012: one reader takes it for ten, another for twelve.
func (d *decoder) octal(n *yaml.Node, path string) bool {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 || !octal.MatchString(n.Value) {
		return false
	}
	d.fault(n, path, fairlead.Fault{Message: "a number with a leading zero means different things to different readers",
		Want: "the number without it, or the text in quotes", Got: n.Value})
	return true
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	wrong := func() {
		f := fairlead.Fault{Message: "wrong type", Want: want(v.Type(), tag), Got: describe(n)}
		if v.Kind() == reflect.String && n.Kind == yaml.ScalarNode {
			f.Want += " (in quotes)"
		}
		d.fault(n, path, f)
	}
	if n.Kind != yaml.ScalarNode {
		wrong()
		return
	}
	if d.octal(n, path) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		if n.Tag != "!!str" && n.Tag != "!!timestamp" {
			wrong()
			return
		}
		v.SetString(n.Value)
		d.checkString(n, path, tag)
	case reflect.Bool:
		if n.Tag != "!!bool" {
			wrong()
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Tag != "!!int" || !decimal.MatchString(n.Value) || err != nil || v.OverflowInt(i) {
			wrong()
			return
		}
		v.SetInt(i)
		d.checkNumber(n, path, float64(i), tag)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if (n.Tag != "!!int" && n.Tag != "!!float") || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			wrong()
			return
		}
		v.SetFloat(f)
		d.checkNumber(n, path, f, tag)
	default:
		d.fault(n, path, fairlead.Fault{Message: "cannot be written in a manifest"})
	}
}

func (d *decoder) checkString(n *yaml.Node, path string, tag reflect.StructTag) {
	s := n.Value
	if e := tag.Get("enum"); e != "" {
		if known := strings.Split(e, ","); !slices.Contains(known, s) {
			d.fault(n, path, fairlead.Fault{Message: unknown("value", s, known), Known: known})
		}
	}
	if hi, ok := intTag(tag, "maxLength"); ok && len(s) > hi {
		d.fault(n, path, fairlead.Fault{Message: "too long", Want: fmt.Sprintf("at most %d bytes", hi), Got: strconv.Itoa(len(s))})
	}
	if lo, ok := intTag(tag, "minLength"); ok && len(s) < lo {
		d.fault(n, path, fairlead.Fault{Message: "too short", Want: fmt.Sprintf("at least %d bytes", lo), Got: strconv.Itoa(len(s))})
	}
	if p := tag.Get("pattern"); p != "" {
		if re, err := regexp.Compile(p); err == nil && !re.MatchString(s) {
			d.fault(n, path, fairlead.Fault{Message: "malformed", Want: "text that matches " + p, Got: describe(n)})
		}
	}
}

func (d *decoder) checkNumber(n *yaml.Node, path string, f float64, tag reflect.StructTag) {
	if lo, ok := floatTag(tag, "minimum"); ok && f < lo {
		d.fault(n, path, fairlead.Fault{Message: "too small", Want: fmt.Sprintf("at least %v", lo), Got: n.Value})
	}
	if hi, ok := floatTag(tag, "maximum"); ok && f > hi {
		d.fault(n, path, fairlead.Fault{Message: "too large", Want: fmt.Sprintf("at most %v", hi), Got: n.Value})
	}
}

// plain turns a node into what encoding/json would have made of it.
func (d *decoder) plain(n *yaml.Node, path string) any {
	n = follow(n)
	d.nodes++
	d.depth++
	defer func() { d.depth-- }()
	if n == nil || d.depth > MaxDepth || d.nodes > MaxNodes {
		if d.nodes <= MaxNodes+1 && n != nil {
			d.fault(n, path, fairlead.Fault{Message: "nested too deep or too many values"})
		}
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m, seen := map[string]any{}, map[string]*yaml.Node{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if d.key(n.Content[i], path, seen) {
				k := n.Content[i].Value
				m[k] = d.plain(n.Content[i+1], path+"/"+escape(k))
			}
		}
		return m
	case yaml.SequenceNode:
		s := []any{}
		for i, c := range n.Content {
			s = append(s, d.plain(c, path+"/"+strconv.Itoa(i)))
		}
		return s
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if !d.octal(n, path) {
			f, err := strconv.ParseFloat(n.Value, 64)
			if err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
				if decimal.MatchString(n.Value) {
					return json.Number(strings.TrimPrefix(n.Value, "+"))
				}
				return f
			}
			d.fault(n, path, fairlead.Fault{Message: "not a number", Got: describe(n)})
		}
		return nil
	}
	return n.Value
}
