// Package strict reads YAML (and JSON, which is YAML) into Go structs without
// forgiving anything, and reports every fault at once with its line, column
// and path: unknown and repeated keys, wrong types, values outside the bounds
// that the struct tags give, missing fields, numbers that YAML would read as
// octal, documents that are too large or too deep.
//
// It knows no noun: what a struct looks like comes from its type and tags
// (json, enum, minimum, maximum, minLength, maxLength, minItems, maxItems,
// pattern, readOnly), what a union looks like from a hook.
//
// Begin with Parse, then Document.Decode (decode.go).
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"

	"fairlead.dev"
)

// Limits of what is read. A document within them is decoded in time linear in
// its size; aliases count as often as they are used.
const (
	MaxDocument = 1 << 20 // bytes of one document
	MaxStream   = 8 << 20 // bytes of one input
	MaxDepth    = 64      // levels of nesting
	MaxNodes    = 100_000 // values in one document, aliases expanded
	maxFaults   = 100     // more help nobody
)

// Document is one document of a stream.
type Document struct {
	File string
	node *yaml.Node // the content; nil for an empty document
	line int        // where the document begins
}

// Parse cuts a stream into its documents. Empty documents are left out. When
// the text itself is not YAML the faults say where, and the documents before
// that place are given too.
func Parse(file string, text []byte) ([]Document, []fairlead.Fault) {
	if f := checkCost(file, text, false); f != nil && len(text) <= MaxStream {
		return nil, f
	}
	return parse(file, text)
}

func parse(file string, text []byte) ([]Document, []fairlead.Fault) {
	if len(text) > MaxStream {
		return nil, []fairlead.Fault{{File: file, Message: "too large", Want: fmt.Sprintf("at most %d bytes", MaxStream), Got: fmt.Sprintf("%d bytes", len(text))}}
	}
	if f := checkText(file, text); f != nil {
		return nil, f
	}
	if json.Valid(text) {
		text = jsonToYAML(text)
	}
	l, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return nil, []fairlead.Fault{syntaxFault(file, text, err)}
	}
	var docs []Document
	for {
		var n yaml.Node
		err := l.Load(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return docs, []fairlead.Fault{syntaxFault(file, text, err)}
		}
		if n.Kind != yaml.DocumentNode || len(n.Content) == 0 {
			continue
		}
		if c := n.Content[0]; c.Kind != yaml.ScalarNode || c.Tag != "!!null" {
			docs = append(docs, Document{File: file, node: c, line: c.Line})
		}
	}
	return docs, nil
}

// JSON reads a request's body: one JSON value, as large as MaxStream allows
// (its sender's face has a limit of its own). Faults have paths and places.
func JSON(body []byte) (Document, []fairlead.Fault) {
	if !json.Valid(body) {
		// The YAML reader would forgive much of what is not JSON, but its
		// complaint about the rest is not better than this one.
		var v any
		f := fairlead.Fault{Message: "not valid JSON"}
		var se *json.SyntaxError
		if err := json.Unmarshal(body, &v); errors.As(err, &se) {
			f.Message += ": " + se.Error()
			before := body[:min(int(se.Offset), len(body))]
			f.Line = 1 + bytes.Count(before, []byte("\n"))
			f.Column = max(1, len(before)-(bytes.LastIndexByte(before, '\n')+1))
		}
		return Document{}, []fairlead.Fault{f}
	}
	if f := checkCost("", body, true); f != nil {
		return Document{}, f
	}
	docs, faults := parse("", body)
	if len(faults) == 0 && len(docs) == 0 {
		faults = []fairlead.Fault{{Message: "empty body", Want: "a JSON object"}}
	}
	if len(faults) > 0 {
		return Document{}, faults
	}
	return docs[0], nil
}

// checkText finds bytes that no text holds.
func checkText(file string, text []byte) []fairlead.Fault {
	line, col := 1, 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		col++
		switch {
		case r == utf8.RuneError && n == 1:
			return []fairlead.Fault{{File: file, Line: line, Column: col, Message: "not UTF-8 text", Got: fmt.Sprintf("byte 0x%02x", text[i])}}
		case r == '\n':
			line, col = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return []fairlead.Fault{{File: file, Line: line, Column: col, Message: "control character", Got: fmt.Sprintf("byte 0x%02x", text[i])}}
		}
		i += n
	}
	return nil
}

