package arch_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"fairlead.dev/internal/arch"
)

// TestHouse runs the rules over this repository.
func TestHouse(t *testing.T) {
	tree, err := arch.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Go) < 50 {
		t.Fatalf("found %d Go files: this is not the repository", len(tree.Go))
	}
	for _, rule := range arch.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range rule.Check(tree) {
				t.Error(f)
			}
		})
	}
}

// sound is a small repository without a fault.
const sound = `
-- go.mod --
module house.test

go 1.26.0

require modernc.org/sqlite v1.0.0

require (
	pgregory.net/rapid v1.0.0
	golang.org/x/sys v0.1.0 // indirect
)
-- HOUSE.md --
| room | what |
|---|---|
| ` + "`.` | nouns |\n| `core/` | judgement |\n| `store/` `gateway/` `op` `cmd` | the rest |\n| `internal/`, `docs` | helpers, pages |" + `
-- docs/decisions/0001-first.md --
# First
-- docs/decisions/0002-second-thing.md --
# Second
-- internal/arch/modules.txt --
# comment
modernc.org/sqlite store/sqlite
pgregory.net/rapid tests
-- noun.go --
// Package house is the nouns.
package house

import "time"

var names = map[string]int{"a": 1}

// Wait is a value of the clock's type, not its reading.
const Wait = time.Second
-- core/stats/stats.go --
// Package stats counts.
package stats

import "math/rand/v2"

func Draw(r *rand.Rand) uint64 { return rand.New(rand.NewPCG(1, r.Uint64())).Uint64() }
-- core/stats/stats_test.go --
package stats

import (
	"os"
	"time"

	"pgregory.net/rapid"
	"house.test/store"
)

var now, _, _, _ = time.Now(), os.Args, rapid.Check, store.X

func try() { go try() }
-- core/gate/gate.go --
// Package gate judges.
package gate

import (
	"house.test"
	"house.test/core/stats"
)

func names() { names := []int{house.Wait: 1}; names[0] = int(stats.Draw(nil)) }
-- store/store.go --
// Package store is a contract.
package store

import "house.test"

const X = house.Wait
-- store/sqlite/sqlite.go --
// Package sqlite keeps.
package sqlite

import (
	"house.test/store"
	_ "modernc.org/sqlite/lib"
)

var _ = store.X
-- gateway/gateway.go --
// Package gateway is the hot path.
package gateway

import "house.test/core/gate"

var _ = gate.X
-- op/op.go --
// Package op has the verbs.
package op

import (
	"time"

	"house.test/store"
)

var _, _ = store.X, time.NewTimer
-- cmd/house/main.go --
// Command house wires.
package main

import (
	_ "house.test/gateway"
	_ "house.test/store/sqlite"
)
-- core/gate/testdata/broken.go --
not Go
`

