package docs

import (
	"os"
	"strings"
	"testing"

	"fairlead.dev/sim"
)

// The words on the page are those that the simulation knows.
func TestStoryWords(t *testing.T) {
	const name = "stories.md"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(data), "## The words\n\n```text\n")
	got, tail, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("the page has no list of words")
	}
	if got == sim.Usage() {
		return
	}
	if !*update {
		t.Errorf("the words differ; go test ./docs -update writes the page anew:\n%s\nwant:\n%s", got, sim.Usage())
		return
	}
	if err := os.WriteFile(name, []byte(head+"## The words\n\n```text\n"+sim.Usage()+"```\n"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
