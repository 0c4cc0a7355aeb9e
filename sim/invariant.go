package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/core/release"
	"fairlead.dev/core/route"
	"fairlead.dev/store"
)

// The promises, as the sentences that a violation is reported with.
const (
	PromiseExposure = "a release never exposes more than its step allows"
	PromiseZero     = "a release that was turned back ends at zero exposure"
	PromiseTerminal = "terminal is terminal: only a person's retry or undo leads on"
	PromiseSticky   = "nobody is moved back as weights grow"
	PromiseLedger   = "every status change has exactly one ledger entry"
	PromiseTamper   = "the ledger verifies"
	PromiseLost     = "no request is lost"
	PromiseServes   = "the endpoint serves the candidate after Healthy and the incumbent after Degraded"
	PromiseDeadline = "no step outlasts its hold, its pauses and the progress deadline"
	PromiseEnds     = "every release ends"
)

// violate records a broken promise; the first few are enough to find the bug.
func (w *World) violate(promise, format string, args ...any) {
	if len(w.Violations) < 5 {
		w.Violations = append(w.Violations, fmt.Sprintf("%s: %s: %s", w.clock.now.Sub(epoch), promise, fmt.Sprintf(format, args...)))
	}
}

// before notes the releases that a commit is about to change.
func (w *World) before(c store.Commit) map[string]fairlead.Release {
	old := map[string]fairlead.Release{}
	for _, p := range c.Put {
		if p.Kind == fairlead.KindRelease && !p.Delete {
			if r, err := w.release(p.Key); err == nil {
				old[p.Key] = r
			}
		}
	}
	return old
}

// statusOf is what counts as a change of status: everything but bookkeeping of
// time.
func statusOf(r fairlead.Release) string {
	s := r.Status
	return fmt.Sprintf("%s/%s/%d/%d/%d/%d", s.Phase, s.Reason, s.Attempt, s.Step, s.Weight, s.Mirror)
}

// committed checks a commit that took place.
func (w *World) committed(c store.Commit, old map[string]fairlead.Release) {
	for _, p := range c.Put {
		switch p.Kind {
		case fairlead.KindRelease:
			if !p.Delete {
				w.checkRelease(c, old[p.Key], p)
			}
		case fairlead.KindRoute:
			if !p.Delete {
				w.checkRoute(p)
			}
		}
	}
}

func (w *World) checkRelease(c store.Commit, was fairlead.Release, p store.Put) {
	var is fairlead.Release
	if err := json.Unmarshal(p.Data, &is); err != nil {
		w.violate(PromiseLedger, "release %s is stored as %q: %v", p.Key, p.Data, err)
		return
	}
	entries := 0
	for _, e := range c.Ledger {
		if e.Kind == fairlead.KindRelease && e.Name == p.Key {
			entries++
		}
	}
	changed := statusOf(was) != statusOf(is)
	commanded := len(was.Commands) != len(is.Commands)
	if (changed || commanded) && entries != 1 {
		w.violate(PromiseLedger, "%s: %s → %s has %d entries", p.Key, statusOf(was), statusOf(is), entries)
	}
	s := is.Status
	if max := allowed(s.Steps, s.Step); s.Phase != fairlead.Guarding && s.Phase != fairlead.Healthy && s.Weight > max {
		w.violate(PromiseExposure, "%s is at weight %s in step %d, which allows %s", p.Key, s.Weight, s.Step, max)
	}
	if (s.Phase == fairlead.RollingBack || s.Phase == fairlead.Degraded) && (s.Weight != 0 || s.Mirror != 0) {
		w.violate(PromiseZero, "%s is %s with weight %s, mirror %s", p.Key, s.Phase, s.Weight, s.Mirror)
	}
	if was.Status.Phase.Terminal() && changed && was.Status.Attempt == s.Attempt {
		undone := slices.ContainsFunc(is.Commands, func(c fairlead.Command) bool {
			return c.Verb == fairlead.CmdUndo && c.Seq > was.Status.SeenCommand
		})
		if !undone {
			w.violate(PromiseTerminal, "%s went from %s to %s", p.Key, statusOf(was), statusOf(is))
		}
	}
	w.phases[p.Key] = s.Phase
	if changed {
		w.entered[p.Key] = w.clock.now
		why := ""
		if s.Reason != "" && s.Reason != fairlead.ReasonSteps {
			why = " (" + s.Reason + ")"
		}
		w.Trace = append(w.Trace, fmt.Sprintf("%s %s: %s%s: %s", w.clock.now.Sub(epoch), p.Key, release.Word(s), why, s.Message))
	}
}

// allowed is the largest weight that steps 0 … i grant.
func allowed(steps []fairlead.Step, i int) fairlead.Weight {
	var max fairlead.Weight
	for j, st := range steps {
		if j > i {
			break
		}
		if st.Weight != nil && *st.Weight > max {
			max = *st.Weight
		}
		if st.Promote {
			max = fairlead.FullWeight
		}
	}
	return max
}

