package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"fairlead.dev"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxToken bounds what is read as a token.
const maxToken = 4096

func (p *program) loginCmd() *cobra.Command {
	var name, file string
	c := &cobra.Command{
		Use: "login", Short: "Keep a server's address and token for later commands", Args: exactly(),
		Long: `Asks for a token, tries it on the server, and saves both as a context that
later commands use. The file can be read by you alone.

The token is asked for on a terminal and otherwise read from standard input,
so that it never stands in a command line, where other users could read it.`,
		Example: "  fairlead login --token-file admin.token\n  fairlead login --name here < admin.token",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.Getenv("FAIRLEAD_TOKEN") != "" {
				return usagef("FAIRLEAD_TOKEN is set and would win over anything saved; unset it first")
			}
			at := place{Server: strings.TrimRight(p.server, "/")}
			if at.Server == "" {
				if at.Server = strings.TrimRight(p.Getenv("FAIRLEAD_SERVER"), "/"); at.Server == "" {
					at.Server = p.discover()
				}
			}
			if err := checkServer(at.Server); err != nil {
				return err
			}
			var err error
			if at.Token, err = p.readToken(file, at.Server); err != nil {
				return err
			}
			roles, err := p.whoami(cmd.Context(), at)
			if err != nil {
				return err
			}
			cs, err := p.loadContexts()
			if err != nil {
				return err
			}
			cs.Contexts[name], cs.Current = at, name
			if err := p.saveContexts(cs); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.Out, "logged in to %s as %s\n", at.Server, roles)
			return err
		},
	}
	c.Flags().StringVar(&name, "name", "default", "name of the context")
	c.Flags().StringVar(&file, "token-file", "", "read the token from this file, - for standard input")
	return c
}

// readToken asks for a token on a terminal, without showing it, or reads it
// from a file or standard input.
func (p *program) readToken(file, server string) (string, error) {
	var data []byte
	var err error
	in, ok := p.In.(*os.File)
	switch {
	case file != "":
		data, err = p.readInput(file, maxToken)
	case ok && term.IsTerminal(int(in.Fd())):
		fmt.Fprintf(p.Err, "Token for %s: ", server)
		data, err = term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(p.Err)
	default:
		data, err = bufio.NewReader(io.LimitReader(p.In, maxToken)).ReadBytes('\n')
		if err == io.EOF {
			err = nil
		}
	}
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if !strings.HasPrefix(token, "flt_") || strings.ContainsAny(token, " \r\n\t") {
		return "", usagef("that is not a token; tokens look like flt_<name>_<43 characters>")
	}
	return token, nil
}

func (p *program) contextCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "context", Short: "List the saved contexts, or choose one", Args: cobra.ArbitraryArgs,
		Example: "  fairlead context\n  fairlead context use here\n  fairlead context delete here",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			cs, err := p.loadContexts()
			if err != nil {
				return err
			}
			type row struct { // without the tokens
				Name    string `json:"name"`
				Server  string `json:"server"`
				Current bool   `json:"current"`
			}
			rows := []row{}
			for _, n := range slices.Sorted(maps.Keys(cs.Contexts)) {
				rows = append(rows, row{n, cs.Contexts[n].Server, n == cs.Current})
			}
			return p.print(rows, func(w io.Writer) error {
				t := table{head: []string{"CURRENT", "NAME", "SERVER"}}
				for _, r := range rows {
					mark := ""
					if r.Current {
						mark = "*"
					}
					t.add(mark, r.Name, r.Server)
				}
				return t.write(w, "no contexts; run: fairlead login")
			})
		},
	}
	change := func(use, short string, f func(cs *contexts, name string)) *cobra.Command {
		return &cobra.Command{
			Use: use + " NAME", Short: short, Args: exactly("NAME"),
			RunE: func(_ *cobra.Command, args []string) error {
				cs, err := p.loadContexts()
				if err != nil {
					return err
				}
				if _, ok := cs.Contexts[args[0]]; !ok {
					return usage{fairlead.Unknown("context", args[0], slices.Sorted(maps.Keys(cs.Contexts)))}
				}
				f(&cs, args[0])
				return p.saveContexts(cs)
			},
		}
	}
	c.AddCommand(
		change("use", "Use this context from now on", func(cs *contexts, name string) { cs.Current = name }),
		change("delete", "Forget this context and its token", func(cs *contexts, name string) {
			delete(cs.Contexts, name)
			if cs.Current == name {
				cs.Current = ""
			}
		}))
	return c
}

// versionCmd is both the program's version, as everybody tries it, and the noun.
func (p *program) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "What can be done with a version; alone: print that of this program", Args: cobra.ArbitraryArgs,
		Example: "  fairlead version\n  fairlead version list",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return p.print(map[string]string{"version": p.Version}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, "fairlead "+p.Version)
				return err
			})
		},
	}
}

func (p *program) simCmd() *cobra.Command {
	return &cobra.Command{
		Use: "sim STORY…", Short: "Play releases in virtual time", Args: some("STORY"),
		Long: `Plays a story – traffic, faults, people – against the real judgement, gateway and
loops in virtual time, and prints what became of the release. It needs no server.
The words a story is written in: docs/stories.md, or play one with a wrong word.`,
		Example: "  fairlead sim examples/stories/promoted.txtar",
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.Sim == nil {
				return fairlead.Errorf(fairlead.Unsupported, "this build holds no simulation")
			}
			err := p.Sim(cmd.Context(), args, p.Out)
			if errors.Is(err, fs.ErrNotExist) {
				return usage{err}
			}
			return err
		},
	}
}