func tree(t *testing.T, archives ...string) *arch.Tree {
	t.Helper()
	files := fstest.MapFS{}
	for _, a := range archives {
		for _, f := range txtar.Parse([]byte(a)).Files {
			if len(f.Data) == 0 {
				delete(files, f.Name)
			} else {
				files[f.Name] = &fstest.MapFile{Data: f.Data}
			}
		}
	}
	tr, err := arch.Load(fs.FS(files))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestRulesCatch plants one violation at a time in the sound repository: the
// rule must find it and give the reason, and no other rule may complain.
func TestRulesCatch(t *testing.T) {
	for _, rule := range arch.Rules() {
		if found := rule.Check(tree(t, sound)); len(found) > 0 {
			t.Fatalf("%s finds in the sound repository: %q", rule.Name, found)
		}
	}
	quote := func(s string) string { return strings.ReplaceAll(s, "'", "`") }
	caught := map[string]bool{}
	for _, c := range []struct{ rule, name, plant, says string }{
		{"rings", "the root imports core", "-- x.go --\npackage house\nimport _ \"house.test/core/stats\"\n", "x.go imports house.test/core/stats: the nouns import the standard library alone"},
		{"rings", "stats knows a noun", "-- core/stats/x.go --\npackage stats\nimport _ \"house.test\"\n", "numbers only"},
		{"rings", "one judgement leans on another", "-- core/gate/x.go --\npackage gate\nimport _ \"house.test/core/release\"\n", "do not lean on each other (core may import ., core/stats)"},
		{"rings", "core imports a contract", "-- core/gate/x.go --\npackage gate\nimport _ \"house.test/store\"\n", "judgement is pure"},
		{"rings", "a contract imports judgement", "-- store/x.go --\npackage store\nimport _ \"house.test/core/gate\"\n", "a contract imports the nouns alone"},
		{"rings", "the gateway imports the store", "-- gateway/x.go --\npackage gateway\nimport _ \"house.test/store\"\n", "the gateway never waits for the store"},
		{"rings", "op imports the gateway", "-- op/x.go --\npackage op\nimport _ \"house.test/gateway\"\n", "stand beside or outside"},
		{"rings", "op imports an adapter", "-- op/x.go --\npackage op\nimport _ \"house.test/store/sqlite\"\n", "op/x.go imports house.test/store/sqlite"},
		{"rings", "an adapter imports another", "-- store/sqlite/x.go --\npackage sqlite\nimport _ \"house.test/store/mem\"\n", "an adapter knows its own contract"},
		{"rings", "the command line imports the store", "-- cli/x.go --\n// Package cli is a face.\npackage cli\nimport _ \"house.test/store\"\n" + quote("-- HOUSE.md --\n| 'core' 'store' 'gateway' 'op' 'cmd' 'internal' 'docs' 'cli' | |\n"), "only through the api client"},
		{"rings", "a folder without a place", "-- internal/misc/x.go --\n// Package misc is a drawer.\npackage misc\n", "has no place in the house"},
		{"purity of core", "the clock", "-- core/gate/x.go --\npackage gate\nimport \"time\"\nvar _ = time.Now\n", "core/gate/x.go:3 uses time.Now: core has no clock"},
		{"purity of core", "the clock under another name", "-- core/gate/x.go --\npackage gate\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }\n", "uses time.Sleep"},
		{"purity of core", "global chance", "-- core/gate/x.go --\npackage gate\nimport \"math/rand/v2\"\nvar _ = rand.IntN(3)\n", "uses rand.IntN"},
		{"purity of core", "old chance", "-- core/gate/x.go --\npackage gate\nimport _ \"math/rand\"\n", "imports math/rand: core is pure"},
		{"purity of core", "secret chance", "-- core/gate/x.go --\npackage gate\nimport _ \"crypto/rand\"\n", "imports crypto/rand"},
		{"purity of core", "files", "-- core/gate/x.go --\npackage gate\nimport _ \"os\"\n", "imports os"},
		{"purity of core", "the network", "-- core/gate/x.go --\npackage gate\nimport _ \"net/http\"\n", "imports net/http"},
		{"purity of core", "a context", "-- core/gate/x.go --\npackage gate\nimport _ \"context\"\n", "imports context"},
		{"purity of core", "a goroutine", "-- core/gate/x.go --\npackage gate\nfunc f() { go f() }\n", "core/gate/x.go:2 starts a goroutine"},
		{"the clock is handed in", "op reads the clock", "-- op/x.go --\npackage op\nimport \"time\"\nvar _ = time.Since\n", "op/x.go:3 uses time.Since"},
		{"the clock is handed in", "the gateway draws", "-- gateway/x.go --\npackage gateway\nimport _ \"crypto/rand\"\n", "use fairlead.Env"},
		{"package comments", "none", "-- op/op.go --\npackage op\n", "op/op.go: the package has no comment"},
		{"package comments", "not about the package", "-- op/op.go --\n// Verbs.\npackage op\n", `begins with "Package op"`},
		{"package comments", "not about the command", "-- cmd/house/main.go --\n// Package main wires.\npackage main\n", `begins with "Command"`},
		{"package comments", "two", "-- op/x.go --\n// Package op again.\npackage op\n", "second package comment"},
		{"third-party modules", "required, not listed", "-- go.mod --\nmodule house.test\nrequire github.com/new/thing v1.0.0\n", "go.mod requires github.com/new/thing"},
		{"third-party modules", "imported, not listed", "-- op/x.go --\npackage op\nimport _ \"github.com/new/thing\"\n", "op/x.go imports github.com/new/thing, which"},
		{"third-party modules", "in another folder", "-- op/x.go --\npackage op\nimport _ \"modernc.org/sqlite\"\n", "lives in one folder, this one in store/sqlite"},
		{"third-party modules", "in another folder's test", "-- op/x_test.go --\npackage op\nimport _ \"modernc.org/sqlite\"\n", "lives in one folder"},
		{"third-party modules", "a test's outside tests", "-- op/x.go --\npackage op\nimport _ \"pgregory.net/rapid\"\n", "that module is for tests"},
		{"third-party modules", "listed, not used", "-- internal/arch/modules.txt --\nmodernc.org/sqlite store/sqlite\npgregory.net/rapid tests\nz.org/z op\n", "z.org/z, which nothing imports"},
		{"third-party modules", "listed twice", "-- internal/arch/modules.txt --\nmodernc.org/sqlite store/sqlite\nmodernc.org/sqlite op\npgregory.net/rapid tests\n", "modules.txt:2"},
		{"third-party modules", "not sorted", "-- internal/arch/modules.txt --\npgregory.net/rapid tests\nmodernc.org/sqlite store/sqlite\n", "not sorted"},
		{"no init", "init", "-- op/x.go --\npackage op\nfunc init() {}\n", "op/x.go:2 has an init function"},
		{"no init", "init in a test", "-- op/x_test.go --\npackage op\nfunc init() {}\n", "op/x_test.go:2 has an init function"},
		{"no package-level state", "empty", "-- op/x.go --\npackage op\nvar cache map[string]int\n", "op/x.go:2: the package-level variable cache begins empty"},
		{"no package-level state", "assigned", "-- op/x.go --\npackage op\nvar n = 1\nfunc f() { n = 2 }\n", "op/x.go:3 changes the package-level variable n"},
		{"no package-level state", "assigned in another file", "-- op/x.go --\npackage op\nvar n = map[int]int{}\n-- op/y.go --\npackage op\nfunc f() { n[1] = 2 }\n", "op/y.go:2 changes the package-level variable n"},
		{"no package-level state", "counted", "-- op/x.go --\npackage op\nvar n = 1\nfunc f() { n++ }\n", "op/x.go:3 changes"},
		{"file length", "long", "-- op/x.go --\npackage op\n" + strings.Repeat("\n", 600), "op/x.go has 601 lines, at most 600"},
		{"HOUSE.md", "missing", "-- HOUSE.md --\n", "HOUSE.md is missing"},
		{"HOUSE.md", "long", "-- HOUSE.md --\n| `core` `store` `gateway` `op` `cmd` `internal` `docs` | |\n" + strings.Repeat("x\n", 70), "71 lines, at most 70"},
		{"HOUSE.md", "a room left out", "-- sim/x.txt --\nx\n", "HOUSE.md does not name the folder sim"},
		{"HOUSE.md", "a beginning that is gone", "-- HOUSE.md --\n| `core` | x | `gone.go` |\n| `store` `gateway` `op` `cmd` `internal` `docs` | |\n", "HOUSE.md:1 begins with core/gone.go, which is not there"},
		{"HOUSE.md", "a room that is gone", "-- HOUSE.md --\n| `core` `store` `gateway` `op` `cmd` `internal` `docs` `attic/` | |\n", "HOUSE.md:1 names attic, which is not there"},
		{"decisions are numbered", "a gap", "-- docs/decisions/0004-fourth.md --\n# Fourth\n", "0003 comes here"},
		{"decisions are numbered", "a repetition", "-- docs/decisions/0002-zweite.md --\n# Second\n", "0003 comes here"},
		{"decisions are numbered", "another name", "-- docs/decisions/Third.md --\n# Third\n", "Third.md: a decision's page is called"},
		{"decisions are numbered", "no heading", "-- docs/decisions/0003-third.md --\nThird\n", "begins with a heading"},
		{"no machine's paths and hosts", "a path", "-- docs/x.md --\nsee\n/wor" + "k/main\n", "docs/x.md:2 contains"},
		{"no machine's paths and hosts", "a host", "-- .npmrc --\nregistry=https://registry." + "npmjs.org\n", ".npmrc:1 contains"},
	} {
		planted := tree(t, sound, c.plant)
		for _, rule := range arch.Rules() {
			found := rule.Check(planted)
			switch {
			case rule.Name == c.rule:
				caught[rule.Name] = true
				if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.says) }) {
					t.Errorf("%s: %s: got %q, want %q", c.rule, c.name, found, c.says)
				}
			case len(found) > 0:
				t.Errorf("%s: %s: the rule %q complains too: %q", c.rule, c.name, rule.Name, found)
			}
		}
	}
	for _, rule := range arch.Rules() {
		if !caught[rule.Name] {
			t.Errorf("no case shows that the rule %q catches anything", rule.Name)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no go.mod":     {"x.go": {Data: []byte("package x\n")}},
		"a broken file": {"go.mod": {Data: []byte("module m\n")}, "x.go": {Data: []byte("pakage x\n")}},
	} {
		if _, err := arch.Load(files); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
