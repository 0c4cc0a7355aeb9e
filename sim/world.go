package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/bus/local"
	"fairlead.dev/gateway"
	"fairlead.dev/loop"
	"fairlead.dev/op"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/fake"
	"fairlead.dev/store"
	"fairlead.dev/store/mem"
)

// Config of a World.
type Config struct {
	Seed     uint64
	Gateways int // 1 if zero
	Chaos    Chaos
	// Plant lets a test break the product in one place: it may change what a
	// commit writes. Nil in every honest world.
	Plant func(w *World, c *store.Commit)
	// PlantRoute may change a route on its way into a gateway.
	PlantRoute func(rt *fairlead.Route)
	// PlantLoad may keep an arm's model from being loaded.
	PlantLoad func(arm fairlead.Arm) error
	// Blind makes the control plane unable to read a release while it says so: a
	// planted bug of another kind.
	Blind func(w *World) bool
}

// World is the deterministic world. It is a Driver: a story plays on it.
type World struct {
	cfg      Config
	clock    clock
	agenda   agenda
	seq      int
	disk     *mem.Store // survives crashes
	blobs    *mem.Blobs
	life     *process
	store    *faultyStore
	bus      *local.Bus
	runner   *loop.Runner
	deps     *op.Deps
	gateways []*gatewayProc
	settleAt time.Time // of the planned settling; zero: none is planned
	commits  int
	boots    int
	healed   bool // faults are over
	requests int
	input    []runtime.Tensor // what every caller sends
	entered  map[string]time.Time
	phases   map[string]fairlead.Phase // of releases, as last committed
	traffic  *rand.Rand
	faults   *rand.Rand

	Violations []string
	Trace      []string // transitions, for a failure's message
}

// gatewayProc is a gateway and what of it outlives its process: its disk.
type gatewayProc struct {
	id      string
	gw      *gateway.Gateway
	route   *fairlead.Route // the last one taken, as kept on its disk
	cut     bool            // partitioned from the control plane
	tripped bool
	seen    map[string]sighting
}

// NewWorld makes a world at rest, with its control plane up.
func NewWorld(cfg Config) (*World, error) {
	if cfg.Gateways == 0 {
		cfg.Gateways = 1
	}
	w := &World{cfg: cfg, disk: mem.New(), blobs: mem.NewBlobs(), entered: map[string]time.Time{}, phases: map[string]fairlead.Phase{},
		traffic: stream(cfg.Seed, "traffic"), faults: stream(cfg.Seed, "faults")}
	w.clock.now = epoch
	w.input = []runtime.Tensor{{Name: "input", Datatype: "FP32", Shape: []int64{1, 4}, Data: make([]float32, 4)}}
	for i := range cfg.Gateways {
		g := &gatewayProc{id: fmt.Sprintf("g%d", i), seen: map[string]sighting{}}
		w.gateways = append(w.gateways, g)
		if err := w.startGateway(g); err != nil {
			return nil, err
		}
		w.plan(time.Duration(i)*137*time.Millisecond+time.Second, func() { w.report(g) })
	}
	w.boot()
	w.plan(0, w.watchDeadlines)
	return w, nil
}

func (w *World) env(name string) fairlead.Env {
	rng := stream(w.cfg.Seed+uint64(w.boots)<<32, name)
	e := fairlead.Env{Now: w.clock.Now, Rand: rng.Uint64}
	e.NewID = func() string { return fairlead.NewID(e.Now(), e.Rand) }
	return e
}

// plan puts something on the agenda, after from now.
func (w *World) plan(after time.Duration, do func()) {
	w.seq++
	w.agenda.add(event{at: w.clock.now.Add(after), seq: w.seq, do: do})
}

// kick plans a settling of the control plane, unless an earlier one is planned.
func (w *World) kick(at time.Time) {
	if at.Before(w.clock.now) {
		at = w.clock.now
	}
	if !w.settleAt.IsZero() && !w.settleAt.After(at) {
		return
	}
	w.settleAt = at
	w.plan(at.Sub(w.clock.now), func() {
		if w.settleAt.Equal(w.clock.now) {
			w.settleAt = time.Time{}
			w.settle()
		}
	})
}

