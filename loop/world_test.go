package loop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/bus/local"
	"fairlead.dev/loop"
	"fairlead.dev/store"
	"fairlead.dev/store/mem"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var errCrash = errors.New("crashed")

// crashing is a store that dies before or after one of its commits, and stays
// dead.
type crashing struct {
	store.Store
	left  int  // commits until the crash; below 0: never
	after bool // the fatal commit still happens
	dead  bool
}

func (c *crashing) Commit(ctx context.Context, x store.Commit) (int64, error) {
	if c.dead {
		return 0, errCrash
	}
	if c.left == 0 {
		c.dead = true
		if c.after {
			_, _ = c.Store.Commit(ctx, x)
		}
		return 0, errCrash
	}
	c.left--
	return c.Store.Commit(ctx, x)
}

func (c *crashing) Done(ctx context.Context, e store.Effect) error {
	if c.dead {
		return errCrash
	}
	return c.Store.Done(ctx, e)
}

// gateway is a tiny one: it takes routes from the bus and counts invented
// requests by the second.
type gateway struct {
	id      string
	seq     int64
	home    string
	route   fairlead.Route
	gone    bool
	refuse  string // why it cannot take a route with a candidate
	failed  int64
	counts  map[fairlead.Stratum]*fairlead.Window
	trips   []fairlead.Trip
	started map[fairlead.Stratum]time.Time
}

type world struct {
	t        testing.TB
	now      time.Time
	store    store.Store
	bus      *local.Bus
	runner   *loop.Runner
	gateways []*gateway
	errors   float64           // the candidate's error rate
	weights  []fairlead.Weight // of each route taken by the first gateway
}

func (w *world) env() fairlead.Env {
	n := uint64(0)
	e := fairlead.Env{Now: func() time.Time { return w.now }, Rand: func() uint64 { n++; return n }}
	e.NewID = func() string { return fairlead.NewID(e.Now(), e.Rand) }
	return e
}

func newWorld(t testing.TB, gateways int) *world {
	w := &world{t: t, now: t0, store: mem.New(), bus: local.New()}
	t.Cleanup(func() { _ = w.store.Close() })
	w.start(w.store)
	for i := range gateways {
		w.addGateway(fmt.Sprintf("g%d", i+1))
	}
	for _, v := range []string{"digits@1", "digits@2"} {
		w.put(fairlead.KindVersion, v, fairlead.Version{Meta: fairlead.Meta{Name: v}})
	}
	e := fairlead.Endpoint{Meta: fairlead.Meta{Name: "digits", Created: t0}, Spec: fairlead.EndpointSpec{Initial: "digits@1"}}
	e.Status.Version = "digits@1"
	w.put(fairlead.KindEndpoint, "digits", e, store.Effect{Kind: loop.EffectRoute, Key: "digits"})
	return w
}

func (w *world) start(s store.Store) {
	w.runner = loop.New(loop.Config{Store: s, Bus: w.bus, Env: w.env()})
}

