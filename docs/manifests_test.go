package docs

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/strategy"
)

// reference draws the page of all fields from the structs that the decoder
// fills, so it cannot promise a field that is not there.
type reference struct {
	b strings.Builder
	// shapes have a section of their own; fields of their type link there.
	shapes map[reflect.Type]string
}

const manifestsHead = `# Every field of a manifest

Generated from the code; do not edit. Manifests are YAML or JSON. An unknown or misspelt field is an error that names
the line, the column and the fields that exist. ` + "`fairlead lint FILE…`" + ` checks without a server.

A field marked **•** must be given. Fields under *status* are written by Fairlead and shown by
` + "`fairlead get … -o yaml`" + `; in a manifest they are refused or ignored.

How values are written: a *share* as ` + "`5%` or `0.01%`" + `; a *duration* as ` + "`500ms`, `10m`, `24h` or `2d`" + `; a *size* as
` + "`512KiB` or `1MiB`" + `; a *bound* as a percentage (` + "`50%`" + `), percentage points (` + "`1pp`" + `), a duration (` + "`50ms`" + `) or a number.
Names are 1 to 63 lower-case letters, digits, ` + "`.`, `_` or `-`" + `.

`

func TestManifestsPage(t *testing.T) {
	r := &reference{shapes: map[reflect.Type]string{
		reflect.TypeFor[fairlead.Gate]():       "gate",
		reflect.TypeFor[fairlead.Step]():       "step",
		reflect.TypeFor[fairlead.Verdict]():    "verdict",
		reflect.TypeFor[fairlead.TensorSpec](): "tensorspec",
	}}
	r.b.WriteString(manifestsHead)
	kind := func(name, doc string, v any) {
		r.section("## "+name, doc)
		r.table(v, "apiVersion,kind,metadata,spec,commands", false)
	}
	status := func(v any) {
		r.b.WriteString("*status*\n\n")
		r.table(v, "status", true)
	}
	kind(fairlead.KindModel, "A named thing with a declared interface. Tensors declared here bind every version.", fairlead.Model{})
	kind(fairlead.KindAlias, "A movable name of a version; its own name is `model@alias`.", fairlead.Alias{})
	kind(fairlead.KindTarget, "A place where replicas can run. The target `local`, this process, always exists.", fairlead.Target{})
	kind(fairlead.KindEndpoint, "The stable address that callers use.", fairlead.Endpoint{})
	status(fairlead.Endpoint{})
	kind(fairlead.KindRelease, "One attempt to move an endpoint to a candidate. It never changes once it exists.", fairlead.Release{})
	r.b.WriteString("`spec.strategy` holds exactly one of:\n\n")
	for _, k := range strategy.Kinds() {
		fmt.Fprintf(&r.b, "**%s** – %s.\n\n", k.Name, k.Doc)
		r.rows(k.New(), "spec.strategy."+k.Name, false)
	}
	status(fairlead.Release{})
	r.section("## Gate", "A question about evidence, an item of `spec.gates` of a release. At least one bound is set. [How gates judge](gates.md).")
	r.rows(fairlead.Gate{}, "", false)
	r.section("## Step", "What a strategy compiles to; shown in a release's status.")
	r.rows(fairlead.Step{}, "", true)
	r.section("## Verdict", "A gate's answer, shown in a release's status.")
	r.rows(fairlead.Verdict{}, "", true)
	r.section("## TensorSpec", "An item of a model's inputs and outputs.")
	r.rows(fairlead.TensorSpec{}, "", false)
	r.section("## Version", "Not applied but made by `fairlead register`; shown by `fairlead get version NAME -o yaml`.")
	r.table(fairlead.Version{}, "apiVersion,kind,metadata,spec", true)
	golden(t, "manifests.md", r.b.String())
}

// golden compares a generated page with the one in the repository.
func golden(t *testing.T, file, want string) {
	t.Helper()
	want = strings.TrimRight(want, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s differs from what the code says; go test ./docs -update writes it anew", file)
	}
}

