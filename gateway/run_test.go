package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	model "fairlead.dev/runtime"
	"go.uber.org/goleak"
)

// fakeBus keeps the latest message of each key and calls subscribers at once.
type fakeBus struct {
	mu   sync.Mutex
	kept map[string]map[string]bus.Message
	subs map[string][]func(bus.Message)
	all  []bus.Message
	fail error
}

func newBus() *fakeBus {
	return &fakeBus{kept: map[string]map[string]bus.Message{}, subs: map[string][]func(bus.Message){}}
}

func (b *fakeBus) Publish(_ context.Context, m bus.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil && m.Topic == bus.TopicReport {
		return b.fail
	}
	if b.kept[m.Topic] == nil {
		b.kept[m.Topic] = map[string]bus.Message{}
	}
	b.kept[m.Topic][m.Key] = m
	b.all = append(b.all, m)
	for _, f := range b.subs[m.Topic] {
		f(m)
	}
	return nil
}

func (b *fakeBus) Subscribe(topic string, f func(bus.Message)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.kept[topic] {
		f(m)
	}
	b.subs[topic] = append(b.subs[topic], f)
	return func() {}, nil
}

// down makes reports fail until down(nil).
func (b *fakeBus) down(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *fakeBus) route(t *testing.T, r fairlead.Route) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Publish(t.Context(), bus.Message{Topic: bus.TopicRoute, Key: r.Endpoint, Data: data})
}

// last report of the endpoint, and how many there were.
func (b *fakeBus) last(t *testing.T) (r fairlead.GatewayReport, n int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.all {
		if m.Topic == bus.TopicReport && m.Key == "gw/digits" {
			n++
			r = fairlead.GatewayReport{}
			if err := json.Unmarshal(m.Data, &r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r, n
}

// system makes a gateway live by the bubble's clock.
func system(b *fakeBus) func(*Config) {
	return func(c *Config) {
		c.Bus, c.SyncMirror = b, false
		c.Env.Now = func() time.Time { return time.Now().UTC() }
	}
}

// TestRun: routes come in, reports go out each second and at once on a trip.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newWorld(t, system(b), func(c *Config) { c.Dir = t.TempDir() })
		w.model("digits@2").infer = failing
		b.route(t, plan(1, 500, withTrip)) // before anybody listens
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.g.Run(ctx) }()
		synctest.Wait()
		r, n := b.last(t)
		must(t, "told at once", []any{r.Revision, r.Gateway, n > 0}, "[1 gw true]")

		time.Sleep(10 * time.Second)
		synctest.Wait()
		_, m := b.last(t)
		if m-n < 9 || m-n > 11 {
			t.Errorf("%d reports in 10 s", m-n)
		}
		time.Sleep(10 * time.Millisecond)
		for i := range 2000 {
			_, _ = w.call(fmt.Sprint(i))
		}
		synctest.Wait()
		r, n = b.last(t)
		must(t, "trip told without waiting", []int{len(r.Trips), n - m}, "[1 1]")

		b.down(errors.New("the bus is down"))
		_, _ = w.call("again")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b.down(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()

		w.broken["digits@3"] = errors.New("no such blob")
		b.route(t, plan(2, 500, func(r *fairlead.Route) { r.Arms[1].Version, r.Arms[1].Artifact.Digest = "digits@3", "sha256:3" }))
		synctest.Wait()
		r, _ = b.last(t)
		must(t, "failed", []int64{r.Revision, r.Failed}, "[1 2]")
		w.mu.Lock()
		delete(w.broken, "digits@3")
		w.mu.Unlock()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r, _ = b.last(t)
		must(t, "tried again", []int64{r.Revision, r.Failed}, "[2 0]")

		data, _ := json.Marshal(tokens("viewer"))
		_ = b.Publish(ctx, bus.Message{Topic: bus.TopicTokens, Data: data})
		synctest.Wait()
		must(t, "tokens", w.infer(goodBody).Code, 401)
		_ = b.Publish(ctx, bus.Message{Topic: bus.TopicTokens, Data: []byte("{")})
		synctest.Wait()
		must(t, "bad tokens change nothing", w.do("GET", "/v2", "", "Authorization: Bearer flt_viewer").Code, 200)
		_ = b.Publish(ctx, bus.Message{Topic: bus.TopicRoute, Key: "digits", Data: []byte("{")})
		synctest.Wait()
		must(t, "a bad route changes nothing", w.g.lookup("digits") != nil, true)
		_ = b.Publish(ctx, bus.Message{Topic: bus.TopicRoute, Key: "digits"})
		synctest.Wait()
		must(t, "gone", w.g.lookup("digits") == nil, true)

		cancel()
		must(t, "run", <-done, nil)
		must(t, "shutdown", w.g.Shutdown(t.Context()), nil)
	})
}

// TestSlowLoad: a model that loads slowly delays no other endpoint, of its own
// routes only the latest is taken, and Run ends when told.
func TestSlowLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newWorld(t, system(b))
		inner := w.g.cfg.Load
		loads := map[string]int{}
		var mu sync.Mutex
		w.g.cfg.Load = func(ctx context.Context, a fairlead.Arm) (model.Model, error) {
			mu.Lock()
			loads[a.Version]++
			mu.Unlock()
			if strings.HasPrefix(a.Version, "slow@") {
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return inner(ctx, a)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.g.Run(ctx) }()
		for rev := int64(1); rev <= 5; rev++ {
			b.route(t, plan(rev, 0, func(r *fairlead.Route) {
				r.Endpoint, r.Arms[0].Version, r.Arms[0].Artifact.Digest = "slow", fmt.Sprintf("slow@%d", rev), fmt.Sprint(rev)
			}))
			synctest.Wait()
		}
		b.route(t, plan(1, 0))
		synctest.Wait()
		must(t, "the other is served", w.infer(goodBody).Code, 200)
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		must(t, "the latest is in force", w.g.lookup("slow").plan.Revision, 5)
		must(t, "the ones between were skipped", []int{loads["slow@1"], loads["slow@3"], loads["slow@5"]}, "[1 0 1]")
		b.route(t, plan(9, 0, func(r *fairlead.Route) {
			r.Endpoint, r.Arms[0].Version, r.Arms[0].Artifact.Digest = "slow", "slow@9", "9"
		}))
		synctest.Wait()
		cancel()
		must(t, "run", <-done, nil)
		must(t, "shutdown", w.g.Shutdown(t.Context()), nil)
	})
}