// boot starts the control plane on what the disk holds.
func (w *World) boot() {
	w.boots++
	life := &process{}
	w.life = life
	w.store = &faultyStore{Store: w.disk, w: w, life: life, rng: stream(w.cfg.Seed+uint64(w.boots), "store")}
	w.bus = local.New()
	env := w.env("control")
	w.runner = loop.New(loop.Config{Store: w.store, Bus: w.bus, Env: env})
	w.deps = &op.Deps{Store: w.store, Blobs: w.blobs, Bus: w.bus, Env: env, Runtimes: []runtime.Runtime{w.fake()}}
	for _, g := range w.gateways {
		// A message takes a moment, and none reaches a gateway that is cut off.
		_, err := w.bus.Subscribe(bus.TopicRoute, func(m bus.Message) {
			delay := time.Duration(w.faults.IntN(40)) * time.Millisecond
			w.plan(delay, func() { w.routed(g, m) })
		})
		if err != nil {
			w.violate(PromiseLost, "a gateway cannot subscribe: %v", err)
		}
	}
	if _, err := w.runner.Pass(context.Background(), loop.Routes, ""); err != nil {
		w.plan(time.Second, func() { _, _ = w.runner.Pass(context.Background(), loop.Routes, "") })
	}
	w.kick(w.clock.now)
}

// kill ends the control plane's life where it stands; whatever it calls from
// now on fails. The next one boots a little later.
func (w *World) kill() {
	if w.life.dead {
		return
	}
	w.life.dead = true
	w.settleAt = time.Time{}
	if w.cfg.Chaos.CrashAll {
		w.plan(0, func() {
			for _, g := range w.gateways {
				if err := w.startGateway(g); err != nil {
					w.violate(PromiseLost, "gateway %s cannot start: %v", g.id, err)
				}
			}
		})
	}
	w.plan(time.Duration(200+w.faults.IntN(3000))*time.Millisecond, w.boot)
}

func (w *World) fake() runtime.Runtime {
	return fake.New(fake.Config{Rand: w.traffic.Uint64, Sleep: w.clock.Sleep})
}

// startGateway starts a gateway's process on what its disk holds.
func (w *World) startGateway(g *gatewayProc) error {
	w.boots++
	// A machine that cannot load what it served before cannot serve: load faults
	// are for new routes.
	starting := true
	defer func() { starting = false }()
	rt := w.fake()
	gw, err := gateway.New(gateway.Config{Env: w.env(g.id), ID: fmt.Sprintf("%s-%d", g.id, w.boots), Home: g.id, SyncMirror: true,
		Load: func(ctx context.Context, arm fairlead.Arm) (runtime.Model, error) {
			if p := w.cfg.Chaos.LoadFaults; p > 0 && !starting && w.phases["r"] != "" && !w.healed && w.faults.Float64() < p {
				return nil, fairlead.Errorf(fairlead.Unavailable, "out of memory")
			}
			if w.cfg.PlantLoad != nil {
				if err := w.cfg.PlantLoad(arm); err != nil {
					return nil, err
				}
			}
			return rt.Load(ctx, source{w.blobs, arm.Artifact}, arm.Place)
		}})
	if err != nil {
		return err
	}
	g.gw, g.tripped = gw, false
	if g.route != nil {
		return gw.Apply(context.Background(), *g.route)
	}
	return nil
}

// routed hands a route to a gateway.
func (w *World) routed(g *gatewayProc, m bus.Message) {
	if g.cut {
		return
	}
	if len(m.Data) == 0 {
		g.gw.Remove(m.Key)
		return
	}
	var rt fairlead.Route
	if err := json.Unmarshal(m.Data, &rt); err != nil {
		w.violate(PromiseLost, "a route cannot be read: %v", err)
		return
	}
	w.deliver(g, rt)
}

// deliver has the gateway take a route.
func (w *World) deliver(g *gatewayProc, rt fairlead.Route) {
	if g.cut {
		return
	}
	if w.cfg.PlantRoute != nil {
		w.cfg.PlantRoute(&rt)
	}
	if err := g.gw.Apply(context.Background(), rt); err != nil {
		// A gateway tries again by itself, and says so meanwhile.
		w.plan(time.Second, func() { w.deliver(g, rt) })
		return
	}
	if g.route == nil || rt.Revision > g.route.Revision {
		if g.route == nil || g.route.Stratum != rt.Stratum {
			g.tripped = false
		}
		g.route = &rt
		w.checkExposure(&rt, "gateway "+g.id)
	}
}

