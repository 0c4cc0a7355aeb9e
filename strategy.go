package fairlead

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Strategy is a recipe that compiles to Steps. A manifest writes it as one
// key, the kind, over that kind's own spec: {canary: {steps: […]}}. Kinds are
// listed in core/strategy; the rest of the house does not know them.
type Strategy struct {
	Kind string
	Spec json.RawMessage // canonical JSON of the kind's spec
}

func (s Strategy) MarshalJSON() ([]byte, error) {
	if s.Kind == "" {
		return []byte("null"), nil
	}
	spec := s.Spec
	if len(spec) == 0 {
		spec = json.RawMessage("{}")
	}
	return json.Marshal(map[string]json.RawMessage{s.Kind: spec})
}

func (s *Strategy) UnmarshalJSON(b []byte) error {
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		*s = Strategy{}
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	if len(m) != 1 {
		return fmt.Errorf("expected exactly one strategy, got %d", len(m))
	}
	for k, v := range m {
		s.Kind, s.Spec = k, v
	}
	return nil
}

// Step is one stage of a release. The words are few on purpose: the release
// machine knows these and nothing else. Exposure (Weight, Mirror) stays until
// a later step says otherwise; a step ends when all of its conditions hold.
type Step struct {
	Weight  *Weight  `json:"weight,omitempty" doc:"the candidate's share of traffic"`
	Mirror  *Weight  `json:"mirror,omitempty" doc:"share of requests the candidate gets a copy of; callers never see its answers"`
	Hold    Duration `json:"hold,omitempty" doc:"stay at least this long"`
	Samples int64    `json:"samples,omitempty" minimum:"0" doc:"stay until the candidate answered this many requests in this step"`
	Check   bool     `json:"check,omitempty" doc:"stay until every gate passes or its onUndecided policy lets it through"`
	Approve *Approve `json:"approve,omitempty" doc:"wait for a person"`
	Promote bool     `json:"promote,omitempty" doc:"the candidate takes all traffic; the guard period begins"`
}

// Approve names who may let a release go on: a token's role or its name; any
// operator when By is empty.
type Approve struct {
	By string `json:"by,omitempty" maxLength:"63"`
}
