package strategy

import "fairlead.dev"

// Shadow is the spec of strategy shadow: the candidate gets copies of requests
// and callers never see its answers.
type Shadow struct {
	Mirror  *fairlead.Weight  `json:"mirror,omitempty" doc:"share of requests copied to the candidate; 100% if absent"`
	Hold    fairlead.Duration `json:"hold,omitempty" doc:"mirror at least this long; hold or samples must be given"`
	Samples int64             `json:"samples,omitempty" minimum:"0" doc:"mirror until the candidate answered this many copies"`
	Approve *fairlead.Approve `json:"approve,omitempty" doc:"with then: promote, wait for a person before it"`
	Then    string            `json:"then,omitempty" enum:"stop,promote" doc:"once every gate let it through: stop (the release ends as Observed, the incumbent goes on serving; the default) or promote (the candidate takes all traffic)"`
}

// What a shadow does once it has passed. A shadow is asked for evidence, so its
// normal end is a report: it stops without moving anyone unless told to.
const (
	ThenStop    = "stop"
	ThenPromote = "promote"
)

func shadow() Kind {
	return Kind{
		Name: "shadow",
		Doc:  "sends the candidate copies of real requests, compares, and reports; nobody is served by it",
		New:  func() any { return &Shadow{} },
		Compile: func(spec any) ([]fairlead.Step, []fairlead.Fault) {
			return spec.(*Shadow).compile()
		},
	}
}

func (s *Shadow) compile() ([]fairlead.Step, []fairlead.Fault) {
	mirror := fairlead.FullWeight
	if s.Mirror != nil {
		mirror = *s.Mirror
	}
	faults := checkWeight("/mirror", mirror, 1)
	faults = append(faults, checkHold("/hold", s.Hold)...)
	faults = append(faults, checkSamples("/samples", s.Samples)...)
	faults = append(faults, checkApprover("/approve", s.Approve)...)
	if s.Hold == 0 && s.Samples == 0 {
		faults = append(faults, fairlead.Fault{Message: "the shadow does not say when it ends", Want: "at least one of hold, samples"})
	}
	steps := []fairlead.Step{
		{Weight: share(0), Mirror: share(mirror), Hold: s.Hold, Samples: s.Samples},
		{Check: true},
	}
	switch s.Then {
	case "", ThenStop:
		if s.Approve != nil {
			faults = append(faults, fairlead.Fault{Path: "/approve", Message: "nothing follows that could be approved", Want: "then: promote"})
		}
	case ThenPromote:
		if s.Approve != nil {
			steps = append(steps, fairlead.Step{Approve: s.Approve})
		}
		steps = append(steps, fairlead.Step{Promote: true})
	default:
		faults = append(faults, fairlead.Fault{Path: "/then", Message: "unknown word", Got: clip(s.Then), Known: []string{ThenPromote, ThenStop}})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return steps, nil
}
