package strategy

import (
	"strconv"

	"fairlead.dev"
)

// Canary is the spec of strategy canary: the candidate's share grows step by
// step.
type Canary struct {
	Steps []CanaryStep `json:"steps" minItems:"1" maxItems:"100" doc:"from little exposure to much; after the last one every gate is checked and the candidate takes all traffic"`
}

// CanaryStep is one stage. It says what the candidate sees (absent: as in the
// step before) and, by at least one of hold, samples and approve, when it ends;
// with several, all must hold.
type CanaryStep struct {
	Weight  *fairlead.Weight  `json:"weight,omitempty" doc:"the candidate's share of traffic, e.g. 5%; never less than in an earlier step; ends mirroring"`
	Mirror  *fairlead.Weight  `json:"mirror,omitempty" doc:"share of requests copied to the candidate, whose answers nobody sees; before the first weight alone"`
	Hold    fairlead.Duration `json:"hold,omitempty" doc:"stay at least this long, e.g. 10m"`
	Samples int64             `json:"samples,omitempty" minimum:"0" doc:"stay until the candidate answered this many requests in this step"`
	Approve *fairlead.Approve `json:"approve,omitempty" doc:"wait for a person"`
}

func canary() Kind {
	return Kind{
		Name: "canary",
		Doc:  "gives the candidate a small share of real traffic and raises it step by step",
		New:  func() any { return &Canary{} },
		Compile: func(spec any) ([]fairlead.Step, []fairlead.Fault) {
			return spec.(*Canary).compile()
		},
	}
}

func (c *Canary) compile() ([]fairlead.Step, []fairlead.Fault) {
	if n := len(c.Steps); n == 0 || n > MaxSteps {
		return nil, []fairlead.Fault{{Path: "/steps", Message: "number of steps out of range", Want: "1 to 100 steps, e.g. {weight: 5%, hold: 10m}", Got: strconv.Itoa(n)}}
	}
	var (
		steps          []fairlead.Step
		faults         []fairlead.Fault
		weight, mirror fairlead.Weight
	)
	for i, s := range c.Steps {
		path := "/steps/" + strconv.Itoa(i)
		faults = append(faults, checkHold(path+"/hold", s.Hold)...)
		faults = append(faults, checkSamples(path+"/samples", s.Samples)...)
		faults = append(faults, checkApprover(path+"/approve", s.Approve)...)
		step := fairlead.Step{Hold: s.Hold, Samples: s.Samples, Approve: s.Approve}
		if s.Mirror != nil {
			switch {
			case s.Weight != nil:
				faults = append(faults, fairlead.Fault{Path: path + "/mirror", Message: "a step exposes by weight or by mirror, not by both", Want: "a mirror step before the first weight step"})
			case weight > 0:
				faults = append(faults, fairlead.Fault{Path: path + "/mirror", Message: "the candidate already answers callers; mirroring belongs before the first weight"})
			default:
				faults = append(faults, checkWeight(path+"/mirror", *s.Mirror, 0)...)
			}
			mirror, step.Mirror = *s.Mirror, share(*s.Mirror)
		}
		if s.Weight != nil {
			faults = append(faults, checkWeight(path+"/weight", *s.Weight, 1)...)
			if *s.Weight < weight {
				faults = append(faults, fairlead.Fault{Path: path + "/weight", Message: "weights must not decrease", Want: "at least " + weight.String(), Got: s.Weight.String()})
			}
			weight, mirror = max(weight, *s.Weight), 0
			// Copies and real traffic are never mixed in one stratum: that would
			// spoil the share on which the ratio tests stand.
			step.Weight, step.Mirror = share(*s.Weight), share(0)
		}
		if s.Hold == 0 && s.Samples == 0 && s.Approve == nil {
			faults = append(faults, fairlead.Fault{Path: path, Message: "the step does not say when it ends", Want: "at least one of hold, samples, approve"})
		}
		if s.Samples > 0 && weight == 0 && mirror == 0 {
			faults = append(faults, fairlead.Fault{Path: path + "/samples", Message: "the candidate has no traffic yet, so the step would never end", Want: "a weight or mirror in this step or before"})
		}
		steps = append(steps, step)
	}
	if weight == 0 && len(faults) == 0 {
		faults = append(faults, fairlead.Fault{Path: "/steps", Message: "no step gives the candidate traffic", Want: "a step with a weight (or strategy shadow or bluegreen)"})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return append(steps, fairlead.Step{Check: true}, fairlead.Step{Promote: true}), nil
}

func share(w fairlead.Weight) *fairlead.Weight { return &w }