// checkCost refuses, before the parser builds anything, what only an attack
// has: documents too large, nested too deep or with too many values. It looks
// at bytes alone: the signs that begin a value are counted wherever they stand
// (in JSON: outside of strings), so its bounds are wider than the decoder's,
// which are exact.
func checkCost(file string, text []byte, isJSON bool) []fairlead.Fault {
	depth, signs, line, col, size := 0, 0, 1, 0, 0
	fault := func(message, want string) []fairlead.Fault {
		return []fairlead.Fault{{File: file, Line: line, Column: max(col, 1), Message: message, Want: want}}
	}
	quoted, escaped := false, false
	for i, b := range text {
		col++
		size++
		switch {
		case escaped:
			escaped = false
		case quoted && b == '\\':
			escaped = true
		case isJSON && b == '"':
			quoted = !quoted
		case quoted:
		case b == '\n':
			line, col = line+1, 0
			// A marker at the line's begin ends a document wherever it stands.
			if marker(text[i+1:]) {
				depth, signs, size = 0, 0, 0
			}
		case b == '[' || b == '{':
			depth++
			signs++
		case b == ']' || b == '}':
			depth = max(0, depth-1)
		case b == ',' || b == ':' || b == '-' || b == '?':
			signs++
		}
		switch {
		case depth > 16*MaxDepth:
			return fault("nested too deep", fmt.Sprintf("at most %d levels", MaxDepth))
		case signs > 2*MaxNodes:
			return fault("too many values", fmt.Sprintf("at most %d in one document", MaxNodes))
		case size > MaxDocument && !isJSON:
			return fault("document too large", fmt.Sprintf("at most %d bytes", MaxDocument))
		}
	}
	return nil
}

// marker reports whether a line begins or ends a document.
func marker(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("---")) && !bytes.HasPrefix(line, []byte("...")) {
		return false
	}
	return len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0
}

func syntaxFault(file string, text []byte, err error) fairlead.Fault {
	f := fairlead.Fault{File: file, Message: "not valid YAML: " + err.Error()}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		f.Line, f.Column = le.Mark.Line, le.Mark.Column
		f.Message = "not valid YAML: " + le.Message
		if le.ContextMsg != "" {
			f.Message += " " + le.ContextMsg
		}
	}
	if tabAt(text, f.Line, f.Column) {
		f.Message, f.Want, f.Got = "not valid YAML", "lines indented by spaces", "a tab"
	}
	return f
}

// tabAt reports whether a tab stands at the place of a fault, both counted
// from 1: the most usual reason why a parser stops there.
func tabAt(text []byte, line, column int) bool {
	for range line - 1 {
		_, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return false
		}
		text = rest
	}
	return line > 0 && column > 0 && column <= len(text) && text[column-1] == '\t'
}

var surrogates = regexp.MustCompile(`\\*\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
var lone = regexp.MustCompile(`\\*\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)

// jsonToYAML rewrites what valid JSON may hold and YAML may not: tabs between
// values, and characters written as surrogate pairs. Lines stay as they are.
func jsonToYAML(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\t"), []byte(" ")) // inside a JSON string a tab is always escaped
	if !bytes.Contains(text, []byte(`\u`)) {
		return text
	}
	odd := func(m []byte) bool { return (len(m)-len(bytes.TrimLeft(m, `\`)))%2 == 1 }
	text = surrogates.ReplaceAllFunc(text, func(m []byte) []byte {
		if !odd(m) {
			return m
		}
		esc := m[len(m)-12:]
		hi, _ := strconv.ParseUint(string(esc[2:6]), 16, 16)
		lo, _ := strconv.ParseUint(string(esc[8:12]), 16, 16)
		return append(append([]byte{}, m[:len(m)-12]...), fmt.Sprintf(`\U%08X`, utf16.DecodeRune(rune(hi), rune(lo)))...)
	})
	return lone.ReplaceAllFunc(text, func(m []byte) []byte { // half a pair: JSON readers put U+FFFD there
		if !odd(m) {
			return m
		}
		return append(append([]byte{}, m[:len(m)-6]...), `\uFFFD`...)
	})
}

// Text is the scalar at the path (e.g. "kind", or "metadata", "name"), "" when
// there is none.
func (d Document) Text(path ...string) string {
	n := d.node
	for _, p := range path {
		_, n = find(n, p)
	}
	if n = follow(n); n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// At is where the value at the pointer-like path stands, or where its nearest
// enclosing value does.
func (d Document) At(path string) (line, column int) {
	n := d.node
	if n == nil {
		return d.line, 1
	}
	line, column = n.Line, n.Column
	for _, p := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		n = follow(n)
		if n == nil {
			break
		}
		switch n.Kind {
		case yaml.MappingNode:
			_, n = find(n, unescape(p))
		case yaml.SequenceNode:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(n.Content) {
				return line, column
			}
			n = n.Content[i]
		default:
			return line, column
		}
		if n == nil {
			break
		}
		line, column = n.Line, n.Column
	}
	return line, column
}

// Place fills file, line and column of faults that have a path only.
func (d Document) Place(faults []fairlead.Fault) []fairlead.Fault {
	for i := range faults {
		faults[i].File = d.File
		if faults[i].Line == 0 {
			faults[i].Line, faults[i].Column = d.At(faults[i].Path)
		}
	}
	return faults
}

func find(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n = follow(n); n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// follow resolves an alias. YAML lets an alias stand inside its own anchor, so
// a chain is cut rather than trusted.
func follow(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode; i++ {
		if i > MaxDepth {
			return nil
		}
		n = n.Alias
	}
	return n
}

func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

func unescape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
}
