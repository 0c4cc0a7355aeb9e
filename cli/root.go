package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
)

// Program is what the command line is given from outside: cmd/fairlead fills
// it with the real world, tests with their own.
type Program struct {
	Args     []string // without the program's name
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Env      fairlead.Env
	Version  string
	// Serve runs a server until ctx ends; nil: this build has none.
	Serve func(ctx context.Context, o ServeOptions) error
	// Sim plays stories in virtual time; nil: this build has none.
	Sim func(ctx context.Context, files []string, out io.Writer) error
}

// Main runs one command and gives the process's exit code.
func Main(ctx context.Context, prog Program) int {
	p := &program{Program: prog}
	root := p.root()
	root.SetArgs(prog.Args)
	err := root.ExecuteContext(ctx)
	if code := exit(0); err != nil && !errors.As(err, &code) {
		p.report(err)
	}
	return exitOf(err)
}

// program is one run of the command line.
type program struct {
	Program
	output, server, context string      // the global flags
	made                    *api.Client // by client
}

// report prints an error: one sentence, then a line per fault.
func (p *program) report(err error) {
	msg := clean1(err.Error())
	var u usage
	if errors.As(err, &u) && fairlead.CodeOf(err) == fairlead.Internal {
		msg += "\nRun the command with --help to see how it is used."
	}
	fmt.Fprintln(p.Err, "error: "+msg)
}

// clean1 is clean, but keeps the line breaks.
func clean1(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

const rootHelp = `Fairlead takes AI models from "works on a laptop" to "serves everyone, safely".

It registers model versions, serves them behind a stable address, and releases
a candidate step by step, judged by sound statistics while real traffic flows;
a worse one is turned back without anybody's help.

  fairlead serve                                  start everything on this machine
  fairlead login                                  keep the server's token for later commands
  fairlead register digits@1 model.onnx           add a version of a model
  fairlead apply -f endpoint.yaml                 give it an address
  fairlead apply -f release.yaml                  move the endpoint to another version
  fairlead status digits-v2 --watch               watch how it goes

The server and token are taken from --server, else FAIRLEAD_SERVER and
FAIRLEAD_TOKEN, else the context that login saved.

`

// root makes the tree of commands.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use: "fairlead", Short: "Release AI models safely",
		Long:              rootHelp + exitHelp(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(formats, p.output) {
				return usage{fairlead.Unknown("output format", p.output, formats)}
			}
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return usage{err}
			}
			return nil
		},
	}
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.PersistentFlags().StringVarP(&p.output, "output", "o", formatTable, "how to print: "+strings.Join(formats, ", "))
	root.PersistentFlags().StringVar(&p.server, "server", "", "address of the server, e.g. "+DefaultServer)
	root.PersistentFlags().StringVar(&p.context, "context", "", "name of the saved context to use")
	root.AddGroup(&cobra.Group{ID: groupDaily, Title: "Everyday commands:"}, &cobra.Group{ID: groupRelease, Title: "Moving a release:"},
		&cobra.Group{ID: groupNouns, Title: "By noun:"}, &cobra.Group{ID: groupSetup, Title: "Setting up:"})
	root.SetHelpCommandGroupID(groupSetup)
	root.SetCompletionCommandGroupID(groupSetup)

	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupDaily, p.registerCmd(), p.lintCmd(), p.applyCmd(), p.getCmd(), p.listCmd(), p.statusCmd())
	add(groupRelease, p.shortForms()...)
	add(groupNouns, p.nounCmds()...)
	add(groupSetup, p.serveCmd(), p.loginCmd(), p.contextCmd(), p.simCmd())
	return root
}

const (
	groupDaily   = "daily"
	groupRelease = "release"
	groupNouns   = "nouns"
	groupSetup   = "setup"
)

// unknownCommand lists the commands there are.
func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return usage{fairlead.Unknown("command", strings.TrimSpace(cmd.CommandPath()+" "+name), known)}
}

// exactly asks for the positional arguments that Use names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) < len(names) {
			return usagef("%s needs %s", cmd.CommandPath(), strings.Join(names[len(args):], " "))
		}
		return usagef("%s takes %d argument(s), got %d: %s", cmd.CommandPath(), len(names), len(args), strings.Join(args, " "))
	}
}

// verb finds an op that this package counts on; the op table is compiled in,
// so a missing one is our own mistake, and a test looks at all of them.
func verb(name string) op.Verb {
	v, ok := op.ByName(name)
	if !ok {
		panic("no verb " + name)
	}
	return v
}

// some asks for one or more positional arguments.
func some(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs %s", cmd.CommandPath(), name)
		}
		return nil
	}
}

// readInput reads a file, or standard input for "-", up to max bytes.
func (p *program) readInput(name string, max int64) ([]byte, error) {
	r := p.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage{err}
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, max+1))
	if err == nil && int64(len(data)) > max {
		err = fairlead.Errorf(fairlead.TooLarge, "%s is larger than %s", name, fairlead.Bytes(max))
	}
	return data, err
}
