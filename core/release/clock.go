package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead.dev"
)

// stamp shows a time in messages.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func (v *view) patience() time.Duration {
	if d := v.r.Spec.ProgressDeadline; d > 0 {
		return d.Std()
	}
	return fairlead.DefaultProgressDeadline.Std()
}

func (v *view) hold() time.Duration {
	if v.r.Status.Phase == fairlead.Guarding {
		return v.r.Spec.Guard.Hold.Std()
	}
	return v.step().Hold.Std()
}

// holdEnds is when the present step or guard has held long enough. Exposure goes
// on while a release is paused, but its clock stands still: what was paused is
// added. (A pause from before the exposure was in force is added as well; the
// hold is then a little longer than asked for, never shorter.)
func (v *view) holdEnds() time.Time {
	st := v.r.Status
	return st.StepSince.Add(v.hold() + st.Waited.Std())
}

// held: the hold is over, and no gateway has lost the candidate meanwhile (one
// that started again and cannot load it serves the incumbent instead, which
// shows nothing of the candidate).
func (v *view) held() bool {
	return !v.r.Status.StepSince.IsZero() && !v.now.Before(v.holdEnds()) && v.s.Gateways.Failed == ""
}

// deadline is when waiting ends: for an exposure to come into force, the
// progress deadline after the step was entered; once in force, as much again
// beyond the hold, for samples and evidence. It is zero in a guard that is in
// force, which waits for nothing but its hold, unless a gateway lost the
// candidate.
func (v *view) deadline() time.Time {
	st := v.r.Status
	d := st.Entered.Add(v.patience() + st.Waited.Std())
	if st.StepSince.IsZero() {
		return d
	}
	if st.Phase == fairlead.Guarding && v.s.Gateways.Failed == "" {
		return time.Time{}
	}
	return d.Add(v.hold())
}

// ripe: the step's time is up and its samples are there; what is left are the
// gates and people.
func (v *view) ripe() bool { return v.held() && v.s.Samples >= v.step().Samples }

// policy is what the undecided gates of a step that checks them ask for, the
// strictest first: roll back, hold, extend; empty when every gate passed or is
// let through. Without a verdict for each gate nothing is let through.
func (v *view) policy() (word string, gates []fairlead.Verdict) {
	if !v.step().Check {
		return "", nil
	}
	if len(v.s.Verdicts) != len(v.r.Spec.Gates) {
		return fairlead.OnExtend, nil
	}
	rank := map[string]int{fairlead.OnPromote: 0, "": 1, fairlead.OnExtend: 1, fairlead.OnHold: 2, fairlead.OnRollback: 3}
	words := [4]string{"", fairlead.OnExtend, fairlead.OnHold, fairlead.OnRollback}
	worst := 0
	for i, d := range v.s.Verdicts {
		if d.Outcome == fairlead.Pass {
			continue
		}
		k, known := rank[v.r.Spec.Gates[i].OnUndecided]
		if !known {
			k = 1
		}
		if k > 0 {
			gates = append(gates, d)
		}
		worst = max(worst, k)
	}
	return words[worst], gates
}

// complete: nothing keeps the step any longer.
func (v *view) complete() bool {
	if v.r.Status.Phase != fairlead.Progressing || !v.ripe() {
		return false
	}
	word, _ := v.policy()
	return word == "" && v.approved()
}

func (v *view) approved() bool {
	if v.step().Approve == nil {
		return true
	}
	return given(v.r.Status)
}

// given: the present step has an approval.
func given(st fairlead.ReleaseStatus) bool {
	return slices.ContainsFunc(st.Approvals, func(a fairlead.Approval) bool { return a.Step == st.Step })
}

// wake is the next moment at which time alone changes the judgement.
func (v *view) wake() time.Time {
	st := v.r.Status
	var due []time.Time
	switch st.Phase {
	case fairlead.Progressing, fairlead.Guarding:
		due = append(due, v.deadline())
		if !st.StepSince.IsZero() {
			due = append(due, v.holdEnds())
		} else if v.s.Gateways.Failed != "" {
			due = append(due, v.loadEnds())
		}
	case fairlead.RollingBack:
		if v.s.Gateways.Live == 0 {
			due = append(due, st.Entered.Add(GatewayTTL))
		}
	}
	var next time.Time
	for _, t := range due {
		if t.After(v.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// loadEnds is when the patience with a candidate that cannot be loaded ends.
func (v *view) loadEnds() time.Time {
	return v.r.Status.Entered.Add(v.r.Status.Waited.Std() + min(LoadGrace, v.patience()))
}

// waiting says what a release that does not move waits for.
func (v *view) waiting() []string {
	st := v.r.Status
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	switch st.Phase {
	case fairlead.Pending:
		add("Not begun: endpoint %s is being moved by release %s.", v.r.Spec.Endpoint, v.s.Endpoint.Status.Release)
	case fairlead.Progressing, fairlead.Guarding:
		if st.StepSince.IsZero() {
			add("Waiting until the exposure is in force: %v; until %s.", v.s.Gateways, stamp(v.deadline()))
			break
		}
		if v.s.Gateways.Failed != "" {
			add("Waiting for a gateway that cannot serve the candidate: %s.", v.s.Gateways.Failed)
		}
		if v.now.Before(v.holdEnds()) {
			add("Holding until %s.", stamp(v.holdEnds()))
		}
		if n := v.step().Samples; v.s.Samples < n {
			add("Waiting for samples: the candidate answered %d of %d requests.", v.s.Samples, n)
		}
		if word, gates := v.policy(); word != "" {
			add("Waiting for evidence: %s.", undecided(gates))
		}
		if d := v.deadline(); !d.IsZero() {
			add("Turned back at %s if it still waits then.", stamp(d))
		}
	case fairlead.Paused:
		why = append(why, st.Message)
	case fairlead.RollingBack:
		add("Exposure is zero in the plan; waiting for the gateways to confirm: %v.", v.s.Gateways)
	default:
		why = append(why, st.Message)
	}
	if v.s.Problem != "" {
		add("An effect keeps failing: %s", v.s.Problem)
	}
	return why
}

// undecided names gates with what they lack and what the traffic does prove.
func undecided(gates []fairlead.Verdict) string {
	if len(gates) == 0 {
		return "the gates have not been judged"
	}
	var parts []string
	for _, d := range gates {
		p := d.Gate.Metric + " is undecided (" + strings.TrimSuffix(d.Reason, ".") + ")"
		if d.Provable != nil {
			p += ", this traffic proves " + quantity(*d.Provable, d.Unit)
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, "; ")
}

func quantity(x float64, unit string) string {
	return fairlead.Quantity{Value: x, Unit: unit}.String()
}