func (w *world) addGateway(id string) *gateway {
	g := &gateway{id: id, counts: map[fairlead.Stratum]*fairlead.Window{}, started: map[fairlead.Stratum]time.Time{}}
	first := len(w.gateways) == 0
	w.gateways = append(w.gateways, g)
	stop, err := w.bus.Subscribe(bus.TopicRoute, func(m bus.Message) {
		if len(m.Data) == 0 {
			g.route = fairlead.Route{}
			return
		}
		var rt fairlead.Route
		if err := json.Unmarshal(m.Data, &rt); err != nil {
			w.t.Error(err)
		}
		if g.refuse != "" && len(rt.Arms) > 1 {
			g.failed = rt.Revision
			return
		}
		if rt.Revision < g.route.Revision {
			w.t.Errorf("the route went back from revision %d to %d", g.route.Revision, rt.Revision)
		}
		if rt.Revision > g.route.Revision && first {
			weight := fairlead.Weight(0)
			if len(rt.Arms) > 1 {
				weight = rt.Arms[1].Weight
			}
			w.weights = append(w.weights, weight)
		}
		if rt.Stratum != g.route.Stratum {
			g.trips = nil
		}
		g.route = rt
		if _, ok := g.started[rt.Stratum]; !ok {
			g.started[rt.Stratum] = w.now
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(stop)
	return g
}

// second lets every gateway serve 1,000 requests and report, then the loops run.
func (w *world) second() {
	w.now = w.now.Add(time.Second)
	for _, g := range w.gateways {
		if g.gone {
			continue
		}
		if err := w.runner.Report(context.Background(), g.serve(w.now, w.errors)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.settle()
}

func (g *gateway) serve(now time.Time, errorRate float64) fairlead.GatewayReport {
	g.seq++
	rep := fairlead.GatewayReport{Gateway: g.id, Home: g.home, Endpoint: "digits", Seq: g.seq, Revision: g.route.Revision, Stratum: g.route.Stratum, Trips: g.trips}
	if g.failed > 0 {
		rep.Failed, rep.Error = g.failed, g.refuse
	}
	if len(g.route.Arms) < 2 {
		return rep
	}
	s, arm := g.route.Stratum, g.route.Arms[1]
	c := g.counts[s]
	if c == nil {
		c = &fairlead.Window{Endpoint: "digits", Stratum: s, Start: g.started[s], Weight: arm.Weight, Mirror: arm.Mirror, Arms: map[string]fairlead.Counts{}}
		g.counts[s] = c
	}
	n := int64(arm.Weight+arm.Mirror) / 10
	c.Arms[fairlead.Candidate] = c.Arms[fairlead.Candidate].Add(fairlead.Counts{Requests: n, Errors: int64(float64(n) * errorRate)})
	c.Arms[fairlead.Incumbent] = c.Arms[fairlead.Incumbent].Add(fairlead.Counts{Requests: 1000 - int64(arm.Weight)/10, Errors: 10})
	c.End = now
	copied := *c
	copied.Arms = map[string]fairlead.Counts{}
	for k, v := range c.Arms {
		copied.Arms[k] = v
	}
	rep.Windows = []fairlead.Window{copied}
	return rep
}

func (w *world) settle() time.Time {
	wake, err := w.runner.Settle(context.Background())
	if err != nil && !errors.Is(err, errCrash) {
		w.t.Logf("%v: %v", w.now, err)
	}
	return wake
}

// until lets seconds pass until the release is in one of the phases.
func (w *world) until(limit time.Duration, phases ...fairlead.Phase) fairlead.Release {
	w.t.Helper()
	for end := w.now.Add(limit); w.now.Before(end); {
		w.second()
		if r := w.release(); slices.Contains(phases, r.Status.Phase) {
			return r
		}
	}
	r := w.release()
	w.t.Fatalf("after %v the release is %s %s: %s", limit, r.Status.Phase, r.Status.Reason, r.Status.Message)
	return r
}

func (w *world) put(kind, key string, v any, effects ...store.Effect) {
	w.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Commit(context.Background(), store.Commit{Put: []store.Put{{Kind: kind, Key: key, IfRev: store.AnyRev, Data: b}}, Effects: effects}); err != nil {
		w.t.Fatal(err)
	}
}

func read[T any](w *world, kind, key string) T {
	w.t.Helper()
	var v T
	d, err := w.store.Get(context.Background(), kind, key)
	if err == nil {
		err = json.Unmarshal(d.Data, &v)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) release() fairlead.Release {
	return read[fairlead.Release](w, fairlead.KindRelease, "v2")
}

func (w *world) endpoint() fairlead.Endpoint {
	return read[fairlead.Endpoint](w, fairlead.KindEndpoint, "digits")
}

const canary = `{"steps":[{"weight":"5%","hold":"10s"},{"weight":"20%","hold":"10s"},{"weight":"50%","samples":2000}]}`

// create records a release as op does.
func (w *world) create(spec string, gates ...fairlead.Gate) {
	w.t.Helper()
	r := fairlead.Release{Meta: fairlead.Meta{Name: "v2"}}
	r.Spec = fairlead.ReleaseSpec{Endpoint: "digits", Candidate: "digits@2", Gates: gates,
		Strategy: fairlead.Strategy{Kind: "canary", Spec: json.RawMessage(spec)},
		Guard:    fairlead.Guard{Hold: fairlead.Duration(5 * time.Second)}, ProgressDeadline: fairlead.Duration(5 * time.Minute)}
	r.Status.Phase = fairlead.Pending
	w.put(fairlead.KindRelease, "v2", r)
	e := w.endpoint()
	e.Status.Release = "v2"
	w.put(fairlead.KindEndpoint, "digits", e)
}

func (w *world) command(verb string) {
	r := w.release()
	r.Commands = append(r.Commands, fairlead.Command{Seq: int64(len(r.Commands) + 1), Verb: verb, By: "ann", At: w.now})
	w.put(fairlead.KindRelease, "v2", r)
}

// ledger gives the release's entries.
func (w *world) ledger() []fairlead.LedgerEntry {
	w.t.Helper()
	raw, err := w.store.Entries(context.Background(), 0, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []fairlead.LedgerEntry
	for _, b := range raw {
		var e fairlead.LedgerEntry
		if err := json.Unmarshal(b, &e); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func (w *world) verbs() (out []string) {
	for _, e := range w.ledger() {
		out = append(out, e.Verb)
	}
	return out
}

func errorGate(increase float64) fairlead.Gate {
	return fairlead.Gate{Metric: "error_rate", MaxIncrease: &fairlead.Quantity{Value: increase, Unit: "%"}}
}
