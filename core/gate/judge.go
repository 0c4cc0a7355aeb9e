package gate

import (
	"math"

	"fairlead.dev"
)

// bound is one of a gate's lines.
type bound struct {
	q        fairlead.Quantity
	change   bool // relative to the incumbent, else absolute
	increase bool // harm is growth: max and maxIncrease
}

func (b bound) relative() bool { return b.change && b.q.Unit == "%" }

// boundsOf lists the bounds that a gate sets.
func boundsOf(g fairlead.Gate) []bound {
	var out []bound
	for _, c := range []struct {
		q                *fairlead.Quantity
		change, increase bool
	}{{g.Max, false, true}, {g.Min, false, false}, {g.MaxIncrease, true, true}, {g.MaxDecrease, true, false}} {
		if c.q != nil {
			out = append(out, bound{*c.q, c.change, c.increase})
		}
	}
	return out
}

// question is one bound of one gate put to the evidence.
type question struct {
	metric             string
	bound              bound
	ev                 *evidence
	harmLine, safeLine float64
	guardLine          float64
}

// answer is what a kind's test found. Estimate and interval are on the bound's
// scale; NaN where there is none.
type answer struct {
	test                string
	estimate, low, high float64
	harm, safe          float64 // nats
	guard               float64 // nats of the comparison with the past at 100 %
	candidate           fairlead.Summary
	incumbent           fairlead.Summary
	facts               string // "12 of 400 candidate requests failed (3.0 %) against 1.0 %"
	missing             string // why the evidence cannot be judged yet, if so
}

func noAnswer(test, missing string) answer {
	nan := math.NaN()
	return answer{test: test, estimate: nan, low: nan, high: nan, missing: missing}
}

// JudgeAll answers every gate, in order. Alpha is the release's (0: the
// default); windows are the strata of the attempt in order, each merged over
// gateways, marks included. It never answers nil verdicts: without evidence
// they are undecided and say what is missing.
func JudgeAll(gates []fairlead.Gate, alpha float64, windows []fairlead.Window) []fairlead.Verdict {
	alpha = cleanAlpha(alpha)
	shares := 0
	for _, g := range gates {
		if g.Method != methodThreshold {
			shares += len(boundsOf(g))
		}
	}
	k := math.Log(float64(max(shares, 1)))
	lines := question{
		ev:        gather(windows),
		harmLine:  k - math.Log(gateShare*alpha),
		guardLine: k - math.Log(guardShare*alpha/2), // used twice, see guard
		safeLine:  -math.Log(alpha),
	}
	out := make([]fairlead.Verdict, len(gates))
	for i, g := range gates {
		out[i] = judgeGate(g, lines)
	}
	return out
}

// judgeGate judges each bound; the gate's verdict is that of the bound that
// decides: one that fails, else one that is undecided, else the last.
func judgeGate(g fairlead.Gate, lines question) fairlead.Verdict {
	k, ok := kindOf(g.Metric)
	bounds := boundsOf(g)
	if !ok || len(bounds) == 0 {
		return fairlead.Verdict{Gate: g, Outcome: fairlead.Undecided, Test: "none",
			Reason: "this gate cannot be judged: it has no bound or an unknown metric"}
	}
	var chosen fairlead.Verdict
	for i, b := range bounds {
		q := lines
		q.metric, q.bound = g.Metric, b
		var v fairlead.Verdict
		if g.Method == methodThreshold {
			v = threshold(g, k, q)
		} else {
			v = verdict(g, q, k.judge(q))
		}
		if i == 0 || rank(v.Outcome) >= rank(chosen.Outcome) {
			chosen = v
		}
	}
	return chosen
}

func rank(o fairlead.Outcome) int {
	switch o {
	case fairlead.Fail:
		return 2
	case fairlead.Undecided:
		return 1
	}
	return 0
}

// verdict turns an answer into a verdict: the lines are compared here and
// nowhere else.
func verdict(g fairlead.Gate, q question, a answer) fairlead.Verdict {
	v := fairlead.Verdict{
		Gate: g, Outcome: fairlead.Undecided, Test: a.test,
		Estimate: finite(a.estimate), Low: finite(a.low), High: finite(a.high),
		Bound: q.bound.q.Value, Unit: q.bound.q.Unit,
		HarmLogE: sane(a.harm), HarmLine: q.harmLine, SafeLogE: sane(a.safe), SafeLine: q.safeLine,
		Candidate: saneSummary(a.candidate), Incumbent: saneSummary(a.incumbent),
	}
	// What is proven is the end of the interval on the far side of harm.
	if q.bound.change || q.bound.increase {
		v.Provable = v.High
	} else {
		v.Provable = v.Low
	}
	atGuard := a.guard >= q.guardLine
	switch {
	case a.missing != "":
		v.Reason = join(a.facts, a.missing)
	case v.Candidate.N < g.MinSamples:
		v.Reason = join(a.facts, "no verdict before "+count(g.MinSamples)+" observations of the candidate")
	case a.harm >= q.harmLine || atGuard:
		v.Outcome = fairlead.Fail
		v.Reason = join(a.facts, q.bound.harmed()+" is proven")
		if a.harm < q.harmLine {
			v.Test += ", against the incumbent's past"
			v.HarmLogE, v.HarmLine = sane(a.guard), q.guardLine
			v.Reason = join(a.facts, "far beyond what the incumbent showed before it was replaced")
		}
	case a.safe >= q.safeLine:
		v.Outcome = fairlead.Pass
		v.Reason = join(a.facts, q.bound.safe()+" is proven")
	default:
		v.Reason = join(a.facts, q.bound.open(v.Provable))
	}
	return v
}

// finite is a pointer to f, or nil when f is not a number that JSON knows.
func finite(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}

// sane keeps nats within what JSON can carry.
func sane(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return min(max(f, -1e9), 1e9)
}

func saneSummary(s fairlead.Summary) fairlead.Summary {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		s.Value = 0
	}
	return s
}
