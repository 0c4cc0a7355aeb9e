// Package gate answers the questions that a release asks of its evidence. Begin
// at JudgeAll (judge.go); all.go lists the kinds of metrics, one file each:
// what bounds they know, how their numbers are read from counters, which test
// of core/stats judges them. Verdicts are pure functions of the gates, alpha and
// the windows, so they can be replayed.
//
//	windows ─▶ strata (evidence.go) ─▶ per bound: kind's test ─▶ pass | fail | undecided, with reasons
//
// A gate fails when harm beyond its bound is proven, passes when it is proven
// to be within, and is undecided otherwise: too little traffic is never safe.
// How alpha is shared is told in tripwire.go.
package gate
