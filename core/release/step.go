package release

import (
	"slices"
	"time"

	"fairlead.dev"
)

// Step decides what the release does now. It changes none of its arguments.
// See the package's comment for how to call it.
func Step(r fairlead.Release, s Seen, now time.Time) Next {
	if r.Status.Phase == "" {
		r.Status.Phase = fairlead.Pending
	}
	v := &view{r: r, s: s, now: now, cmd: head(r)}
	from := Word(r.Status)
	for _, row := range table() {
		if !slices.Contains(row.From, r.Status.Phase) {
			continue
		}
		message, ok := row.when(v)
		if !ok {
			continue
		}
		before := v.r.Status
		judged := row.Judged && (!row.ifChecked || v.step().Check && len(s.Verdicts) > 0)
		v.r.Status.Steps = slices.Clone(before.Steps)
		v.r.Status.Approvals = slices.Clone(before.Approvals)
		row.what(v, message)
		if row.To != "" {
			v.r.Status.Phase = row.To
		}
		if judged {
			v.r.Status.Verdicts = slices.Clone(s.Verdicts)
		}
		return Next{
			Release:  v.r,
			Endpoint: v.endpoint,
			Changed:  true,
			Record: Record{Verb: "release." + row.Name, From: from, To: Word(v.r.Status),
				Reason: v.r.Status.Reason, Message: message, Judged: judged},
			Route: v.endpoint != nil || exposure(before) != exposure(v.r.Status),
			Wake:  now,
			Why:   []string{message},
		}
	}
	return Next{Release: r, Wake: v.wake(), Why: v.waiting()}
}

// exposure is all of a status that a route is compiled from. The stratum counts
// only while there is a candidate arm.
func exposure(s fairlead.ReleaseStatus) any {
	type key struct {
		arm            bool
		attempt, step  int
		candidate      string
		weight, mirror fairlead.Weight
	}
	switch s.Phase {
	case fairlead.Progressing, fairlead.Paused, fairlead.Guarding:
		return key{true, s.Attempt, s.Step, s.Candidate, s.Weight, s.Mirror}
	}
	return key{}
}

// view is what the rows look at and change.
type view struct {
	r        fairlead.Release
	s        Seen
	now      time.Time
	cmd      *fairlead.Command        // the oldest not yet seen
	endpoint *fairlead.EndpointStatus // set when changed
}

// head is the oldest command that the release has not seen.
func head(r fairlead.Release) *fairlead.Command {
	var first *fairlead.Command
	for i, c := range r.Commands {
		if c.Seq > r.Status.SeenCommand && (first == nil || c.Seq < first.Seq) {
			first = &r.Commands[i]
		}
	}
	return first
}

func (v *view) asked(verb string) bool { return v.cmd != nil && v.cmd.Verb == verb }

// took marks the command as seen.
func (v *view) took() {
	if v.cmd != nil {
		v.r.Status.SeenCommand = v.cmd.Seq
	}
}

func (v *view) say(phase fairlead.Phase, reason, message string) {
	v.r.Status.Phase, v.r.Status.Reason, v.r.Status.Message = phase, reason, message
}

// changeEndpoint gives the endpoint's status to change.
func (v *view) changeEndpoint() *fairlead.EndpointStatus {
	if v.endpoint == nil {
		e := v.s.Endpoint.Status
		e.History = slices.Clone(e.History)
		v.endpoint = &e
	}
	return v.endpoint
}

// serving is the version that serves the endpoint.
func (v *view) serving() string {
	if e := v.s.Endpoint; e.Status.Version != "" {
		return e.Status.Version
	}
	return v.s.Endpoint.Spec.Initial
}

// step is the present one; the zero Step in the guard.
func (v *view) step() fairlead.Step {
	if st := v.r.Status; st.Step >= 0 && st.Step < len(st.Steps) {
		return st.Steps[st.Step]
	}
	return fairlead.Step{}
}

// enter begins step i: its exposure is in the plan from now on, its clock
// starts when the gateways have it.
func (v *view) enter(i int, message string) {
	st := &v.r.Status
	st.Step = i
	v.restartClock()
	if i < len(st.Steps) {
		if w := st.Steps[i].Weight; w != nil {
			st.Weight = *w
		}
		if m := st.Steps[i].Mirror; m != nil {
			st.Mirror = *m
		}
	}
	v.say(fairlead.Progressing, fairlead.ReasonSteps, message)
}

func (v *view) restartClock() {
	st := &v.r.Status
	st.Entered, st.StepSince, st.Waited, st.PausedSince = v.now, time.Time{}, 0, time.Time{}
}

// start begins an attempt at step 0 and claims the endpoint.
func (v *view) start(message string) {
	st := &v.r.Status
	st.Attempt++
	st.Incumbent = v.serving()
	st.Weight, st.Mirror = 0, 0
	st.Approvals, st.Verdicts, st.Ended = nil, nil, time.Time{}
	if st.Started.IsZero() {
		st.Started = v.now
	}
	v.enter(0, message)
	if v.s.Endpoint.Status.Release != v.r.Meta.Name {
		v.changeEndpoint().Release = v.r.Meta.Name
	}
}

// promote gives the candidate all traffic and begins the guard.
func (v *view) promote(message string) {
	st := &v.r.Status
	st.Step, st.Weight, st.Mirror = len(st.Steps), max(st.Weight, fairlead.FullWeight-v.holdout()), 0
	v.restartClock()
	v.say(fairlead.Guarding, fairlead.ReasonPromoted, message)
}

// holdout is the incumbent's share in the guard. A guard that does not last
// needs no baseline.
func (v *view) holdout() fairlead.Weight {
	if v.r.Spec.Guard.Hold == 0 {
		return 0
	}
	return v.r.Spec.Guard.Holdout
}

// turnBack takes all exposure away. Step stays: it says how far the attempt came.
func (v *view) turnBack(reason, message string) {
	v.r.Status.Weight, v.r.Status.Mirror = 0, 0
	v.restartClock()
	v.say(fairlead.RollingBack, reason, message)
}

// end closes the release and frees the endpoint.
func (v *view) end(phase fairlead.Phase) {
	st := &v.r.Status
	st.Phase, st.Ended, st.PausedSince = phase, v.now, time.Time{}
	if phase != fairlead.Healthy {
		st.Weight, st.Mirror = 0, 0
	}
	if !v.s.Gone && v.s.Endpoint.Status.Release == v.r.Meta.Name {
		v.changeEndpoint().Release = ""
	}
}

// serve makes version the endpoint's, with a line of history.
func (v *view) serve(version string) {
	e := v.changeEndpoint()
	if len(e.History) == 0 {
		e.History = append(e.History, fairlead.Serve{Version: v.serving(), Since: v.s.Endpoint.Meta.Created})
	}
	e.Previous, e.Version = v.serving(), version
	e.History = append(e.History, fairlead.Serve{Version: version, Since: v.now, Release: v.r.Meta.Name})
}

// pause stops the step's clock.
func (v *view) pause(reason, message string) {
	if v.r.Status.PausedSince.IsZero() {
		v.r.Status.PausedSince = v.now
	}
	v.say(fairlead.Paused, reason, message)
}

// resume lets the clock run on; the time paused is added to Waited.
func (v *view) resume(message string) {
	st := &v.r.Status
	if !st.PausedSince.IsZero() {
		st.Waited += fairlead.Duration(max(0, v.now.Sub(st.PausedSince)))
		st.PausedSince = time.Time{}
	}
	v.say(fairlead.Progressing, fairlead.ReasonSteps, message)
}
