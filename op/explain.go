package op

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"fairlead.dev"
	"fairlead.dev/core/gate"
)

// ReleaseExplain answers why a release went the way it did.
var ReleaseExplain = Op[Named, Explanation]{Name: "release explain", Method: http.MethodGet, Path: "/releases/{name}/explain", Can: CanRead,
	Doc: "Show every transition of a release with its reasons, and judge its evidence again.\nThe evidence of each decision is in the ledger; it goes through the same gates once more and the answer is compared with the one on record.",
	Do:  explain}

// Explanation is the history of a release with its reasons.
type Explanation struct {
	Release     string       `json:"release"`
	Endpoint    string       `json:"endpoint"`
	Incumbent   string       `json:"incumbent"`
	Candidate   string       `json:"candidate"`
	Phase       string       `json:"phase"`
	Reason      string       `json:"reason,omitempty"`
	Message     string       `json:"message,omitempty"`
	Transitions []Transition `json:"transitions" doc:"oldest first"`
}

// Transition is one entry of the ledger, replayed.
type Transition struct {
	Entry    fairlead.LedgerEntry `json:"entry" doc:"as recorded, without the evidence"`
	Verdicts []fairlead.Verdict   `json:"verdicts,omitempty" doc:"on record"`
	Replay   string               `json:"replay" enum:"same,different,none" doc:"none: the decision stood on no evidence (a person's word, a clock)"`
	Differs  []string             `json:"differs,omitempty" doc:"how the replay differs"`
	Exposed  map[string]int64     `json:"exposed,omitempty" doc:"requests behind the decision, by arm"`
}

// Outcomes of a replay.
const (
	ReplaySame      = "same"
	ReplayDifferent = "different"
	ReplayNone      = "none"
)

// decision is what the release loop puts into an entry.
type decision struct {
	Windows  []fairlead.Window  `json:"windows"`
	Gates    []fairlead.Gate    `json:"gates"`
	Alpha    float64            `json:"alpha"`
	Verdicts []fairlead.Verdict `json:"verdicts"`
}

func explain(ctx context.Context, d *Deps, in Named) (Explanation, error) {
	x := Explanation{Release: in.Name, Transitions: []Transition{}}
	err := look(ctx, d, func(t *tx) error {
		r, err := releases.get(t, in.Name)
		if err != nil {
			return err
		}
		x.Endpoint, x.Incumbent, x.Candidate = r.Spec.Endpoint, r.Status.Incumbent, r.Status.Candidate
		x.Phase, x.Reason, x.Message = string(phaseOf(r)), r.Status.Reason, r.Status.Message
		size, _, err := d.Store.Head(ctx)
		if err != nil {
			return err
		}
		list, err := latest(ctx, d, size, 1000,
			func(e fairlead.LedgerEntry) bool { return e.Kind == fairlead.KindRelease && e.Name == in.Name },
			func(e fairlead.LedgerEntry) bool { return e.Time.Before(r.Meta.Created) })
		if err != nil {
			return err
		}
		for _, e := range list {
			x.Transitions = append(x.Transitions, replay(e))
		}
		return nil
	})
	return x, err
}

// replay judges an entry's evidence again.
func replay(e fairlead.LedgerEntry) Transition {
	tr := Transition{Entry: e, Replay: ReplayNone}
	tr.Entry.Evidence = nil
	var ev decision
	if len(e.Evidence) == 0 || json.Unmarshal(e.Evidence, &ev) != nil || len(ev.Verdicts) == 0 {
		return tr
	}
	tr.Verdicts, tr.Replay = ev.Verdicts, ReplaySame
	tr.Exposed = map[string]int64{}
	for _, w := range ev.Windows {
		for arm, c := range w.Arms {
			tr.Exposed[arm] += c.Requests
		}
	}
	again := gate.JudgeAll(ev.Gates, ev.Alpha, ev.Windows)
	if len(again) != len(ev.Verdicts) {
		tr.Differs = append(tr.Differs, fmt.Sprintf("%d verdicts instead of %d", len(again), len(ev.Verdicts)))
	}
	for i := range min(len(again), len(ev.Verdicts)) {
		if a, b := again[i], ev.Verdicts[i]; !same(a, b) {
			tr.Differs = append(tr.Differs, fmt.Sprintf("%s: %s (%s) instead of %s (%s)", a.Gate.Metric, a.Outcome, a.Reason, b.Outcome, b.Reason))
		}
	}
	if len(tr.Differs) > 0 {
		tr.Replay = ReplayDifferent
	}
	return tr
}
