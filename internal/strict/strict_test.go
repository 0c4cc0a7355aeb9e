package strict_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev"
	"fairlead.dev/internal/strict"
)

type shape struct {
	Kind string `json:"kind"`
	Spec struct {
		Text  string             `json:"text,omitempty" minLength:"2" maxLength:"5" pattern:"^[a-z]+$"`
		Word  string             `json:"word,omitempty" enum:"one,two"`
		Int   int                `json:"int,omitempty" minimum:"1" maximum:"9"`
		Small int8               `json:"small,omitempty"`
		Float float64            `json:"float,omitempty" minimum:"0" maximum:"1"`
		Bool  bool               `json:"bool,omitempty"`
		List  []string           `json:"list,omitempty" minItems:"1" maxItems:"2"`
		Map   map[string]float64 `json:"map,omitempty"`
		Ptr   *fairlead.Weight   `json:"ptr,omitempty"`
		Hold  fairlead.Duration  `json:"hold,omitempty"`
		Size  fairlead.Bytes     `json:"size,omitempty"`
		Bound *fairlead.Quantity `json:"bound,omitempty"`
		When  time.Time          `json:"when,omitzero"`
		Raw   json.RawMessage    `json:"raw,omitempty"`
		Pick  pick               `json:"pick,omitzero"`
	} `json:"spec,omitzero"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status,omitzero" readOnly:"true"`
}

type pick struct {
	Kind string
	Spec string
}

type ring struct {
	Size int `json:"size"`
}

func unions() strict.Unions {
	return strict.Unions{reflect.TypeFor[pick](): {What: "shape", Known: []string{"ring"},
		New: func(string) any { return &ring{} },
		Set: func(into any, kind string, spec json.RawMessage) { *into.(*pick) = pick{kind, string(spec)} }}}
}

func decode(text string) (s shape, faults []fairlead.Fault) {
	docs, faults := strict.Parse("f", []byte(text))
	if len(faults) > 0 || len(docs) == 0 {
		return s, faults
	}
	return s, docs[0].Decode(&s, unions())
}

