package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"fairlead.dev"
)

// Limits of feedback.
const (
	maxMetrics      = 32 // names an endpoint, over its life in this process
	maxFeedbackBody = 4 << 20
	maxFeedback     = 10000 // objects in one request
)

// accuracy is the metric that labels become.
const accuracy = "accuracy"

// metricRE is what names of feedback metrics look like.
var metricRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:-]{0,62}$`)

// FeedbackReply counts what became of the objects of one request.
type FeedbackReply struct {
	Accepted   int      `json:"accepted"`              // counted something new
	Duplicate  int      `json:"duplicate"`             // every metric of it had counted before
	Unknown    int      `json:"unknown"`               // no such answer is known here
	IDs        []string `json:"unknown_ids,omitempty"` // the first ten of those
	Expired    int      `json:"expired,omitempty"`     // too late: the feedback window of the answer is over
	ExpiredIDs []string `json:"expired_ids,omitempty"` // the first ten of those
}

// maxIDs bounds the ids in a reply.
const maxIDs = 10

// Feedback joins one outcome to the arm that answered. A repetition is no
// error and changes nothing; an unknown or expired request id is NotFound.
func (g *Gateway) Feedback(_ context.Context, f fairlead.Feedback) error {
	r, err := g.feedbacks([]fairlead.Feedback{f}, false)
	switch {
	case err != nil:
		return err
	case r.Unknown > 0:
		return fairlead.Errorf(fairlead.NotFound, "no answer with request id %.130q is known here", f.RequestID)
	case r.Expired > 0:
		return fairlead.Errorf(fairlead.NotFound, "the feedback for request %.130q comes too late: the feedback window of its answer is over", f.RequestID)
	}
	return nil
}

// find gives the decision of a request id, from memory or from the journal;
// nil if there is none. Callers hold feeding.
func (g *Gateway) find(id string) *decision {
	if d := g.index.get(id); d != nil || g.journal == nil {
		return d
	}
	k, counted, ok := g.journal.find(id)
	if !ok || len(fairlead.CheckName("", k.endpoint)) > 0 {
		return nil
	}
	d := &k.decision
	d.seen = counted
	if d.expires < g.now() {
		return d // of no further use
	}
	g.join(&k)
	return g.index.putBack(d)
}

// join finds the counters that a decision of the journal belongs to. A stratum
// of an earlier start begins anew here: reports carry this start's id. Feedback
// for ever so many releases of the past leaves room for those to come.
func (g *Gateway) join(k *kept) {
	d, ep := &k.decision, g.endpoint(k.endpoint)
	d.ep = ep
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if k.evidence {
		st := ep.strata[k.stratum]
		if st == nil && !ep.over[k.stratum] && len(ep.strata) < maxStrata/2 {
			st = &stratum{key: k.stratum, start: time.UnixMicro(k.at).UTC(), weight: k.weight, mirror: k.mirror, arms: map[[2]string]*armStats{}}
			st.last.Store(g.now())
			ep.strata[k.stratum] = st
		}
		if st != nil && st.weight == k.weight && st.mirror == k.mirror {
			d.stratum = st
			d.arm = st.armLocked(k.arm, k.version, g.mask)
			return
		}
	}
	d.arm = ep.asideLocked(k.arm, k.version, g.mask)
}

// observation is one metric of one feedback, ready to count.
type observation struct {
	d      *decision
	metric string
	n      int64
	sum    float64
	sum2   float64
}

// feedbacks takes a list, all or (when something is wrong with it) nothing.
func (g *Gateway) feedbacks(list []fairlead.Feedback, many bool) (FeedbackReply, error) {
	// One at a time: a decision that memory lost twice would count twice.
	g.feeding.Lock()
	defer g.feeding.Unlock()
	now := g.now()
	found := map[string]*decision{}
	var reply FeedbackReply
	var faults []fairlead.Fault
	obs := make([][]observation, 0, len(list))
	fresh := map[*endpoint]map[string]bool{}
	for i, f := range list {
		prefix := ""
		if many {
			prefix = fmt.Sprintf("[%d].", i)
		}
		if bad := checkFeedback(prefix, f); len(bad) > 0 {
			faults = append(faults, bad...)
			continue
		}
		d, ok := found[f.RequestID]
		if !ok {
			d = g.find(f.RequestID)
			found[f.RequestID] = d
		}
		switch {
		case d == nil:
			if reply.Unknown++; reply.Unknown <= maxIDs {
				reply.IDs = append(reply.IDs, f.RequestID)
			}
			continue
		case now > d.expires || !f.At.IsZero() && f.At.UnixMicro() > d.expires:
			if reply.Expired++; reply.Expired <= maxIDs {
				reply.ExpiredIDs = append(reply.ExpiredIDs, f.RequestID)
			}
			continue
		}
		var mine []observation
		for _, name := range slices.Sorted(keys(f.Metrics)) {
			v := f.Metrics[name]
			mine = append(mine, observation{d, name, 1, v, v * v})
		}
		if len(f.Label) > 0 && !bytes.Equal(f.Label, []byte("null")) && !g.index.marked(d, accuracy) {
			o, fault := judgeLabel(prefix+"label", d, f.Label)
			if fault != nil {
				faults = append(faults, *fault)
				continue
			}
			mine = append(mine, o)
		} else if len(f.Label) > 0 {
			mine = append(mine, observation{d: d, metric: accuracy}) // a duplicate: mark refuses it
		}
		for _, o := range mine {
			if fresh[d.ep] == nil {
				fresh[d.ep] = map[string]bool{}
			}
			fresh[d.ep][o.metric] = true
		}
		obs = append(obs, mine)
	}
	faults = append(faults, admitMetrics(fresh, len(faults) == 0)...)
	if len(faults) > 0 {
		return FeedbackReply{}, fairlead.Faulty("the feedback is not valid; nothing of it was taken", faults)
	}
	for _, mine := range obs {
		if g.count(mine) {
			reply.Accepted++
		} else {
			reply.Duplicate++
		}
	}
	return reply, nil
}

// count adds the observations of one feedback; false when all had counted.
func (g *Gateway) count(mine []observation) bool {
	var names []string
	for _, o := range mine {
		if !g.index.mark(o.d, o.metric) {
			continue
		}
		names = append(names, o.metric)
		o.d.arm.observe(o.metric, o.n, o.sum, o.sum2)
		o.d.stratum.touch()
	}
	if len(names) > 0 && g.journal != nil {
		g.journal.feedback(mine[0].d, names)
	}
	return len(names) > 0
}

func checkFeedback(prefix string, f fairlead.Feedback) []fairlead.Fault {
	var faults []fairlead.Fault
	if !validID(f.RequestID) {
		faults = append(faults, fairlead.Fault{Path: prefix + "request_id", Message: "not a request id",
			Want: "the Fairlead-Request-Id of an answer, 1 to 128 printable characters", Got: fmt.Sprintf("%.130q", f.RequestID)})
	}
	if len(f.Label) == 0 && len(f.Metrics) == 0 {
		faults = append(faults, fairlead.Fault{Path: strings.TrimSuffix(prefix, "."), Message: "says nothing", Want: "label, metrics or both"})
	}
	for _, name := range slices.Sorted(keys(f.Metrics)) {
		path := prefix + "metrics." + name
		switch v := f.Metrics[name]; {
		case !metricRE.MatchString(name):
			faults = append(faults, fairlead.Fault{Path: prefix + "metrics", Message: "not a metric's name",
				Want: "1 to 63 letters, digits, '_', '.', ':' or '-', beginning with a letter or '_'", Got: fmt.Sprintf("%.80q", name)})
		case name == "error_rate" || name == "disagreement" || strings.HasPrefix(name, "latency_"):
			faults = append(faults, fairlead.Fault{Path: path, Message: "the gateway measures this metric itself"})
		case math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e100:
			faults = append(faults, fairlead.Fault{Path: path, Message: "not a usable number", Want: "-1e100 to 1e100", Got: fmt.Sprint(v)})
		case name == accuracy && len(f.Label) > 0:
			faults = append(faults, fairlead.Fault{Path: path, Message: "the label says the accuracy already"})
		}
	}
	return faults
}

// admitMetrics bounds the metric names of each endpoint.
func admitMetrics(fresh map[*endpoint]map[string]bool, commit bool) []fairlead.Fault {
	var faults []fairlead.Fault
	for ep, names := range fresh {
		ep.mu.Lock()
		n := len(ep.metrics)
		for _, name := range slices.Sorted(keys(names)) {
			if ep.metrics[name] {
				continue
			}
			if n++; n > maxMetrics {
				faults = append(faults, fairlead.Fault{Path: "metrics." + name,
					Message: fmt.Sprintf("endpoint %q has its %d metrics already", ep.name, maxMetrics), Known: slices.Sorted(keys(ep.metrics))})
			}
		}
		ep.mu.Unlock()
	}
	if len(faults) > 0 || !commit {
		return faults
	}
	for ep, names := range fresh {
		ep.mu.Lock()
		for name := range names {
			if len(ep.metrics) < maxMetrics {
				ep.metrics[name] = true
			}
		}
		ep.mu.Unlock()
	}
	return nil
}

// judgeLabel compares a label (one value, or a list with one a row) with what
// was predicted.
func judgeLabel(path string, d *decision, raw json.RawMessage) (observation, *fairlead.Fault) {
	o := observation{d: d, metric: accuracy}
	if d.noLabel != "" {
		return o, &fairlead.Fault{Path: path, Message: "cannot be compared: " + d.noLabel}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return o, &fairlead.Fault{Path: path, Message: "not JSON"}
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) != len(d.labels) {
		return o, &fairlead.Fault{Path: path, Message: "wrong number of labels",
			Want: fmt.Sprintf("%d, one a row of the answer", len(d.labels)), Got: fmt.Sprint(len(list))}
	}
	for i, l := range list {
		if n, ok := l.(json.Number); ok {
			l = number(n)
		}
		same, ok := d.labels[i].equals(l)
		if !ok {
			at := path
			if len(list) > 1 {
				at = fmt.Sprintf("%s[%d]", path, i)
			}
			return o, &fairlead.Fault{Path: at, Message: "does not compare with the prediction",
				Want: kindName(d.labels[i].kind), Got: fmt.Sprintf("%.80q", fmt.Sprint(l))}
		}
		o.n++
		if same {
			o.sum++
			o.sum2++
		}
	}
	return o, nil
}

func kindName(k byte) string {
	switch k {
	case 's':
		return "a string"
	case 'b':
		return "true or false"
	}
	return "a number"
}

// keys of a map, as an iterator.
func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
