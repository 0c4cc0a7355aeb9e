package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"fairlead.dev"
)

// tell plays the whole story and gives an error unless it ended as it should.
func (s *story) tell(ctx context.Context) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	playing, stop := context.WithCancel(ctx)
	played := make(chan struct{})
	go func() {
		defer close(played)
		s.play.Run(playing)
	}()
	defer func() {
		stop()
		<-played
	}()
	if err := s.warmUp(ctx); err != nil {
		return err
	}

	s.out.Title("Version 2 is better: a canary takes it to everybody")
	var err error
	if s.better, err = s.release(ctx, "release-v2.yaml", release2); err != nil {
		return err
	}
	if err := expect(release2, s.better, fairlead.Healthy); err != nil {
		return err // the endpoint is not where version 3 could meet it
	}
	before := s.play.tally.snapshot()
	s.out.Title("Version 3 looked fine offline, but its export lost the scaler: the same rules")
	if s.worse, err = s.release(ctx, "release-v3.yaml", release3); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	after := s.play.tally.snapshot()
	s.summary(before, after)
	s.explanation(ctx)
	return s.verdict(after)
}

// settle plays on for a while, to see that the bad version stays away.
func (s *story) settle(ctx context.Context) error {
	seen := s.play.tally.snapshot()
	return s.poll(ctx, func() (bool, error) {
		now := s.play.tally.snapshot()
		return now.Answers()-seen.Answers() >= s.warm/2, nil
	})
}

func expect(name string, r fairlead.Release, p fairlead.Phase) error {
	if r.Status.Phase == p {
		return nil
	}
	return fmt.Errorf("%s should be %s and is %s: %s", name, p, r.Status.Phase, r.Status.Message)
}

// verdict says whether the story ended as it should.
func (s *story) verdict(t snapshot) error {
	wrong := []error{expect(release2, s.better, fairlead.Healthy), expect(release3, s.worse, fairlead.Degraded)}
	if bad := t.Versions[model+"@3"]; bad.Last.After(s.worse.Status.Ended.Add(time.Second)) {
		wrong = append(wrong, fmt.Errorf("%s@3 still answered after its release had ended", model))
	}
	if t.Failed > 0 {
		wrong = append(wrong, fmt.Errorf("%d requests failed, the last: %w", t.Failed, t.LastErr))
	}
	if t.Lost > 0 {
		wrong = append(wrong, fmt.Errorf("%d labels were refused, the last: %w", t.Lost, t.LastErr))
	}
	return errors.Join(wrong...)
}

// summary is the story in numbers, all counted on the callers' side.
func (s *story) summary(before, after snapshot) {
	s.out.Title("What callers saw")
	for _, v := range []string{"1", "2", "3"} {
		name := model + "@" + v
		n := after.Versions[name]
		s.out.Say("  %s  %6d answers, %5.1f%% right", name, n.Answers, 100*n.Accuracy())
	}
	s.out.Say("  %d requests failed, %d labels were delivered", after.Failed, after.Labels)

	bad := after.Versions[model+"@3"]
	during := after.Answers() - before.Answers()
	s.out.Say("")
	s.out.Say("  The bad version answered %s of the %d requests since its release began, %d of them wrongly.",
		s.out.paint(bold, fmt.Sprint(bad.Answers)), during, bad.Wrong)
	if bad.Wrong > 0 {
		s.out.Say("  From its first wrong answer to its last answer of any kind: %s.",
			s.out.paint(bold, bad.Last.Sub(bad.FirstWrong).Round(time.Millisecond).String()))
		s.out.Say("  (Labels came %s to %s after the answers; nobody can know sooner.)", s.play.MinDelay, s.play.MaxDelay)
	}
}

// explanation shows what the server has on record, with the command that a
// person would type.
func (s *story) explanation(ctx context.Context) {
	s.out.Title("Why: fairlead explain %s", release3)
	cmd := exec.CommandContext(ctx, s.binary, "explain", release3)
	cmd.Env = append(os.Environ(), "FAIRLEAD_SERVER="+s.srv.URL, "FAIRLEAD_TOKEN="+s.srv.Token)
	text, err := cmd.CombinedOutput()
	for _, l := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		s.out.Say("  %s", l)
	}
	if err != nil {
		s.out.Say("  (%v)", err)
	}
}

// farewell says where everything is, and how to look at it.
func (s *story) farewell(kept bool) {
	s.out.Title("Look around")
	say := func(command, why string) { s.out.Say("  %-36s # %s", command, why) }
	s.out.Say("  export FAIRLEAD_DATA=%s FAIRLEAD_TOKEN=$(cat %s)", s.srv.data(), s.srv.tokenFile())
	if !kept {
		say(s.binary+" serve --listen 127.0.0.1:0 &", "the state, the models and the ledger are kept there")
	}
	say(s.binary+" status "+release2, "the good release")
	say(s.binary+" explain "+release3, "the bad one, judged again from the ledger")
	say(s.binary+" ledger list", "who did what, and why")
	say(s.binary+" ledger verify", "and that nobody changed it since")
	if kept {
		say(fmt.Sprintf("kill %d", s.srv.cmd.Process.Pid), "ends the server, which runs on at "+s.srv.URL)
	}
}
