// Package arch holds the rules of the house as checks of its source: who may
// import whom, no clock in pure code, a doc comment per package, one folder
// per third-party module, and the like. Each finding says where and why.
//
// Begin with Rules. The package's tests run them over this repository, and
// show for each that it catches what it is there for.
package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rule is one house rule. Check gives its findings: where, what and why.
type Rule struct {
	Name  string
	Check func(t *Tree) []string
}

// Rules are all of them.
func Rules() []Rule {
	return []Rule{
		{"rings", rings},
		{"purity of core", purity},
		{"the clock is handed in", clock},
		{"package comments", docs},
		{"third-party modules", modules},
		{"no init", inits},
		{"no package-level state", state},
		{"file length", length},
		{"HOUSE.md", house},
		{"decisions are numbered", decisions},
		{"no machine's paths and hosts", strangers},
	}
}

// Tree is the source of a repository.
type Tree struct {
	Module string   // from go.mod
	Direct []string // go.mod's direct requirements
	Go     []*File  // in order of path; testdata is not among them
	Text   map[string][]byte
	Dirs   map[string]bool // every folder that holds a file, and its parents
}

// File is one Go file.
type File struct {
	Path, Dir string // Dir is "." at the root
	Test      bool
	Lines     int
	Syntax    *ast.File
	set       *token.FileSet
}

// At gives the place of a node for a finding.
func (f *File) At(n ast.Node) string {
	return f.Path + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

// Imports gives the imported paths.
func (f *File) Imports() []string {
	var out []string
	for _, s := range f.Syntax.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// names gives what the file calls the package that it imports as p; "" when it
// does not.
func (f *File) names(p string) string {
	for _, s := range f.Syntax.Imports {
		if s.Path.Value != strconv.Quote(p) {
			continue
		}
		if s.Name != nil {
			return s.Name.Name
		}
		base := path.Base(p)
		if len(base) > 1 && base[0] == 'v' && base[1] >= '0' && base[1] <= '9' {
			base = path.Base(path.Dir(p))
		}
		return base
	}
	return ""
}

// skipped folders hold nothing that belongs to the source.
func skipped(name string) bool {
	return slices.Contains([]string{".git", "bin", "node_modules"}, name)
}

// maxText is the largest file that is looked into for strings.
const maxText = 2 << 20

// Load reads a repository. A Go file that does not parse is an error.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{Text: map[string][]byte{}, Dirs: map[string]bool{}}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(d.Name()):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			t.Dirs[dir] = true
		}
		if info, err := d.Info(); err != nil || info.Size() > maxText {
			return err
		}
		data, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		if utf8.Valid(data) {
			t.Text[p] = data
		}
		if path.Ext(p) != ".go" || strings.Contains("/"+p, "/testdata/") || strings.HasPrefix(path.Base(p), "_") {
			return nil
		}
		f := &File{Path: p, Dir: path.Dir(p), Test: strings.HasSuffix(p, "_test.go"), Lines: bytes.Count(data, []byte("\n")), set: token.NewFileSet()}
		if f.Syntax, err = parser.ParseFile(f.set, p, data, parser.ParseComments); err != nil {
			return err
		}
		t.Go = append(t.Go, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, t.gomod()
}

// gomod reads the module path and the direct requirements.
func (t *Tree) gomod() error {
	block := false
	for line := range strings.Lines(string(t.Text["go.mod"])) {
		line = strings.TrimSpace(line)
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		switch {
		case len(words) == 0:
		case words[0] == "module" && len(words) == 2:
			t.Module = words[1]
		case words[0] == "require" && len(words) == 2 && words[1] == "(":
			block = true
		case words[0] == ")":
			block = false
		case words[0] == "require" && len(words) == 3:
			words = words[1:]
			fallthrough
		case block && len(words) == 2:
			if strings.TrimSpace(comment) != "indirect" {
				t.Direct = append(t.Direct, words[0])
			}
		}
	}
	if t.Module == "" {
		return fmt.Errorf("go.mod names no module")
	}
	return nil
}

// local gives the folder of an import within the module.
func (t *Tree) local(imp string) (dir string, ok bool) {
	if imp == t.Module {
		return ".", true
	}
	return strings.CutPrefix(imp, t.Module+"/")
}

// within reports whether dir is room or stands in it.
func within(dir, room string) bool { return dir == room || strings.HasPrefix(dir, room+"/") }
