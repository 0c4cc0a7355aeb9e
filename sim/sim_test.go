package sim

import (
	"strings"
	"testing"
)

func TestOneScenario(t *testing.T) {
	for seed := range uint64(30) {
		s := Draw(seed)
		w, err := s.Run()
		if err != nil {
			t.Errorf("seed %d (%s): %v\n%s\n%s", seed, s.Kind, err, s.Manifest, strings.Join(w.Trace, "\n"))
			if seed > 5 { t.FailNow() }
		}
		r, _ := w.release("r")
		for _, v := range r.Status.Verdicts { if s.Kind != "good" {t.Log(v.Gate.Metric, v.Outcome, v.Reason)} }
		if seed == 6 { t.Log(strings.Join(w.Trace, "\n")) }
		t.Log(seed, s.Kind, r.Status.Phase, r.Status.Reason, w.requests, w.commits, w.clock.now.Sub(epoch))
	}
}
