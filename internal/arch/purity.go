package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// uses calls f for each selector pkg.Name of a package that the file imports.
func (f *File) uses(imp string, visit func(sel *ast.SelectorExpr)) {
	name := f.names(imp)
	if name == "" {
		return
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && x.Obj == nil {
				visit(sel)
			}
		}
		return true
	})
}

// purity keeps the world out of core: everything there is a function of its
// arguments, so verdicts can be replayed and releases simulated.
func purity(t *Tree) (found []string) {
	world := []string{"os", "net", "context", "syscall", "math/rand", "crypto/rand", "log", "io/ioutil", "unsafe"}
	timers := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	seeded := []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}
	for _, f := range t.Go {
		if f.Test || !within(f.Dir, "core") {
			continue
		}
		for _, imp := range f.Imports() {
			if slices.ContainsFunc(world, func(w string) bool { return imp == w || w != "math/rand" && strings.HasPrefix(imp, w+"/") }) {
				found = append(found, fmt.Sprintf("%s imports %s: core is pure, its inputs are parameters", f.Path, imp))
			}
		}
		f.uses("time", func(sel *ast.SelectorExpr) {
			if slices.Contains(timers, sel.Sel.Name) {
				found = append(found, fmt.Sprintf("%s uses time.%s: core has no clock, times are parameters", f.At(sel), sel.Sel.Name))
			}
		})
		f.uses("math/rand/v2", func(sel *ast.SelectorExpr) {
			if !slices.Contains(seeded, sel.Sel.Name) {
				found = append(found, fmt.Sprintf("%s uses rand.%s: core has no chance of its own, generators are parameters", f.At(sel), sel.Sel.Name))
			}
		})
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				found = append(found, fmt.Sprintf("%s starts a goroutine: core computes, loops and gateways run", f.At(g)))
			}
			return true
		})
	}
	return found
}

// clock: whoever the simulation runs gets its time and chance by fairlead.Env.
func clock(t *Tree) (found []string) {
	for _, f := range t.Go {
		if f.Test || !slices.ContainsFunc([]string{"op", "loop", "gateway", "sim", "runtime/fake", "store/mem", "bus/local"}, func(r string) bool { return within(f.Dir, r) }) {
			continue
		}
		f.uses("time", func(sel *ast.SelectorExpr) {
			if slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
				found = append(found, fmt.Sprintf("%s uses time.%s: the simulation must be able to stand in for the clock, use fairlead.Env", f.At(sel), sel.Sel.Name))
			}
		})
		for _, imp := range f.Imports() {
			if imp == "crypto/rand" || imp == "math/rand" {
				found = append(found, fmt.Sprintf("%s imports %s: the simulation must be able to stand in for chance, use fairlead.Env", f.Path, imp))
			}
		}
	}
	return found
}

// inits: what happens, happens because somebody called it.
func inits(t *Tree) (found []string) {
	for _, f := range t.Go {
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, fmt.Sprintf("%s has an init function: things are listed and wired, never registered on import", f.At(fn)))
			}
		}
	}
	return found
}

// state: package-level variables are tables and compiled patterns, written
// once. One that begins empty or is assigned to is state that all users of the
// process share.
func state(t *Tree) (found []string) {
	globals := map[string]map[string]bool{} // folder → names
	for _, f := range t.Go {
		if f.Test {
			continue
		}
		for _, d := range f.Syntax.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				v, ok := s.(*ast.ValueSpec)
				if !ok || g.Tok.String() != "var" {
					continue
				}
				embedded := g.Doc != nil && strings.Contains(comments(g.Doc), "//go:embed") || v.Doc != nil && strings.Contains(comments(v.Doc), "//go:embed")
				for _, n := range v.Names {
					if n.Name == "_" {
						continue
					}
					if globals[f.Dir] == nil {
						globals[f.Dir] = map[string]bool{}
					}
					globals[f.Dir][n.Name] = true
					if len(v.Values) == 0 && !embedded {
						found = append(found, fmt.Sprintf("%s: the package-level variable %s begins empty, so it is shared state: put it in a struct", f.At(n), n.Name))
					}
				}
			}
		}
	}
	for _, f := range t.Go {
		if f.Test {
			continue
		}
		report := func(e ast.Expr) {
			id := root(e)
			// The parser resolves names within a file; one it could not
			// resolve is of another file of the package.
			if id == nil || !globals[f.Dir][id.Name] {
				return
			}
			if id.Obj != nil {
				if v, ok := id.Obj.Decl.(*ast.ValueSpec); !ok || !topLevel(f.Syntax, v) {
					return
				}
			}
			found = append(found, fmt.Sprintf("%s changes the package-level variable %s: put it in a struct", f.At(e), id.Name))
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok.String() != ":=" {
					for _, e := range n.Lhs {
						report(e)
					}
				}
			case *ast.IncDecStmt:
				report(n.X)
			}
			return true
		})
	}
	return found
}

// root is the variable that an assignment to e changes.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func topLevel(f *ast.File, v *ast.ValueSpec) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		g, ok := d.(*ast.GenDecl)
		return ok && slices.Contains(g.Specs, ast.Spec(v))
	})
}

// comments is a comment group's text with its directives.
func comments(g *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range g.List {
		b.WriteString(c.Text + "\n")
	}
	return b.String()
}
