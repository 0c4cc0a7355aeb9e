package release

import (
	"fmt"
	"slices"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/strategy"
)

// Row is one transition: from these phases to that one, when the condition
// holds. The first row that applies is taken.
type Row struct {
	Name string
	From []fairlead.Phase
	To   fairlead.Phase // empty: the phase stays
	When string         // the condition, in words
	What string         // what happens, in words
	Why  string         // why the row is there, or stands where it stands
	// Judged rows stand on the gates' verdicts: these are kept in the status and
	// the evidence goes into the ledger.
	Judged bool
	// ifChecked rows are judged only where the step checks its gates; where a
	// hold or a person moved the release, the gates decided nothing.
	ifChecked bool

	when func(v *view) (message string, ok bool)
	what func(v *view, message string)
}

// Rows is the whole machine, in the order of judgement.
func Rows() []Row { return table() }

func phases(p ...fairlead.Phase) []fairlead.Phase { return p }

func moving() []fairlead.Phase { return phases(fairlead.Progressing, fairlead.Paused) }

func exposed() []fairlead.Phase { return append(moving(), fairlead.Guarding) }

func every() []fairlead.Phase {
	return phases(fairlead.Pending, fairlead.Progressing, fairlead.Paused, fairlead.Guarding,
		fairlead.RollingBack, fairlead.Healthy, fairlead.Degraded, fairlead.Observed)
}

// table lists stops before goes: see the package's comment.
func table() []Row {
	return slices.Concat(stops(), begins(), clocks(), goes(), limits())
}

func by(c *fairlead.Command) string {
	s := c.By
	if c.Comment != "" {
		s += ": " + c.Comment
	}
	return s
}

// stops are what takes exposure away at once.
func stops() []Row {
	return []Row{{
		Name: "gone", From: phases(fairlead.Pending, fairlead.Progressing, fairlead.Paused, fairlead.Guarding, fairlead.RollingBack), To: fairlead.Degraded,
		When: "the endpoint does not exist any more", What: "ends", Why: "nothing is left to move",
		when: func(v *view) (string, bool) {
			return fmt.Sprintf("Endpoint %s does not exist any more.", v.r.Spec.Endpoint), v.s.Gone
		},
		what: func(v *view, m string) {
			v.say(fairlead.Degraded, fairlead.ReasonAborted, m)
			v.end(fairlead.Degraded)
		},
	}, {
		Name: "abort", From: append(phases(fairlead.Pending), exposed()...), To: fairlead.RollingBack,
		When: "a person aborts", What: "exposure to zero", Why: "whatever else is the case, a person can stop it",
		when: func(v *view) (string, bool) {
			if !v.asked(fairlead.CmdAbort) {
				return "", false
			}
			return "Aborted by " + by(v.cmd) + ".", true
		},
		what: func(v *view, m string) { v.took(); v.turnBack(fairlead.ReasonAborted, m) },
	}, {
		Name: "undo", From: phases(fairlead.Guarding), To: fairlead.RollingBack,
		When: "a person undoes it within the guard", What: "exposure to zero; the incumbent is still warm", Why: "the switch back is instant",
		when: func(v *view) (string, bool) {
			if !v.asked(fairlead.CmdUndo) {
				return "", false
			}
			return "Undone by " + by(v.cmd) + ".", true
		},
		what: func(v *view, m string) { v.took(); v.turnBack(fairlead.ReasonUndone, m) },
	}, {
		Name: "undo-ended", From: phases(fairlead.Healthy), To: fairlead.RollingBack,
		When: "a person undoes it later, it was the endpoint's latest release and none is under way",
		What: "the endpoint returns to its previous version", Why: "undo is one step, also after the guard",
		when: func(v *view) (string, bool) {
			if !v.asked(fairlead.CmdUndo) || !v.undoable() {
				return "", false
			}
			return fmt.Sprintf("Undone by %s; endpoint %s returns to %s.", by(v.cmd), v.r.Spec.Endpoint, v.s.Endpoint.Status.Previous), true
		},
		what: func(v *view, m string) {
			v.took()
			v.serve(v.s.Endpoint.Status.Previous)
			v.changeEndpoint().Release = v.r.Meta.Name
			v.r.Status.Ended = time.Time{}
			v.turnBack(fairlead.ReasonUndone, m)
		},
	}, {
		Name: "pause", From: moving(), To: fairlead.Paused,
		When: "a person pauses, and it is not paused by a person already", What: "the step's clock and deadline stand still; exposure stays", Why: "a person wants to look",
		when: func(v *view) (string, bool) {
			if !v.asked(fairlead.CmdPause) || v.r.Status.Reason == fairlead.ReasonPaused {
				return "", false
			}
			return "Paused by " + by(v.cmd) + ".", true
		},
		what: func(v *view, m string) { v.took(); v.pause(fairlead.ReasonPaused, m) },
	}, {
		Name: "tripwire", From: exposed(), To: fairlead.RollingBack, Judged: true,
		When: "a gateway turned the candidate off", What: "exposure to zero", Why: "the gateway has acted; the plan follows",
		when: func(v *view) (string, bool) {
			for _, t := range v.s.Trips {
				if t.Stratum.Release == v.r.Meta.Name && t.Stratum.Attempt == v.r.Status.Attempt {
					return "A gateway's tripwire turned the candidate off: " + t.Reason, true
				}
			}
			return "", false
		},
		what: func(v *view, m string) { v.turnBack(fairlead.ReasonTripwire, m) },
	}, {
		Name: "harm", From: exposed(), To: fairlead.RollingBack, Judged: true,
		When: "a gate fails", What: "exposure to zero", Why: "harm gates are armed at every step, while paused and in the guard",
		when: func(v *view) (string, bool) {
			for _, d := range v.s.Verdicts {
				if d.Outcome == fairlead.Fail {
					return "Gate " + d.Gate.Metric + " failed: " + d.Reason, true
				}
			}
			return "", false
		},
		what: func(v *view, m string) { v.turnBack(fairlead.ReasonGate, m) },
	}}
}

