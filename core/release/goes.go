package release

import (
	"fmt"
	"time"

	"fairlead.dev"
)

// goes are what a person or a completed step moves forward.
func goes() []Row {
	return []Row{{
		Name: "approve", From: phases(fairlead.Paused), To: fairlead.Progressing,
		When: "a permitted person approves while the step waits for it", What: "records the approval; the clock runs on", Why: "an approval is a fact with a name and a time",
		when: func(v *view) (string, bool) {
			if v.r.Status.Reason != fairlead.ReasonApproval || !v.approves() {
				return "", false
			}
			return "Approved by " + by(v.cmd) + ".", true
		},
		what: func(v *view, m string) { v.took(); v.approve(); v.resume(m) },
	}, {
		Name: "approve-early", From: moving(),
		When: "a permitted person approves before the step asks", What: "records the approval", Why: "nobody need wait at the screen",
		when: func(v *view) (string, bool) {
			if !v.approves() {
				return "", false
			}
			return "Approved by " + by(v.cmd) + ".", true
		},
		what: func(v *view, _ string) { v.took(); v.approve() },
	}, {
		Name: "resume", From: phases(fairlead.Paused), To: fairlead.Progressing,
		When: "a person resumes what a person paused", What: "the clock runs on", Why: "",
		when: func(v *view) (string, bool) {
			if !v.asked(fairlead.CmdResume) || v.r.Status.Reason != fairlead.ReasonPaused {
				return "", false
			}
			return "Resumed by " + by(v.cmd) + ".", true
		},
		what: func(v *view, m string) { v.took(); v.resume(m) },
	}, {
		Name: "undecided-rollback", From: phases(fairlead.Progressing), To: fairlead.RollingBack, Judged: true,
		When: "the step's time is up and an undecided gate says rollback", What: "exposure to zero", Why: "the gate's policy",
		when: func(v *view) (string, bool) { return v.timeUp(fairlead.OnRollback) },
		what: func(v *view, m string) { v.turnBack(fairlead.ReasonUndecided, m) },
	}, {
		Name: "undecided-hold", From: phases(fairlead.Progressing), To: fairlead.Paused, Judged: true,
		When: "the step's time is up and an undecided gate says hold", What: "waits for a person", Why: "the gate's policy",
		when: func(v *view) (string, bool) { return v.timeUp(fairlead.OnHold) },
		what: func(v *view, m string) { v.pause(fairlead.ReasonUndecided, m) },
	}, {
		Name: "ask", From: phases(fairlead.Progressing), To: fairlead.Paused,
		When: "all else is done and the step's approval is missing", What: "waits for a person", Why: "",
		when: func(v *view) (string, bool) {
			if !v.ripe() || v.approved() || v.promotes() || v.full() {
				return "", false
			}
			if word, _ := v.policy(); word != "" {
				return "", false
			}
			who := "an operator"
			if a := v.step().Approve; a.By != "" {
				who = a.By
			}
			return fmt.Sprintf("Waiting for the approval of %s.", who), true
		},
		what: func(v *view, m string) { v.pause(fairlead.ReasonApproval, m) },
	}, {
		Name: "promote", From: moving(), To: fairlead.Guarding, Judged: true, ifChecked: true,
		When: "the last step before {promote: true} is done, or a person promotes from there or in full",
		What: "the candidate at 100 %, the incumbent warm; the guard begins", Why: "",
		when: func(v *view) (string, bool) {
			if v.full() {
				return "Promoted in full by " + by(v.cmd) + ".", true
			}
			return v.forward(v.takes()), v.goesOn() && v.next() == toGuard
		},
		what: func(v *view, m string) { v.tookIfUsed(); v.promote(m) },
	}, {
		Name: "observed", From: moving(), To: fairlead.Observed, Judged: true, ifChecked: true,
		When: "the last step is done and the strategy does not promote", What: "ends with zero exposure; the incumbent serves as before", Why: "a shadow is asked for a report, not for a promotion",
		when: func(v *view) (string, bool) {
			return v.forward("Observed to the end; the incumbent serves as before"), v.goesOn() && v.next() == toEnd
		},
		what: func(v *view, m string) {
			v.tookIfUsed()
			v.say(fairlead.Observed, fairlead.ReasonObserved, m)
			v.end(fairlead.Observed)
		},
	}, {
		Name: "step", From: moving(), To: fairlead.Progressing, Judged: true, ifChecked: true,
		When: "the step is done (held, samples there, gates let through if it checks them, approved if it asks), or a person promotes",
		What: "enters the next step", Why: "stands before the deadline: what is done waits for nothing",
		when: func(v *view) (string, bool) {
			return v.forward(fmt.Sprintf("Step %d of %d begins", v.r.Status.Step+2, len(v.r.Status.Steps))), v.goesOn() && v.next() == toStep
		},
		what: func(v *view, m string) { v.tookIfUsed(); v.enter(v.r.Status.Step+1, m) },
	}, {
		Name: "ignore", From: every(),
		When: "a command does not apply", What: "marks it as seen and says why", Why: "stands after all rows that take commands, so none is left behind and none blocks the next",
		when: func(v *view) (string, bool) {
			if v.cmd == nil {
				return "", false
			}
			return fmt.Sprintf("Ignored %s by %s: %s.", v.cmd.Verb, v.cmd.By, v.refusal()), true
		},
		what: func(v *view, _ string) { v.took() },
	}}
}