func TestDecode(t *testing.T) {
	yaml := `
kind: &k K
spec:
  text: abc
  word: two
  int: 7
  small: -8
  float: 1
  bool: true
  list: [x, "012"]
  map: {a: 1, b: 2.5e-1}
  ptr: 5%
  hold: 1h30m
  size: 4KiB
  bound: 50ms
  when: 2026-01-31T12:00:00+01:00
  raw: {z: [1, 2.5, "s", null, true], a: *k}
  pick: {ring: {size: 3}}
status: {phase: [anything], more: 1}
`
	want := shape{Kind: "K"}
	w := fairlead.Weight(500)
	want.Spec.Text, want.Spec.Word, want.Spec.Int, want.Spec.Small, want.Spec.Float, want.Spec.Bool = "abc", "two", 7, -8, 1, true
	want.Spec.List, want.Spec.Map = []string{"x", "012"}, map[string]float64{"a": 1, "b": 0.25}
	want.Spec.Ptr, want.Spec.Hold, want.Spec.Size = &w, fairlead.Duration(90*time.Minute), 4096
	want.Spec.Bound = &fairlead.Quantity{Value: 0.05, Unit: "s"}
	want.Spec.When = time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC)
	want.Spec.Raw = json.RawMessage(`{"a":"K","z":[1,2.5,"s",null,true]}`)
	want.Spec.Pick = pick{"ring", `{"size":3}`}
	got, faults := decode(yaml)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// The same as JSON, with what JSON has and YAML has not.
	got, faults = decode("{\n\t\"kind\": \"\\ud83d\\ude00 \\\\ud83d \\ud83d \\/\",\r\n\t\"spec\": {\"float\": 1E-1}}")
	if len(faults) > 0 || got.Kind != "😀 \\ud83d \uFFFD /" || got.Spec.Float != 0.1 {
		t.Errorf("%q %v", got.Kind, faults)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"kind: k\nspec: {text: a}", "f:2:14: /spec/text: too short (expected at least 2 bytes; got 1)"},
		{"kind: k\nspec: {text: abcdef}", "f:2:14: /spec/text: too long (expected at most 5 bytes; got 6)"},
		{"kind: k\nspec: {text: ABC}", `f:2:14: /spec/text: malformed (expected text that matches ^[a-z]+$; got the text "ABC")`},
		{"kind: k\nspec: {word: tow}", `f:2:14: /spec/word: unknown value "tow"; did you mean "two"? (known: one, two)`},
		{"kind: k\nspec: {int: 0}", "f:2:13: /spec/int: too small (expected at least 1; got 0)"},
		{"kind: k\nspec: {int: 1.0}", "f:2:13: /spec/int: wrong type (expected a whole number; got the number 1.0)"},
		{"kind: k\nspec: {int: 1_0}", "f:2:13: /spec/int: wrong type (expected a whole number; got the number 1_0)"},
		{"kind: k\nspec: {int: \"1\"}", `f:2:13: /spec/int: wrong type (expected a whole number; got the text "1")`},
		{"kind: k\nspec: {small: 128}", "f:2:15: /spec/small: wrong type (expected a whole number; got the number 128)"},
		{"kind: k\nspec: {float: .nan}", "f:2:15: /spec/float: wrong type (expected a number; got the number .nan)"},
		{"kind: k\nspec: {float: 2}", "f:2:15: /spec/float: too large (expected at most 1; got 2)"},
		{"kind: k\nspec: {bool: yes}", `f:2:14: /spec/bool: wrong type (expected true or false; got the text "yes")`},
		{"kind: k\nspec: {list: []}", "f:2:14: /spec/list: too few items (expected at least 1; got 0)"},
		{"kind: k\nspec: {list: [a, b, c]}", "f:2:14: /spec/list: too many items (expected at most 2; got 3)"},
		{"kind: k\nspec: {map: {a: 1, a: 2}}", "f:2:20: /spec/map/a: given twice; first on line 2"},
		{"kind: k\nspec: {map: {? [a] : 1}}", "f:2:16: /spec/map: not a key (expected a plain word; got a list)"},
		{"kind: k\nspec: {when: 2026-01-31}", `f:2:14: /spec/when: not a time (expected RFC 3339, e.g. 2026-01-31T12:00:00Z; got the text "2026-01-31")`},
		{"kind: k\nspec: {pick: {rnig: {}}}", `f:2:15: /spec/pick/rnig: unknown shape "rnig"; did you mean "ring"? (known: ring)`},
		{"kind: k\nspec: {pick: {ring: }}", ""},
		{"kind: k\nspec: {raw: 012}", "f:2:13: /spec/raw: a number with a leading zero means different things to different readers (expected the number without it, or the text in quotes; got 012)"},
		{"kind: 1\nspce: {}", "f:1:7: /kind: wrong type (expected text (in quotes); got the number 1)\nf:2:1: /spce: unknown key \"spce\"; did you mean \"spec\"? (known: kind, spec, status)"},
		{"kind: \xff", "f:1:7: not UTF-8 text (got byte 0xff)"},
		{"kind: a\x00", "f:1:8: control character (got byte 0x00)"},
		{"kind: k\nspec:\n\traw: 1", "f:3:1: not valid YAML (expected lines indented by spaces; got a tab)"},
		{"kind: *x", "f:1:7: not valid YAML: unknown anchor 'x' referenced"},
		{"kind: k\nspec: &s {raw: *s}", "f:2:7: /spec: nested too deep or too many values"},
		{"[]", "f:1:1: wrong type (expected keys and values; got a list)"},
	} {
		_, faults := decode(c.text)
		var got []string
		for _, f := range faults {
			f.Path = strings.Split(f.Path, "/raw/raw")[0] // how deep a loop goes is the limit's matter
			got = append(got, f.String())
		}
		if s := strings.Join(got, "\n"); s != c.want {
			t.Errorf("%q:\ngot  %s\nwant %s", c.text, s, c.want)
		}
	}
}

