package op

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/release"
	"fairlead.dev/core/stats"
)

// ReleaseStatus answers how a release is doing at this moment.
var ReleaseStatus = Op[Named, ReleaseReport]{Name: "release status", Method: http.MethodGet, Path: "/releases/{name}/status", Can: CanRead,
	Doc: "Show how a release is doing now: its step, its arms, the gates' verdicts on the evidence so far, and what it waits for.\nThe verdicts are judged while you ask; those behind the last transition stand in the release itself.",
	Do: func(ctx context.Context, d *Deps, in Named) (rep ReleaseReport, err error) {
		err = look(ctx, d, func(t *tx) error {
			rep, err = reportOn(t, in.Name)
			return err
		})
		return rep, err
	}}

// ReleaseReport is a release at one moment, with everything that a person
// wants to see of it.
type ReleaseReport struct {
	Now         time.Time              `json:"now" doc:"the server's clock"`
	Release     fairlead.Release       `json:"release"`
	Samples     int64                  `json:"samples" doc:"answers of the candidate in the present step"`
	Alpha       float64                `json:"alpha" doc:"the release's chance of turning back a harmless candidate"`
	Verdicts    []fairlead.Verdict     `json:"verdicts" doc:"of every gate, on the evidence so far"`
	Arms        []ArmReport            `json:"arms" doc:"the incumbent, then the candidate"`
	Gateways    []GatewayView          `json:"gateways"`
	Why         []string               `json:"why" doc:"what it waits for, in sentences"`
	Wake        time.Time              `json:"wake,omitzero" doc:"when time alone changes something next"`
	NextStep    *fairlead.Step         `json:"nextStep,omitempty" doc:"what follows the present step"`
	Transitions []fairlead.LedgerEntry `json:"transitions" doc:"the latest entries of the ledger about it, latest last, without evidence"`
}

// ArmReport is one arm's evidence over the present attempt.
type ArmReport struct {
	Name     string             `json:"name" enum:"incumbent,candidate"`
	Version  string             `json:"version"`
	Weight   fairlead.Weight    `json:"weight" doc:"its share by the plan, now"`
	Mirror   fairlead.Weight    `json:"mirror,omitempty"`
	Requests int64              `json:"requests" doc:"over all steps of this attempt"`
	Errors   int64              `json:"errors"`
	P50      *float64           `json:"p50,omitempty" doc:"seconds"`
	P90      *float64           `json:"p90,omitempty" doc:"seconds"`
	P99      *float64           `json:"p99,omitempty" doc:"seconds"`
	Accuracy *float64           `json:"accuracy,omitempty" doc:"where labels arrived"`
	Metrics  map[string]float64 `json:"metrics,omitempty" doc:"means of what was sent as feedback"`
	Dropped  int64              `json:"dropped,omitempty" doc:"mirrored copies that were not sent"`
	Compared int64              `json:"compared,omitempty" doc:"mirrored answers compared with the incumbent's"`
	Differed int64              `json:"differed,omitempty" doc:"of those, with another prediction"`
	Rate     float64            `json:"rate" doc:"requests a second in the present step"`
}

func reportOn(t *tx, name string) (ReleaseReport, error) {
	r, err := releases.get(t, name)
	if err != nil {
		return ReleaseReport{}, err
	}
	now := t.d.Env.Now()
	rep := ReleaseReport{Now: now, Release: r, Alpha: r.Spec.Risk.Alpha, Verdicts: []fairlead.Verdict{}, Arms: []ArmReport{}}
	if rep.Alpha == 0 {
		rep.Alpha = fairlead.DefaultAlpha
	}
	windows, err := windowsOf(t.ctx, t.d, r)
	if err != nil {
		return rep, err
	}
	switch {
	case len(windows) == 0 && r.Status.Phase.Terminal() && len(r.Status.Verdicts) > 0:
		rep.Verdicts = r.Status.Verdicts // its windows were tidied away
	case len(r.Spec.Gates) > 0:
		rep.Verdicts = gate.JudgeAll(r.Spec.Gates, rep.Alpha, windows)
	}
	e, found, err := endpoints.find(t, r.Spec.Endpoint)
	if err != nil {
		return rep, err
	}
	rt, err := routeOf(t, r.Spec.Endpoint)
	if err != nil {
		return rep, err
	}
	if rep.Gateways, err = gatewaysOf(t, r.Spec.Endpoint, rt); err != nil {
		return rep, err
	}
	rep.Samples = evidence.Samples(windows, r.Stratum())
	// What the machine itself would say now: the same judgement, thrown away.
	next := release.Step(r, release.Seen{Endpoint: e, Gone: !found, Gateways: liveOf(r, rt, rep.Gateways), Verdicts: rep.Verdicts, Samples: rep.Samples}, now)
	rep.Why, rep.Wake = next.Why, next.Wake
	if next.Changed {
		rep.Wake = now
	}
	if i := r.Status.Step + 1; i < len(r.Status.Steps) && !r.Status.Phase.Terminal() {
		rep.NextStep = &r.Status.Steps[i]
	}
	rep.Arms = armsOf(r, windows)
	size, _, err := t.d.Store.Head(t.ctx)
	if err != nil {
		return rep, err
	}
	rep.Transitions, err = latest(t.ctx, t.d, size, 20,
		func(l fairlead.LedgerEntry) bool { return l.Kind == fairlead.KindRelease && l.Name == name },
		func(l fairlead.LedgerEntry) bool { return l.Time.Before(r.Meta.Created) })
	for i := range rep.Transitions {
		rep.Transitions[i].Evidence = nil
	}
	return rep, err
}

