package arch

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// docs: each package says what it answers for and where to begin.
func docs(t *Tree) (found []string) {
	said, first := map[string]bool{}, map[string]string{}
	for _, f := range t.Go {
		if f.Test {
			continue
		}
		if first[f.Dir] == "" {
			first[f.Dir] = f.Path
		}
		if f.Syntax.Doc == nil {
			continue
		}
		text := f.Syntax.Doc.Text()
		want := "Package " + f.Syntax.Name.Name + " "
		if f.Syntax.Name.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(text, want) {
			found = append(found, fmt.Sprintf("%s: the package comment begins with %q", f.Path, strings.TrimSpace(want)))
		}
		if said[f.Dir] {
			found = append(found, fmt.Sprintf("%s: the package has a second package comment", f.Path))
		}
		said[f.Dir] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(first)) {
		if !said[dir] {
			found = append(found, fmt.Sprintf("%s: the package has no comment that says what it answers for and where to begin", first[dir]))
		}
	}
	return found
}

// maxLines of a Go file: what does not fit has two subjects.
const maxLines = 600

func length(t *Tree) (found []string) {
	for _, f := range t.Go {
		if f.Lines > maxLines {
			found = append(found, fmt.Sprintf("%s has %d lines, at most %d: split it by subject", f.Path, f.Lines, maxLines))
		}
	}
	return found
}

// maxHouse is what a newcomer reads in one go.
const maxHouse = 70

// house: HOUSE.md names every room, and no room that is not there. Rooms are
// what stands in backquotes in the first column of its tables.
func house(t *Tree) (found []string) {
	text, ok := t.Text["HOUSE.md"]
	if !ok {
		return []string{"HOUSE.md is missing: the page a newcomer reads"}
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) > maxHouse {
		found = append(found, fmt.Sprintf("HOUSE.md has %d lines, at most %d", len(lines), maxHouse))
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	named := map[string]bool{}
	for i, line := range lines {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			dir := path.Clean(m[1])
			named[dir] = true
			if dir != "." && !t.Dirs[dir] {
				found = append(found, fmt.Sprintf("HOUSE.md:%d names %s, which is not there", i+1, dir))
			}
		}
		rooms := quoted.FindAllStringSubmatch(cells[1], -1)
		if len(rooms) != 1 || len(cells) < 5 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			file := path.Join(rooms[0][1], m[1])
			if !slices.ContainsFunc(t.Go, func(f *File) bool { return f.Path == file }) {
				found = append(found, fmt.Sprintf("HOUSE.md:%d begins with %s, which is not there", i+1, file))
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(t.Dirs)) {
		if strings.Contains(dir, "/") || strings.HasPrefix(dir, ".") {
			continue
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(named)), func(n string) bool { return within(n, dir) }) {
			found = append(found, fmt.Sprintf("HOUSE.md does not name the folder %s", dir))
		}
	}
	return found
}

// decisions are pages NNNN-what.md, numbered without gap or repetition, with a
// heading.
func decisions(t *Tree) (found []string) {
	name := regexp.MustCompile(`^docs/decisions/(\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md$`)
	next := 1
	for _, p := range slices.Sorted(maps.Keys(t.Text)) {
		if path.Dir(p) != "docs/decisions" || path.Base(p) == "README.md" {
			continue
		}
		m := name.FindStringSubmatch(p)
		switch {
		case m == nil:
			found = append(found, fmt.Sprintf("%s: a decision's page is called NNNN-what-was-decided.md", p))
			continue
		case m[1] != fmt.Sprintf("%04d", next):
			found = append(found, fmt.Sprintf("%s: decisions are numbered one after another, %04d comes here", p, next))
		}
		next++
		if !strings.HasPrefix(string(t.Text[p]), "# ") {
			found = append(found, fmt.Sprintf("%s: the page begins with a heading", p))
		}
	}
	return found
}

// strangers finds what belongs to the machine that somebody worked on, or
// names a registry that the module system finds by itself. The words are put
// together here, so that this file does not contain them.
func strangers(t *Tree) (found []string) {
	var words []string
	for _, w := range [][2]string{{"/wo", "rk/"}, {"/home/", "runner/"}, {"/tmp/", "bash_jobs"}, {"proxy.", "golang.org"}, {"sum.", "golang.org"},
		{"registry.", "npmjs.org"}, {"files.", "pythonhosted.org"}, {"index.", "crates.io"}} {
		words = append(words, w[0]+w[1])
	}
	for _, p := range slices.Sorted(maps.Keys(t.Text)) {
		for i, line := range strings.Split(string(t.Text[p]), "\n") {
			for _, w := range words {
				if strings.Contains(line, w) {
					found = append(found, fmt.Sprintf("%s:%d contains %q, which means something on one machine only", p, i+1, w))
				}
			}
		}
	}
	return found
}
