package inproc

import (
	"os"
	"path/filepath"
	"testing"
)

// unexercised are the operators that no fixture runs, each with its reason.
var unexercised = map[string]string{}

// TestEveryOperatorHasAFixture: an operator is worth no more than its
// comparison with the runtime that is the authority on it, so each one on the
// list is a node of at least one fixture that TestParity compares.
func TestEveryOperatorHasAFixture(t *testing.T) {
	seen := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join("testdata", "*.onnx"))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file[:len(file)-len(".onnx")] + ".golden"); err != nil {
			t.Errorf("%s has no answers to compare with", file)
			continue
		}
		g, err := parseONNX(b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, n := range g.nodes {
			seen[opKey(n.domain, n.op)] = true
		}
	}
	for _, o := range operators() {
		key := opKey(o.domain, o.name)
		reason, excused := unexercised[key]
		switch {
		case !seen[key] && !excused:
			t.Errorf("operator %s is exercised by no fixture: add one in testdata/make_fixtures.py", key)
		case seen[key] && excused:
			t.Errorf("operator %s has a fixture now: it needs no excuse (%s)", key, reason)
		}
	}
}
