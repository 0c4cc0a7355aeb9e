package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/bus/local"
	"fairlead.dev/cli"
	"fairlead.dev/gateway"
	"fairlead.dev/loop"
	"fairlead.dev/op"
	"fairlead.dev/store/dir"
	"fairlead.dev/store/sqlite"
)

// Limits of the listener. A request's own deadline is its endpoint's; these
// only keep slow or silent clients from holding connections.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeader         = 64 << 10
	drainTimeout      = 30 * time.Second
)

// serve runs everything in this process until ctx ends. It comes up in the
// order in which the parts need each other and goes down in reverse: first no
// new requests, then the running ones are answered, then loops and state.
func serve(ctx context.Context, o cli.ServeOptions) (err error) {
	log := logger(o.LogFormat)
	env := fairlead.System()
	d, err := openData(o.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	listener, err := listen(o.Listen)
	if err != nil {
		return err
	}
	defer listener.Close() // for the early returns; the server closes it, too
	address := "http://" + listener.Addr().String()

	state, err := sqlite.Open(ctx, d.path("state.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	blobs, err := dir.New(d.path("blobs"))
	if err != nil {
		return err
	}
	key, err := d.ledgerKey(env.NewID)
	if err != nil {
		return err
	}
	messages, kinds := local.New(), runtimes(o, env)
	deps := &op.Deps{Store: state, Blobs: blobs, Bus: messages, Env: env, Runtimes: kinds, AllowTargets: o.AllowTargets, LedgerKey: key, Version: version()}
	if err := firstToken(ctx, deps, o, address); err != nil {
		return err
	}
	gw, err := gateway.New(gateway.Config{Env: env, Bus: messages, Dir: d.path("gateway"), Load: loader(kinds, blobs), Logger: log,
		JournalTotal: int64(o.JournalSize), MaxDecisions: o.Decisions})
	if err != nil {
		return err
	}
	runner := loop.New(loop.Config{Store: state, Bus: messages, Env: env, Logger: log})

	var ready readiness
	srv := &http.Server{
		Handler:           handler(ctx, gw, api.Handler(deps, log), deps, &ready),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}

	// The parts outlive ctx: they work until the last request is answered.
	parts, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	failed := make(chan error, 3)
	var running sync.WaitGroup
	for name, run := range map[string]func() error{
		"gateway": func() error { return gw.Run(parts) },
		"loops":   func() error { return runner.Run(parts) },
		"http": func() error {
			if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	} {
		running.Go(func() {
			if err := run(); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	if err := d.announce(address); err != nil {
		return err
	}
	ready.Store(true)
	log.Info("serving", "address", address, "data", d.dir, "version", version())

	select {
	case <-ctx.Done():
		log.Info("stopping: running requests are answered first")
	case err = <-failed:
		log.Error("stopping: a part has failed", "error", err)
	}
	ready.Store(false)
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer done()
	err = errors.Join(err, srv.Shutdown(drain))
	stopParts()
	running.Wait()
	err = errors.Join(err, gw.Shutdown(drain))
	log.Info("stopped")
	return err
}

// listen opens the address, or says which one is in the way.
func listen(address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "--listen %q: expected host:port, e.g. 127.0.0.1:8080 or :8080", address)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, errAddrInUse) {
		return nil, fmt.Errorf("%s is taken by another program; choose another address with --listen", address)
	}
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "--listen %q cannot be listened on: %w", address, err)
	}
	return l, nil
}

// logger writes to standard error; standard output is for the token alone.
func logger(format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}
