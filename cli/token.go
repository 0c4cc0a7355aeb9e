package cli

import (
	"fmt"
	"io"
	"strings"

	"fairlead.dev/op"
	"github.com/spf13/cobra"
)

// tokenCreateCmd is written by hand because its answer is a secret: it goes
// to standard output alone, so that it can be piped into a file.
func (p *program) tokenCreateCmd() *cobra.Command {
	var in op.TokenIn
	var expires string
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a token and show its secret, once", Args: exactly("NAME"),
		Long: op.TokenCreate.Doc + `

The secret is printed to standard output and nowhere else.`,
		Example: "  fairlead token create ci --role operator\n  fairlead token create shop --role caller --expires 90d > shop.token",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			if expires != "" {
				if err := in.Expires.UnmarshalText([]byte(expires)); err != nil {
					return usagef("--expires: %w", err)
				}
			}
			out, err := call(cmd.Context(), p, op.TokenCreate, in)
			if err != nil {
				return err
			}
			return p.print(out, func(w io.Writer) error {
				end := ""
				if !out.Expires.IsZero() {
					end = ", until " + out.Expires.Format("2006-01-02 15:04 MST")
				}
				fmt.Fprintf(p.Err, "token %s (%s)%s; this is shown once:\n", out.Name, strings.Join(out.Roles, ", "), end)
				_, err := fmt.Fprintln(w, out.Secret)
				return err
			})
		},
	}
	c.Flags().StringSliceVar(&in.Roles, "role", nil, "viewer, operator, admin, caller, or a free name that approve steps ask for; may be repeated")
	c.Flags().StringVar(&expires, "expires", "", "how long it is good for, e.g. 90d; without end if absent")
	_ = c.MarkFlagRequired("role") // fails for unknown flags only
	return c
}
