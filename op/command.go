package op

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/release"
)

// CommandIn steers a release.
type CommandIn struct {
	Name     string `json:"-" path:"name" maxLength:"127" doc:"the release"`
	Comment  string `json:"comment,omitempty" maxLength:"1024" doc:"why, for the record"`
	Revision int64  `json:"revision,omitempty" minimum:"0" doc:"only if the release is still at this revision"`
}

// PromoteIn is CommandIn with how far to go.
type PromoteIn struct {
	CommandIn
	Full bool `json:"full,omitempty" doc:"skip all further steps and gates: 100 % at once"`
}

// The verbs that steer a release.
var (
	ReleasePause   = steer(fairlead.CmdPause, "Stop the clock of a release; exposure stays as it is.")
	ReleaseResume  = steer(fairlead.CmdResume, "Let a paused release go on.")
	ReleaseAbort   = steer(fairlead.CmdAbort, "Give a release up: the candidate loses all traffic at once.")
	ReleaseRetry   = steer(fairlead.CmdRetry, "Try a release that was turned back once more, from its first step.")
	ReleaseUndo    = steer(fairlead.CmdUndo, "Return to the version before, during the guard or after it.")
	ReleaseApprove = Op[CommandIn, fairlead.Release]{Name: "release approve", Method: http.MethodPost, Path: "/releases/{name}/approve", Can: CanAny,
		Doc: "Approve the step a release waits at.\nThe step names who may: a role or a token's name; any operator when it names none.",
		Do: func(ctx context.Context, d *Deps, in CommandIn) (fairlead.Release, error) {
			return command(ctx, d, in, fairlead.Command{Verb: fairlead.CmdApprove})
		}}
	ReleasePromote = Op[PromoteIn, fairlead.Release]{Name: "release promote", Method: http.MethodPost, Path: "/releases/{name}/promote", Can: CanWrite,
		Doc: "Take a release to its next step without waiting for the conditions of this one; with full, to 100 % at once.\nThe gates' harm tests stay armed.",
		Do: func(ctx context.Context, d *Deps, in PromoteIn) (fairlead.Release, error) {
			return command(ctx, d, in.CommandIn, fairlead.Command{Verb: fairlead.CmdPromote, Full: in.Full})
		}}
)

func steer(verb, doc string) Op[CommandIn, fairlead.Release] {
	return Op[CommandIn, fairlead.Release]{Name: "release " + verb, Method: http.MethodPost, Path: "/releases/{name}/" + verb, Can: CanWrite, Doc: doc,
		Do: func(ctx context.Context, d *Deps, in CommandIn) (fairlead.Release, error) {
			return command(ctx, d, in, fairlead.Command{Verb: verb})
		}}
}

// keepCommands bounds how many commands a release remembers once they are
// seen; the ledger has them all.
const keepCommands = 100

// command records what a person asked of a release, if its state allows it.
func command(ctx context.Context, d *Deps, in CommandIn, c fairlead.Command) (r fairlead.Release, err error) {
	caller, _ := CallerOf(ctx)
	err = change(ctx, d, func(t *tx) error {
		r, err = releases.get(t, in.Name)
		if err != nil {
			return err
		}
		now := d.Env.Now()
		what := "the release " + in.Name
		if err := guard(what, r.Meta, in.Revision, lastWord(r, now)); err != nil {
			return err
		}
		c.By, c.Roles, c.Comment, c.At = caller.Name, caller.Roles, in.Comment, now
		if c.Verb == fairlead.CmdApprove {
			if err := mayApprove(r, caller); err != nil {
				return err
			}
		}
		if msg := forbids(r, c, now); msg != "" {
			return fairlead.Errorf(fairlead.Conflict, "%s cannot %s: %s", what, c.Verb, msg)
		}
		if c.Verb == fairlead.CmdRetry || c.Verb == fairlead.CmdUndo {
			if err := mayAgain(t, r, c.Verb); err != nil {
				return err
			}
		}
		last := r.Status.SeenCommand
		for _, old := range r.Commands {
			last = max(last, old.Seq)
		}
		c.Seq = last + 1
		r.Commands = append(slices.Clone(r.Commands), c)
		for len(r.Commands) > keepCommands && r.Commands[0].Seq <= r.Status.SeenCommand {
			r.Commands = r.Commands[1:]
		}
		if len(r.Commands) > 2*keepCommands {
			return fairlead.Errorf(fairlead.Limited, "%s has %d commands that are still to be carried out", what, len(r.Commands))
		}
		t.record(fairlead.LedgerEntry{Kind: fairlead.KindRelease, Name: in.Name, Reason: "Asked", Message: in.Comment})
		return releases.put(t, &r)
	})
	return r, err
}

