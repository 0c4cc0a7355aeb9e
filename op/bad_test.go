package op_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"fairlead.dev"
	"fairlead.dev/op"
)

// Each page of testdata/bad holds a manifest above and what is said of it
// below. Nothing of any of them may change anything. UPDATE=1 writes the pages
// anew: read the difference before you keep it.
func TestBadManifests(t *testing.T) {
	pages, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(page)
			if err != nil || len(a.Files) != 2 {
				t.Fatalf("%v, %d parts", err, len(a.Files))
			}
			w := newWorld(t)
			w.register("digits@1", "digits@2", "digits@3", "other@1")
			w.apply(digitsYAML)
			before := w.ledger()
			for _, dry := range []bool{true, false} {
				_, err = op.Apply.Call(w.ctx, w.deps, op.ApplyIn{DryRun: dry, Files: []op.Manifest{{Name: "m.yaml", Text: string(a.Files[0].Data)}}})
				if err == nil {
					t.Fatal("accepted")
				}
				got := string(fairlead.CodeOf(err)) + ": " + err.Error() + "\n"
				if os.Getenv("UPDATE") != "" {
					a.Files[1].Data = []byte(got)
					if err := os.WriteFile(page, txtar.Format(a), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if want := string(a.Files[1].Data); got != want {
					t.Errorf("dry %v: got\n%s\nwant\n%s", dry, got, want)
				}
			}
			if after := w.ledger(); after != before {
				t.Errorf("left %d entries in the ledger", after-before)
			}
		})
	}
}
