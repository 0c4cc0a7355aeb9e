package gateway

import (
	"bufio"
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// bounds of the exposed latency histogram, in seconds. Gates use the fine one.
var bounds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// series is one arm's line in the exposition.
type series struct {
	endpoint, arm, version string
	c                      fairlead.Counts
}

// WriteMetrics writes the gateway's counters in Prometheus' text format. The
// number of series is bounded by endpoints × versions served since the start;
// request ids and callers' keys never become labels.
func (g *Gateway) WriteMetrics(out io.Writer) error {
	w := &exposition{Writer: bufio.NewWriter(out)}
	eps, table := g.sortedEndpoints()
	var all []series
	for _, ep := range eps {
		all = append(all, ep.totals()...)
	}
	w.arms("fairlead_requests_total", "counter", "Requests answered or failed, by the arm they were given to; copies of mirrored arms included.", all,
		func(s series) float64 { return float64(s.c.Requests) })
	w.arms("fairlead_request_errors_total", "counter", "Of fairlead_requests_total, those that failed or timed out.", all,
		func(s series) float64 { return float64(s.c.Errors) })
	w.latency(all)
	w.arms("fairlead_mirror_dropped_total", "counter", "Mirrored copies that were not sent because the queue was full.", all,
		func(s series) float64 { return float64(s.c.Dropped) })
	w.arms("fairlead_mirror_compared_total", "counter", "Mirrored answers compared with the incumbent's.", all,
		func(s series) float64 { return float64(s.c.Compared) })
	w.arms("fairlead_mirror_differed_total", "counter", "Of fairlead_mirror_compared_total, those with another prediction.", all,
		func(s series) float64 { return float64(s.c.Differed) })

	w.head("fairlead_route_weight_ratio", "gauge", "Share of an endpoint's traffic that an arm receives now, 0 to 1.")
	for _, ep := range eps {
		if rt := table[ep.name]; rt != nil {
			for _, a := range rt.route.Arms {
				w.line("fairlead_route_weight_ratio", float64(a.Weight)/float64(fairlead.FullWeight), "endpoint", ep.name, "arm", a.Name, "version", a.Version)
			}
		}
	}
	w.head("fairlead_route_mirror_ratio", "gauge", "Share of an endpoint's traffic that is mirrored to an arm now, 0 to 1.")
	for _, ep := range eps {
		if rt := table[ep.name]; rt != nil {
			for _, a := range rt.route.Arms {
				w.line("fairlead_route_mirror_ratio", float64(a.Mirror)/float64(fairlead.FullWeight), "endpoint", ep.name, "arm", a.Name, "version", a.Version)
			}
		}
	}
	w.head("fairlead_route_revision", "gauge", "Revision of the route in force; 0 while the incumbent stands in for a route that was never whole.")
	for _, ep := range eps {
		if rt := table[ep.name]; rt != nil {
			w.line("fairlead_route_revision", float64(rt.plan.Revision), "endpoint", ep.name)
		}
	}
	w.head("fairlead_route_failed", "gauge", "1 while the newest route cannot be taken: the one before stays in force, or the incumbent answers alone where there is none.")
	forEach(eps, func(ep *endpoint) {
		ep.mu.Lock()
		failed := ep.failed > 0
		ep.mu.Unlock()
		w.line("fairlead_route_failed", bit(failed), "endpoint", ep.name)
	})
	w.head("fairlead_tripped", "gauge", "Arms that a tripwire holds off.")
	forEach(eps, func(ep *endpoint) {
		ep.mu.Lock()
		n := len(ep.trips)
		ep.mu.Unlock()
		w.line("fairlead_tripped", float64(n), "endpoint", ep.name)
	})
	w.head("fairlead_requests_in_flight", "gauge", "Requests being answered.")
	forEach(eps, func(ep *endpoint) {
		w.line("fairlead_requests_in_flight", float64(ep.inflight.Load()), "endpoint", ep.name)
	})
	w.head("fairlead_requests_rejected_total", "counter", "Requests that came to no arm's account: over the limit, invalid, or left by the caller.")
	forEach(eps, func(ep *endpoint) {
		for i, name := range rejectionNames {
			w.line("fairlead_requests_rejected_total", float64(ep.rejected[i].Load()), "endpoint", ep.name, "reason", name)
		}
	})
	if g.journal != nil {
		w.head("fairlead_journal_dropped_total", "counter", "Decisions that could not be journalled.")
		w.line("fairlead_journal_dropped_total", float64(g.journal.dropped.Load()))
	}
	return w.Flush()
}

func (g *Gateway) sortedEndpoints() ([]*endpoint, map[string]*compiled) {
	g.mu.Lock()
	defer g.mu.Unlock()
	eps := make([]*endpoint, 0, len(g.eps))
	for _, ep := range g.eps {
		eps = append(eps, ep)
	}
	slices.SortFunc(eps, func(a, b *endpoint) int { return cmp.Compare(a.name, b.name) })
	return eps, *g.table.Load()
}

// totals sums an endpoint's counters over strata, past ones included.
func (ep *endpoint) totals() []series {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	sum := map[[2]string]fairlead.Counts{}
	for k, c := range ep.retired {
		sum[k] = *c
	}
	for k, s := range ep.asides {
		sum[k] = sum[k].Add(s.counts())
	}
	for _, st := range ep.strata {
		for k, s := range st.arms {
			sum[k] = sum[k].Add(s.counts())
		}
	}
	out := make([]series, 0, len(sum))
	for k, c := range sum {
		out = append(out, series{ep.name, k[0], k[1], c})
	}
	slices.SortFunc(out, func(a, b series) int { return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.arm, b.arm)) })
	return out
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// exposition writes Prometheus' text format.
type exposition struct{ *bufio.Writer }

