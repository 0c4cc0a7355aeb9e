package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"fairlead.dev"
)

// Scenario is a release drawn from a seed: what it is, how it behaves and what
// goes wrong meanwhile.
type Scenario struct {
	Config
	Kind     string // good, failing, slow, inaccurate: how the candidate behaves
	Manifest string
	Rate     float64
	// MustEnd is the phase in which every run must end, whatever goes wrong;
	// empty where chance or people may decide.
	MustEnd fairlead.Phase
}

// Draw makes the seed's scenario. The crash, if there is one, is put by the
// caller: it runs the same scenario with a crash at every commit.
func Draw(seed uint64) Scenario {
	rng := stream(seed, "scenario")
	s := Scenario{Config: Config{Seed: seed, Gateways: 1 + rng.IntN(2)}}
	s.Kind = pick(rng, "good", "good", "failing", "slow", "inaccurate")
	s.Rate = float64(40 + rng.IntN(40))
	c := &s.Chaos
	c.CrashAll = rng.IntN(2) == 0
	c.CrashAfter = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		c.StoreFaults = 0.02
		c.LostReports = 0.1
	}
	if rng.IntN(4) == 0 {
		c.Partition = time.Duration(1+rng.IntN(30)) * time.Second
		c.PartitionAt = time.Duration(rng.IntN(20)) * time.Second
	}
	if rng.IntN(4) == 0 {
		c.LoadFaults = 0.3
	}
	c.People = rng.IntN(4) == 0

	strategy := pick(rng, "canary", "canary", "canary", "bluegreen")
	switch strategy {
	case "canary":
		var b strings.Builder
		b.WriteString("    canary:\n      steps:\n")
		if rng.IntN(3) == 0 {
			fmt.Fprintf(&b, "        - {mirror: 100%%, hold: %ds}\n", 2+rng.IntN(4))
		}
		for w := 1 + rng.IntN(20); w < 100; w *= 2 + rng.IntN(4) {
			if rng.IntN(3) == 0 {
				fmt.Fprintf(&b, "        - {weight: %d%%, samples: %d}\n", w, 10+rng.IntN(60))
			} else {
				fmt.Fprintf(&b, "        - {weight: %d%%, hold: %ds}\n", w, 2+rng.IntN(10))
			}
		}
		s.Manifest = b.String()
	case "bluegreen":
		s.Manifest = fmt.Sprintf("    bluegreen: {mirror: 100%%, hold: %ds}\n", 4+rng.IntN(10))
	}
	gates := []string{"{metric: error_rate, max: 30%, onUndecided: promote}"}
	if rng.IntN(2) == 0 {
		gates = append(gates, "{metric: latency_p50, max: 200ms, onUndecided: promote}")
	}
	if s.Kind == "inaccurate" || rng.IntN(2) == 0 {
		gates = append(gates, "{metric: accuracy, maxDecrease: 10%, onUndecided: "+pick(rng, "promote", "extend", "rollback")+"}")
	}
	s.Manifest = fmt.Sprintf(`apiVersion: fairlead/v1
kind: Release
metadata: {name: r}
spec:
  endpoint: e
  candidate: m@2
  progressDeadline: 60s
  guard: {hold: %ds, holdout: %s}
  strategy:
%s  gates:
    - %s
`, 1+rng.IntN(9), pick(rng, "0%", "0%", "5%"), s.Manifest, strings.Join(gates, "\n    - "))
	if s.Kind == "failing" && !c.People && strategy == "canary" {
		s.MustEnd = fairlead.Degraded
	}
	return s
}

func pick(rng *rand.Rand, of ...string) string { return of[rng.IntN(len(of))] }

// fakes are the scripts of the two versions.
func (s Scenario) fakes() (incumbent, candidate string) {
	incumbent = `{"latency": "5ms", "errorRate": 0.01}`
	switch s.Kind {
	case "failing":
		return incumbent, `{"latency": "5ms", "errorRate": 0.9}`
	case "slow":
		return incumbent, `{"latency": "900ms", "errorRate": 0.01}`
	}
	return incumbent, `{"latency": "4ms", "errorRate": 0.01}`
}

// Run plays the scenario to its end and beyond, and gives the world for its
// violations and trace. The error is of the player, not of the product.
func (s Scenario) Run() (*World, error) {
	w, err := NewWorld(s.Config)
	if err != nil {
		return nil, err
	}
	return w, s.play(w)
}