// Small inputs that want to become large are refused in time and memory
// proportional to their own size and the limits.
func TestBombs(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("kind: k\nspec:\n  raw:\n    - &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&laughs, "    - &a%d [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for name, text := range map[string]string{
		"a billion laughs": laughs.String(),
		"deep flow":        "kind: k\nspec: {raw: " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "}",
		"deeper flow":      "kind: k\nspec: {raw: " + strings.Repeat("[", 500_000),
		"deep json":        `{"kind": "k", "spec": {"raw": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}}",
		"deep block":       "kind: k\nspec:\n  raw:\n" + deepBlock(200),
		"many items":       "kind: k\nspec:\n  raw:\n" + strings.Repeat("  - - -\n", 120_000/3),
		"many empty items": "kind: k\nspec: {raw: [" + strings.Repeat(",", 250_000) + "]}",
		"large":            "kind: " + strings.Repeat("x", strict.MaxDocument),
		"larger":           strings.Repeat("#", strict.MaxStream+1),
		"many keys":        "kind: k\nspec:\n  map:\n" + manyKeys(10_000),
		"many faults":      "kind: k\nspec:\n  map:\n" + strings.ReplaceAll(manyKeys(5_000), ": 1", ": x"),
	} {
		start := time.Now()
		_, faults := decode(text)
		if len(faults) == 0 && name != "many keys" || len(faults) > 101 {
			t.Errorf("%s: %d faults", name, len(faults))
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func deepBlock(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", 4) + strings.Repeat("- ", i%400+1) + "a\n")
	}
	return b.String()
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "    k%d: 1\n", i)
	}
	return b.String()
}

func TestAt(t *testing.T) {
	docs, faults := strict.Parse("f", []byte("kind: k\n---\n# second\nspec:\n  list:\n    - a\n    - {b: c}\n"))
	if len(faults) > 0 || len(docs) != 2 {
		t.Fatal(docs, faults)
	}
	for path, want := range map[string][2]int{"/spec": {5, 3}, "/spec/list/1/b": {7, 11}, "/spec/list/9": {6, 5}, "/spec/none/x": {5, 3}, "": {4, 1}, "/spec/list/1/b/x": {7, 11}} {
		if l, c := docs[1].At(path); l != want[0] || c != want[1] {
			t.Errorf("%s: %d:%d, want %v", path, l, c, want)
		}
	}
}

// Whatever the bytes: an answer, no panic, and what was accepted can be
// written and read again as the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"kind: k\nspec: {text: abc, ptr: 5%, pick: {ring: {size: 1}}}", `{"kind":"k","spec":{"raw":[1,{"a":"\ud83d\ude00"}]}}`,
		"a: &x [*x]", "? [a]\n: b", "--- !foo\nkind: k", "kind: |\n  text\nspec: {when: 2026-01-31T12:00:00Z}", "%YAML 1.1\n---\nkind: 012", "<<: {kind: k}", "kind: k\nspec: {hold: 2d, size: 4KiB, bound: 1pp}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		docs, _ := strict.Parse("f", b)
		for _, d := range docs {
			var s shape
			if len(d.Decode(&s, unions())) > 0 {
				continue
			}
			s.Spec.Pick = pick{} // it is read by a hook and not written by one
			out, err := json.Marshal(s)
			if err != nil {
				t.Fatalf("cannot be written: %v", err)
			}
			again, faults := decode(string(out))
			if len(faults) > 0 {
				t.Fatalf("%s\nis refused: %v", out, faults)
			}
			if d := cmp.Diff(s, again); d != "" {
				t.Fatal(d)
			}
		}
	})
}
