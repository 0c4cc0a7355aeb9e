package docs

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/op"
)

var update = flag.Bool("update", false, "write the generated pages anew")

const root = ".."

// read is one file of the documentation, named from the repository's root.
type page struct{ name, text string }

// pages gives the files below docs and examples, and README, with one of the
// extensions.
func pages(t *testing.T, ext ...string) []page {
	t.Helper()
	var all []page
	add := func(file string) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page{filepath.ToSlash(name), string(b)})
	}
	for _, dir := range []string{"docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			for _, e := range ext {
				if filepath.Ext(file) == e {
					add(file)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range ext {
		if e == ".md" {
			add(filepath.Join(root, "README.md"))
		}
	}
	return all
}

// block is a fenced piece of a page.
type block struct {
	lang, text string
	line       int // of its first line
}

func blocks(text string) []block {
	var all []block
	var open *block
	for i, l := range strings.Split(text, "\n") {
		fence, ok := strings.CutPrefix(strings.TrimSpace(l), "```")
		switch {
		case ok && open == nil:
			open = &block{lang: fence, line: i + 2}
		case ok:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += l + "\n"
		}
	}
	return all
}

func TestManifestsAreValid(t *testing.T) {
	files := pages(t, ".yaml", ".yml")
	if len(files) < 8 {
		t.Fatalf("only %d manifests found", len(files))
	}
	for _, f := range files {
		for _, fault := range op.Lint([]op.Manifest{{Name: f.name, Text: f.text}}) {
			t.Error(fault)
		}
	}
}

// Every YAML block on a page is a whole manifest that a reader can copy.
func TestYAMLBlocksAreValidManifests(t *testing.T) {
	n := 0
	for _, p := range pages(t, ".md") {
		for _, b := range blocks(p.text) {
			if b.lang != "yaml" {
				continue
			}
			n++
			for _, fault := range op.Lint([]op.Manifest{{Name: p.name, Text: b.text}}) {
				fault.Line += b.line - 1
				t.Error(fault)
			}
		}
	}
	if n < 4 {
		t.Errorf("only %d blocks found", n)
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t, ".md") {
		prose := p.text
		for _, b := range blocks(p.text) {
			prose = strings.ReplaceAll(prose, b.text, "")
		}
		for rest := prose; ; {
			_, after, ok := strings.Cut(rest, "](")
			if !ok {
				break
			}
			link, tail, ok := strings.Cut(after, ")")
			if !ok {
				break
			}
			rest = tail
			target, _, _ := strings.Cut(link, "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(p.name), target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", p.name, link)
			}
		}
	}
}