// limits are the ends of patience.
func limits() []Row {
	return []Row{{
		Name: "load", From: phases(fairlead.Progressing, fairlead.Guarding), To: fairlead.RollingBack,
		When: "a gateway still cannot take the route a minute after the step was entered", What: "exposure to zero", Why: "a candidate that cannot load will not prove itself",
		when: func(v *view) (string, bool) {
			return "The candidate cannot be made ready: " + v.s.Gateways.Failed,
				v.r.Status.StepSince.IsZero() && v.s.Gateways.Failed != "" && !v.now.Before(v.loadEnds())
		},
		what: func(v *view, m string) { v.turnBack(fairlead.ReasonLoad, m) },
	}, {
		Name: "deadline", From: phases(fairlead.Progressing, fairlead.Guarding), To: fairlead.RollingBack, Judged: true,
		When: "the progress deadline has passed", What: "exposure to zero", Why: "judged whatever failed before; last, so that only what still waits is turned back",
		when: func(v *view) (string, bool) {
			d := v.deadline()
			return v.missing(), !d.IsZero() && !v.now.Before(d)
		},
		what: func(v *view, m string) { v.turnBack(fairlead.ReasonDeadline, m) },
	}}
}

// missing says what a step waited for in vain.
func (v *view) missing() string {
	m := fmt.Sprintf("The progress deadline of %v passed: ", fairlead.Duration(v.patience()))
	word, gates := v.policy()
	switch {
	case v.r.Status.StepSince.IsZero():
		m += "the exposure did not come into force, " + v.s.Gateways.String()
	case v.s.Gateways.Failed != "":
		m += "a gateway cannot serve the candidate any more, " + v.s.Gateways.Failed
	case v.s.Samples < v.step().Samples:
		m += fmt.Sprintf("the candidate answered %d of %d requests", v.s.Samples, v.step().Samples)
	case word != "":
		m += undecided(gates)
	default:
		m += "the step did not end"
	}
	if v.s.Problem != "" {
		m += "; an effect keeps failing: " + v.s.Problem
	}
	return m + "."
}

// takes says what the promotion gives the candidate.
func (v *view) takes() string {
	if h := v.holdout(); h > 0 {
		return fmt.Sprintf("The candidate takes all traffic but a hold-out of %v, which goes when the guard ends", h)
	}
	return "The candidate takes all traffic"
}

func (v *view) timeUp(policy string) (string, bool) {
	if !v.ripe() || v.promotes() || v.full() {
		return "", false
	}
	word, gates := v.policy()
	return "The step's time is up and evidence does not suffice: " + undecided(gates) + ".", word == policy
}

// approves: the command is an approval that the present step asks for, by one
// who may give it.
func (v *view) approves() bool {
	a := v.step().Approve
	return v.asked(fairlead.CmdApprove) && a != nil && !v.approved() && MayApprove(*a, v.cmd.By, v.cmd.Roles)
}

