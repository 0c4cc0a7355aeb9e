package strict

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// field is a struct's field as a document spells it.
type field struct {
	name     string
	index    []int
	typ      reflect.Type
	tag      reflect.StructTag
	required bool
	readOnly bool
}

// fieldsOf lists a struct's fields, those of embedded structs among them.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || (f.Anonymous && name == "") {
			continue
		}
		if name == "" {
			name = f.Name
		}
		ro := f.Tag.Get("readOnly") == "true"
		opt := strings.Contains(opts, "omitempty") || strings.Contains(opts, "omitzero")
		fields = append(fields, field{name: name, index: f.Index, typ: f.Type, tag: f.Tag, readOnly: ro, required: !ro && !opt})
	}
	return fields
}

// want says what a type expects, in a person's words.
func want(t reflect.Type, tag reflect.StructTag) string {
	if e := tag.Get("enum"); e != "" {
		if strings.Contains(e, ",") {
			return "one of " + strings.ReplaceAll(e, ",", ", ")
		}
		return e
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(textType) {
		switch t.Name() {
		case "Time":
			return "a time, e.g. 2026-01-31T12:00:00Z"
		case "Weight":
			return "a percentage, e.g. 5%"
		case "Duration":
			return "a duration, e.g. 10m"
		case "Bytes":
			return "a size, e.g. 1MiB"
		case "Quantity":
			return "a number, percentage, percentage points or duration, e.g. 5%, 1pp, 50ms"
		}
		return "a " + strings.ToLower(t.Name())
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "keys and values"
	}
	return "a whole number"
}

// describe says what stands in a node.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	v := n.Value
	if len(v) > 60 {
		v = strings.ToValidUTF8(v[:60], "") + "…"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "the boolean " + v
	case "!!int", "!!float":
		return "the number " + v
	}
	b, _ := json.Marshal(v)
	return "the text " + string(b)
}

// unknown is the message for a name outside a closed list, with the nearest
// known name when one is near.
func unknown(what, name string, known []string) string {
	shown := name
	if len(shown) > 60 {
		shown = strings.ToValidUTF8(shown[:60], "") + "…"
	}
	msg := fmt.Sprintf("unknown %s %q", what, shown)
	if near := nearest(name, known); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return msg
}

// nearest is the known name with the smallest edit distance, if that is small
// against the name's length.
func nearest(name string, known []string) string {
	best, at := "", 1+len(name)/3
	if len(name) > 64 {
		return ""
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d <= at && d < len(k) {
			best, at = k, d-1
		}
	}
	return best
}

// distance counts the insertions, deletions, changes and swaps of neighbours
// that turn a into b.
func distance(a, b string) int {
	prev2, prev := []int(nil), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = slices.Min([]int{prev[j] + 1, row[j-1] + 1, prev[j-1] + cost})
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, row
	}
	return prev[len(b)]
}

func intTag(tag reflect.StructTag, name string) (int, bool) {
	n, err := strconv.Atoi(tag.Get(name))
	return n, err == nil
}

func floatTag(tag reflect.StructTag, name string) (float64, bool) {
	f, err := strconv.ParseFloat(tag.Get(name), 64)
	return f, err == nil
}
