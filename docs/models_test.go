package docs

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The list of operators on models.md is that of runtime/inproc.
func TestOperatorsPage(t *testing.T) {
	const file, begin, end = "models.md", "<!-- operators -->\n", "<!-- end -->"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the list", file)
	}
	var list strings.Builder
	domains := operators(t)
	if len(domains[""]) < 50 || len(domains["ai.onnx.ml"]) < 10 {
		t.Fatalf("too few operators found: %v", domains)
	}
	for _, d := range slices.Sorted(maps.Keys(domains)) {
		fmt.Fprintf(&list, "\n**%s**: %s.\n", cmp.Or(d, "ai.onnx"), strings.Join(domains[d], ", "))
	}
	golden(t, file, head+begin+list.String()+"\n"+end+tail)
}

// operators reads the table in operators.go, by domain: the package keeps it to
// itself.
func operators(t *testing.T) map[string][]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "runtime/inproc/operators.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		case *ast.Ident: // the constant that names the domain ai.onnx.ml
			return "ai.onnx.ml", strings.HasPrefix(e.Name, "domain")
		}
		return "", false
	}
	all := map[string][]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || len(lit.Elts) < 3 {
			return true
		}
		domain, ok1 := text(lit.Elts[0])
		name, ok2 := text(lit.Elts[1])
		if ok1 && ok2 {
			all[domain] = append(all[domain], name)
		}
		return true
	})
	for _, names := range all {
		slices.Sort(names)
	}
	return all
}
