package route

import "fairlead.dev"

// Compile makes the endpoint's route. r is the release that moves it, nil at
// rest. Version and target look a name up; a target's name "" or "local" needs
// no document. Tripwires are the candidate's, from core/gate (which this
// package may not import); they are kept only while there is a candidate arm.
//
// The route never exposes the candidate to more than r.Status allows:
//
//	no release, Pending, RollingBack, ended   incumbent alone, stratum zero
//	Progressing, Paused                       candidate at Status.Weight and Status.Mirror
//	Guarding                                  candidate at 100 %, incumbent warm at 0
//
// The salt is of the endpoint and the release's name: raising weights, pausing,
// restarting and retrying keep every unit where it is, and the next release
// draws its first users anew, so the same few do not meet every candidate
// first. A retry keeps the salt on purpose: whoever met the candidate before
// meets it again, and nobody new does (the smallest blast radius).
//
// Revision is left 0. The error has code NotFound when a version or target is
// missing, Invalid when the status asks for an impossible exposure.
func Compile(e fairlead.Endpoint, r *fairlead.Release, version func(string) (fairlead.Version, bool),
	target func(string) (fairlead.TargetSpec, bool), tripwires ...fairlead.Tripwire) (fairlead.Route, error) {
	rt := fairlead.Route{
		Endpoint: e.Meta.Name,
		Salt:     e.Meta.Name,
		Key:      e.Spec.Key,
		Limits:   limits(e.Spec.Limits),
		Feedback: e.Spec.Feedback,
	}
	place := e.Spec.Target
	if place == "" {
		place = fairlead.LocalTarget
	}
	spec, ok := target(place)
	if !ok && place == fairlead.LocalTarget {
		spec, ok = fairlead.TargetSpec{Runtime: "inproc"}, true
	}
	if !ok {
		return fairlead.Route{}, fairlead.Errorf(fairlead.NotFound, "endpoint %s: there is no target %q", e.Meta.Name, place)
	}
	arm := func(name, ref string) error {
		v, ok := version(ref)
		if !ok {
			return fairlead.Errorf(fairlead.NotFound, "endpoint %s: the %s's version %q does not exist", e.Meta.Name, name, ref)
		}
		rt.Arms = append(rt.Arms, fairlead.Arm{Name: name, Version: ref, Artifact: v.Spec.Artifact, Target: place, Place: spec})
		return nil
	}

	incumbent := e.Status.Version
	if incumbent == "" {
		incumbent = e.Spec.Initial
	}
	if err := arm(fairlead.Incumbent, incumbent); err != nil {
		return fairlead.Route{}, err
	}
	rt.Arms[0].Weight = fairlead.FullWeight
	if !Exposes(r) {
		return rt, nil
	}

	weight, mirror := r.Status.Weight, r.Status.Mirror
	if weight < 0 || weight > fairlead.FullWeight || mirror < 0 || mirror > fairlead.FullWeight {
		return fairlead.Route{}, fairlead.Errorf(fairlead.Invalid, "release %s asks for weight %v and mirror %v; both must be from 0%% to 100%%", r.Meta.Name, weight, mirror)
	}
	if err := arm(fairlead.Candidate, r.Status.Candidate); err != nil {
		return fairlead.Route{}, err
	}
	rt.Arms[0].Weight -= weight
	rt.Arms[1].Weight, rt.Arms[1].Mirror = weight, mirror
	rt.Stratum = r.Stratum()
	rt.Salt = e.Meta.Name + "/" + r.Meta.Name
	rt.Tripwires = tripwires
	return rt, nil
}

// Exposes reports whether the release has an arm in its endpoint's route: it
// does while it moves or guards, even at weight 0 (loaded, but idle).
func Exposes(r *fairlead.Release) bool {
	if r == nil {
		return false
	}
	switch r.Status.Phase {
	case fairlead.Progressing, fairlead.Paused, fairlead.Guarding:
		return true
	}
	return false
}

func limits(l fairlead.Limits) fairlead.Limits {
	if l.Body == 0 {
		l.Body = fairlead.DefaultBody
	}
	if l.Timeout == 0 {
		l.Timeout = fairlead.DefaultTimeout
	}
	if l.Concurrency == 0 {
		l.Concurrency = fairlead.DefaultConcurrency
	}
	return l
}
