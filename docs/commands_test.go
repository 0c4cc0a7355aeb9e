package docs

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/cli"
)

// Every `bin/fairlead …` on a page is a command that exists, with flags that
// exist. It is asked for its help, so nothing is done.
func TestCommandsExist(t *testing.T) {
	n := 0
	for _, p := range pages(t, ".md") {
		for _, b := range blocks(p.text) {
			if b.lang != "sh" {
				continue
			}
			for i, l := range strings.Split(b.text, "\n") {
				for _, command := range commands(l) {
					n++
					var out bytes.Buffer
					code := cli.Main(context.Background(), cli.Program{Args: append(words(command), "--help"),
						In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return "" }, Env: fairlead.System()})
					if code != 0 || strings.Contains(out.String(), "unknown command") {
						t.Errorf("%s:%d: fairlead %s: exit code %d\n%s", p.name, b.line+i, command, code, out.String())
					}
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d commands found", n)
	}
}

// commands gives what follows each bin/fairlead in a line of shell.
func commands(line string) []string {
	line, _, _ = strings.Cut(line, " #")
	var all []string
	for _, part := range strings.Split(line, "&&") {
		if _, c, ok := strings.Cut(strings.TrimSpace(part), "bin/fairlead"); ok {
			c, _, _ = strings.Cut(c, "|")
			all = append(all, strings.TrimSpace(strings.TrimRight(strings.TrimSpace(c), "&)")))
		}
	}
	return all
}

// words splits as a shell does, as far as pages need it: at spaces, but not
// within double quotes.
func words(s string) []string {
	var all []string
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}
