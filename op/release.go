package op

import (
	"context"
	"fmt"
	"net/http"

	"fairlead.dev"
	"fairlead.dev/core/gate"
	"fairlead.dev/core/strategy"
)

// The verbs of releases. Those that steer one (command.go) only record what a
// person asked for; the release loop sees it and acts.
var (
	ReleaseGet    = releases.getOp(CanRead, nil)
	ReleaseList   = releases.listOp(CanRead, nil)
	ReleaseDelete = releases.deleteOp(CanWrite, "Delete a release that has ended.\nIts entries in the ledger stay.", func(_ *tx, r fairlead.Release) error {
		if !r.Status.Phase.Terminal() {
			return fairlead.Errorf(fairlead.Conflict, "the release %s is %s; abort it first", r.Meta.Name, phaseOf(r))
		}
		return nil
	})

	ReleaseCreate = Op[ReleaseIn, fairlead.Release]{Name: "release create", Method: http.MethodPost, Path: "/releases", Can: CanWrite,
		Doc: "Begin to move an endpoint to a candidate.\nThe candidate's alias is resolved now and stays. An endpoint has one release at a time. A release never changes: the same again is fine, another one needs another name.",
		Do: func(ctx context.Context, d *Deps, in ReleaseIn) (r fairlead.Release, err error) {
			want := fairlead.Release{Meta: fairlead.Meta{Name: in.Name, Labels: in.Labels}, Spec: in.Spec}
			if err := fairlead.Faulty("the release is wrong", checkRelease(want)); err != nil {
				return r, err
			}
			err = change(ctx, d, func(t *tx) error {
				if _, err := setRelease(t, want); err != nil {
					return err
				}
				r, err = releases.get(t, in.Name)
				return err
			})
			return r, err
		}}
)

// ReleaseIn asks for a release.
type ReleaseIn struct {
	Name   string               `json:"name" maxLength:"63" doc:"the release's name"`
	Labels map[string]string    `json:"labels,omitempty" doc:"free labels"`
	Spec   fairlead.ReleaseSpec `json:"spec"`
}

// checkRelease finds what is wrong with a release by itself.
func checkRelease(r fairlead.Release) []fairlead.Fault {
	faults := fairlead.CheckName("/metadata/name", r.Meta.Name)
	faults = append(faults, fairlead.CheckName("/spec/endpoint", r.Spec.Endpoint)...)
	faults = append(faults, checkRef("/spec/candidate", r.Spec.Candidate, "model@version or model@alias")...)
	_, bad := strategy.Compile("/spec/strategy", r.Spec.Strategy)
	faults = append(faults, bad...)
	faults = append(faults, gate.CheckAll("/spec/gates", r.Spec.Gates)...)
	if g := r.Spec.Guard; g.Holdout > maxHoldout {
		faults = append(faults, fairlead.Fault{Path: "/spec/guard/holdout", Message: "too large: the guard is there to watch the candidate", Want: "at most " + maxHoldout.String(), Got: g.Holdout.String()})
	} else if g.Holdout > 0 && g.Hold == 0 {
		faults = append(faults, fairlead.Fault{Path: "/spec/guard/holdout", Message: "a hold-out lasts as long as the guard, which has no time", Want: "hold as well, e.g. hold: 24h"})
	}
	if a := r.Spec.Risk.Alpha; a < 0 || a > 0.5 {
		faults = append(faults, fairlead.Fault{Path: "/spec/risk/alpha", Message: "out of range", Want: "above 0, at most 0.5", Got: fmt.Sprint(a)})
	}
	return faults
}

// setRelease creates a release; one that is there is only compared.
func setRelease(t *tx, want fairlead.Release) (Applied, error) {
	name := want.Meta.Name
	have, ok, err := releases.find(t, name)
	if err != nil {
		return Applied{}, err
	}
	if ok {
		if same(have.Spec, want.Spec) {
			return releases.unchanged(name), nil
		}
		return Applied{}, fairlead.Errorf(fairlead.Conflict, "the release %s exists since %s and never changes; create a new one under another name", name, have.Meta.Created.UTC().Format("2006-01-02 15:04"))
	}
	e, err := endpoints.get(t, want.Spec.Endpoint)
	if err != nil {
		return Applied{}, at("/spec/endpoint", err)
	}
	v, err := resolve(t, want.Spec.Candidate)
	if err != nil {
		return Applied{}, at("/spec/candidate", err)
	}
	if err := mayMove(e, name, v.Meta.Name); err != nil {
		return Applied{}, err
	}
	steps, faults := strategy.Compile("/spec/strategy", want.Spec.Strategy)
	if len(faults) > 0 {
		return Applied{}, fairlead.Faulty("the strategy is wrong", faults)
	}
	want.Status = fairlead.ReleaseStatus{Phase: fairlead.Pending, Candidate: v.Meta.Name, Incumbent: e.Status.Version, Steps: steps} // the loop counts attempts
	want.Commands = nil
	e.Status.Release = name
	if err := endpoints.put(t, &e); err != nil {
		return Applied{}, err
	}
	t.effect(EffectRoute, e.Meta.Name)
	return releases.writeAs(t, &want, false, fairlead.LedgerEntry{To: string(fairlead.Pending),
		Message: fmt.Sprintf("move the endpoint %s from %s to %s", e.Meta.Name, e.Status.Version, v.Meta.Name)})
}

// mayMove refuses a move that another release, or sense, stands against.
func mayMove(e fairlead.Endpoint, release, candidate string) error {
	if other := e.Status.Release; other != "" && other != release {
		return fairlead.Errorf(fairlead.Conflict, "the release %s is moving the endpoint %s; wait for its end or abort it", other, e.Meta.Name)
	}
	if candidate == e.Status.Version {
		return at("/spec/candidate", fairlead.Errorf(fairlead.Conflict, "the endpoint %s serves %s already", e.Meta.Name, candidate))
	}
	cm, _, _ := fairlead.SplitRef(candidate)
	if im, _, _ := fairlead.SplitRef(e.Status.Version); im != cm {
		return &fairlead.Error{Code: fairlead.Invalid, Message: "the candidate is of another model than the one that serves",
			Faults: []fairlead.Fault{{Path: "/spec/candidate", Message: "of another model than the incumbent " + e.Status.Version, Want: "a version of " + im, Got: candidate}}}
	}
	return nil
}

// at gives an error a place in its document; its code and message stay.
func at(path string, err error) error {
	e, ok := err.(*fairlead.Error)
	if !ok || len(e.Faults) > 0 {
		return err
	}
	placed := *e
	placed.Faults = []fairlead.Fault{{Path: path, Message: e.Message}}
	return &placed
}

func phaseOf(r fairlead.Release) fairlead.Phase {
	if r.Status.Phase == "" {
		return fairlead.Pending
	}
	return r.Status.Phase
}

// maxHoldout bounds what a guard may keep from the candidate.
const maxHoldout fairlead.Weight = fairlead.FullWeight / 2
