package op

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"fairlead.dev"
)

// Where a parameter travels.
const (
	InPath  = "path"
	InQuery = "query"
	InBody  = "body"
)

// Param is one field of a verb's In.
type Param struct {
	Name     string // as in the URL or the JSON body; a flag's name
	In       string // InPath, InQuery or InBody
	Doc      string
	Type     reflect.Type
	Required bool     // path parameters, and body fields without omitempty
	Enum     []string // the values allowed, if closed
	MaxLen   int      // of text, 0: none
	Scalar   bool     // can be written as one piece of text: Set and Text work
	List     bool     // a list of scalars: Set appends, so a flag may be repeated
	index    []int
}

// params reads In's tags; path parameters come first, in the order of path.
// A tag that does not fit is a mistake in our own table, seen by every test.
func params(in reflect.Type, path string) []Param {
	var all []Param
	for _, f := range reflect.VisibleFields(in) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		p := Param{Doc: f.Tag.Get("doc"), Type: f.Type, index: f.Index}
		p.Scalar = scalar(f.Type)
		p.List = f.Type.Kind() == reflect.Slice && scalar(f.Type.Elem())
		if e := f.Tag.Get("enum"); e != "" {
			p.Enum = strings.Split(e, ",")
		}
		p.MaxLen, _ = strconv.Atoi(f.Tag.Get("maxLength"))
		js, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Tag.Get("path") != "":
			p.Name, p.In, p.Required = f.Tag.Get("path"), InPath, true
		case f.Tag.Get("query") != "":
			p.Name, p.In = f.Tag.Get("query"), InQuery
		case js != "" && js != "-":
			p.Name, p.In = js, InBody
			p.Required = !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero")
		default:
			panic(fmt.Sprintf("%s.%s: no path, query or json tag", in, f.Name))
		}
		if p.In != InBody && !p.Scalar {
			panic(fmt.Sprintf("%s.%s: only scalars travel in a URL", in, f.Name))
		}
		all = append(all, p)
	}
	var sorted []Param
	for rest := path; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		rest = tail
		found := false
		for _, p := range all {
			if p.In == InPath && p.Name == name {
				sorted, found = append(sorted, p), true
			}
		}
		if !found {
			panic(fmt.Sprintf("%s: no field with path:%q for %s", in, name, path))
		}
	}
	n := len(sorted)
	for _, p := range all {
		if p.In != InPath {
			sorted = append(sorted, p)
		} else if n--; n < 0 {
			panic(fmt.Sprintf("%s: path:%q is not in %s", in, p.Name, path))
		}
	}
	return sorted
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

func scalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

// Set writes text into the parameter's field of in, a pointer to the verb's In.
func (p Param) Set(in any, text string) error {
	f := reflect.ValueOf(in).Elem().FieldByIndex(p.index)
	if p.List {
		e := reflect.New(f.Type().Elem()).Elem()
		if err := p.parse(e, text); err != nil {
			return err
		}
		f.Set(reflect.Append(f, e))
		return nil
	}
	return p.parse(f, text)
}

// Field is the parameter's field of in, a pointer to the verb's In: what a
// hand-written flag (a file, say) fills.
func (p Param) Field(in any) reflect.Value {
	return reflect.ValueOf(in).Elem().FieldByIndex(p.index)
}

// Text is the field's value as Set reads it; "" when it is the zero value.
func (p Param) Text(in any) string {
	f := reflect.ValueOf(in).Elem().FieldByIndex(p.index)
	if f.IsZero() {
		return ""
	}
	if m, ok := f.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err == nil {
			return string(b)
		}
	}
	if f.Kind() == reflect.String {
		return f.String()
	}
	b, _ := json.Marshal(f.Interface()) // bools and numbers
	return string(b)
}

func (p Param) parse(f reflect.Value, text string) error {
	if p.MaxLen > 0 && len(text) > p.MaxLen {
		return p.fault("too long", fmt.Sprintf("at most %d bytes", p.MaxLen), fmt.Sprintf("%d", len(text)))
	}
	if len(p.Enum) > 0 {
		known := false
		for _, e := range p.Enum {
			known = known || e == text
		}
		if !known {
			err := p.fault("unknown value", "one of "+strings.Join(p.Enum, ", "), strconv.Quote(text))
			return err
		}
	}
	if u, ok := f.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return p.fault(err.Error(), "", "")
		}
		return nil
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return p.fault("not a boolean", "true or false", strconv.Quote(text))
		}
		f.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return p.fault("not a whole number", "digits", strconv.Quote(text))
		}
		f.SetInt(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return p.fault("not a number", "", strconv.Quote(text))
		}
		f.SetFloat(x)
	default:
		return p.fault("cannot be written as text", "", "")
	}
	return nil
}

func (p Param) fault(message, want, got string) error {
	if len(got) > 100 {
		got = got[:100] + "…"
	}
	return &fairlead.Error{Code: fairlead.Invalid, Message: "the parameter " + p.Name + " is wrong",
		Faults: []fairlead.Fault{{Path: p.Name, Message: message, Want: want, Got: got}}}
}
