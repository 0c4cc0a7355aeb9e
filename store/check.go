package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"fairlead.dev"
)

// Limits of one commit, the same for every implementation.
const (
	MaxKey  = 1024     // bytes of a kind or a key
	MaxData = 64 << 20 // bytes of one document or one piece of evidence
)

// Check gives the reason why no store takes the commit, as an error of code
// Invalid or TooLarge: a name that is empty, too long, not UTF-8 or with a
// zero byte; a document written twice; a guard below AnyRev. Implementations
// call it first.
func (c Commit) Check() error {
	type id struct{ kind, key string }
	seen := make(map[id]bool, len(c.Put))
	for _, p := range c.Put {
		if err := checkID("document", p.Kind, p.Key); err != nil {
			return err
		}
		if seen[id{p.Kind, p.Key}] {
			return fairlead.Errorf(fairlead.Invalid, "a commit writes %s %q twice", p.Kind, p.Key)
		}
		seen[id{p.Kind, p.Key}] = true
		if p.IfRev < AnyRev {
			return fairlead.Errorf(fairlead.Invalid, "%s %q: a revision is 0 or more, got %d", p.Kind, p.Key, p.IfRev)
		}
		if len(p.Data) > MaxData {
			return fairlead.Errorf(fairlead.TooLarge, "%s %q has %d bytes, the limit is %d", p.Kind, p.Key, len(p.Data), MaxData)
		}
	}
	for _, r := range c.Require {
		if err := checkID("required document", r.Kind, r.Key); err != nil {
			return err
		}
		if r.Rev < 0 {
			return fairlead.Errorf(fairlead.Invalid, "required %s %q: a revision is 0 or more, got %d", r.Kind, r.Key, r.Rev)
		}
	}
	for _, e := range c.Effects {
		if err := checkID("effect", e.Kind, e.Key); err != nil {
			return err
		}
	}
	for _, e := range c.Ledger {
		if len(e.Evidence) > MaxData {
			return fairlead.Errorf(fairlead.TooLarge, "the evidence of %s on %s %q has %d bytes, the limit is %d", e.Verb, e.Kind, e.Name, len(e.Evidence), MaxData)
		}
	}
	return nil
}

func checkID(what, kind, key string) error {
	for _, p := range []struct{ part, s string }{{"kind", kind}, {"key", key}} {
		var wrong string
		switch {
		case p.s == "":
			wrong = "is empty"
		case len(p.s) > MaxKey:
			wrong = fmt.Sprintf("has %d bytes, the limit is %d", len(p.s), MaxKey)
		case !utf8.ValidString(p.s):
			wrong = "is not UTF-8"
		case strings.ContainsRune(p.s, 0):
			wrong = "contains a zero byte"
		default:
			continue
		}
		if len(key) > 80 {
			key = strings.ToValidUTF8(key[:80], "") + "…"
		}
		return fairlead.Errorf(fairlead.Invalid, "the %s of a %s %s (kind %.80q, key %q)", p.part, what, wrong, kind, key)
	}
	return nil
}

// Refused is the error of a guard that does not hold: have is the document's
// present revision, 0 when it does not exist.
func Refused(kind, key string, want, have int64) error {
	switch {
	case want == 0:
		return fairlead.Errorf(fairlead.Conflict, "%s %q exists already (revision %d)", kind, key, have)
	case have == 0:
		return fairlead.Errorf(fairlead.Conflict, "%s %q is gone (revision %d was expected)", kind, key, want)
	}
	return fairlead.Errorf(fairlead.Conflict, "%s %q changed meanwhile: it is at revision %d, %d was expected", kind, key, have, want)
}

// Missing is the error of a document that does not exist.
func Missing(kind, key string) error {
	return fairlead.Errorf(fairlead.NotFound, "there is no %s %q", kind, key)
}

// Closed is the error of a store after Close.
func Closed() error { return fairlead.Errorf(fairlead.Unavailable, "the store is closed") }

// Ended gives ctx's end as an error that wraps it: code Timeout when its
// deadline passed, Unavailable when it was cancelled, nil while it lasts.
func Ended(ctx context.Context) error {
	err := ctx.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fairlead.Errorf(fairlead.Timeout, "the store did not answer in time: %w", err)
	}
	return fairlead.Errorf(fairlead.Unavailable, "the store was not asked to the end: %w", err)
}
