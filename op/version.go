package op

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"fairlead.dev"
)

// The verbs of versions: register, look at, and delete one that never served.
var (
	VersionGet    = versions.getOp(CanRead, nil)
	VersionList   = versions.listOp(CanRead, nil)
	VersionDelete = versions.deleteOp(CanWrite, "Delete a version that never served.\nEvery version that ever served an endpoint is kept, so that one can always go back to it and look into it.", versionInUse)
)

func versionInUse(t *tx, v fairlead.Version) error {
	name := v.Meta.Name
	eps, err := endpoints.all(t.ctx, t.d, "", "", 0)
	if err != nil {
		return err
	}
	for _, e := range eps {
		for _, s := range e.Status.History {
			if s.Version == name {
				return fairlead.Errorf(fairlead.Conflict, "%s served the endpoint %s since %s; versions that served are kept", name, e.Meta.Name, s.Since.UTC().Format("2006-01-02 15:04"))
			}
		}
	}
	rels, err := releases.all(t.ctx, t.d, "", "", 0)
	if err != nil {
		return err
	}
	for _, r := range rels {
		// Also an ended release: its candidate met real requests.
		if r.Status.Candidate == name {
			return fairlead.Errorf(fairlead.Conflict, "%s is the candidate of the release %s on the endpoint %s; versions that met traffic are kept", name, r.Meta.Name, r.Spec.Endpoint)
		}
	}
	as, err := aliases.all(t.ctx, t.d, "", "", 0)
	if err != nil {
		return err
	}
	for _, a := range as {
		if a.Spec.Version == name {
			return fairlead.Errorf(fairlead.Conflict, "the alias %s names %s; move it first", a.Meta.Name, name)
		}
	}
	return nil
}

// VersionIn registers a version whose bytes are uploaded already.
type VersionIn struct {
	Name     string                  `json:"-" path:"name" maxLength:"127" doc:"model@version"`
	Digest   string                  `json:"digest,omitempty" maxLength:"71" doc:"sha256:… of the uploaded file; absent for a folder"`
	Files    []fairlead.ArtifactFile `json:"files,omitempty" maxItems:"10000" doc:"the uploaded files of a folder"`
	File     string                  `json:"file,omitempty" maxLength:"255" doc:"the file's name: helps to find the format"`
	Format   string                  `json:"format,omitempty" maxLength:"63" doc:"which runtime loads it; found out if absent"`
	Metrics  map[string]float64      `json:"metrics,omitempty" doc:"offline metrics, e.g. accuracy: 0.97"`
	Lineage  fairlead.Lineage        `json:"lineage,omitzero" doc:"where it comes from"`
	Card     fairlead.Card           `json:"card,omitzero" doc:"a short model card"`
	Labels   map[string]string       `json:"labels,omitempty" doc:"free labels"`
	DryRun   bool                    `json:"dryRun,omitempty" doc:"only check"`
	Describe string                  `json:"description,omitempty" maxLength:"4096" doc:"of the model, when this is its first version"`
}

// VersionOut is the registered version.
type VersionOut struct {
	Outcome string           `json:"outcome" enum:"created,unchanged"`
	Model   string           `json:"model" enum:"created,unchanged" doc:"whether the model was declared by this"`
	Version fairlead.Version `json:"version"`
}

// VersionRegister makes an uploaded artifact a version.
var VersionRegister = Op[VersionIn, VersionOut]{Name: "version register", Method: http.MethodPut, Path: "/versions/{name}", Can: CanWrite,
	Doc: "Register an uploaded file or folder as a version of a model.\nThe artifact is examined as a runtime would load it: one that cannot run here is refused now, not under traffic. The model is declared if it is new; if it declares tensors the artifact must have them. A version never changes: the same again is fine, another content under the name is refused.",
	Do:  registerVersion}

func registerVersion(ctx context.Context, d *Deps, in VersionIn) (VersionOut, error) {
	faults := checkRef("/name", in.Name, "model@version")
	faults = append(faults, checkLineage(in.Lineage)...)
	if (in.Digest == "") == (len(in.Files) == 0) {
		faults = append(faults, fairlead.Fault{Path: "/digest", Message: "not an artifact", Want: "either a digest (one file) or files (a folder)"})
	}
	if err := fairlead.Faulty("the version is wrong", faults); err != nil {
		return VersionOut{}, err
	}
	art, err := artifactOf(ctx, d, in)
	if err != nil {
		return VersionOut{}, err
	}
	sig, art, err := examine(ctx, d, art, in)
	if err != nil {
		return VersionOut{}, err
	}
	v := fairlead.Version{Meta: fairlead.Meta{Name: in.Name, Labels: in.Labels},
		Spec: fairlead.VersionSpec{Artifact: art, Inputs: sig.Inputs, Outputs: sig.Outputs, Lineage: in.Lineage, Metrics: in.Metrics, Card: in.Card}}

	var out VersionOut
	run := change
	if in.DryRun {
		run = look
	}
	err = run(ctx, d, func(t *tx) error {
		out = VersionOut{Outcome: Created, Model: Unchanged, Version: v}
		have, ok, err := versions.find(t, in.Name)
		if err != nil {
			return err
		}
		if ok {
			if diff := differs(have.Spec, v.Spec); diff != "" {
				return fairlead.Errorf(fairlead.Exists, "%s exists since %s with another %s; a version never changes, so give the new one another name",
					in.Name, have.Meta.Created.UTC().Format("2006-01-02 15:04"), diff)
			}
			out.Outcome, out.Version = Unchanged, have
			return nil
		}
		if _, taken, err := aliases.find(t, in.Name); err != nil {
			return err
		} else if taken {
			return fairlead.Errorf(fairlead.Exists, "%s is an alias; a version needs a name of its own", in.Name)
		}
		name, _, _ := fairlead.SplitRef(in.Name)
		m, ok, err := models.find(t, name)
		if err != nil {
			return err
		}
		if !ok {
			m = fairlead.Model{Meta: fairlead.Meta{Name: name}, Spec: fairlead.ModelSpec{Description: in.Describe}}
			out.Model = Created
			if _, err := models.write(t, &m, false); err != nil {
				return err
			}
		} else if faults := checkSignature(m.Spec, sig.Inputs, sig.Outputs); len(faults) > 0 {
			return fairlead.Faulty("the artifact of "+in.Name+" does not have the tensors that the model "+name+" declares", faults)
		}
		v := v
		if _, err := versions.write(t, &v, false); err != nil {
			return err
		}
		out.Version = v
		return nil
	})
	return out, err
}

// differs names the first part in which two specs differ, "" when none.
func differs(a, b fairlead.VersionSpec) string {
	switch {
	case a.Artifact.Digest != b.Artifact.Digest:
		return fmt.Sprintf("artifact (%s, not %s)", a.Artifact.Digest, b.Artifact.Digest)
	case a.Artifact.Format != b.Artifact.Format:
		return "format (" + a.Artifact.Format + ")"
	case !same(a.Lineage, b.Lineage):
		return "lineage"
	case !same(a.Metrics, b.Metrics):
		return "set of metrics"
	case !same(a.Card, b.Card):
		return "model card"
	}
	return ""
}

func checkLineage(l fairlead.Lineage) []fairlead.Fault {
	if l.Parent == "" {
		return nil
	}
	return checkRef("/lineage/parent", l.Parent, "model@version")
}

// formatsOf lists what the runtimes can load.
func formatsOf(d *Deps) []string {
	var all []string
	for _, r := range d.Runtimes {
		for _, f := range r.Formats() {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}
