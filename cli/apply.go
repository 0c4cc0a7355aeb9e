package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fairlead.dev"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
)

// maxManifest bounds one file of manifests.
const maxManifest = 1 << 20

func (p *program) applyCmd() *cobra.Command {
	var files []string
	var dry bool
	c := &cobra.Command{
		Use: "apply -f FILE|DIR|-", Short: "Create or change what manifests describe", Args: exactly(),
		Long: `Makes manifests true: models, aliases, targets, endpoints, releases. Every document
is checked before anything changes, and all changes happen together or not at all.
Applying the same again changes nothing.`,
		Example: "  fairlead apply -f endpoint.yaml\n  fairlead apply -f manifests/ --dry-run\n  fairlead get endpoint digits -o yaml | fairlead apply -f -",
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := op.ApplyIn{DryRun: dry}
			var err error
			if in.Files, err = p.manifests(files); err != nil {
				return err
			}
			out, err := call(cmd.Context(), p, op.Apply, in)
			if err != nil {
				return err
			}
			return p.print(out, func(w io.Writer) error {
				dry := ""
				if out.DryRun {
					dry = " (dry run: nothing was changed)"
				}
				for _, a := range out.Applied {
					if _, err := fmt.Fprintf(w, "%s %s %s%s\n", strings.ToLower(a.Kind), clean(a.Name), a.Outcome, dry); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "file, folder or - for standard input; may be repeated")
	c.Flags().BoolVar(&dry, "dry-run", false, "only check, and say what would change")
	_ = c.MarkFlagRequired("file") // fails for unknown flags only
	return c
}

func (p *program) lintCmd() *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE|DIR|-…", Short: "Check manifests without a server",
		Long: `Finds every fault in manifests that can be found without a server and prints
each as file:line:column: path: what is wrong. Exits with 2 when there are any.`,
		Example: "  fairlead lint release.yaml\n  fairlead lint manifests/",
		Args:    some("FILE|DIR|-"),
		RunE: func(_ *cobra.Command, args []string) error {
			in, err := p.manifests(args)
			if err != nil {
				return err
			}
			faults := op.Lint(in)
			if faults == nil {
				faults = []fairlead.Fault{} // a list in JSON, too
			}
			if err := p.print(faults, func(w io.Writer) error {
				for _, f := range faults {
					if _, err := fmt.Fprintln(w, clean(f.String())); err != nil {
						return err
					}
				}
				if len(faults) == 0 {
					files := "1 file"
					if len(in) != 1 {
						files = fmt.Sprintf("%d files", len(in))
					}
					_, err := fmt.Fprintf(w, "%s, no faults\n", files)
					return err
				}
				return nil
			}); err != nil {
				return err
			}
			if len(faults) > 0 {
				return exit(ExitInvalid)
			}
			return nil
		},
	}
}

// manifestTypes are the files that a folder of manifests is searched for.
var manifestTypes = []string{".yaml", ".yml", ".json"}

// manifests reads files, folders (their manifests, in order of name) and "-".
func (p *program) manifests(names []string) ([]op.Manifest, error) {
	var all []op.Manifest
	for _, name := range names {
		files := []string{name}
		if info, err := os.Stat(name); name != "-" && err == nil && info.IsDir() {
			files = nil
			entries, err := os.ReadDir(name)
			if err != nil {
				return nil, usage{err}
			}
			for _, e := range entries {
				if !e.IsDir() && slices.Contains(manifestTypes, strings.ToLower(filepath.Ext(e.Name()))) {
					files = append(files, filepath.Join(name, e.Name()))
				}
			}
			if len(files) == 0 {
				return nil, usagef("%s holds no manifests (files that end in %s)", name, strings.Join(manifestTypes, ", "))
			}
		}
		for _, f := range files {
			data, err := p.readInput(f, maxManifest)
			if err != nil {
				return nil, err
			}
			shown := f
			if f == "-" {
				shown = "stdin"
			}
			all = append(all, op.Manifest{Name: shown, Text: string(data)})
		}
	}
	return all, nil
}
