package loop

import (
	"context"
	"encoding/json"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/release"
	"fairlead.dev/store"
)

// Actor of the ledger entries that the release loop writes.
const releaseActor = "loop/release"

// transitions bounds one pass; the rest follows in the next. A release cannot
// need as many unless people queued hundreds of commands.
const transitions = 500

// atRest: nothing but a person's new command can move the release.
func atRest(r fairlead.Release) bool {
	if !r.Status.Phase.Terminal() {
		return false
	}
	for _, c := range r.Commands {
		if c.Seq > r.Status.SeenCommand {
			return false
		}
	}
	return true
}

// moment is what a pass loaded: a release and the world around it.
type moment struct {
	release     fairlead.Release
	doc         store.Doc
	endpointDoc store.Doc // Rev 0: there is none
	seen        release.Seen
	windows     []fairlead.Window
	expires     time.Time // when the next gateway that is waited for counts as gone
}

// passRelease moves a release as far as it goes: each transition is judged on a
// fresh look and committed alone, with its one ledger entry.
func (r *Runner) passRelease(ctx context.Context, name string) (time.Time, error) {
	for range transitions {
		m, err := r.load(ctx, name)
		if fairlead.CodeOf(err) == fairlead.NotFound || err == nil && atRest(m.release) {
			return time.Time{}, nil
		}
		if err != nil {
			return time.Time{}, err
		}
		next := release.Step(m.release, m.seen, r.cfg.Env.Now())
		if !next.Changed {
			return earliest(next.Wake, m.expires), nil
		}
		// A conflict means that somebody else wrote meanwhile: look again.
		if err := r.do(ctx, m, next); err != nil && fairlead.CodeOf(err) != fairlead.Conflict {
			return time.Time{}, err
		}
	}
	return r.cfg.Env.Now(), nil
}

// load reads the release and sees the world. What cannot be seen is a Problem
// or is missing; it never keeps the release from being judged.
func (r *Runner) load(ctx context.Context, name string) (moment, error) {
	var m moment
	var err error
	if m.release, m.doc, err = get[fairlead.Release](ctx, r, fairlead.KindRelease, name); err != nil || atRest(m.release) {
		return m, err
	}
	m.seen.Endpoint, m.endpointDoc, err = get[fairlead.Endpoint](ctx, r, fairlead.KindEndpoint, m.release.Spec.Endpoint)
	if fairlead.CodeOf(err) == fairlead.NotFound {
		m.seen.Gone = true
		m.endpointDoc.Rev = 0
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if err := r.seeGateways(ctx, &m); err != nil {
		return m, err
	}
	m.seen.Problem = r.trouble(EffectRoute + "/" + m.release.Spec.Endpoint)
	if m.release.Status.Attempt > 0 && !m.release.Status.Phase.Terminal() {
		if m.windows, err = r.windows(ctx, m.release); err != nil {
			// Evidence that cannot be read proves nothing: gates stay unjudged,
			// deadlines and commands go on.
			m.seen.Problem = err.Error()
			m.windows = nil
		} else {
			m.seen.Verdicts = gate.JudgeAll(m.release.Spec.Gates, m.release.Spec.Risk.Alpha, m.windows)
			m.seen.Samples = evidence.Samples(m.windows, m.release.Stratum())
		}
	}
	return m, nil
}

// seeGateways compares the route that the documents ask for with the one that
// is stored and with what gateways report.
func (r *Runner) seeGateways(ctx context.Context, m *moment) error {
	var stored fairlead.Route
	published := false
	// An exposure that is in force needs no second confirmation.
	if st := m.release.Status; st.StepSince.IsZero() {
		wanted, _, err := r.wanted(ctx, m.seen.Endpoint, m.endpointDoc)
		compiled := err == nil // else the effect fails on the same, and tells it in Problem
		stored, _, err = get[fairlead.Route](ctx, r, fairlead.KindRoute, m.release.Spec.Endpoint)
		if err != nil && fairlead.CodeOf(err) != fairlead.NotFound {
			return err
		}
		published = compiled && err == nil && sameRoute(wanted, stored)
	}
	live, err := r.live(ctx, m.release.Spec.Endpoint)
	if err != nil {
		return err
	}
	for _, g := range live {
		m.seen.Gateways.Live++
		for _, t := range g.Trips {
			if t.Stratum.Release == m.release.Meta.Name {
				m.seen.Trips = append(m.seen.Trips, t)
			}
		}
		if !published {
			continue
		}
		if g.Revision == stored.Revision {
			m.seen.Gateways.Applied++
			continue
		}
		if g.Failed == stored.Revision {
			m.seen.Gateways.Failed = "gateway " + g.Gateway + ": " + g.Error
		}
		m.expires = earliest(m.expires, g.Seen.Add(release.GatewayTTL))
	}
	return nil
}

// do commits a transition: release, endpoint if it changed, one ledger entry,
// the effects.
func (r *Runner) do(ctx context.Context, m moment, next release.Next) error {
	now := r.cfg.Env.Now()
	rel := next.Release
	rel.Meta.Updated, rel.Meta.Revision = now, 0
	data, err := encode(rel)
	if err != nil {
		return err
	}
	c := store.Commit{Put: []store.Put{{Kind: fairlead.KindRelease, Key: m.doc.Key, IfRev: m.doc.Rev, Data: data}}}
	if next.Endpoint != nil {
		e := m.seen.Endpoint
		e.Status, e.Meta.Updated, e.Meta.Revision = *next.Endpoint, now, 0
		if data, err = encode(e); err != nil {
			return err
		}
		c.Put = append(c.Put, store.Put{Kind: fairlead.KindEndpoint, Key: m.endpointDoc.Key, IfRev: m.endpointDoc.Rev, Data: data})
	} else {
		c.Require = append(c.Require, store.Require{Kind: fairlead.KindEndpoint, Key: m.release.Spec.Endpoint, Rev: m.endpointDoc.Rev})
	}
	entry := fairlead.LedgerEntry{Time: now, Actor: releaseActor, Verb: next.Record.Verb, Kind: fairlead.KindRelease, Name: rel.Meta.Name,
		From: next.Record.From, To: next.Record.To, Reason: next.Record.Reason, Message: next.Record.Message}
	if next.Record.Judged {
		if entry.Evidence, err = m.evidence(); err != nil {
			return err
		}
	}
	c.Ledger = []fairlead.LedgerEntry{entry}
	if next.Route {
		c.Effects = []store.Effect{{Kind: EffectRoute, Key: m.release.Spec.Endpoint}}
	}
	if err := r.commit(ctx, c); err != nil {
		return err
	}
	r.log.Info("a release moved", "release", rel.Meta.Name, "from", entry.From, "to", entry.To, "why", entry.Message)
	return nil
}

// evidence is what the verdicts were made of, enough to replay them.
func (m moment) evidence() (json.RawMessage, error) {
	alpha := m.release.Spec.Risk.Alpha
	if alpha == 0 {
		alpha = fairlead.DefaultAlpha
	}
	return encode(struct {
		Windows  []fairlead.Window  `json:"windows"`
		Gates    []fairlead.Gate    `json:"gates"`
		Alpha    float64            `json:"alpha"`
		Verdicts []fairlead.Verdict `json:"verdicts"`
	}{m.windows, m.release.Spec.Gates, alpha, m.seen.Verdicts})
}
