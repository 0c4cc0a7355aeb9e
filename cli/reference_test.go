package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func newProgram() *program {
	return &program{Program: Program{Getenv: func(string) string { return "" }}}
}

// walkCmds visits every command that people see.
func walkCmds(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			walkCmds(sub, f)
		}
	}
}

// The reference page is generated from the commands; go test -update rewrites it.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nThis page is generated from the commands themselves (`go test ./cli -update`).\n\n")
	b.WriteString("## Exit codes\n\nThe same for every command.\n\n| code | meaning |\n|---|---|\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Meaning)
	}
	root := newProgram().root()
	fmt.Fprintf(&b, "\n## Flags of every command\n\n```\n%s```\n", root.PersistentFlags().FlagUsages())
	walkCmds(root, func(c *cobra.Command) {
		if c == root || c.HasAvailableSubCommands() && c.Example == "" {
			return
		}
		long := c.Long
		if long == "" {
			long = c.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.CommandPath(), c.UseLine(), strings.TrimSpace(long))
		if f := c.LocalNonPersistentFlags().FlagUsages(); f != "" {
			fmt.Fprintf(&b, "\n```\n%s```\n", f)
		}
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", dedent(c.Example))
		}
	})
	path := filepath.Join("..", "..", "docs", "reference", "cli.md")
	if *update {
		if err := os.MkdirAll(filepath.Join("..", "docs", "reference"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, path, b.String())
}

func dedent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// Every example in a help text is a line of a story that a test runs, so no
// help text can grow stale. Pipes and redirections, which stories do in other
// ways, are cut off.
func TestExamplesAreRun(t *testing.T) {
	files, err := filepath.Glob("../cmd/fairlead/testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(data)) {
			l = strings.TrimPrefix(strings.TrimSpace(l), "! ")
			l, _, _ = strings.Cut(l, " &")
			lines = append(lines, strings.TrimPrefix(l, "exec "))
		}
	}
	known := func(example string) bool {
		for _, l := range lines {
			// A story may add flags at the end, such as --timeout.
			if l == example || strings.HasPrefix(l, example+" ") {
				return true
			}
		}
		return false
	}
	walkCmds(newProgram().root(), func(c *cobra.Command) {
		for example := range strings.Lines(c.Example) {
			for _, part := range strings.Split(strings.TrimSpace(example), " | ") {
				part, _, _ = strings.Cut(part, " > ")
				part, _, _ = strings.Cut(part, " < ")
				if !known(part) {
					t.Errorf("%s: no story runs the example\n  %s", c.CommandPath(), part)
				}
			}
		}
	})
}

// Whoever looks for help finds an example.
func TestEveryCommandHasAnExample(t *testing.T) {
	without := []string{"fairlead", "fairlead help", "fairlead context use", "fairlead context delete"}
	walkCmds(newProgram().root(), func(c *cobra.Command) {
		if c.Example == "" && !c.HasAvailableSubCommands() && !slices.Contains(without, c.CommandPath()) && !strings.HasPrefix(c.CommandPath(), "fairlead completion") {
			t.Errorf("%s has no example", c.CommandPath())
		}
	})
}
