package strategy

import "fairlead.dev"

// BlueGreen is the spec of strategy bluegreen: the candidate stands fully loaded
// beside the incumbent, then takes all traffic at once.
type BlueGreen struct {
	Mirror  *fairlead.Weight  `json:"mirror,omitempty" doc:"check the candidate on copies of this share of requests before the switch; every gate must then let it through"`
	Hold    fairlead.Duration `json:"hold,omitempty" doc:"stand by (or mirror) at least this long before the switch"`
	Samples int64             `json:"samples,omitempty" minimum:"0" doc:"with mirror: until the candidate answered this many copies"`
	Approve *fairlead.Approve `json:"approve,omitempty" doc:"wait for a person before the switch"`
}

func bluegreen() Kind {
	return Kind{
		Name: "bluegreen",
		Doc:  "loads the candidate beside the incumbent and switches all traffic at once; the incumbent stays warm through the guard, so undo is instant",
		New:  func() any { return &BlueGreen{} },
		Compile: func(spec any) ([]fairlead.Step, []fairlead.Fault) {
			return spec.(*BlueGreen).compile()
		},
	}
}

// compile: without a mirror there is no evidence at weight 0 that a gate could
// judge, so there is no check before the switch; the harm gates watch the guard.
func (b *BlueGreen) compile() ([]fairlead.Step, []fairlead.Fault) {
	faults := checkHold("/hold", b.Hold)
	faults = append(faults, checkSamples("/samples", b.Samples)...)
	faults = append(faults, checkApprover("/approve", b.Approve)...)
	stand := fairlead.Step{Weight: share(0), Mirror: share(0), Hold: b.Hold, Samples: b.Samples}
	switch {
	case b.Mirror != nil:
		faults = append(faults, checkWeight("/mirror", *b.Mirror, 1)...)
		if b.Hold == 0 && b.Samples == 0 {
			faults = append(faults, fairlead.Fault{Path: "/mirror", Message: "the check on copies does not say when it ends", Want: "at least one of hold, samples"})
		}
		stand.Mirror = b.Mirror
	case b.Samples > 0:
		faults = append(faults, fairlead.Fault{Path: "/samples", Message: "without a mirror the candidate answers nothing before the switch, so it would never come", Want: "mirror as well, or hold instead"})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	steps := []fairlead.Step{stand}
	if b.Mirror != nil {
		steps = append(steps, fairlead.Step{Check: true})
	}
	if b.Approve != nil {
		steps = append(steps, fairlead.Step{Approve: b.Approve})
	}
	return append(steps, fairlead.Step{Promote: true}), nil
}
