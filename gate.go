package fairlead

// Gate is a question about evidence. At least one bound is set. Absolute
// bounds (Max, Min) judge the candidate alone; relative ones compare it with
// the incumbent over the same time. A gate fails when harm beyond the bound is
// shown, passes when it is shown to be within, and is undecided otherwise.
type Gate struct {
	Metric      string    `json:"metric" maxLength:"63" doc:"error_rate, latency_p50|p90|p95|p99|p999|mean, accuracy, disagreement, or any metric sent as feedback"`
	Max         *Quantity `json:"max,omitempty" doc:"the candidate's value must stay below, e.g. 2% or 50ms"`
	Min         *Quantity `json:"min,omitempty" doc:"the candidate's value must stay above"`
	MaxIncrease *Quantity `json:"maxIncrease,omitempty" doc:"over the incumbent: relative (50%) or in percentage points (1pp)"`
	MaxDecrease *Quantity `json:"maxDecrease,omitempty" doc:"under the incumbent: relative (2%) or in percentage points (1pp)"`
	OnUndecided string    `json:"onUndecided,omitempty" enum:"hold,extend,rollback,promote" doc:"when the step's time is up and evidence does not suffice: hold (wait for a person), extend (wait for evidence until the progress deadline), rollback, promote; extend if absent"`
	MinSamples  int64     `json:"minSamples,omitempty" minimum:"0" doc:"no verdict before this many candidate observations"`
	Method      string    `json:"method,omitempty" enum:"sequential,threshold" doc:"sequential (anytime-valid, the default) or threshold (a plain comparison each interval)"`
	// Of method threshold alone:
	Interval     Duration `json:"interval,omitempty" doc:"threshold: how often to compare; 1m if absent"`
	FailureLimit int      `json:"failureLimit,omitempty" minimum:"0" doc:"threshold: this many failed comparisons are tolerated"`
}

// Policies for an undecided gate.
const (
	OnHold     = "hold"
	OnExtend   = "extend"
	OnRollback = "rollback"
	OnPromote  = "promote"
)

// Outcome of a gate.
type Outcome string

const (
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	Undecided Outcome = "undecided"
)

// Verdict is a gate's answer with everything that led to it. It is a pure
// function of the gate, the windows and alpha, so it can be replayed.
type Verdict struct {
	Gate    Gate    `json:"gate"`
	Outcome Outcome `json:"outcome" doc:"pass, fail or undecided"`
	Reason  string  `json:"reason" doc:"one sentence a person understands"`
	Test    string  `json:"test" doc:"the statistic, e.g. ratio e-process"`

	// Estimate is the effect on the gate's own scale (for maxIncrease 50% the
	// relative increase, for max 2% the candidate's rate); Low and High bound
	// it at the gate's confidence; Bound is the line it is held against.
	// A side that is not yet bounded is absent.
	Estimate *float64 `json:"estimate,omitempty" doc:"the effect on the gate's own scale"`
	Low      *float64 `json:"low,omitempty" doc:"its lower bound at the gate's confidence; absent while there is none"`
	High     *float64 `json:"high,omitempty" doc:"its upper bound, likewise"`
	Bound    float64  `json:"bound" doc:"the line it is held against"`
	Unit     string   `json:"unit,omitempty" doc:"%, pp, s or empty"`

	// Evidence, in nats, and the line it must cross: fail when HarmLogE ≥
	// HarmLine, pass when SafeLogE ≥ SafeLine.
	HarmLogE float64 `json:"harmLogE" doc:"evidence of harm, in nats"`
	HarmLine float64 `json:"harmLine" doc:"fail when harmLogE reaches it"`
	SafeLogE float64 `json:"safeLogE" doc:"evidence of being within the bound, in nats"`
	SafeLine float64 `json:"safeLine" doc:"pass when safeLogE reaches it"`

	Candidate Summary `json:"candidate"`
	Incumbent Summary `json:"incumbent"`
	// Provable is the bound that the evidence so far does prove, on the gate's
	// scale; absent when none is.
	Provable *float64 `json:"provable,omitempty" doc:"the bound that the evidence so far does prove"`
}

// Summary of one arm's evidence behind a verdict.
type Summary struct {
	N     int64   `json:"n" doc:"observations"`
	X     int64   `json:"x,omitempty" doc:"events among them, for rates"`
	Value float64 `json:"value" doc:"rate, mean or quantile"`
}
