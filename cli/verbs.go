package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nounCmds derives a command for every verb of the op table: "release pause"
// becomes `fairlead release pause NAME`. Verbs whose input is more than a few
// words have hand-written commands instead and are left out here.
func (p *program) nounCmds() []*cobra.Command {
	var nouns []*cobra.Command
	for _, v := range op.All() {
		noun, rest, _ := strings.Cut(v.Name, " ")
		if slices.Contains(handwritten, v.Name) {
			continue
		}
		i := slices.IndexFunc(nouns, func(c *cobra.Command) bool { return c.Name() == noun })
		if i < 0 {
			i = len(nouns)
			nouns = append(nouns, p.nounCmd(noun))
		}
		c := p.verbCmd(v, noun+" "+strings.ReplaceAll(rest, " ", "-"))
		if v.Name == "token create" {
			c = p.tokenCreateCmd()
		}
		if v.Name == "ledger verify" {
			c = p.ledgerVerifyCmd()
		}
		nouns[i].AddCommand(c)
	}
	return nouns
}

// handwritten are the verbs that commands of their own call.
var handwritten = []string{"apply", "version register", "release create", "release status", "ledger entries"}

func (p *program) nounCmd(noun string) *cobra.Command {
	if noun == "version" {
		return p.versionCmd() // the word is taken twice
	}
	return &cobra.Command{
		Use: noun, Short: nounShort(noun), Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
}

// nounShort says what the commands below a noun do.
func nounShort(noun string) string {
	switch noun {
	case "server":
		return "What the server is and can do"
	case "ledger":
		return "Look at the record of every change, and check it"
	}
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "What can be done with an " + noun
	}
	return "What can be done with a " + noun
}

// shortForms are the release verbs as people type them: `fairlead pause NAME`.
func (p *program) shortForms() []*cobra.Command {
	var cmds []*cobra.Command
	for _, word := range []string{"promote", "pause", "resume", "approve", "abort", "retry", "undo", "explain"} {
		if v, ok := op.ByName("release " + word); ok {
			cmds = append(cmds, p.verbCmd(v, word))
		}
	}
	return cmds
}

// verbCmd is one verb as a command: path parameters are arguments in the
// order of the path, everything else is a flag. called is how it is typed after
// the program's name.
func (p *program) verbCmd(v op.Verb, called string) *cobra.Command {
	word := called[strings.LastIndexByte(called, ' ')+1:]
	use := []string{word}
	var names []string
	for _, a := range v.Params {
		if a.In == op.InPath {
			names = append(names, strings.ToUpper(a.Name))
		}
	}
	c := &cobra.Command{Use: strings.Join(append(use, names...), " "), Short: strings.TrimSuffix(v.Short(), "."), Long: v.Doc, Args: exactly(names...)}
	if example := examplesOf(v.Name); example != "" {
		c.Example = "  " + strings.ReplaceAll(strings.ReplaceAll(example, "\n", "\n  "), "%", called)
	}
	in := v.New()
	for _, a := range v.Params {
		if a.In != op.InPath {
			c.Flags().Var(&paramFlag{p: a, in: in}, flagName(a), a.Doc)
			if a.Scalar && a.Type.Kind().String() == "bool" {
				c.Flags().Lookup(flagName(a)).NoOptDefVal = "true"
			}
			if a.Required {
				_ = c.MarkFlagRequired(flagName(a)) // fails for unknown flags only
			}
		}
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		i := 0
		for _, a := range v.Params {
			if a.In == op.InPath {
				if err := a.Set(in, args[i]); err != nil {
					return err
				}
				i++
			}
		}
		out, err := p.call(cmd.Context(), v, in)
		if err != nil {
			return err
		}
		if r, ok := out.(fairlead.Release); ok && v.Mutates() {
			return p.follow(cmd.Context(), v, r)
		}
		return p.printAnswer(out)
	}
	return c
}

// How long a command waits for the release loop to see it, which takes
// milliseconds unless the server is in trouble.
const (
	seenWithin = 5 * time.Second
	seenEvery  = 20 * time.Millisecond
)