func (s Scenario) play(w *World) error {
	p := NewPlayer(w)
	one, two := s.fakes()
	if err := w.Register("m@1", []byte(one)); err != nil {
		return err
	}
	if err := w.Register("m@2", []byte(two)); err != nil {
		return err
	}
	endpoint := "apiVersion: fairlead/v1\nkind: Endpoint\nmetadata: {name: e}\nspec: {initial: m@1, key: {header: X-User}}\n"
	if err := w.Apply("endpoint.yaml", []byte(endpoint)); err != nil {
		return err
	}
	if err := w.settled("e"); err != nil {
		return err
	}
	accuracy := 0.95
	if s.Kind == "inaccurate" {
		accuracy = 0.4
	}
	p.outcomes = []outcome{{"accuracy", "m@1", 0.95, time.Second}, {"accuracy", "m@2", accuracy, time.Second}}
	p.flows = []flow{{endpoint: "e", rate: s.Rate, users: 200}}
	if err := p.Run(2*time.Second, never); err != nil {
		return err
	}
	if err := w.Apply("release.yaml", []byte(s.Manifest)); err != nil {
		return err
	}
	s.disturb(w)
	ended := func() (bool, error) { return w.phases["r"].Terminal(), nil }
	if err := p.Run(100*time.Second, ended); err != nil {
		return err
	}
	// People stop meddling, faults heal: now it must end.
	w.heal()
	if err := p.Run(5*time.Minute, ended); err != nil {
		return err
	}
	if err := p.Run(4*time.Second, never); err != nil {
		return err
	}
	w.finish()
	if p.Lost > 0 {
		w.violate(PromiseLost, "%d of %d requests", p.Lost, w.requests)
	}
	if r, err := w.release("r"); err == nil && s.MustEnd != "" && r.Status.Phase != s.MustEnd {
		w.violate(PromiseEnds, "a %s candidate ended %s (%s), not %s", s.Kind, r.Status.Phase, r.Status.Reason, s.MustEnd)
	}
	if len(w.Violations) > 0 {
		return fmt.Errorf("broken promise: %s", w.Violations[0])
	}
	return nil
}

func never() (bool, error) { return false, nil }

// settled waits until every gateway has the endpoint's route.
func (w *World) settled(endpoint string) error {
	for range 1000 {
		ready := true
		for _, g := range w.gateways {
			ready = ready && g.route != nil && g.route.Endpoint == endpoint
		}
		if ready {
			return nil
		}
		if err := w.Advance(100 * time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("endpoint %s was not served after 100s", endpoint)
}

// disturb plans what people and the network do while the release runs.
func (s Scenario) disturb(w *World) {
	c := s.Chaos
	if c.Partition > 0 {
		g := w.gateways[w.faults.IntN(len(w.gateways))]
		w.plan(c.PartitionAt, func() { g.cut = !w.healed })
		w.plan(c.PartitionAt+c.Partition, func() { w.reconnect(g) })
	}
	if c.People {
		people := stream(s.Seed, "people")
		for at := time.Duration(0); at < 60*time.Second; at += time.Duration(2+people.IntN(20)) * time.Second {
			verb := pick(people, "pause", "resume", "resume", "promote", "promote-full", "abort", "retry", "undo", "approve")
			w.plan(at, func() { w.say(verb) })
		}
	}
}

// say gives a command once; that it may be refused or the server be down is
// part of the game.
func (w *World) say(verb string) {
	if w.healed {
		return
	}
	_ = w.command(verb, "r")
	w.kick(w.clock.now)
}

func (w *World) reconnect(g *gatewayProc) {
	if !g.cut {
		return
	}
	g.cut = false
	// A gateway that comes back asks for what it missed.
	var docs []fairlead.Route
	for _, name := range []string{"e"} {
		var rt fairlead.Route
		if w.load(fairlead.KindRoute, name, &rt) == nil {
			docs = append(docs, rt)
		}
	}
	for _, rt := range docs {
		w.deliver(g, rt)
	}
}

// heal ends all faults and lets a paused release go on.
func (w *World) heal() {
	w.healed = true
	for _, g := range w.gateways {
		w.reconnect(g)
	}
	w.insist()
}

// insist has a person let a paused release go on, again and again until the
// server takes it.
func (w *World) insist() {
	r, err := w.release("r")
	if err != nil || r.Status.Phase.Terminal() {
		return
	}
	if r.Status.Phase == fairlead.Paused {
		verb := "resume"
		if r.Status.Reason == fairlead.ReasonApproval {
			verb = "approve"
		}
		_ = w.command(verb, "r") // refused or unheard: the next try comes
		w.kick(w.clock.now)
	}
	w.plan(time.Second, w.insist)
}
