package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
)

// TestLostGateways: gateways that lost all they had, while the candidate cannot
// be loaded, answer from the incumbent alone; the release does not take its step
// for one in force, and is turned back.
func TestLostGateways(t *testing.T) {
	w, err := NewWorld(Config{Seed: 1, Gateways: 2, PlantLoad: func(arm fairlead.Arm) error {
		if arm.Version == "m@2" {
			return fairlead.Errorf(fairlead.Unavailable, "its server is down")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	one, two := Scenario{}.fakes()
	step(w.Register("m@1", []byte(one)))
	step(w.Register("m@2", []byte(two)))
	step(w.Apply("e.yaml", []byte("apiVersion: fairlead/v1\nkind: Endpoint\nmetadata: {name: e}\nspec: {initial: m@1}\n")))
	step(w.Advance(2 * time.Second))
	step(w.Apply("r.yaml", []byte(clear("good").Manifest)))
	step(w.Advance(3 * time.Second))
	for _, g := range w.gateways {
		g.route = nil
	}
	step(w.Crash())
	step(w.Advance(10 * time.Second))

	for i := range 200 {
		// (one request in a hundred fails: that version is like that)
		if a := w.Request("e", fmt.Sprint("user-", i)); a.Arm != fairlead.Incumbent {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
	r, err := w.release("r")
	step(err)
	if r.Status.Phase != fairlead.Progressing || !r.Status.StepSince.IsZero() {
		t.Errorf("the step counts as in force: %s since %s", r.Status.Phase, r.Status.StepSince)
	}
	for _, g := range w.gateways {
		for _, rep := range g.gw.Collect(true) {
			if rep.Revision != 0 || rep.Failed == 0 || !strings.Contains(rep.Error, "its server is down") {
				t.Errorf("%s reports %+v", g.id, rep)
			}
		}
	}
	step(w.Advance(2 * time.Minute))
	r, err = w.release("r")
	step(err)
	if r.Status.Phase != fairlead.Degraded || !strings.Contains(r.Status.Message, "its server is down") {
		t.Errorf("it ended %s: %s", r.Status.Phase, r.Status.Message)
	}
	for _, g := range w.gateways {
		for _, rep := range g.gw.Collect(true) {
			if rep.Revision == 0 || rep.Failed != 0 {
				t.Errorf("%s at the end reports %+v", g.id, rep)
			}
		}
	}
}
