// Command fairlead is the whole product in one binary; what it does is told by
// its subcommand. This folder only wires: the rooms of the house stand beside.
//
// Begin here; serve.go puts a server together, wire.go lists its plugs.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"fairlead.dev"
	"fairlead.dev/cli"
	"fairlead.dev/sim"
)

func main() { os.Exit(run()) }

func run() int {
	// The first signal ends ctx, and with it the command, in good order; a
	// second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	return cli.Main(ctx, cli.Program{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv:  os.Getenv,
		Env:     fairlead.System(),
		Version: version(),
		Serve:   serve,
		Sim:     sim.PlayFiles,
	})
}

// version is what the Go toolchain recorded of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v, revision, modified := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = " " + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+changes"
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	} else {
		return v // the toolchain puts the revision into it
	}
	return v + revision + modified
}
