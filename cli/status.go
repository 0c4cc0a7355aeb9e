package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
)

// How often status --watch asks, on a terminal and otherwise.
const (
	watchEvery      = 500 * time.Millisecond
	watchEveryPlain = time.Second
)

func (p *program) statusCmd() *cobra.Command {
	var watch bool
	var timeout fairlead.Duration
	var limit string
	c := &cobra.Command{
		Use: "status NAME", Short: "Show how a release is doing, once or live", Args: exactly("NAME"),
		Long: `Shows a release: its steps, what it waits for, each gate's estimate with its
interval against the bound and how near the evidence is to a decision, both
arms, and the latest changes with their reasons.

With --watch on a terminal the picture is redrawn in place until the release has
ended. Elsewhere every change is one line, and the command also ends when the
release waits for a person, since nobody is there to act. The exit code says how
the release stands:
  0 Healthy or Observed · 1 Degraded · 3 still moving · 4 undecided · 5 waiting for a person`,
		Example: "  fairlead status digits-v2\n  fairlead status digits-v2 --watch --timeout 10m\n  fairlead status digits-v2 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if limit != "" {
				if err := timeout.UnmarshalText([]byte(limit)); err != nil {
					return usagef("--timeout: %w", err)
				}
				if !watch {
					return usagef("--timeout needs --watch")
				}
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout.Std())
				defer cancel()
			}
			in := op.Named{Name: args[0]}
			if watch {
				return p.watchRelease(ctx, in)
			}
			rep, err := call(ctx, p, op.ReleaseStatus, in)
			if err != nil {
				return err
			}
			if err := p.print(rep, func(w io.Writer) error {
				width, color := 100, false
				if s := newScreen(w, p.Getenv); s != nil {
					width, _ = s.size()
					color = s.color
				}
				_, err := io.WriteString(w, draw(view{ReleaseReport: rep}, width, 0, color))
				return err
			}); err != nil {
				return err
			}
			return exitWith(rep.Release)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the release until it has ended")
	c.Flags().StringVar(&limit, "timeout", "", "with --watch: give up after this long, e.g. 10m")
	return c
}

func exitWith(r fairlead.Release) error {
	if code := exitOfRelease(r); code != ExitOK {
		return exit(code)
	}
	return nil
}

// watchRelease follows a release until it has ended, ctx ends, or, away from a
// terminal, it waits for a person. A server that does not answer for a while
// is said so and asked again: it may be restarting.
func (p *program) watchRelease(ctx context.Context, in op.Named) error {
	var scr *screen
	every := watchEveryPlain
	if p.output == formatTable {
		if scr = newScreen(p.Out, p.Getenv); scr != nil {
			every = watchEvery
		}
	}
	var v view
	picture := func(width, height int, color bool) string { return draw(v, width, height, color) }
	if scr != nil {
		defer func() {
			if v.Release.Meta.Name != "" {
				scr.close(picture)
			}
		}()
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for first := true; ; first = false {
		rep, err := call(ctx, p, op.ReleaseStatus, in)
		switch {
		case ctx.Err() != nil:
			return p.gaveUp(ctx, v, in.Name)
		case err != nil && (first || fairlead.CodeOf(err) != fairlead.Unavailable):
			return err
		case err != nil:
			v.Note = "the server does not answer; what you see is from " + v.Now.Local().Format(time.TimeOnly)
		default:
			v = view{ReleaseReport: rep}
		}
		st := v.Release.Status
		if scr != nil {
			v.Now = v.Now.Local()
			if err := scr.show(picture); err != nil {
				return err
			}
		} else if l := stateLine(v); l != last || err != nil {
			last = l
			if err := p.print(v.ReleaseReport, func(w io.Writer) error { _, err := fmt.Fprintln(w, l); return err }); err != nil {
				return err
			}
		}
		if !asked(v.Release) && (st.Phase.Terminal() || scr == nil && st.Phase == fairlead.Paused) {
			v.Note = ""
			return exitWith(v.Release)
		}
		select {
		case <-ctx.Done():
			return p.gaveUp(ctx, v, in.Name)
		case <-tick.C:
		}
	}
}

// gaveUp ends a watch that was stopped: by the person, which is no failure of
// the command but leaves the release where it is, or by --timeout.
func (p *program) gaveUp(ctx context.Context, v view, name string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		fmt.Fprintf(p.Err, "the time is up; %s is %s\n", name, or(string(v.Release.Status.Phase), "not known"))
	}
	return exitWith(v.Release)
}

// stateLine is one line for a release's state; a new one is printed when any
// of it but the time has changed.
func stateLine(v view) string {
	st := v.Release.Status
	parts := []string{clean(v.Release.Meta.Name), or(string(st.Phase), string(fairlead.Pending))}
	if n := len(st.Steps); n > 0 && !st.Phase.Terminal() {
		parts = append(parts, fmt.Sprintf("step %d/%d", min(st.Step+1, n), n))
	}
	parts = append(parts, st.Weight.String())
	if st.Mirror > 0 {
		parts = append(parts, "mirror "+st.Mirror.String())
	}
	if st.Reason != "" && st.Reason != fairlead.ReasonSteps {
		parts = append(parts, clean(st.Reason))
	}
	if st.Message != "" {
		parts = append(parts, "- "+clean(st.Message))
	}
	if v.Note != "" {
		parts = append(parts, "("+v.Note+")")
	}
	return strings.Join(parts, " ")
}
