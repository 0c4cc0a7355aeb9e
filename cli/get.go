package cli

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
)

// kind finds the noun that a person means: any case, singular or plural.
func kind(word string) (string, error) {
	var known []string
	for _, v := range op.All() {
		noun, rest, _ := strings.Cut(v.Name, " ")
		if _, ok := op.ByName(noun + " get"); rest != "list" || !ok {
			continue
		}
		if w := strings.ToLower(word); w == noun || w == noun+"s" || w == noun+"es" {
			return noun, nil
		}
		known = append(known, noun)
	}
	return "", usage{fairlead.Unknown("kind", word, known)}
}

const getHelp = `Shows one thing, or lists those of a kind. Kinds may be written in any case,
singular or plural. With -o yaml the answer can be changed and applied again.`

func (p *program) getCmd() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use: "get KIND [NAME]", Short: "Show one thing, or list those of a kind", Long: getHelp,
		Example: "  fairlead get releases\n  fairlead get endpoint digits -o yaml\n  fairlead get release digits-v2 -w",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return exactly("KIND")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			noun, err := kind(args[0])
			if err != nil {
				return err
			}
			fetch := func(ctx context.Context) ([]any, any, error) {
				if len(args) == 1 {
					return p.list(ctx, noun, "")
				}
				out, err := p.callWith(ctx, noun+" get", map[string]string{"name": args[1]})
				return []any{out}, out, err
			}
			if watch {
				name := ""
				if len(args) == 2 {
					name = args[1]
				}
				return p.watchNouns(cmd.Context(), noun, name, fetch)
			}
			_, out, err := fetch(cmd.Context())
			if err != nil {
				return err
			}
			return p.printAnswer(out)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on and print every change until Ctrl-C")
	return c
}

func (p *program) listCmd() *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use: "list KIND", Short: "List the things of a kind", Long: getHelp, Args: exactly("KIND"),
		Example: "  fairlead list versions --prefix digits@\n  fairlead list Endpoint -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			noun, err := kind(args[0])
			if err != nil {
				return err
			}
			_, out, err := p.list(cmd.Context(), noun, prefix)
			if err != nil {
				return err
			}
			return p.printAnswer(out)
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only names that begin so")
	return c
}

// list fetches all pages of a noun's list.
func (p *program) list(ctx context.Context, noun, prefix string) (items []any, answer any, err error) {
	v, in := verb(noun+" list"), map[string]string{}
	for _, a := range v.Params {
		switch a.Name {
		case "limit":
			in["limit"] = "1000"
		case "prefix":
			in["prefix"] = prefix
		}
	}
	all := reflect.New(v.Out)
	for {
		out, err := p.callWith(ctx, v.Name, in)
		if err != nil {
			return nil, nil, err
		}
		page, sum := reflect.ValueOf(out), all.Elem().FieldByName("Items")
		sum.Set(reflect.AppendSlice(sum, page.FieldByName("Items")))
		next := page.FieldByName("Next")
		if !next.IsValid() || next.IsZero() {
			break
		}
		in["after"] = fmt.Sprint(next.Interface())
	}
	items, _ = itemsOf(all.Elem().Interface())
	return items, all.Elem().Interface(), nil
}

// changes signals whenever something of the kind (and, if given, of that name)
// may have changed; a lost connection is taken up again where it was.
func (p *program) changes(ctx context.Context, noun, name string) (<-chan struct{}, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default: // one is waiting already
		}
	}
	kind := strings.ToUpper(noun[:1]) + noun[1:]
	go func() {
		after := int64(0)
		for ctx.Err() == nil {
			after, _ = client.Watch(ctx, kind, name, after, func(api.Change) error { signal(); return nil })
			signal() // so that the reader learns why, if there is something to learn
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
	return changed, nil
}

// watchNouns prints a line (or a document) whenever a thing changed.
func (p *program) watchNouns(ctx context.Context, noun, name string, fetch func(context.Context) ([]any, any, error)) error {
	seen := map[string]string{}
	changed, err := p.changes(ctx, noun, name)
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		items, _, err := fetch(ctx)
		if err != nil && (first || fairlead.CodeOf(err) != fairlead.Unavailable) {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, item := range items {
			t := p.nounTable([]any{item})
			if len(t.rows) == 0 {
				continue
			}
			state := strings.Join(t.rows[0][:len(t.rows[0])-1], "\x00") // all but the age
			if p.output != formatTable {
				state = fmt.Sprintf("%+v", item)
			}
			if seen[t.rows[0][0]] == state {
				continue
			}
			head := len(seen) == 0
			seen[t.rows[0][0]] = state
			if err := p.print(item, func(w io.Writer) error {
				if !head {
					t.head = make([]string, len(t.head)) // the header stands above the first row
				}
				return t.row(w)
			}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
