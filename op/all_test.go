package op_test

import (
	"testing"

	"fairlead.dev/op"
)

// The table is whole: every verb has words, a place and a permission, and no
// two share a name or a route.
func TestTableIsWhole(t *testing.T) {
	names, routes := map[string]bool{}, map[string]bool{}
	for _, v := range op.All() {
		route := v.Method + " " + v.Path
		if names[v.Name] || routes[route] {
			t.Errorf("%s (%s) is there twice", v.Name, route)
		}
		names[v.Name], routes[route] = true, true
		if v.Short() == "" || v.Can == "" || v.Path[0] != '/' {
			t.Errorf("%s lacks a doc, a permission or a path: %+v", v.Name, v)
		}
		if v.Mutates() && v.Can == op.CanRead {
			t.Errorf("%s changes state for readers", v.Name)
		}
		for _, p := range v.Params {
			if p.Doc == "" && p.Scalar {
				t.Errorf("%s: %s has no doc", v.Name, p.Name)
			}
		}
	}
}
