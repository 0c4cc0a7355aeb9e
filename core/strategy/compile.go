package strategy

import (
	"fairlead.dev"
)

// Kind is one strategy.
type Kind struct {
	Name string // as a manifest spells it: strategy: {<name>: {…}}
	Doc  string // what it is for, one sentence
	// New gives a pointer to a zero spec: a struct with json tags, and doc and
	// bound tags like the nouns', for decoders and reference pages.
	New func() any
	// Compile turns a spec (what New gave, filled in) into steps. Paths of its
	// faults are relative to the spec: /steps/1/weight.
	Compile func(spec any) ([]fairlead.Step, []fairlead.Fault)
}

// Bounds of what a person may write.
const (
	MaxSteps   = 100
	MaxSamples = int64(1e12)
)

// Compile turns a strategy into steps. Path is where the strategy stands in its
// document (/spec/strategy); faults carry paths below it. A field that the kind
// does not know is a fault that lists the known ones. With any fault there are
// no steps.
func Compile(path string, s fairlead.Strategy) ([]fairlead.Step, []fairlead.Fault) {
	var names []string
	for _, k := range Kinds() {
		if k.Name != s.Kind {
			names = append(names, k.Name)
			continue
		}
		path += "/" + k.Name
		spec := k.New()
		faults := decode(path, s.Spec, spec)
		if len(faults) > 0 {
			return nil, faults
		}
		steps, faults := k.Compile(spec)
		if len(faults) > 0 {
			for i := range faults {
				faults[i].Path = path + faults[i].Path
			}
			return nil, faults
		}
		return steps, nil
	}
	if s.Kind == "" {
		return nil, []fairlead.Fault{{Path: path, Message: "a strategy is missing", Want: "one of the known strategies", Known: names}}
	}
	return nil, []fairlead.Fault{{Path: path + "/" + escape(s.Kind), Message: "unknown strategy", Got: clip(s.Kind), Known: names}}
}

// checkSamples gives the fault of a number of samples out of bounds.
func checkSamples(path string, n int64) []fairlead.Fault {
	if n >= 0 && n <= MaxSamples {
		return nil
	}
	return []fairlead.Fault{{Path: path, Message: "samples out of range", Want: "0 to 10¹²", Got: itoa(n)}}
}

// checkHold gives the fault of a hold out of bounds (only a spec that was not
// read from text can have one).
func checkHold(path string, d fairlead.Duration) []fairlead.Fault {
	if d >= 0 && d.Std() <= fairlead.MaxDuration {
		return nil
	}
	return []fairlead.Fault{{Path: path, Message: "hold out of range", Want: "0s to 400d", Got: d.String()}}
}

// checkWeight gives the fault of a share out of bounds.
func checkWeight(path string, w fairlead.Weight, min fairlead.Weight) []fairlead.Fault {
	if w >= min && w <= fairlead.FullWeight {
		return nil
	}
	return []fairlead.Fault{{Path: path, Message: "share out of range", Want: min.String() + " to 100%", Got: w.String()}}
}

// checkApprover gives the fault of an approver's name that no token can have.
func checkApprover(path string, a *fairlead.Approve) []fairlead.Fault {
	if a == nil || a.By == "" {
		return nil
	}
	return fairlead.CheckName(path+"/by", a.By)
}
