package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
)

func TestVerdictOfTheStory(t *testing.T) {
	phase := func(p fairlead.Phase) fairlead.Release {
		return fairlead.Release{Status: fairlead.ReleaseStatus{Phase: p, Ended: time.Unix(100, 0)}}
	}
	good := func() (*story, snapshot) {
		return &story{better: phase(fairlead.Healthy), worse: phase(fairlead.Degraded)},
			snapshot{Versions: map[string]score{"digits@3": {Answers: 5, Last: time.Unix(99, 0)}}}
	}
	s, n := good()
	if err := s.verdict(n); err != nil {
		t.Errorf("the story as it should be: %v", err)
	}
	for want, spoil := range map[string]func(s *story, n *snapshot){
		"digits-v2 should be Healthy":  func(s *story, _ *snapshot) { s.better = phase(fairlead.Degraded) },
		"digits-v3 should be Degraded": func(s *story, _ *snapshot) { s.worse = phase(fairlead.Healthy) },
		"still answered":               func(_ *story, n *snapshot) { n.Versions["digits@3"] = score{Last: time.Unix(105, 0)} },
		"2 requests failed":            func(_ *story, n *snapshot) { n.Failed, n.LastErr = 2, errors.New("busy") },
		"3 labels were refused":        func(_ *story, n *snapshot) { n.Lost, n.LastErr = 3, errors.New("unknown") },
	} {
		s, n := good()
		spoil(s, &n)
		if err := s.verdict(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestStageNamesWhatChanged(t *testing.T) {
	weight := fairlead.Weight(500)
	r := fairlead.Release{Status: fairlead.ReleaseStatus{Phase: fairlead.Progressing, Weight: weight,
		Steps: []fairlead.Step{{Weight: &weight}, {Check: true}, {Promote: true}}}}
	if got := stage(r); got != "Progressing · step 1 of 3 · 5% of the traffic" {
		t.Errorf("got %q", got)
	}
	r.Status.Step = 1
	if got := stage(r); !strings.Contains(got, "checking every gate") {
		t.Errorf("got %q", got)
	}
	r.Status = fairlead.ReleaseStatus{Phase: fairlead.Degraded, Reason: fairlead.ReasonGate, Message: "accuracy fell"}
	if got := stage(r); got != "Degraded · GateFailed · accuracy fell" {
		t.Errorf("got %q", got)
	}
}

// buildServer builds the real binary.
func buildServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "fairlead")
	if out, err := exec.Command("go", "build", "-o", binary, "fairlead.dev/cmd/fairlead").CombinedOutput(); err != nil {
		t.Fatalf("the server does not build: %v\n%s", err, out)
	}
	return binary
}

// The whole story with the real binary, without the pauses that are there for
// people: version 2 ends Healthy, version 3 Degraded.
func TestTheWholeStory(t *testing.T) {
	binary := buildServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	srv, err := startServer(ctx, binary, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.stop()
	all, err := images()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "story.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	quick := strings.NewReplacer("hold: 3s", "hold: 300ms", "hold: 4s", "hold: 400ms", "samples: 200", "samples: 50", "samples: 500", "samples: 200",
		"onUndecided: hold", "onUndecided: extend") // nobody is there to ask
	s := &story{out: newScreen(log, os.Getenv), srv: srv, ctl: newControl(srv), binary: binary, tune: quick.Replace, warm: 200,
		play: &player{Endpoint: model, Images: all, Rate: 300, Workers: 4,
			MinDelay: 20 * time.Millisecond, MaxDelay: 100 * time.Millisecond, Seed: 1}}
	err = s.tell(ctx)
	text, _ := os.ReadFile(log.Name()) // for the failure message
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, srv.logTail())
	}
	seen := s.play.tally.snapshot()
	if bad := seen.Versions["digits@3"]; bad.Answers == 0 || bad.Accuracy() > 0.7 {
		t.Errorf("version 3 should have been seen, and seen to be bad: %+v", bad)
	}
	if a := seen.Versions["digits@2"].Accuracy(); a < 0.93 {
		t.Errorf("version 2 was right in %.3f of its answers", a)
	}
	for _, want := range []string{"The bad version answered", "explain digits-v3", "GateFailed"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the story does not say %q:\n%s", want, text)
		}
	}
}

func TestAServerThatDoesNotStartSaysWhy(t *testing.T) {
	if _, err := startServer(t.Context(), filepath.Join(t.TempDir(), "none"), t.TempDir()); err == nil || !strings.Contains(err.Error(), "make") {
		t.Errorf("got %v", err)
	}
	// A program that ends at once, whatever it is asked.
	program, err := exec.LookPath("false")
	if err != nil {
		t.Skip("this system has no false")
	}
	if _, err := startServer(t.Context(), program, t.TempDir()); err == nil || !strings.Contains(err.Error(), "ended at once") {
		t.Errorf("got %v", err)
	}
}
