package arch

import (
	"fmt"
	"slices"
	"strings"
)

// modulesFile lists the third-party modules, one a line: the module and the
// one folder that imports it, or the word tests.
const modulesFile = "internal/arch/modules.txt"

// modules checks that a dependency is a decision, visible as a line in a diff,
// and known to one folder only, so it can be replaced.
func modules(t *Tree) (found []string) {
	folder := map[string]string{}
	var names []string
	for i, line := range strings.Split(string(t.Text[modulesFile]), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) != 2 || folder[words[0]] != "" {
			found = append(found, fmt.Sprintf("%s:%d: expected a new module and its folder (or tests), got %q", modulesFile, i+1, line))
			continue
		}
		folder[words[0]] = words[1]
		names = append(names, words[0])
	}
	if !slices.IsSorted(names) {
		found = append(found, modulesFile+" is not sorted")
	}
	for _, m := range t.Direct {
		if folder[m] == "" {
			found = append(found, fmt.Sprintf("go.mod requires %s, which %s does not list: a new dependency is a decision", m, modulesFile))
		}
	}
	used := map[string]bool{}
	for _, f := range t.Go {
		for _, imp := range f.Imports() {
			first, _, _ := strings.Cut(imp, "/")
			if _, own := t.local(imp); own || !strings.Contains(first, ".") {
				continue
			}
			module := ""
			for m := range folder {
				if within(imp, m) && len(m) > len(module) {
					module = m
				}
			}
			used[module] = true
			where := folder[module]
			switch {
			case module == "":
				found = append(found, fmt.Sprintf("%s imports %s, which %s does not list: a new dependency is a decision", f.Path, imp, modulesFile))
			case where == "tests" && (f.Test || strings.HasSuffix(f.Dir, "test")):
			case where == "tests":
				found = append(found, fmt.Sprintf("%s imports %s: that module is for tests", f.Path, imp))
			case !within(f.Dir, where):
				found = append(found, fmt.Sprintf("%s imports %s: a third-party module lives in one folder, this one in %s", f.Path, imp, where))
			}
		}
	}
	for _, m := range names {
		if !used[m] {
			found = append(found, fmt.Sprintf("%s lists %s, which nothing imports", modulesFile, m))
		}
	}
	return found
}
