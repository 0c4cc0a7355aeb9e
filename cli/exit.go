package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fairlead.dev"
)

// The exit codes, the same for every command. Scripts rely on them: a code's
// meaning never changes, new ones are added at the end.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitInvalid     = 2
	ExitTimeout     = 3
	ExitUndecided   = 4
	ExitWaiting     = 5
	ExitUnavailable = 6
	ExitRefused     = 7
)

// exitCodes is the table that the help and the reference page print.
var exitCodes = [...]struct {
	Code    int
	Meaning string
}{
	{ExitOK, "done; for status: the release is Healthy or Observed"},
	{ExitFailed, "failed; for status: the release is Degraded (turned back, aborted, undone)"},
	{ExitInvalid, "wrong usage or invalid input; nothing was changed"},
	{ExitTimeout, "not finished (in time): the release is still moving"},
	{ExitUndecided, "undecided: the evidence suffices neither to promote nor to turn back, and a person must say"},
	{ExitWaiting, "waiting for a person: an approval, or a resume after a pause"},
	{ExitUnavailable, "the server cannot be reached or is not ready"},
	{ExitRefused, "no, unknown or insufficient credentials"},
}

// exitHelp is the table as help text.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %d  %s\n", e.Code, e.Meaning)
	}
	return b.String()
}

// exit is an error that only carries an exit code: what happened has already
// been printed.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// failed is an error whose answer is what was asked for: no.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// usage is a mistake in the command line itself.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// exitOf maps an error to the exit code.
func exitOf(err error) int {
	var e exit
	var u usage
	var f failed
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &f):
		return ExitFailed
	case errors.As(err, &e):
		return int(e)
	case errors.As(err, &u):
		return ExitInvalid
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout
	}
	switch fairlead.CodeOf(err) {
	case fairlead.Invalid, fairlead.TooLarge, fairlead.Unsupported, fairlead.Corrupt:
		return ExitInvalid
	case fairlead.Timeout:
		return ExitTimeout
	case fairlead.Unavailable, fairlead.Limited:
		return ExitUnavailable
	case fairlead.Unauthenticated, fairlead.Denied:
		return ExitRefused
	}
	return ExitFailed
}

// asked reports whether the release has yet to carry out what a person asked;
// how it stands is about to change then.
func asked(r fairlead.Release) bool {
	for _, c := range r.Commands {
		if c.Seq > r.Status.SeenCommand {
			return true
		}
	}
	return false
}

// exitOfRelease maps a release's state to the exit code of status.
func exitOfRelease(r fairlead.Release) int {
	s := r.Status
	switch {
	case asked(r):
		return ExitTimeout
	case s.Phase == fairlead.Healthy, s.Phase == fairlead.Observed:
		return ExitOK
	case s.Phase == fairlead.Degraded:
		return ExitFailed
	case s.Phase == fairlead.Paused && s.Reason == fairlead.ReasonUndecided:
		return ExitUndecided
	case s.Phase == fairlead.Paused:
		return ExitWaiting
	}
	return ExitTimeout
}