func (r *reference) section(title, doc string) {
	fmt.Fprintf(&r.b, "%s\n\n%s\n\n", title, doc)
}

// table lists the fields of a noun's parts.
func (r *reference) table(v any, parts string, readOnly bool) {
	r.head()
	t := reflect.TypeOf(v)
	for _, part := range strings.Split(parts, ",") {
		for _, f := range reflect.VisibleFields(t) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == part && !f.Anonymous {
				r.field(f, "", readOnly)
			}
		}
	}
	r.b.WriteByte('\n')
}

// rows lists the fields of one struct.
func (r *reference) rows(v any, prefix string, readOnly bool) {
	r.head()
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	r.fields(t, prefix, readOnly)
	r.b.WriteByte('\n')
}

func (r *reference) head() { r.b.WriteString("| field | value | meaning |\n|---|---|---|\n") }

func (r *reference) fields(t reflect.Type, prefix string, readOnly bool) {
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous && f.IsExported() {
			r.field(f, prefix, readOnly)
		}
	}
}

func (r *reference) field(f reflect.StructField, prefix string, readOnly bool) {
	name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !readOnly && f.Tag.Get("readOnly") == "true" {
		return
	}
	if prefix != "" {
		name = prefix + "." + name
	}
	elem, list := f.Type, ""
	switch elem.Kind() {
	case reflect.Pointer:
		elem = elem.Elem()
	case reflect.Slice:
		if elem.Elem().Kind() != reflect.Uint8 {
			elem, list = elem.Elem(), "list of "
		}
	}
	required := !strings.Contains(opts, "omit") && f.Tag.Get("readOnly") != "true"
	if inner := plain(elem); elem.Kind() == reflect.Struct && inner == "" {
		if anchor, ok := r.shapes[elem]; ok && prefix+name != "" {
			r.row(name, required && !readOnly, fmt.Sprintf("%s[%s](#%s)", list, elem.Name(), anchor), f)
			return
		}
		if list != "" {
			name += "[]"
		}
		if f.Tag.Get("doc") != "" && name != "metadata" {
			r.row(name, required && !readOnly, cmp.Or(strings.TrimSuffix(list, " of "), "object"), f)
		}
		r.fields(elem, name, readOnly)
		return
	}
	r.row(name, required && !readOnly, list+typeName(elem), f)
}

func (r *reference) row(name string, required bool, value string, f reflect.StructField) {
	mark := ""
	if required {
		mark = " **•**"
	}
	var limits []string
	if e := f.Tag.Get("enum"); e != "" {
		value = "`" + strings.ReplaceAll(e, ",", "`, `") + "`"
	}
	if lo, hi := f.Tag.Get("minimum"), f.Tag.Get("maximum"); lo != "" && hi != "" {
		limits = append(limits, lo+" to "+hi)
	} else if lo != "" {
		limits = append(limits, "from "+lo)
	}
	if n := f.Tag.Get("maxLength"); n != "" {
		limits = append(limits, "at most "+n+" bytes")
	}
	if n := f.Tag.Get("maxItems"); n != "" {
		limits = append(limits, "at most "+n+" items")
	}
	if len(limits) > 0 {
		value += ", " + strings.Join(limits, ", ")
	}
	doc := strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(f.Tag.Get("doc"))
	fmt.Fprintf(&r.b, "| `%s`%s | %s | %s |\n", name, mark, value, doc)
}

// plain names the types that are written as one value although they are
// structs.
func plain(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[fairlead.Quantity]():
		return "bound"
	case reflect.TypeFor[fairlead.Strategy]():
		return "one strategy"
	}
	return ""
}

func typeName(t reflect.Type) string {
	if s := plain(t); s != "" {
		return s
	}
	switch t {
	case reflect.TypeFor[fairlead.Weight]():
		return "share"
	case reflect.TypeFor[fairlead.Duration]():
		return "duration"
	case reflect.TypeFor[fairlead.Bytes]():
		return "size"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Map:
		return "map of " + typeName(t.Elem())
	}
	return t.String()
}