func (v *view) approve() {
	st := &v.r.Status
	at := v.cmd.At
	if at.IsZero() {
		at = v.now
	}
	st.Approvals = append(st.Approvals, fairlead.Approval{Step: st.Step, By: v.cmd.By, Comment: v.cmd.Comment, At: at.In(time.UTC)})
}

// promotes: a person takes the present step as done: promote, or resume where
// an undecided gate holds it. It skips hold, samples and gates, which is the
// person's to answer for, but never an approval that they may not give.
func (v *view) promotes() bool {
	st := v.r.Status
	if st.Phase != fairlead.Progressing && st.Phase != fairlead.Paused {
		return false
	}
	ok := v.asked(fairlead.CmdPromote) && !v.cmd.Full ||
		v.asked(fairlead.CmdResume) && st.Phase == fairlead.Paused && st.Reason == fairlead.ReasonUndecided
	return ok && v.mayPass(st.Step+1)
}

// full: a person takes all steps as done.
func (v *view) full() bool {
	st := v.r.Status
	return v.asked(fairlead.CmdPromote) && v.cmd.Full && v.mayPass(len(st.Steps))
}

// mayPass: every approval missing in the steps from the present one to to-1 is
// one that the command's author may give.
func (v *view) mayPass(to int) bool { return lacking(v.r, to, v.cmd.By, v.cmd.Roles) == nil }

func (v *view) goesOn() bool { return v.promotes() || v.complete() }

// tookIfUsed marks the command as seen when it is what moved the release.
func (v *view) tookIfUsed() {
	if v.promotes() || v.full() {
		v.took()
	}
}

// Where a step that is done leads.
const (
	toStep = iota
	toGuard
	toEnd
)

func (v *view) next() int {
	st := v.r.Status
	switch i := st.Step + 1; {
	case v.step().Promote, i < len(st.Steps) && st.Steps[i].Promote:
		return toGuard
	case i >= len(st.Steps):
		return toEnd
	}
	return toStep
}

// forward says that and why the release goes on.
func (v *view) forward(what string) string {
	if v.promotes() {
		return fmt.Sprintf("%s, by order of %s.", what, by(v.cmd))
	}
	if !v.step().Check {
		return what + "."
	}
	open := 0
	for _, d := range v.s.Verdicts {
		if d.Outcome != fairlead.Pass {
			open++
		}
	}
	if open > 0 {
		return fmt.Sprintf("%s: %d of %d gates passed, the others are let through undecided.", what, len(v.s.Verdicts)-open, len(v.s.Verdicts))
	}
	if len(v.s.Verdicts) == 1 {
		return what + ": the one gate passed."
	}
	return fmt.Sprintf("%s: all %d gates passed.", what, len(v.s.Verdicts))
}

// refusal says why a command does not apply.
func (v *view) refusal() string {
	st := v.r.Status
	a := v.step().Approve
	lacking := func() string { return "it lacks the approval of " + a.By + ", which is not theirs to give" }
	switch {
	case v.cmd.Verb == fairlead.CmdApprove && a == nil:
		return "the present step asks for no approval"
	case v.cmd.Verb == fairlead.CmdApprove && v.approved():
		return "the step is approved already"
	case v.cmd.Verb == fairlead.CmdApprove && !MayApprove(*a, v.cmd.By, v.cmd.Roles):
		return "the approval of " + a.By + " is asked for"
	case v.cmd.Verb == fairlead.CmdPromote && !st.Phase.Terminal() && st.Phase != fairlead.Guarding && st.Phase != fairlead.RollingBack:
		if a != nil && !v.approved() {
			return lacking()
		}
		return "an approval on the way is not theirs to give"
	case v.cmd.Verb == fairlead.CmdResume && st.Phase == fairlead.Paused && st.Reason == fairlead.ReasonApproval:
		return "it waits for an approval; use approve"
	case v.cmd.Verb == fairlead.CmdUndo && (st.Phase == fairlead.Progressing || st.Phase == fairlead.Paused):
		return "it is under way; use abort"
	case v.cmd.Verb == fairlead.CmdUndo && st.Phase == fairlead.Healthy:
		return "it is not the endpoint's latest change, or another release is under way"
	case v.cmd.Verb == fairlead.CmdRetry && st.Phase.Terminal() && st.Phase != fairlead.Healthy:
		return "the endpoint is not free"
	}
	return "the release is " + string(st.Phase)
}
