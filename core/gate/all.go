package gate

import "strings"

// kind is one kind of metric. A new one is a file and a line in kinds.
type kind struct {
	name  string
	doc   string
	match func(metric string) bool
	// smaller: only growth is harm, so only max and maxIncrease make sense.
	smaller bool
	// alone: the incumbent has no such number, so only absolute bounds do.
	alone bool
	// absolute and change are the units of max/min and of
	// maxIncrease/maxDecrease.
	absolute, change []string
	// judge fills in everything but what JudgeAll decides from the evidence.
	judge func(q question) answer
	// plain is the value of a stretch of time, for threshold gates; false when
	// the stretch has no observations.
	plain func(q question, s span) (value float64, ok bool)
}

// The metrics with names of their own.
const (
	metricErrorRate    = "error_rate"
	metricDisagreement = "disagreement"
	metricLatencyMean  = "latency_mean"
	latencyPrefix      = "latency_"
)

// kinds is the list; the first that matches a metric's name is the one, and
// the last takes every name that no other claims.
func kinds() []kind {
	return []kind{errorRate(), disagreement(), latencyMean(), latencyQuantile(), feedback()}
}

// kindOf finds the kind of a metric's name. Latency names that are not known
// are no feedback metric either.
func kindOf(metric string) (kind, bool) {
	for _, k := range kinds() {
		if k.match(metric) {
			return k, true
		}
	}
	return kind{}, false
}

func named(name string) func(string) bool {
	return func(m string) bool { return m == name }
}

// knownMetrics are the names to tell a person who wrote an unknown one.
func knownMetrics() []string {
	names := []string{metricErrorRate, metricDisagreement, metricLatencyMean}
	for _, q := range quantiles {
		names = append(names, q.metric)
	}
	return append(names, "accuracy", "any metric sent as feedback")
}

func isLatency(metric string) bool { return strings.HasPrefix(metric, latencyPrefix) }
