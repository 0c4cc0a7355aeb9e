package main

import (
	"context"
	"net"
	"slices"

	"fairlead.dev"
	"fairlead.dev/cli"
	"fairlead.dev/op"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/fake"
	"fairlead.dev/runtime/inproc"
	"fairlead.dev/runtime/remote"
	"fairlead.dev/store"
)

// runtimes lists how versions can be run; a new kind is one line here. The
// first that knows an artifact's format examines it at registration.
func runtimes(o cli.ServeOptions, env fairlead.Env) []runtime.Runtime {
	list := []runtime.Runtime{
		inproc.New(inproc.Config{}),
		remote.New(remote.Config{Allow: allow(o.AllowTargets)}),
	}
	if o.FakeRuntime {
		list = append(list, fake.New(fake.Config{Rand: env.Rand}))
	}
	return list
}

// allow lets a remote call reach a listed host, given with or without a port,
// and nothing else; op applies the same rule when a target is declared.
func allow(hosts []string) func(string) error {
	return func(address string) error {
		name, _, err := net.SplitHostPort(address)
		if err != nil {
			name = address
		}
		if slices.Contains(hosts, address) || slices.Contains(hosts, name) {
			return nil
		}
		return fairlead.Errorf(fairlead.Denied, "%s is not on the server's list of allowed targets; its operator adds it with serve --allow-target", address)
	}
}

// loader makes an arm's version ready in the runtime that its target names.
func loader(list []runtime.Runtime, blobs store.Blobs) func(context.Context, fairlead.Arm) (runtime.Model, error) {
	return func(ctx context.Context, arm fairlead.Arm) (runtime.Model, error) {
		i := slices.IndexFunc(list, func(r runtime.Runtime) bool { return r.Name() == arm.Place.Runtime })
		if i < 0 {
			var known []string
			for _, r := range list {
				known = append(known, r.Name())
			}
			return nil, fairlead.Unknown("runtime", arm.Place.Runtime, known)
		}
		return list[i].Load(ctx, op.Artifacts(blobs, arm.Artifact), arm.Place)
	}
}