func (v *view) undoable() bool {
	e := v.s.Endpoint.Status
	return !v.s.Gone && e.Release == "" && e.Previous != "" && e.Version == v.r.Status.Candidate &&
		len(e.History) > 0 && e.History[len(e.History)-1].Release == v.r.Meta.Name
}

func (v *view) free() bool {
	return !v.s.Gone && (v.s.Endpoint.Status.Release == "" || v.s.Endpoint.Status.Release == v.r.Meta.Name)
}

// begins are what starts an attempt.
func begins() []Row {
	return []Row{{
		Name: "refuse", From: phases(fairlead.Pending), To: fairlead.Degraded,
		When: "its strategy does not compile", What: "ends", Why: "nothing may begin without its whole plan (op refuses such a release; a newer build may know less)",
		when: func(v *view) (string, bool) {
			if len(v.r.Status.Steps) > 0 {
				return "", false
			}
			if _, faults := strategy.Compile("/spec/strategy", v.r.Spec.Strategy); len(faults) > 0 {
				return "The strategy cannot be run: " + faults[0].String(), true
			}
			return "", false
		},
		what: func(v *view, m string) {
			v.say(fairlead.Degraded, fairlead.ReasonAborted, m)
			v.end(fairlead.Degraded)
		},
	}, {
		Name: "begin", From: phases(fairlead.Pending), To: fairlead.Progressing,
		When: "the endpoint is free", What: "compiles the strategy, enters the first step", Why: "one release moves an endpoint at a time",
		when: func(v *view) (string, bool) {
			return fmt.Sprintf("Begun: %s from %s to %s.", v.r.Spec.Endpoint, v.serving(), v.candidate()), v.free()
		},
		what: func(v *view, m string) {
			st := &v.r.Status
			if len(st.Steps) == 0 {
				st.Steps, _ = strategy.Compile("/spec/strategy", v.r.Spec.Strategy)
			}
			st.Candidate = v.candidate()
			v.start(m)
		},
	}, {
		Name: "retry", From: phases(fairlead.Degraded, fairlead.Observed), To: fairlead.Progressing,
		When: "a person retries and the endpoint is free", What: "a new attempt from the first step, with fresh evidence", Why: "terminal is terminal but for a person",
		when: func(v *view) (string, bool) {
			if !v.asked(fairlead.CmdRetry) || !v.free() || len(v.r.Status.Steps) == 0 {
				return "", false
			}
			return fmt.Sprintf("Attempt %d, asked for by %s.", v.r.Status.Attempt+1, by(v.cmd)), true
		},
		what: func(v *view, m string) { v.took(); v.start(m) },
	}}
}

func (v *view) candidate() string {
	if v.r.Status.Candidate != "" {
		return v.r.Status.Candidate
	}
	return v.r.Spec.Candidate
}

// clocks are what the gateways confirm.
func clocks() []Row {
	return []Row{{
		Name: "in-force", From: exposed(),
		When: "every live gateway serves the step's exposure", What: "the step's clock starts", Why: "a hold counts only while the exposure is real",
		when: func(v *view) (string, bool) {
			g := v.s.Gateways
			return fmt.Sprintf("In force on %d of %d gateways.", g.Applied, g.Live), v.r.Status.StepSince.IsZero() && g.all()
		},
		what: func(v *view, _ string) { v.r.Status.StepSince = v.now },
	}, {
		Name: "turned-back", From: phases(fairlead.RollingBack), To: fairlead.Degraded,
		When: "every live gateway confirms zero exposure, or none has been heard of for the time a gateway counts as live",
		What: "ends; the endpoint is free", Why: "the rollback is over only when traffic has moved",
		when: func(v *view) (string, bool) {
			g := v.s.Gateways
			if g.Live == 0 {
				return v.r.Status.Message + " No gateway is reporting; whichever returns takes the newest route.",
					!v.now.Before(v.r.Status.Entered.Add(GatewayTTL))
			}
			return v.r.Status.Message, g.all()
		},
		what: func(v *view, m string) { v.r.Status.Message = m; v.end(fairlead.Degraded) },
	}, {
		Name: "healthy", From: phases(fairlead.Guarding), To: fairlead.Healthy,
		When: "in force and the guard's hold is over", What: "the candidate becomes the endpoint's version", Why: "the incumbent need not stay warm any longer",
		when: func(v *view) (string, bool) {
			return fmt.Sprintf("Endpoint %s is served by %s.", v.r.Spec.Endpoint, v.r.Status.Candidate), v.held()
		},
		what: func(v *view, m string) {
			v.say(fairlead.Healthy, fairlead.ReasonPromoted, m)
			v.serve(v.r.Status.Candidate)
			v.r.Status.Weight = fairlead.FullWeight
			v.end(fairlead.Healthy)
		},
	}}
}