// report sends a gateway's reports and plans the next.
func (w *World) report(g *gatewayProc) {
	for _, rep := range g.gw.Collect(g.cut) {
		w.hear(g, rep)
	}
	w.plan(time.Second, func() { w.report(g) })
}

// hear hands a report to the control plane, if it arrives.
func (w *World) hear(g *gatewayProc, rep fairlead.GatewayReport) {
	if g.cut || w.life.dead || !w.healed && w.faults.Float64() < w.cfg.Chaos.LostReports {
		return
	}
	if err := w.runner.Report(context.Background(), rep); err != nil {
		w.violate(PromiseLost, "a report was refused: %v", err)
	}
	w.kick(w.clock.now)
}

// failing reports whether a gateway cannot take its route just now.
func (w *World) failing() bool {
	for _, g := range w.gateways {
		for _, rep := range g.gw.Collect(true) {
			if rep.Failed > 0 {
				return true
			}
		}
	}
	return false
}

// watchDeadlines checks that no step outlasts what it may.
func (w *World) watchDeadlines() {
	for name, phase := range w.phases {
		if phase != fairlead.Progressing || w.life.dead {
			continue
		}
		r, err := w.release(name)
		if err != nil || r.Status.Step >= len(r.Status.Steps) {
			continue
		}
		patience := r.Spec.ProgressDeadline
		if patience == 0 {
			patience = fairlead.DefaultProgressDeadline
		}
		// Crashes and the store's faults cost time on top; half a minute is plenty.
		most := r.Status.Steps[r.Status.Step].Hold.Std() + r.Status.Waited.Std() + patience.Std() + 30*time.Second
		if since := w.clock.now.Sub(r.Status.Entered); since > most {
			w.violate(PromiseDeadline, "%s is in step %d since %s; at most %s are granted", name, r.Status.Step, since, most)
		}
	}
	w.plan(5*time.Second, w.watchDeadlines)
}

// settle lets the control plane do what is due.
func (w *World) settle() {
	if w.life.dead {
		return
	}
	wake, err := w.runner.Settle(context.Background())
	switch {
	case w.life.dead:
	case err != nil:
		w.kick(w.clock.now.Add(300 * time.Millisecond))
	case !wake.IsZero():
		w.kick(wake)
	}
}

// Advance is Driver.Advance.
func (w *World) Advance(d time.Duration) error {
	end := w.clock.now.Add(d)
	for len(w.agenda) > 0 && !w.agenda[0].at.After(end) {
		e := w.agenda.next()
		if e.at.After(w.clock.now) {
			w.clock.now = e.at
		}
		e.do()
	}
	w.clock.now = end
	if len(w.Violations) > 0 {
		return fmt.Errorf("broken promise: %s", w.Violations[0])
	}
	return nil
}

// Now is Driver.Now.
func (w *World) Now() time.Time { return w.clock.now }

// Chance is Driver.Chance.
func (w *World) Chance() float64 { return w.traffic.Float64() }

// Crash is Driver.Crash: all processes at once.
func (w *World) Crash() error {
	all := w.cfg.Chaos.CrashAll
	w.cfg.Chaos.CrashAll = true
	w.kill()
	w.cfg.Chaos.CrashAll = all
	return nil
}

// Request is Driver.Request.
func (w *World) Request(endpoint, user string) Answer {
	w.requests++
	i := w.requests % len(w.gateways)
	g := w.gateways[i]
	a, err := g.gw.Infer(context.Background(), gateway.Call{Endpoint: endpoint, Key: user, RequestID: g.id + "-" + strconv.Itoa(w.requests), Request: &runtime.Request{Inputs: w.input}})
	w.clock.shift = 0
	out := Answer{ID: a.RequestID, Version: a.Version, Arm: a.Arm}
	if err != nil {
		out.Err = err.Error()
		if fairlead.CodeOf(err) == fairlead.Invalid {
			w.violate(PromiseLost, "a request was refused as invalid: %v", err)
		}
	}
	if a.Arm != "" {
		w.answered(g, user, a.Arm)
	}
	return out
}