// TestDrain: what runs is waited for, what comes meanwhile is answered, and
// readiness turns first.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, system(newBus()))
		w.model("digits@1").infer = func(context.Context, *model.Request) (*model.Response, error) {
			time.Sleep(time.Second)
			return say1("1", 1), nil
		}
		w.apply(plan(1, 0))
		codes := make(chan int, 2)
		go func() { codes <- w.infer(goodBody).Code }()
		synctest.Wait()
		down := make(chan error)
		go func() { down <- w.g.Shutdown(t.Context()) }()
		synctest.Wait()
		must(t, "ready", w.do("GET", "/v2/health/ready", "").Code, 503)
		must(t, "live", w.do("GET", "/v2/health/live", "").Code, 200)
		go func() { codes <- w.infer(goodBody).Code }()
		must(t, "shutdown", <-down, nil)
		must(t, "codes", []int{<-codes, <-codes}, "[200 200]")
		must(t, "closed", w.models["digits@1"].closed.Load(), true)
		must(t, "misused", w.models["digits@1"].misused.Load(), false)
	})
}

// TestMetricsText: the exposition is well-formed and bounded.
func TestMetricsText(t *testing.T) {
	w := newWorld(t)
	w.apply(plan(1, 500))
	for i := range 50 {
		_, _ = w.call(fmt.Sprint(i))
	}
	var b strings.Builder
	if err := w.g.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"# TYPE fairlead_requests_total counter\n",
		`fairlead_route_weight_ratio{endpoint="digits",arm="candidate",version="digits@2"} 0.05` + "\n",
		`fairlead_request_duration_seconds_bucket{endpoint="digits",arm="incumbent",version="digits@1",le="+Inf"} `,
		`fairlead_requests_rejected_total{endpoint="digits",reason="limited"} 0` + "\n",
		`fairlead_route_revision{endpoint="digits"} 1` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %s in\n%s", want, text)
		}
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		key, _, ok := strings.Cut(line, "} ")
		if !ok {
			key = line
		}
		if seen[key] {
			t.Errorf("twice: %s", key)
		}
		seen[key] = true
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lossyBus hands on a report only now and then, or not at all for a while.
type lossyBus struct {
	*fakeBus
	mu    sync.Mutex
	lose  func(n int) bool
	n     int
	heard map[fairlead.Stratum]fairlead.Window
}

func (b *lossyBus) Publish(ctx context.Context, m bus.Message) error {
	if m.Topic != bus.TopicReport {
		return b.fakeBus.Publish(ctx, m)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n++; b.lose(b.n) {
		return nil // as if a newer one had replaced it
	}
	var r fairlead.GatewayReport
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return err
	}
	for _, w := range r.Windows {
		b.heard[w.Stratum] = w
	}
	return nil
}

// TestLostReports: whatever reports are lost, who hears some of them knows all
// counters in the end, those of strata that are long over included.
func TestLostReports(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(n int) bool
		wait time.Duration // until all is known
	}{
		{"none", func(int) bool { return false }, time.Second},
		{"all but every fifth", func(n int) bool { return n%5 != 0 }, 5 * time.Second},
		{"the first 25", func(n int) bool { return n <= 25 }, 10 * time.Second},
		// Run's very first report says nothing if it comes before the first
		// route, so the whole report of second 60 may be the 60th or the 61st;
		// that of second 70 is heard in any case.
		{"the first 60", func(n int) bool { return n <= 60 }, 55 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &lossyBus{fakeBus: newBus(), lose: c.lose, heard: map[fairlead.Stratum]fairlead.Window{}}
				w := newWorld(t, system(b.fakeBus), func(cfg *Config) { cfg.Bus = b })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- w.g.Run(ctx) }()
				for step := range 6 {
					w.apply(plan(int64(step)+1, 5000, func(r *fairlead.Route) { r.Stratum.Step = step }))
					for i := range 50 {
						_, _ = w.call(fmt.Sprint(step, "-", i))
					}
					time.Sleep(3500 * time.Millisecond)
				}
				must(t, "late feedback", w.metric("0-7", "m"), nil)
				time.Sleep(c.wait + time.Millisecond)
				synctest.Wait()
				b.mu.Lock()
				for step := range 6 {
					n := int64(0)
					for _, arm := range b.heard[fairlead.Stratum{Release: "digits-v2", Attempt: 1, Step: step}].Arms {
						n += arm.Requests
						if step == 0 {
							n += 1000 * arm.Metrics["m"].N
						}
					}
					want := int64(50)
					if step == 0 {
						want += 1000
					}
					must(t, fmt.Sprint("step ", step), n, want)
				}
				b.mu.Unlock()
				cancel()
				must(t, "run", <-done, nil)
				must(t, "shutdown", w.g.Shutdown(t.Context()), nil)
			})
		})
	}
}