func (w *exposition) head(name, kind, help string) {
	_, _ = w.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

func forEach(eps []*endpoint, each func(*endpoint)) {
	for _, ep := range eps {
		each(ep)
	}
}

// line: labels are names and values in turn.
func (w *exposition) line(name string, v float64, labels ...string) {
	_, _ = w.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		_ = w.WriteByte(sep)
		_, _ = w.WriteString(labels[i] + `="` + labelEscaper.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		_ = w.WriteByte('}')
	}
	_, _ = w.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (w *exposition) arms(name, kind, help string, all []series, f func(series) float64) {
	w.head(name, kind, help)
	for _, s := range all {
		w.line(name, f(s), "endpoint", s.endpoint, "arm", s.arm, "version", s.version)
	}
}

// latency folds the fine histogram into a few buckets. The sum is that of the
// fine buckets' middles, within their width of the truth.
func (w *exposition) latency(all []series) {
	const name = "fairlead_request_duration_seconds"
	w.head(name, "histogram", "How long versions took to answer, failures included.")
	for _, s := range all {
		counts := make([]int64, len(bounds)+1)
		var sum float64
		var n int64
		for i, c := range s.c.Latency {
			k, _ := slices.BinarySearch(bounds, stats.BucketLow(i+1))
			counts[k] += c
			sum += stats.BucketMid(i) * float64(c)
			n += c
		}
		var cum int64
		for k, le := range bounds {
			cum += counts[k]
			w.line(name+"_bucket", float64(cum), "endpoint", s.endpoint, "arm", s.arm, "version", s.version, "le", strconv.FormatFloat(le, 'g', -1, 64))
		}
		w.line(name+"_bucket", float64(n), "endpoint", s.endpoint, "arm", s.arm, "version", s.version, "le", "+Inf")
		w.line(name+"_sum", sum, "endpoint", s.endpoint, "arm", s.arm, "version", s.version)
		w.line(name+"_count", float64(n), "endpoint", s.endpoint, "arm", s.arm, "version", s.version)
	}
}
