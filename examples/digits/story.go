package main

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"fairlead.dev"
)

// story is what the demo tells: one real server, one stream of traffic, two
// releases.
type story struct {
	out    *screen
	srv    *server
	ctl    control
	play   *player
	binary string
	// tune may change a manifest before it is applied: the test has no time
	// for the pauses that make the demo pleasant to watch.
	tune func(manifest string) string
	warm int // answers to wait for before the first release

	better, worse fairlead.Release // how the two ended
}

// The versions, and the releases that bring the later two.
const (
	model    = "digits"
	release2 = "digits-v2"
	release3 = "digits-v3"
)

// setUp registers the versions and deploys the first.
func (s *story) setUp(ctx context.Context) error {
	s.out.Title("A real model behind a stable address")
	if err := s.apply(ctx, "model.yaml"); err != nil {
		return err
	}
	environment, measured, err := metrics()
	if err != nil {
		return err
	}
	for _, v := range []string{"1", "2", "3"} {
		name := model + "@" + v
		artifact, err := files.ReadFile("v" + v + ".onnx")
		if err != nil {
			return err
		}
		m := measured["v"+v]
		a, err := s.ctl.register(ctx, name, "v"+v+".onnx", artifact, m, fairlead.Lineage{
			Data: []string{"https://doi.org/10.24432/C50P49"}, Code: "examples/digits/train.py", Environment: environment})
		if err != nil {
			return err
		}
		s.out.Say("  registered %s  %s, %d bytes, accuracy %.1f%% in the notebook", name, a.Format, a.Size, 100*m["accuracy"])
	}
	if err := s.apply(ctx, "endpoint.yaml"); err != nil {
		return err
	}
	token, err := s.ctl.callerToken(ctx, "player")
	if err != nil {
		return err
	}
	s.play.URL, s.play.Token = s.srv.URL, token
	if err := s.ctl.serving(ctx, model, token); err != nil {
		return err
	}
	s.out.Say("  serving    %s@1  at %s/v2/models/%s/infer", model, s.srv.URL, model)
	return nil
}

// warmUp lets the first version answer alone for a while.
func (s *story) warmUp(ctx context.Context) error {
	s.out.Title("Live traffic: %d held-out images, %g requests a second, labels %s to %s later",
		len(s.play.Images), s.play.Rate, s.play.MinDelay, s.play.MaxDelay)
	return s.poll(ctx, func() (bool, error) {
		t := s.play.tally.snapshot()
		n := t.Answers()
		s.out.Live(fmt.Sprintf("  %s %d answers", bar(float64(n)/float64(s.warm), 24), n))
		if n == 0 && t.Failed > 10 {
			return false, fmt.Errorf("nothing is answered: %w", t.LastErr)
		}
		if n < s.warm {
			return false, nil
		}
		v := t.Versions[model+"@1"]
		s.out.Say("  %s@1 answered %d images, %.1f%% right", model, v.Answers, 100*v.Accuracy())
		return true, nil
	})
}

// release applies a manifest and watches the release until it ends or waits
// for a person.
func (s *story) release(ctx context.Context, manifest, name string) (fairlead.Release, error) {
	if err := s.apply(ctx, manifest); err != nil {
		return fairlead.Release{}, err
	}
	start, before := time.Now(), s.play.tally.snapshot()
	var last fairlead.Release
	shown := ""
	err := s.poll(ctx, func() (bool, error) {
		r, err := s.ctl.release(ctx, name)
		if err != nil {
			return false, err
		}
		last = r
		if line := stage(r); line != shown {
			shown = line
			s.out.Say("  %5.1fs  %s", time.Since(start).Seconds(), s.tint(r.Status.Phase, line))
		}
		s.out.Live(s.live(r, before, s.play.tally.snapshot())...)
		// Nobody is there to be asked: a pause is an end, too, and a wrong one.
		return r.Status.Phase.Terminal() || r.Status.Phase == fairlead.Paused, nil
	})
	return last, err
}

// stage is where a release stands, in a line; a new line is a new stage.
func stage(r fairlead.Release) string {
	st := r.Status
	if st.Phase == "" || st.Phase == fairlead.Pending {
		return "Pending"
	}
	words := []string{string(st.Phase)}
	switch st.Phase {
	case fairlead.Progressing:
		words = append(words, fmt.Sprintf("step %d of %d", st.Step+1, len(st.Steps)))
		if st.Step < len(st.Steps) && st.Steps[st.Step].Check {
			words = append(words, "checking every gate")
		}
		words = append(words, fmt.Sprintf("%s of the traffic", st.Weight))
	default:
		if st.Reason != "" {
			words = append(words, st.Reason)
		}
		if st.Message != "" {
			words = append(words, st.Message)
		}
	}
	return strings.Join(words, " · ")
}

func (s *story) tint(p fairlead.Phase, text string) string {
	switch p {
	case fairlead.Healthy, fairlead.Guarding:
		return s.out.paint(green, text)
	case fairlead.Degraded, fairlead.RollingBack:
		return s.out.paint(red, text)
	case fairlead.Paused:
		return s.out.paint(yellow, text)
	}
	return text
}

// live shows the release from the callers' side: what they got since before.
func (s *story) live(r fairlead.Release, before, now snapshot) []string {
	total := max(1, now.Answers()-before.Answers())
	lines := []string{fmt.Sprintf("  plan   %s %s", bar(float64(r.Status.Weight)/float64(fairlead.FullWeight), 24), r.Status.Weight)}
	for _, v := range []string{r.Status.Incumbent, r.Status.Candidate} {
		if v == "" {
			continue
		}
		d := now.Versions[v].minus(before.Versions[v])
		right := "-"
		if d.Answers > 0 {
			right = fmt.Sprintf("%.1f%%", 100*d.Accuracy())
		}
		lines = append(lines, fmt.Sprintf("  %s  %6d answers (%4.1f%%)  right %s", v, d.Answers, 100*float64(d.Answers)/float64(total), right))
	}
	return lines
}

// minus is the score of the time after old.
func (s score) minus(old score) score {
	s.Answers -= old.Answers
	s.Wrong -= old.Wrong
	return s
}

// apply makes one of the demo's manifests true.
func (s *story) apply(ctx context.Context, file string) error {
	text, err := files.ReadFile(file)
	if err != nil {
		return err
	}
	manifest := string(text)
	if s.tune != nil {
		manifest = s.tune(manifest)
	}
	if err := s.ctl.apply(ctx, path.Join("examples/digits", file), manifest); err != nil {
		return err
	}
	s.out.Say("  applied    %s", path.Join("examples/digits", file))
	return nil
}

// poll looks ten times a second until f is done, ctx ends or the server does.
func (s *story) poll(ctx context.Context, f func() (done bool, err error)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.srv.ended:
			return fmt.Errorf("the server ended: %v\n%s", s.srv.err, s.srv.logTail())
		case <-tick.C:
		}
	}
}