// mayAgain refuses a retry or an undo that the endpoint's state stands against.
// Reading the endpoint makes it a guard of the commit; the loop claims it.
func mayAgain(t *tx, r fairlead.Release, verb string) error {
	e, err := endpoints.get(t, r.Spec.Endpoint)
	if err != nil || e.Status.Release == r.Meta.Name { // itself: an undo while guarding
		return err
	}
	if verb == fairlead.CmdRetry {
		if err := mayMove(e, r.Meta.Name, r.Status.Candidate); err != nil {
			return err
		}
		_, err := versions.get(t, r.Status.Candidate)
		return err
	}
	last := "none"
	if n := len(e.Status.History); n > 0 && e.Status.History[n-1].Release != "" {
		last = e.Status.History[n-1].Release
	}
	switch {
	case e.Status.Release != "":
		return fairlead.Errorf(fairlead.Conflict, "the release %s is moving the endpoint %s; abort it first", e.Status.Release, e.Meta.Name)
	case last != r.Meta.Name || e.Status.Version != r.Status.Candidate:
		return fairlead.Errorf(fairlead.Conflict, "only an endpoint's latest release can be undone; that of %s is %s", e.Meta.Name, last)
	}
	return nil
}

// forbids says why a command does not fit the release's state, "" when it does.
func forbids(r fairlead.Release, c fairlead.Command, now time.Time) string {
	p, reason := phaseOf(r), r.Status.Reason
	for _, old := range r.Commands {
		if old.Seq > r.Status.SeenCommand && old.Verb == c.Verb && old.Full == c.Full {
			return fmt.Sprintf("%s asked for that %s; it is about to happen", old.By, ago(old.At, now))
		}
	}
	is := "it is " + string(p)
	if w := lastWord(r, now); w != "" {
		is += " (" + w + ")"
	}
	running := p == fairlead.Pending || p == fairlead.Progressing || p == fairlead.Paused
	switch c.Verb {
	case fairlead.CmdPause:
		if p == fairlead.Paused && reason == fairlead.ReasonPaused {
			return is
		}
		if !running {
			return is
		}
	case fairlead.CmdResume:
		if p == fairlead.Paused && reason == fairlead.ReasonApproval {
			return "it waits for an approval; use approve"
		}
		if p != fairlead.Paused {
			return is
		}
	case fairlead.CmdPromote:
		if !running {
			return is
		}
		if a := release.Lacking(r, c.Full, c.By, c.Roles); a != nil {
			return fmt.Sprintf("that would skip the approval of %s, which is not %s's to give", a.By, c.By)
		}
	case fairlead.CmdAbort:
		if !running && p != fairlead.Guarding {
			return is
		}
	case fairlead.CmdApprove:
		st := r.Status
		if !running || st.Step >= len(st.Steps) || st.Steps[st.Step].Approve == nil {
			return is + " and its step needs no approval"
		}
		for _, a := range st.Approvals {
			if a.Step == st.Step {
				return fmt.Sprintf("the step was approved by %s %s", a.By, ago(a.At, now))
			}
		}
	case fairlead.CmdRetry:
		if p != fairlead.Degraded && p != fairlead.Observed {
			return is + "; only a release that was turned back, or only observed, can be tried again"
		}
	case fairlead.CmdUndo:
		if p != fairlead.Guarding && p != fairlead.Healthy {
			return is + "; only a promotion can be undone"
		}
	}
	return ""
}

// mayApprove checks the caller against who the step names.
func mayApprove(r fairlead.Release, c Caller) error {
	st := r.Status
	if st.Step >= len(st.Steps) || st.Steps[st.Step].Approve == nil {
		if c.May(CanWrite) {
			return nil // forbids tells what is the matter
		}
		return fairlead.Errorf(fairlead.Denied, "%s may not approve: no step waits for them", c.Name)
	}
	by := st.Steps[st.Step].Approve.By
	switch {
	case release.MayApprove(*st.Steps[st.Step].Approve, c.Name, c.Roles) && (by != "" || c.May(CanWrite)):
		return nil
	case by == "":
		return fairlead.Errorf(fairlead.Denied, "%s may not approve: the step asks for %s", c.Name, needs(CanWrite))
	}
	return fairlead.Errorf(fairlead.Denied, "%s may not approve: the step asks for %s (a role or a token's name), and the token has %s", c.Name, by, list(c.Roles, "no role"))
}

// lastWord tells who last asked what of the release.
func lastWord(r fairlead.Release, now time.Time) string {
	if len(r.Commands) == 0 {
		return ""
	}
	c := r.Commands[len(r.Commands)-1]
	verb := map[string]string{fairlead.CmdPause: "paused", fairlead.CmdResume: "resumed", fairlead.CmdPromote: "promoted", fairlead.CmdAbort: "aborted",
		fairlead.CmdRetry: "retried", fairlead.CmdUndo: "undone", fairlead.CmdApprove: "approved"}[c.Verb]
	return fmt.Sprintf("%s by %s %s, %s", verb, c.By, c.At.UTC().Format("2006-01-02 15:04:05"), ago(c.At, now))
}

// ago says how long ago t was, in words.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < 2*time.Second:
		return "a moment ago"
	case d < 90*time.Second:
		return fmt.Sprintf("%d seconds ago", int(d.Seconds()))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d minutes ago", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
