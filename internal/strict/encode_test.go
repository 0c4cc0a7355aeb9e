package strict

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

func TestEncode(t *testing.T) {
	cases := []struct {
		in   any
		want string
	}{
		{struct {
			B string `json:"b"`
			A int64  `json:"a"`
		}{"digits@2", math.MaxInt64}, "b: digits@2\na: 9223372036854775807\n"},
		{map[string]any{"weight": "0.01%", "hold": "10m", "p": "1pp"}, "hold: 10m\np: 1pp\nweight: 0.01%\n"},
		{[]string{"yes", "012", "2026-01-02", "", " a", "a: b", "#", "1e3", "~"}, "[\"yes\", \"012\", \"2026-01-02\", \"\", \" a\", \"a: b\", \"#\", \"1e3\", \"~\"]\n"},
		{map[string]any{"list": []int{}, "map": map[string]int{}, "none": nil, "f": 0.25}, "f: 0.25\nlist: []\nmap: {}\nnone: null\n"},
		{map[string]any{"text": "one\ntwo\n"}, "text: |\n  one\n  two\n"},
		{map[string]any{"steps": []any{map[string]any{"weight": "5%"}}}, "steps:\n- weight: 5%\n"},
	}
	for _, c := range cases {
		got, err := Encode(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if _, err := Encode(math.NaN()); err == nil {
		t.Error("a value that JSON cannot hold was encoded")
	}
}

// Whatever the value, reading the YAML gives back what the JSON says.
func TestEncodeReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			in["k"+rapid.String().Draw(t, "key")] = rapid.OneOf(rapid.String().AsAny(),
				rapid.SampledFrom([]string{"yes", "NO", "0x1F", "1_000", ".5", "=", "<<", "\u0085", "a\n b\n", "\n", "-", "- a", "1:30"}).AsAny(),
				rapid.SliceOf(rapid.String()).AsAny(), rapid.Bool().AsAny()).Draw(t, "value")
		}
		out, err := Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := yaml.Load(out, &back); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		a, _ := json.Marshal(in)
		b, _ := json.Marshal(back)
		if string(b) == "null" {
			b = []byte("{}")
		}
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			t.Fatalf("(-want +got):\n%s\nYAML:\n%s", diff, out)
		}
	})
}
