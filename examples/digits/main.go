// Command digits is the demo: `make demo`. It starts the real server, plays
// held-out handwritten digits as live traffic with labels that come later,
// releases a better version (promoted) and a bad one (turned back), and tells
// what happened from the callers' side. It exits with 1 when the story does not
// end as it should.
//
// Begin with story.go; player.go is the traffic, server.go the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("bin", "bin/fairlead", "the server's program; make builds it")
	keep := flag.Bool("keep", false, "leave the server running at the end")
	rate := flag.Float64("rate", 400, "requests a second")
	flag.Parse()
	if flag.NArg() > 0 || *rate < 50 || *rate > 5000 {
		fmt.Fprintln(os.Stderr, "usage: digits [--bin bin/fairlead] [--keep] [--rate 50…5000]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *binary, *keep, *rate)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "\nstopped; the server is ended and its folder removed")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nerror:", err)
		os.Exit(1)
	}
}

// budget of the whole demo: beyond it something hangs, and saying so is better.
const budget = 3 * time.Minute

func run(ctx context.Context, binary string, keep bool, rate float64) (err error) {
	start, user := time.Now(), ctx
	ctx, cancel := context.WithTimeoutCause(ctx, budget, fmt.Errorf("the demo did not end within %s", budget))
	defer cancel()
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	all, err := images()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return err
	}
	out := newScreen(os.Stdout, os.Getenv)
	srv, err := startServer(ctx, binary, dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		if keep && err == nil {
			return
		}
		srv.stop()
		switch {
		case user.Err() != nil: // Ctrl-C
			err = errors.Join(err, os.RemoveAll(dir))
		case err != nil:
			err = fmt.Errorf("%w\n(the server's log: %s)", err, srv.log())
		}
	}()
	s := &story{out: out, srv: srv, ctl: newControl(srv), binary: shorten(binary), warm: int(3 * rate),
		play: &player{Endpoint: model, Images: all, Rate: rate, Workers: 4,
			MinDelay: 200 * time.Millisecond, MaxDelay: time.Second, Seed: 1}}
	if err := s.tell(ctx); err != nil {
		return err
	}
	s.farewell(keep)
	out.Say("\nDone in %s: version 2 was promoted, version 3 was turned back.", time.Since(start).Round(time.Second))
	return nil
}

// shorten gives the path as one would type it from here.
func shorten(file string) string {
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return file
}
