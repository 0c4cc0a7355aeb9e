package fairlead

import "time"

// Release is one attempt to move an endpoint from its incumbent to a candidate.
type Release struct {
	TypeMeta
	Meta   Meta          `json:"metadata"`
	Spec   ReleaseSpec   `json:"spec"`
	Status ReleaseStatus `json:"status,omitzero" readOnly:"true"`
	// Commands are recorded by op and seen by the release loop.
	Commands []Command `json:"commands,omitempty" readOnly:"true"`
}

// ReleaseSpec never changes once the release exists.
type ReleaseSpec struct {
	Endpoint         string   `json:"endpoint" doc:"the endpoint to move"`
	Candidate        string   `json:"candidate" doc:"model@version or model@alias; an alias is resolved once, at creation"`
	Strategy         Strategy `json:"strategy" doc:"one of the known strategies, e.g. canary"`
	Gates            []Gate   `json:"gates,omitempty" maxItems:"50" doc:"questions that the evidence must answer"`
	Risk             Risk     `json:"risk,omitzero"`
	Guard            Guard    `json:"guard,omitzero"`
	ProgressDeadline Duration `json:"progressDeadline,omitempty" doc:"how long a step may wait beyond its hold for evidence or for a healthy candidate before the release is turned back; 1h if absent. Time spent paused or awaiting approval does not count"`
}

// Risk is shared by all gates of a release.
type Risk struct {
	Alpha float64 `json:"alpha,omitempty" minimum:"0" maximum:"0.5" doc:"chance of turning back a harmless candidate, over the whole release and all gates; 0.05 if absent"`
}

// Guard is the watch after 100 %: the incumbent stays warm and the harm gates armed.
type Guard struct {
	Hold Duration `json:"hold,omitempty" doc:"how long to watch after promotion; 0s if absent"`
	// Holdout keeps a concurrent baseline: without it relative gates have nothing
	// to compare with once the candidate takes everything.
	Holdout Weight `json:"holdout,omitempty" doc:"share of traffic that stays with the incumbent during the guard, so that relative gates keep a baseline, e.g. 5%; 0% if absent"`
}

// Defaults of a release.
const (
	DefaultAlpha            = 0.05
	DefaultProgressDeadline = Duration(time.Hour)
)

// Phase of a release, in words that users of Argo Rollouts know.
type Phase string

const (
	Pending     Phase = "Pending"     // recorded, not begun
	Progressing Phase = "Progressing" // moving through its steps
	Paused      Phase = "Paused"      // waits for a person: a pause, an approval or an undecided gate; Reason says which
	Guarding    Phase = "Guarding"    // 100 %, incumbent warm, gates armed
	RollingBack Phase = "RollingBack" // exposure is zero in the plan; gateways have yet to confirm
	Healthy     Phase = "Healthy"     // terminal: the candidate is the incumbent
	Degraded    Phase = "Degraded"    // terminal: the incumbent serves; the candidate does not
	Observed    Phase = "Observed"    // terminal: a shadow without promotion ended well; the incumbent serves as before
)

// Terminal reports whether nothing but a person's retry or undo can move the release on.
func (p Phase) Terminal() bool { return p == Healthy || p == Degraded || p == Observed }

// Reason codes of a ReleaseStatus.
const (
	ReasonSteps     = "Steps"            // Progressing
	ReasonPaused    = "PausedByUser"     // Paused
	ReasonApproval  = "WaitingApproval"  // Paused
	ReasonUndecided = "Undecided"        // Paused: a gate with onUndecided: hold; or Degraded with onUndecided: rollback
	ReasonPromoted  = "Promoted"         // Guarding, Healthy
	ReasonGate      = "GateFailed"       // RollingBack, Degraded
	ReasonTripwire  = "Tripwire"         // RollingBack, Degraded
	ReasonDeadline  = "ProgressDeadline" // RollingBack, Degraded
	ReasonAborted   = "Aborted"          // RollingBack, Degraded
	ReasonUndone    = "Undone"           // RollingBack, Degraded
	ReasonLoad      = "LoadFailed"       // RollingBack, Degraded: the candidate cannot be made ready
	ReasonObserved  = "Observed"         // Observed
)

// ReleaseStatus is written by the release loop alone, but for SeenCommand's
// counterpart Commands.
type ReleaseStatus struct {
	Phase     Phase     `json:"phase,omitempty" doc:"Pending, Progressing, Paused, Guarding, RollingBack, Healthy, Degraded or Observed"`
	Reason    string    `json:"reason,omitempty" doc:"why it is in this phase, in one word"`
	Message   string    `json:"message,omitempty" doc:"and in a sentence"`
	Candidate string    `json:"candidate,omitempty" doc:"the pinned version"`
	Incumbent string    `json:"incumbent,omitempty" doc:"the version that served when the attempt began"`
	Attempt   int       `json:"attempt,omitempty" doc:"1, and one more with each retry"`
	Steps     []Step    `json:"steps,omitempty" doc:"the compiled strategy"`
	Step      int       `json:"step" doc:"index into steps; len(steps) once promoted"`
	StepSince time.Time `json:"stepSince,omitzero" doc:"when the step's exposure was in force on every gateway; zero until then"`
	Entered   time.Time `json:"entered,omitzero" doc:"when the step was entered"`
	Weight    Weight    `json:"weight" doc:"the candidate's share that the plan allows now"`
	Mirror    Weight    `json:"mirror,omitempty" doc:"the share of requests copied to it"`
	// Waited is the time of the present step spent paused; PausedSince opens
	// the pause that is running.
	Waited      Duration   `json:"waited,omitempty" doc:"time of the present step spent paused"`
	PausedSince time.Time  `json:"pausedSince,omitzero" doc:"when the pause that is running began"`
	Approvals   []Approval `json:"approvals,omitempty"`
	SeenCommand int64      `json:"seenCommand,omitempty" doc:"number of the last command that the loop has carried out"`
	Started     time.Time  `json:"started,omitzero"`
	Ended       time.Time  `json:"ended,omitzero"`
	Verdicts    []Verdict  `json:"verdicts,omitempty" doc:"those behind the last transition"`
}

// Stratum of the present step.
func (r Release) Stratum() Stratum {
	return Stratum{Release: r.Meta.Name, Attempt: r.Status.Attempt, Step: r.Status.Step}
}

// Verbs of a Command.
const (
	CmdPause   = "pause"
	CmdResume  = "resume"
	CmdPromote = "promote" // go on to the next step; with Full, to 100 % at once
	CmdAbort   = "abort"
	CmdRetry   = "retry"
	CmdUndo    = "undo"
	CmdApprove = "approve"
)

// Command is what a person asked of a release: a recorded fact with a name and
// a time.
type Command struct {
	Seq     int64     `json:"seq"` // 1, 2, … within the release
	Verb    string    `json:"verb"`
	Full    bool      `json:"full,omitempty"`
	By      string    `json:"by"`
	Roles   []string  `json:"roles,omitempty"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// Approval is a given approval.
type Approval struct {
	Step    int       `json:"step"`
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}