// windowsOf gives the strata of the release's present attempt, in order, each
// merged over the gateways.
func windowsOf(ctx context.Context, d *Deps, r fairlead.Release) ([]fairlead.Window, error) {
	docs, err := d.Store.List(ctx, fairlead.KindWindow, evidence.Prefix(r.Spec.Endpoint, r.Meta.Name, r.Status.Attempt), "", 0)
	if err != nil {
		return nil, err
	}
	return evidence.Merge(func(yield func(string, []byte) bool) {
		for _, doc := range docs {
			if !yield(doc.Key, doc.Data) {
				return
			}
		}
	})
}

func armsOf(r fairlead.Release, windows []fairlead.Window) []ArmReport {
	st := r.Status
	arms := []ArmReport{
		{Name: fairlead.Incumbent, Version: st.Incumbent, Weight: fairlead.FullWeight - st.Weight},
		{Name: fairlead.Candidate, Version: st.Candidate, Weight: st.Weight, Mirror: st.Mirror},
	}
	for i := range arms {
		a := &arms[i]
		var sum fairlead.Counts
		for _, w := range windows {
			sum = sum.Add(w.Arms[a.Name])
			if w.Stratum == r.Stratum() && w.End.After(w.Start) {
				a.Rate = float64(w.Arms[a.Name].Requests) / w.End.Sub(w.Start).Seconds()
			}
		}
		a.Requests, a.Errors, a.Dropped, a.Compared, a.Differed = sum.Requests, sum.Errors, sum.Dropped, sum.Compared, sum.Differed
		if sum.Latency.N() > 0 {
			for q, to := range map[float64]**float64{0.5: &a.P50, 0.9: &a.P90, 0.99: &a.P99} {
				v := stats.Quantile(sum.Latency, q)
				*to = &v
			}
		}
		for name, m := range sum.Metrics {
			if m.N == 0 {
				continue
			}
			mean := m.Sum / float64(m.N)
			if name == "accuracy" {
				a.Accuracy = &mean
			}
			if a.Metrics == nil {
				a.Metrics = map[string]float64{}
			}
			a.Metrics[name] = mean
		}
	}
	return arms
}

// gatewaysOf gives what each gateway said of the endpoint.
func gatewaysOf(t *tx, endpoint string, rt *fairlead.Route) ([]GatewayView, error) {
	docs, err := t.d.Store.List(t.ctx, fairlead.KindGateway, endpoint+"/", "", 0)
	if err != nil {
		return nil, err
	}
	now := t.d.Env.Now()
	views, all := []GatewayView{}, []evidence.Gateway{}
	for _, doc := range docs {
		var g evidence.Gateway
		if err := json.Unmarshal(doc.Data, &g); err != nil {
			return nil, &fairlead.Error{Code: fairlead.Corrupt, Message: "the report at " + doc.Key + " cannot be read", Err: err}
		}
		all = append(all, g)
	}
	for _, g := range evidence.Current(all) {
		views = append(views, GatewayView{ID: g.Gateway, Revision: g.Revision, Error: g.Error, Trips: g.Trips, Seen: g.Seen,
			Live: now.Sub(g.Seen) < release.GatewayStoredEach+release.GatewayTTL, Current: rt != nil && g.Revision == rt.Revision})
	}
	return views, nil
}

// liveOf sums the gateways up as the machine wants them.
func liveOf(r fairlead.Release, rt *fairlead.Route, views []GatewayView) release.Gateways {
	var g release.Gateways
	want := fairlead.Stratum{}
	switch r.Status.Phase {
	case fairlead.Progressing, fairlead.Paused, fairlead.Guarding:
		want = r.Stratum()
	}
	for _, v := range views {
		if !v.Live {
			continue
		}
		g.Live++
		if v.Current && rt.Stratum == want {
			g.Applied++
		} else if v.Error != "" {
			g.Failed = "gateway " + v.ID + ": " + v.Error
		}
	}
	return g
}

func routeOf(t *tx, endpoint string) (*fairlead.Route, error) {
	d, err := t.read(fairlead.KindRoute, endpoint)
	if err != nil || d.data == nil {
		return nil, err
	}
	var rt fairlead.Route
	if err := json.Unmarshal(d.data, &rt); err != nil {
		return nil, &fairlead.Error{Code: fairlead.Corrupt, Message: "the route of " + endpoint + " cannot be read", Err: err}
	}
	return &rt, nil
}

func endpointStatus(ctx context.Context, d *Deps, in Named) (rep EndpointReport, err error) {
	err = look(ctx, d, func(t *tx) error {
		if rep.Endpoint, err = endpoints.get(t, in.Name); err != nil {
			return err
		}
		if rep.Route, err = routeOf(t, in.Name); err != nil {
			return err
		}
		rep.Gateways, err = gatewaysOf(t, in.Name, rep.Route)
		return err
	})
	return rep, err
}
