package release_test

import (
	"flag"
	"os"
	"testing"

	"fairlead.dev/core/release"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/reference/release-machine.md")

func TestPageIsPrintedFromTheRows(t *testing.T) {
	const page = "../../docs/reference/release-machine.md"
	if *update {
		if err := os.MkdirAll("../../docs/reference", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(release.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(release.Page(), string(got)); d != "" {
		t.Errorf("%s differs from the rows; run go test ./core/release -update:\n%s", page, d)
	}
}

func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range release.Rows() {
		if r.Name == "" || r.When == "" || r.What == "" || len(r.From) == 0 || seen[r.Name] {
			t.Errorf("row %+v is not whole, or its name is taken", r)
		}
		seen[r.Name] = true
	}
}
