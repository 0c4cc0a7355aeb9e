package gate

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev"
)

// maxMetric bounds and metricRE shapes a metric's name.
const maxMetric = 63

var metricRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// Check gives the faults of one gate, their paths under path. A gate without
// faults can be judged.
func Check(path string, g fairlead.Gate) []fairlead.Fault {
	var faults []fairlead.Fault
	add := func(field string, f fairlead.Fault) {
		f.Path = path
		if field != "" {
			f.Path += "/" + field
		}
		faults = append(faults, f)
	}
	k, ok := kindOf(g.Metric)
	switch {
	case g.Metric == "":
		add("metric", fairlead.Fault{Message: "a gate needs a metric", Known: knownMetrics()})
	case len(g.Metric) > maxMetric || !metricRE.MatchString(g.Metric):
		add("metric", fairlead.Fault{Message: "not a valid metric name", Want: "1 to 63 letters, digits, '.', '_' or '-'", Got: quoted(g.Metric)})
		ok = false
	case !ok:
		add("metric", fairlead.Fault{Message: "unknown latency metric", Got: quoted(g.Metric), Known: knownMetrics()})
	}
	bounds := []struct {
		field            string
		q                *fairlead.Quantity
		change, increase bool
	}{{"max", g.Max, false, true}, {"min", g.Min, false, false}, {"maxIncrease", g.MaxIncrease, true, true}, {"maxDecrease", g.MaxDecrease, true, false}}
	any := false
	for _, b := range bounds {
		if b.q == nil {
			continue
		}
		any = true
		if !ok {
			continue
		}
		for _, f := range checkBound(k, g.Metric, *b.q, b.change, b.increase, g.Method == methodThreshold) {
			add(b.field, f)
		}
	}
	if !any {
		add("", fairlead.Fault{Message: "a gate needs a bound", Want: "at least one of max, min, maxIncrease, maxDecrease"})
	}
	if g.Max != nil && g.Min != nil && g.Min.Value >= g.Max.Value {
		add("min", fairlead.Fault{Message: "min must be below max, or nothing can be within", Want: "less than " + g.Max.String(), Got: g.Min.String()})
	}
	if !slices.Contains([]string{"", fairlead.OnHold, fairlead.OnExtend, fairlead.OnRollback, fairlead.OnPromote}, g.OnUndecided) {
		add("onUndecided", fairlead.Fault{Message: "unknown policy", Got: quoted(g.OnUndecided),
			Known: []string{fairlead.OnHold, fairlead.OnExtend, fairlead.OnRollback, fairlead.OnPromote}})
	}
	if g.MinSamples < 0 {
		add("minSamples", fairlead.Fault{Message: "cannot be negative", Want: "0 or more", Got: strconv.FormatInt(g.MinSamples, 10)})
	}
	switch g.Method {
	case "", methodSequential:
		if g.Interval != 0 {
			add("interval", fairlead.Fault{Message: "only method: threshold has an interval; sequential gates judge at every moment", Got: g.Interval.String()})
		}
		if g.FailureLimit != 0 {
			add("failureLimit", fairlead.Fault{Message: "only method: threshold has a failure limit; sequential gates fail once harm is proven", Got: strconv.Itoa(g.FailureLimit)})
		}
	case methodThreshold:
		if g.Interval < 0 {
			add("interval", fairlead.Fault{Message: "cannot be negative", Got: g.Interval.String()})
		}
		if g.FailureLimit < 0 {
			add("failureLimit", fairlead.Fault{Message: "cannot be negative", Want: "0 or more", Got: strconv.Itoa(g.FailureLimit)})
		}
	default:
		add("method", fairlead.Fault{Message: "unknown method", Got: quoted(g.Method), Known: []string{methodSequential, methodThreshold}})
	}
	return faults
}

// CheckAll is Check for a release's gates, with what only the list shows: two
// gates of one metric that set the same bound by the same method.
func CheckAll(path string, gates []fairlead.Gate) []fairlead.Fault {
	var faults []fairlead.Fault
	seen := map[string]int{}
	for i, g := range gates {
		at := fmt.Sprintf("%s/%d", path, i)
		faults = append(faults, Check(at, g)...)
		method := g.Method
		if method == "" {
			method = methodSequential
		}
		for _, b := range boundsOf(g) {
			key := fmt.Sprintf("%s %s %v %v", g.Metric, method, b.change, b.increase)
			if first, dup := seen[key]; dup {
				faults = append(faults, fairlead.Fault{Path: at, Message: fmt.Sprintf("repeats the bound of gate %d on %s", first, quoted(g.Metric)),
					Want: "one gate for each metric, bound and method"})
				break
			}
			seen[key] = i
		}
	}
	return faults
}

// checkBound gives the faults of one bound of a known metric.
func checkBound(k kind, metric string, q fairlead.Quantity, change, increase, plain bool) []fairlead.Fault {
	fault := func(message, want string) []fairlead.Fault {
		return []fairlead.Fault{{Message: message, Want: want, Got: q.String()}}
	}
	if k.smaller && !increase {
		return fault("of "+metric+" only growth is harm", "max or maxIncrease")
	}
	if k.alone && change {
		return fault("the incumbent has no "+metric+" to compare with", "max")
	}
	units := k.absolute
	if change {
		units = k.change
	}
	if !slices.Contains(units, q.Unit) {
		return fault("this unit does not fit "+metric, wantUnits(units))
	}
	v := q.Value
	share := len(k.absolute) > 0 && k.absolute[0] == "%" // a rate, or a metric that may be one
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return fault("not a number", "")
	case change && v < 0:
		return fault("a tolerated change cannot be negative", "0 or more")
	case change && !increase && q.Unit == "%" && v >= 1:
		return fault("nothing can drop by more than 100%", "less than 100%")
	case change && q.Unit == "pp" && v >= 1:
		return fault("no share can move by more than 100pp", "less than 100pp")
	case change && q.Unit == "%" && v > 1000:
		return fault("so large a change bounds nothing", "at most 100000%")
	case !change && q.Unit == "s" && v <= 0:
		return fault("a latency is above zero", "a duration above 0s")
	case !change && q.Unit == "s" && v > 1000:
		return fault("beyond what latencies are recorded to", "at most 1000s")
	case !change && share && (k.name != "feedback" || q.Unit == "%") && (v < 0 || v > 1 || (!plain && (v <= 0 || v >= 1))):
		return fault("no evidence can show a share to be beyond or within this", "more than 0% and less than 100%")
	}
	return nil
}

func wantUnits(units []string) string {
	var out []string
	for _, u := range units {
		switch u {
		case "%":
			out = append(out, "a percentage (50%)")
		case "pp":
			out = append(out, "percentage points (1pp)")
		case "s":
			out = append(out, "a duration (50ms)")
		case "":
			out = append(out, "a plain number (0.5)")
		}
	}
	return strings.Join(out, " or ")
}

// quoted shows user text in a message, cut at 80 bytes.
func quoted(s string) string {
	if len(s) > 80 {
		return strconv.Quote(s[:80]) + "…"
	}
	return strconv.Quote(s)
}