// follow waits until what was asked of a release has been seen, so that the
// next command finds it done, and says how the release stands.
func (p *program) follow(ctx context.Context, v op.Verb, r fairlead.Release) error {
	begin := p.Env.Now()
	for asked(r) && p.Env.Now().Sub(begin) < seenWithin {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(seenEvery):
		}
		next, err := call(ctx, p, op.ReleaseGet, op.Named{Name: r.Meta.Name})
		if fairlead.CodeOf(err) == fairlead.Denied {
			break // who may approve need not be one who may look
		}
		if err != nil {
			return err
		}
		r = next
	}
	return p.print(r, func(w io.Writer) error {
		line := stateLine(view{ReleaseReport: op.ReleaseReport{Release: r}})
		if asked(r) {
			line += " (" + strings.TrimPrefix(v.Name, "release ") + " is recorded and not carried out yet)"
		}
		_, err := fmt.Fprintln(w, line)
		return err
	})
}

// flagName spells a parameter as a flag: minSamples becomes min-samples.
func flagName(a op.Param) string {
	var b strings.Builder
	for i, r := range a.Name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return strings.ReplaceAll(b.String(), "_", "-")
}

// paramFlag sets a field of a verb's input.
type paramFlag struct {
	p  op.Param
	in any
}

var _ pflag.Value = (*paramFlag)(nil)

func (f *paramFlag) String() string {
	if f.in == nil || f.p.List {
		return ""
	}
	return f.p.Text(f.in)
}

func (f *paramFlag) Set(s string) error {
	if f.p.List {
		for _, part := range strings.Split(s, ",") {
			if err := f.p.Set(f.in, part); err != nil {
				return flagError(err)
			}
		}
		return nil
	}
	if f.p.Scalar {
		return flagError(f.p.Set(f.in, s))
	}
	if err := json.Unmarshal([]byte(s), f.p.Field(f.in).Addr().Interface()); err != nil {
		return fmt.Errorf("expected JSON: %w", err)
	}
	return nil
}

// flagError drops the sentence about the parameter: the flag's name stands
// before it anyway.
func flagError(err error) error {
	if e, ok := err.(*fairlead.Error); ok && len(e.Faults) == 1 {
		f := e.Faults[0]
		f.Path = ""
		return fmt.Errorf("%s", f)
	}
	return err
}

func (f *paramFlag) Type() string {
	switch {
	case f.p.List:
		return "list"
	case len(f.p.Enum) > 0:
		return strings.Join(f.p.Enum, "|")
	case f.p.Scalar && f.p.Type.Kind().String() == "bool":
		return "bool"
	case f.p.Scalar:
		return "value"
	}
	return "json"
}

// examples of derived commands, by verb; % stands for the words that call it.
// Every one is run by a story in cmd/fairlead/testdata.
func examplesOf(verb string) string {
	return map[string]string{
		"model get":         "fairlead % digits",
		"model list":        "fairlead %",
		"model delete":      "fairlead % scratch",
		"version get":       "fairlead % digits@2",
		"version list":      "fairlead % --prefix digits@",
		"version delete":    "fairlead % scratch@1",
		"alias set":         "fairlead % digits@champion --version digits@1",
		"alias get":         "fairlead % digits@champion",
		"alias delete":      "fairlead % digits@champion",
		"alias list":        "fairlead %",
		"target get":        "fairlead % lab",
		"target delete":     "fairlead % lab",
		"target list":       "fairlead %",
		"endpoint get":      "fairlead % digits",
		"endpoint status":   "fairlead % digits",
		"endpoint list":     "fairlead %",
		"endpoint delete":   "fairlead % old-digits",
		"release get":       "fairlead % digits-v2",
		"release resume":    "fairlead % digits-v2",
		"release retry":     "fairlead % digits-v2",
		"release explain":   "fairlead % digits-v2",
		"release list":      "fairlead %",
		"release pause":     "fairlead % digits-v2 --comment 'waiting for the night shift'",
		"release promote":   "fairlead % digits-v2\nfairlead % digits-v2 --full --comment 'tested by hand'",
		"release approve":   "fairlead % digits-v2 --comment 'reviewed, change 4711'",
		"release abort":     "fairlead % digits-v2 --comment 'customers complain'",
		"release undo":      "fairlead % digits-v2",
		"release delete":    "fairlead % digits-v2",
		"ledger list":       "fairlead % --kind Release --name digits-v2\nfairlead % --actor admin --limit 10 -o json",
		"ledger checkpoint": "fairlead % > monday.checkpoint",
		"token list":        "fairlead %",
		"token get":         "fairlead % shop",
		"token revoke":      "fairlead % shop",
		"server info":       "fairlead %",
	}[verb]
}