// checkRoute checks a route against the release it speaks of, as stored now.
func (w *World) checkRoute(p store.Put) {
	var rt fairlead.Route
	if err := json.Unmarshal(p.Data, &rt); err != nil {
		w.violate(PromiseExposure, "route %s is stored as %q: %v", p.Key, p.Data, err)
		return
	}
	w.checkExposure(&rt, "the stored route")
	for _, a := range rt.Arms {
		if a.Name != fairlead.Candidate {
			continue
		}
		r, err := w.release(rt.Stratum.Release)
		if err != nil {
			w.violate(PromiseExposure, "route %s exposes a candidate of no release: %v", p.Key, err)
		} else if a.Weight > r.Status.Weight || a.Mirror > r.Status.Mirror {
			w.violate(PromiseExposure, "route %s gives the candidate %s (mirror %s), the release allows %s (mirror %s)", p.Key, a.Weight, a.Mirror, r.Status.Weight, r.Status.Mirror)
		}
	}
}

// checkExposure holds a route against the steps of its stratum.
func (w *World) checkExposure(rt *fairlead.Route, where string) {
	sum := fairlead.Weight(0)
	for _, a := range rt.Arms {
		sum += a.Weight
		if a.Name != fairlead.Candidate || a.Weight == 0 {
			continue
		}
		r, err := w.release(rt.Stratum.Release)
		if err != nil {
			w.violate(PromiseExposure, "%s speaks of release %q: %v", where, rt.Stratum.Release, err)
			continue
		}
		if max := allowed(r.Status.Steps, rt.Stratum.Step); a.Weight > max {
			w.violate(PromiseExposure, "%s gives the candidate %s in %s, which allows %s", where, a.Weight, rt.Stratum, max)
		}
	}
	if sum != fairlead.FullWeight {
		w.violate(PromiseLost, "%s: weights sum to %s", where, sum)
	}
}

// sighting is where a user was last seen, per gateway: their assignment may
// not move back within an attempt while exposure grows.
type sighting struct {
	release string
	attempt int
	weight  fairlead.Weight
	arm     string
}

// answered checks one answer of a gateway.
func (w *World) answered(g *gatewayProc, user string, arm string) {
	rt := g.route
	if rt == nil {
		return
	}
	var weight fairlead.Weight
	for _, a := range rt.Arms {
		if a.Name == fairlead.Candidate {
			weight = a.Weight
		}
	}
	if arm == fairlead.Candidate && route.Bucket(rt.Salt, user) >= int32(weight) {
		w.violate(PromiseExposure, "%s met the candidate though its bucket %d is outside %s", user, route.Bucket(rt.Salt, user), weight)
	}
	now := sighting{rt.Stratum.Release, rt.Stratum.Attempt, weight, arm}
	was, seen := g.seen[user]
	if seen && was.release == now.release && was.attempt == now.attempt && now.release != "" &&
		was.arm == fairlead.Candidate && arm == fairlead.Incumbent && now.weight >= was.weight && !w.hasTripped(g) {
		w.violate(PromiseSticky, "%s was moved from the candidate at %s back to the incumbent at %s in %s", user, was.weight, now.weight, rt.Stratum)
	}
	g.seen[user] = now
}

// hasTripped asks the gateway itself: a trip takes effect before it is reported.
func (w *World) hasTripped(g *gatewayProc) bool {
	for _, rep := range g.gw.Collect(true) {
		g.tripped = g.tripped || len(rep.Trips) > 0
		w.hear(g, rep)
	}
	return g.tripped
}

// finish checks what must hold once everything has healed and settled.
func (w *World) finish() {
	docs, err := w.disk.List(context.Background(), fairlead.KindRelease, "", "", 0)
	if err != nil {
		w.violate(PromiseEnds, "%v", err)
	}
	for _, d := range docs {
		r, err := w.release(d.Key)
		if err != nil {
			w.violate(PromiseEnds, "%v", err)
			continue
		}
		if !r.Status.Phase.Terminal() {
			w.violate(PromiseEnds, "%s is still %s (%s) at step %d: %s", d.Key, r.Status.Phase, r.Status.Reason, r.Status.Step, r.Status.Message)
			continue
		}
		e, err := w.Endpoint(r.Spec.Endpoint)
		if err != nil {
			w.violate(PromiseServes, "%v", err)
			continue
		}
		want := r.Status.Candidate
		if r.Status.Phase != fairlead.Healthy {
			want = r.Status.Incumbent
		}
		if len(docs) == 1 && e.Status.Version != want {
			w.violate(PromiseServes, "%s is %s, %s serves %s, not %s", d.Key, r.Status.Phase, r.Spec.Endpoint, e.Status.Version, want)
		}
		for _, g := range w.gateways {
			if g.route != nil && g.route.Endpoint == r.Spec.Endpoint && len(docs) == 1 {
				for _, a := range g.route.Arms {
					if a.Weight > 0 && a.Version != want {
						w.violate(PromiseZero, "%s is %s, yet gateway %s gives %s to %s", d.Key, r.Status.Phase, g.id, a.Weight, a.Version)
					}
				}
			}
		}
	}
	w.verifyLedger()
}

func (w *World) verifyLedger() {
	ctx := context.Background()
	size, root, err := w.disk.Head(ctx)
	if err != nil {
		w.violate(PromiseTamper, "%v", err)
		return
	}
	entries, err := w.disk.Entries(ctx, 0, int(size)+1)
	if err != nil || int64(len(entries)) != size {
		w.violate(PromiseTamper, "%d entries of %d: %v", len(entries), size, err)
		return
	}
	if err := audit.Verify(slicesSeq(entries), size, root, nil); err != nil {
		w.violate(PromiseTamper, "%v", err)
	}
}

// slicesSeq gives entries as Verify wants them.
func slicesSeq(entries [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}
