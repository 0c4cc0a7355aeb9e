package op

import (
	"net/url"
	"slices"

	"fairlead.dev"
)

// The verbs of targets; apply creates and changes them.
var (
	TargetGet    = targets.getOp(CanRead, nil)
	TargetList   = targets.listOp(CanRead, nil)
	TargetDelete = targets.deleteOp(CanWrite, "Delete a target that no endpoint uses.", targetInUse)
)

func targetInUse(t *tx, v fairlead.Target) error {
	list, err := endpoints.all(t.ctx, t.d, "", "", 0)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Spec.Target == v.Meta.Name {
			return fairlead.Errorf(fairlead.Conflict, "the endpoint %s runs on the target %s", e.Meta.Name, v.Meta.Name)
		}
	}
	return nil
}

// setTarget creates or changes a target. Endpoints that run on it get a new
// route.
func setTarget(t *tx, want fairlead.Target) (Applied, error) {
	if faults := allowedTarget(t.d, want); len(faults) > 0 {
		return Applied{}, fairlead.Faulty("the target is not allowed", faults)
	}
	have, ok, err := targets.find(t, want.Meta.Name)
	if err != nil {
		return Applied{}, err
	}
	if ok {
		if same(have.Spec, want.Spec) && same(have.Meta.Labels, want.Meta.Labels) {
			return targets.unchanged(have.Meta.Name), nil
		}
		if err := guard("the target "+want.Meta.Name, have.Meta, want.Meta.Revision, ""); err != nil {
			return Applied{}, err
		}
		list, err := endpoints.all(t.ctx, t.d, "", "", 0)
		if err != nil {
			return Applied{}, err
		}
		for _, e := range list {
			if e.Spec.Target == want.Meta.Name {
				t.effect(EffectRoute, e.Meta.Name)
			}
		}
	}
	want.Meta.Created = have.Meta.Created
	return targets.write(t, &want, ok)
}

func checkTarget(v fairlead.Target) []fairlead.Fault {
	faults := fairlead.CheckName("/metadata/name", v.Meta.Name)
	if v.Meta.Name == fairlead.LocalTarget {
		faults = append(faults, fairlead.Fault{Path: "/metadata/name", Message: `"local" is built in: this process`, Want: "another name"})
	}
	if v.Spec.URL == "" {
		if v.Spec.Runtime == "remote" {
			faults = append(faults, fairlead.Fault{Path: "/spec/url", Message: "missing", Want: "the base address of an Open Inference Protocol server"})
		}
		return faults
	}
	u, err := url.Parse(v.Spec.URL)
	switch {
	case v.Spec.Runtime != "remote":
		faults = append(faults, fairlead.Fault{Path: "/spec/url", Message: "only the runtime remote has an address"})
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		faults = append(faults, fairlead.Fault{Path: "/spec/url", Message: "not an address", Want: "http:// or https:// and a host"})
	case u.User != nil:
		faults = append(faults, fairlead.Fault{Path: "/spec/url", Message: "credentials do not belong into an address"})
	case u.RawQuery != "" || u.Fragment != "":
		faults = append(faults, fairlead.Fault{Path: "/spec/url", Message: "has a query or fragment", Want: "the base address alone"})
	}
	return faults
}

// allowedTarget checks what only the server knows: its runtimes and the hosts
// its operator allows.
func allowedTarget(d *Deps, v fairlead.Target) []fairlead.Fault {
	var faults []fairlead.Fault
	var known []string
	for _, r := range d.Runtimes {
		known = append(known, r.Name())
	}
	if len(known) > 0 && !slices.Contains(known, v.Spec.Runtime) {
		faults = append(faults, fairlead.Fault{Path: "/spec/runtime", Message: "unknown runtime", Got: v.Spec.Runtime, Known: known})
	}
	if u, err := url.Parse(v.Spec.URL); err == nil && u.Host != "" && !slices.Contains(d.AllowTargets, u.Host) && !slices.Contains(d.AllowTargets, u.Hostname()) {
		faults = append(faults, fairlead.Fault{Path: "/spec/url", Message: "the host is not on the server's list of allowed targets; its operator adds it with serve --allow-target " + u.Host,
			Got: u.Host, Known: d.AllowTargets})
	}
	return faults
}