// Feedback is Driver.Feedback: it goes to the gateway that answered. One that
// has lost its memory meanwhile does not know the request; that is not an error
// of the feedback.
func (w *World) Feedback(f fairlead.Feedback) error {
	for _, g := range w.gateways {
		if len(f.RequestID) > len(g.id) && f.RequestID[:len(g.id)+1] == g.id+"-" {
			if err := g.gw.Feedback(context.Background(), f); err != nil && fairlead.CodeOf(err) != fairlead.NotFound {
				return err
			}
		}
	}
	return nil
}

// as is the person who gives all commands of a story.
func as(ctx context.Context) context.Context {
	return op.WithCaller(ctx, op.Caller{Name: "ada", Roles: []string{fairlead.RoleAdmin, "release-managers"}})
}

// persist repeats a person's action while the server is down or the store
// stumbles, as a person would.
func (w *World) persist(do func() error) error {
	for try := 0; ; try++ {
		err := do()
		w.kick(w.clock.now)
		if code := fairlead.CodeOf(err); err == nil || try == 50 || code != fairlead.Unavailable && code != fairlead.Internal {
			return err
		}
		if err := w.Advance(200 * time.Millisecond); err != nil {
			return err
		}
	}
}

// Register is Driver.Register.
func (w *World) Register(ref string, script []byte) error {
	ctx := as(context.Background())
	return w.persist(func() error {
		digest, _, err := w.blobs.Put(ctx, bytesReader(script), "", 1<<20)
		if err != nil {
			return err
		}
		_, err = op.VersionRegister.Call(ctx, w.deps, op.VersionIn{Name: ref, Digest: digest, Format: "fake"})
		return err
	})
}

// Apply is Driver.Apply.
func (w *World) Apply(file string, manifest []byte) error {
	return w.persist(func() error {
		_, err := op.Apply.Call(as(context.Background()), w.deps, op.ApplyIn{Files: []op.Manifest{{Name: file, Text: string(manifest)}}})
		return err
	})
}

// Command is Driver.Command.
func (w *World) Command(verb, release string) error {
	return w.persist(func() error { return w.command(verb, release) })
}

func (w *World) command(verb, release string) (err error) {
	in := op.CommandIn{Name: release}
	ctx := as(context.Background())
	switch verb {
	case "pause":
		_, err = op.ReleasePause.Call(ctx, w.deps, in)
	case "resume":
		_, err = op.ReleaseResume.Call(ctx, w.deps, in)
	case "promote", "promote-full":
		_, err = op.ReleasePromote.Call(ctx, w.deps, op.PromoteIn{CommandIn: in, Full: verb == "promote-full"})
	case "abort":
		_, err = op.ReleaseAbort.Call(ctx, w.deps, in)
	case "retry":
		_, err = op.ReleaseRetry.Call(ctx, w.deps, in)
	case "undo":
		_, err = op.ReleaseUndo.Call(ctx, w.deps, in)
	case "approve":
		_, err = op.ReleaseApprove.Call(ctx, w.deps, in)
	default:
		err = fairlead.Unknown("verb", verb, []string{"pause", "resume", "promote", "promote-full", "abort", "retry", "undo", "approve"})
	}
	return err
}

func (w *World) release(name string) (fairlead.Release, error) {
	var r fairlead.Release
	return r, w.load(fairlead.KindRelease, name, &r)
}

// Release is Driver.Release: as stored, whoever is down.
func (w *World) Release(name string) (fairlead.Release, error) { return w.release(name) }

// Endpoint is Driver.Endpoint.
func (w *World) Endpoint(name string) (fairlead.Endpoint, error) {
	var e fairlead.Endpoint
	return e, w.load(fairlead.KindEndpoint, name, &e)
}

func (w *World) load(kind, key string, v any) error {
	d, err := w.disk.Get(context.Background(), kind, key)
	if err != nil {
		return err
	}
	return json.Unmarshal(d.Data, v)
}
