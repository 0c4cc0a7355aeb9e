package gate

import (
	"math"

	"fairlead.dev"
)

// How alpha is spent. A release's false turn-backs come from three places, and
// their shares sum to one, so that together they stay within alpha:
//
//	gates      75 %  shared equally over the bounds of all sequential gates
//	tripwires  20 %  shared over tripStrata strata, as a tripwire starts anew in each
//	guard       5 %  the comparison with the incumbent's past at 100 % (guard.go)
//
// The safe side is not shared: a release passes only if every gate passes, so
// the chance of a wrong pass is that of its worst gate.
const (
	gateShare  = 0.75
	tripShare  = 0.20
	guardShare = 0.05
	// tripStrata is how many strata (steps × gateways) the tripwire's share is
	// divided over.
	tripStrata = 8
)

// Tolerated ratios of error rates.
const (
	// defaultTripRatio holds when no gate speaks of errors.
	defaultTripRatio = 2
	// looseTripRatio holds when a gate bounds errors in absolute terms or in
	// points: then a large ratio of small rates may be tolerated.
	looseTripRatio = 10
)

// Tripwires compiles the gates that a gateway can judge by itself: one, for the
// candidate's error rate against the incumbent's. It tolerates what the gates
// tolerate (the ratio of an error_rate gate's relative maxIncrease) and looks
// for catastrophes only (stats.TripLogE). Alpha is the release's; zero means
// the default. The share spent here and the share of the gates together stay
// within alpha.
func Tripwires(gates []fairlead.Gate, alpha float64) []fairlead.Tripwire {
	ratio := 0.0
	for _, g := range gates {
		if g.Metric != metricErrorRate {
			continue
		}
		switch {
		case g.MaxIncrease != nil && g.MaxIncrease.Unit == "%":
			ratio = max(ratio, 1+g.MaxIncrease.Value)
		case g.MaxIncrease != nil || g.Max != nil:
			ratio = max(ratio, looseTripRatio)
		}
	}
	if ratio == 0 {
		ratio = defaultTripRatio
	}
	return []fairlead.Tripwire{{
		Arm:     fairlead.Candidate,
		Ratio:   ratio,
		LogLine: math.Log(tripStrata / (tripShare * cleanAlpha(alpha))),
	}}
}

// cleanAlpha is alpha, or the default where it is absent or makes no sense.
func cleanAlpha(alpha float64) float64 {
	if !(alpha > 0 && alpha < 1) {
		return fairlead.DefaultAlpha
	}
	return alpha
}
