package arch

import (
	"fmt"
	"slices"
	"strings"
)

// room says what the non-test files of a folder (and the folders in it, unless
// they have a room of their own) may import of the house. "x/*" is everything
// in x, "*" is everything.
type room struct {
	dir string
	may []string
	why string
}

// rooms are the rings of docs/index.md. The longest dir that fits counts.
func rooms() []room {
	judgement := []string{".", "core/*", "store", "bus", "runtime", "internal/strict"}
	return []room{
		{".", nil, "the nouns import the standard library alone, so that everything may import them"},

		{"core", []string{".", "core/stats"}, "judgement is pure and its rooms do not lean on each other"},
		{"core/stats", nil, "numbers only: it knows no noun"},
		{"core/release", []string{".", "core/stats", "core/strategy", "core/gate"}, "the release machine knows steps and verdicts, nothing of traffic or storage"},
		{"core/advise", []string{".", "core/stats", "core/strategy", "core/gate"}, "advice knows strategies and gates, nothing of traffic or storage"},
		{"core/route", []string{".", "core/stats", "core/gate"}, "compiling a route takes the nouns and the gates' tripwires, nothing else"},

		{"store", []string{"."}, "a contract imports the nouns alone"},
		{"bus", []string{"."}, "a contract imports the nouns alone"},
		{"runtime", []string{"."}, "a contract imports the nouns alone"},
		{"store/storetest", []string{".", "store", "core/audit"}, "a suite knows its contract, not the implementations"},
		{"bus/bustest", []string{".", "bus"}, "a suite knows its contract, not the implementations"},
		{"runtime/runtimetest", []string{".", "runtime"}, "a suite knows its contract, not the implementations"},

		{"store/mem", []string{".", "store", "core/audit"}, "an adapter knows its own contract and library"},
		{"store/sqlite", []string{".", "store", "core/audit"}, "an adapter knows its own contract and library"},
		{"store/dir", []string{".", "store"}, "an adapter knows its own contract and library"},
		{"bus/local", []string{".", "bus"}, "an adapter knows its own contract and library"},
		{"runtime/inproc", []string{".", "runtime"}, "an adapter knows its own contract and library"},
		{"runtime/remote", []string{".", "runtime"}, "an adapter knows its own contract and library"},
		{"runtime/fake", []string{".", "runtime"}, "an adapter knows its own contract and library"},

		{"op", judgement, "verbs know judgement and contracts; loop, gateway and adapters stand beside or outside"},
		{"loop", judgement, "loops know judgement and contracts; op, gateway and adapters stand beside or outside"},
		{"gateway", []string{".", "core/*", "bus", "runtime", "internal/strict"}, "the gateway never waits for the store, nor for the control plane"},

		{"api", []string{".", "op", "internal/strict"}, "a face of op knows op and the nouns, not judgement or storage"},
		{"cli", []string{".", "op", "api", "internal/strict"}, "the command line acts only through the api client"},

		{"sim", []string{".", "core/*", "store", "store/mem", "bus", "bus/local", "runtime", "runtime/fake", "op", "loop", "gateway", "internal/*"}, "the simulation is deterministic: mem, local and fake, no real disk, network or model"},
		{"cmd", []string{"*"}, ""},

		{"examples", []string{".", "api", "op", "internal/*"}, "an example acts as any client would"},
		{"docs", nil, "pages hold no code but their tests"},
		{"tools", nil, "tools stand apart from the product"},
		{"internal/arch", nil, "the rules stand outside what they judge"},
		{"internal/strict", []string{"."}, "a helper knows no room of the house"},
		{"internal/bench", []string{"*"}, ""},
	}
}

// roomOf finds the room of a folder. A folder without one is a finding: a new
// room is a decision.
func roomOf(dir string) (room, bool) {
	var best room
	found := false
	for _, r := range rooms() {
		if (dir == r.dir || r.dir != "." && within(dir, r.dir)) && (!found || len(r.dir) > len(best.dir)) {
			best, found = r, true
		}
	}
	return best, found
}

func (r room) allows(dir string) bool {
	// What stands in one and the same room may see its parts, but for the
	// rooms in the room: core/gate is not core/route's.
	if own, _ := roomOf(dir); own.dir == r.dir && !slices.Contains([]string{"core", "store", "bus", "runtime"}, r.dir) {
		return true
	}
	return slices.ContainsFunc(r.may, func(m string) bool {
		prefix, all := strings.CutSuffix(m, "*")
		return m == dir || all && strings.HasPrefix(dir, prefix)
	})
}

// rings checks who imports whom. Tests may look over the fence.
func rings(t *Tree) (found []string) {
	for _, f := range t.Go {
		if f.Test {
			continue
		}
		r, ok := roomOf(f.Dir)
		if !ok {
			found = append(found, fmt.Sprintf("%s: the folder %s has no place in the house; give it one in internal/arch/rings.go", f.Path, f.Dir))
			continue
		}
		for _, imp := range f.Imports() {
			if dir, ok := t.local(imp); ok && dir != f.Dir && !r.allows(dir) {
				found = append(found, fmt.Sprintf("%s imports %s: %s (%s may import %s)", f.Path, imp, r.why, r.dir, list(r.may)))
			}
		}
	}
	return found
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing of the house"
	}
	return strings.Join(names, ", ")
}
