package op_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/core/gate"
	"fairlead.dev/op"
	"fairlead.dev/store"
)

func TestApplyIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.register("digits@1")
	// The endpoint stands before the alias it names, and in another file.
	out := must(t, op.Apply, w, op.ApplyIn{Files: []op.Manifest{
		{Name: "a.yaml", Text: "apiVersion: fairlead/v1\nkind: Endpoint\nmetadata: {name: digits}\nspec: {initial: digits@best}"},
		{Name: "b.json", Text: `{"apiVersion": "fairlead/v1", "kind": "Alias", "metadata": {"name": "digits@best"}, "spec": {"version": "digits@1"}}`},
	}})
	if fmt.Sprint(out.Applied) != "[{Endpoint digits created} {Alias digits@best created}]" {
		t.Errorf("%v", out.Applied)
	}
	e := must(t, op.EndpointGet, w, op.Named{Name: "digits"})
	if e.Status.Version != "digits@1" || e.Spec.Initial != "digits@1" || len(e.Status.History) != 1 || e.Meta.Revision != 1 {
		t.Errorf("%+v", e)
	}
	pending, err := w.deps.Store.Pending(w.ctx)
	if err != nil || len(pending) != 1 || pending[0].Kind != op.EffectRoute || pending[0].Key != "digits" {
		t.Errorf("effects %v %v", pending, err)
	}
	before := w.ledger()
	// One good document and one bad: neither.
	refused(t, op.Apply, w, op.ApplyIn{Files: []op.Manifest{{Text: "apiVersion: fairlead/v1\nkind: Model\nmetadata: {name: new}\nspec: {}\n---\napiVersion: fairlead/v1\nkind: Endpoint\nmetadata: {name: e}\nspec: {initial: no@1}"}}},
		fairlead.NotFound, "8:18", "no@1")
	refused(t, op.ModelGet, w, op.Named{Name: "new"}, fairlead.NotFound, "known: digits")
	// A dry run says the same and does nothing.
	in := op.ApplyIn{DryRun: true, Files: []op.Manifest{{Text: "apiVersion: fairlead/v1\nkind: Model\nmetadata: {name: new}\nspec: {}"}}}
	if out := must(t, op.Apply, w, in); out.Applied[0].Outcome != op.Created || w.ledger() != before {
		t.Errorf("%v, ledger %d → %d", out, before, w.ledger())
	}
	in.DryRun = false
	for _, want := range []string{op.Created, op.Unchanged} {
		if out := must(t, op.Apply, w, in); out.Applied[0].Outcome != want {
			t.Errorf("%v, want %s", out, want)
		}
	}
	if w.ledger() != before+1 {
		t.Errorf("%d entries for one change", w.ledger()-before)
	}
}

// What get gives can be applied again, status, revision and all; a revision
// that is no longer true guards what somebody else wrote.
func TestReadChangeApply(t *testing.T) {
	w := running(t)
	again := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	e := must(t, op.EndpointGet, w, op.Named{Name: "digits"})
	r := must(t, op.ReleaseGet, w, op.Named{Name: "v2"})
	for _, text := range []string{again(e), again(r), canaryYAML} {
		if out := w.apply(text); out.Applied[0].Outcome != op.Unchanged {
			t.Errorf("%v", out)
		}
	}
	e.Spec.Limits.Concurrency = 7
	mine := again(e)
	e.Spec.Limits.Concurrency = 8
	if out := w.apply(again(e)); out.Applied[0].Outcome != op.Changed {
		t.Errorf("%v", out)
	}
	refused(t, op.Apply, w, op.ApplyIn{Files: []op.Manifest{{Text: mine}}}, fairlead.Conflict, "changed meanwhile", "revision 3, not 2")
	if got := must(t, op.EndpointGet, w, op.Named{Name: "digits"}); got.Status.Release != "v2" || got.Spec.Limits.Concurrency != 8 {
		t.Errorf("%+v", got)
	}
	e.Spec.Key = &fairlead.Key{Header: "X-User"}
	e.Meta.Revision = 0
	refused(t, op.Apply, w, op.ApplyIn{Files: []op.Manifest{{Text: again(e)}}}, fairlead.Conflict, "v2 is moving", "key")
	refused(t, op.Apply, w, op.ApplyIn{Files: []op.Manifest{{Text: strings.Replace(canaryYAML, "10m", "11m", 1)}}}, fairlead.Conflict, "never changes", "another name")
}

func TestRegister(t *testing.T) {
	w := newWorld(t)
	in := op.VersionIn{Name: "digits@1", Digest: w.upload("ok x\n1"), File: "m.onnx", Metrics: map[string]float64{"accuracy": 0.9}, Describe: "reads digits"}
	out := must(t, op.VersionRegister, w, in)
	if out.Outcome != op.Created || out.Model != op.Created || out.Version.Spec.Artifact.Format != "onnx" || out.Version.Spec.Inputs[0].Name != "x" || out.Version.Spec.Artifact.Size != 6 {
		t.Errorf("%+v", out)
	}
	before := w.ledger()
	if out := must(t, op.VersionRegister, w, in); out.Outcome != op.Unchanged || w.ledger() != before {
		t.Errorf("again: %+v", out)
	}
	other := in
	other.Metrics = map[string]float64{"accuracy": 0.99}
	refused(t, op.VersionRegister, w, other, fairlead.Exists, "set of metrics", "never changes")
	other = in
	other.Digest = w.upload("ok x\n2")
	refused(t, op.VersionRegister, w, other, fairlead.Exists, "artifact", "sha256:")
	for _, c := range []struct {
		in    op.VersionIn
		code  fairlead.Code
		words string
	}{
		{op.VersionIn{Name: "digits", Digest: in.Digest}, fairlead.Invalid, "model@version"},
		{op.VersionIn{Name: "digits@2"}, fairlead.Invalid, "either a digest"},
		{op.VersionIn{Name: "digits@2", Digest: "sha256:beef", Format: "onnx"}, fairlead.Invalid, "64 hex digits"},
		{op.VersionIn{Name: "digits@2", Digest: "sha256:" + strings.Repeat("0", 64), Format: "onnx"}, fairlead.Invalid, "not uploaded"},
		{op.VersionIn{Name: "digits@2", Digest: in.Digest, Format: "pickle"}, fairlead.Invalid, "known: onnx, xgboost-json"},
		{op.VersionIn{Name: "digits@2", Digest: w.upload("???")}, fairlead.Invalid, "cannot be told"},
		{op.VersionIn{Name: "digits@2", Digest: w.upload("bad"), Format: "onnx"}, fairlead.Unsupported, "digits@2 cannot be registered as onnx: the operator Frobnicate"},
		{op.VersionIn{Name: "digits@2", Files: []fairlead.ArtifactFile{{Path: "../x", Digest: in.Digest}, {Path: "a", Digest: in.Digest}, {Path: "a", Digest: in.Digest}}, Format: "onnx"}, fairlead.Invalid, "given twice"},
		{op.VersionIn{Name: "digits@2", Digest: in.Digest, Lineage: fairlead.Lineage{Parent: "x"}}, fairlead.Invalid, "/lineage/parent"},
	} {
		refused(t, op.VersionRegister, w, c.in, c.code, c.words)
	}
	// A declared interface binds.
	w.apply("apiVersion: fairlead/v1\nkind: Model\nmetadata: {name: digits}\nspec: {inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]}")
	refused(t, op.VersionRegister, w, op.VersionIn{Name: "digits@3", Digest: w.upload("ok pixels"), Format: "onnx"}, fairlead.Invalid, `no input "x"`, `further input "pixels"`)
	must(t, op.VersionRegister, w, op.VersionIn{Name: "digits@3", Digest: w.upload("ok x"), Format: "onnx"})
	for text, want := range map[string]string{`{"learner": {}}`: "xgboost-json", "\x08\x08": "onnx"} {
		refused(t, op.VersionRegister, w, op.VersionIn{Name: "f@1", Digest: w.upload(text)}, fairlead.Unsupported, "registered as "+want)
	}
}

// Versions that served or met traffic stay; so does whatever something else
// stands on.
func TestDeletions(t *testing.T) {
	w := running(t)
	must(t, op.AliasSet, w, op.AliasSetIn{Name: "digits@best", Version: "digits@3"})
	w.apply("apiVersion: fairlead/v1\nkind: Target\nmetadata: {name: here}\nspec: {runtime: inproc}\n---\napiVersion: fairlead/v1\nkind: Endpoint\nmetadata: {name: far}\nspec: {initial: other@1, target: here}")
	refused(t, op.VersionDelete, w, op.Deletion{Name: "digits@1"}, fairlead.Conflict, "served the endpoint digits")
	refused(t, op.VersionDelete, w, op.Deletion{Name: "digits@2"}, fairlead.Conflict, "candidate of the release v2 on the endpoint digits")
	refused(t, op.VersionDelete, w, op.Deletion{Name: "digits@3"}, fairlead.Conflict, "alias digits@best")
	refused(t, op.VersionDelete, w, op.Deletion{Name: "digits@4"}, fairlead.NotFound, "known: digits@1")
	refused(t, op.ModelDelete, w, op.Deletion{Name: "digits"}, fairlead.Conflict, "has versions")
	refused(t, op.EndpointDelete, w, op.Deletion{Name: "digits"}, fairlead.Conflict, "release v2 is moving")
	refused(t, op.TargetDelete, w, op.Deletion{Name: "here"}, fairlead.Conflict, "endpoint far")
	refused(t, op.ReleaseDelete, w, op.Deletion{Name: "v2"}, fairlead.Conflict, "is Pending")
	refused(t, op.AliasDelete, w, op.Deletion{Name: "digits@best", Revision: 9}, fairlead.Conflict, "revision 1, not 9")
	must(t, op.AliasDelete, w, op.Deletion{Name: "digits@best", Revision: 1})
	must(t, op.VersionDelete, w, op.Deletion{Name: "digits@3"})
	must(t, op.EndpointDelete, w, op.Deletion{Name: "far"})
	must(t, op.TargetDelete, w, op.Deletion{Name: "here"})
}

func TestReleaseIsPinnedAndAlone(t *testing.T) {
	w := newWorld(t)
	w.register("digits@1", "digits@2", "digits@3")
	w.apply(digitsYAML)
	must(t, op.AliasSet, w, op.AliasSetIn{Name: "digits@next", Version: "digits@2"})
	r := must(t, op.ReleaseCreate, w, op.ReleaseIn{Name: "r", Spec: spec("digits@next")})
	if r.Status.Phase != fairlead.Pending || r.Status.Candidate != "digits@2" || r.Status.Incumbent != "digits@1" || len(r.Status.Steps) == 0 || r.Status.Weight != 0 {
		t.Errorf("%+v", r.Status)
	}
	must(t, op.AliasSet, w, op.AliasSetIn{Name: "digits@next", Version: "digits@3"})
	if r := must(t, op.ReleaseGet, w, op.Named{Name: "r"}); r.Status.Candidate != "digits@2" {
		t.Errorf("moved with its alias: %s", r.Status.Candidate)
	}
	if e := must(t, op.EndpointGet, w, op.Named{Name: "digits"}); e.Status.Release != "r" || e.Status.Version != "digits@1" {
		t.Errorf("%+v", e.Status)
	}
	refused(t, op.ReleaseCreate, w, op.ReleaseIn{Name: "s", Spec: spec("digits@3")}, fairlead.Conflict, "release r is moving")
	must(t, op.ReleaseCreate, w, op.ReleaseIn{Name: "r", Spec: spec("digits@next")})

	// Many at once on a free endpoint: exactly one wins.
	w2 := newWorld(t)
	w2.register("digits@1", "digits@2")
	w2.apply(digitsYAML)
	var wg sync.WaitGroup
	won := make(chan string, 8)
	for i := range 8 {
		wg.Go(func() {
			if _, err := op.ReleaseCreate.Call(w2.ctx, w2.deps, op.ReleaseIn{Name: fmt.Sprintf("r%d", i), Spec: spec("digits@2")}); err == nil {
				won <- fmt.Sprintf("r%d", i)
			} else if fairlead.CodeOf(err) != fairlead.Conflict {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d won", len(won))
	}
	if e := must(t, op.EndpointGet, w2, op.Named{Name: "digits"}); e.Status.Release != <-won {
		t.Errorf("%+v", e.Status)
	}
}

func spec(candidate string) fairlead.ReleaseSpec {
	return fairlead.ReleaseSpec{Endpoint: "digits", Candidate: candidate, Strategy: fairlead.Strategy{Kind: "canary", Spec: json.RawMessage(`{"steps":[{"weight":"5%","hold":"10m"}]}`)}}
}

// set writes a release's status as its loop would.
func (w *world) set(name string, f func(*fairlead.Release)) {
	w.t.Helper()
	d, err := w.deps.Store.Get(w.ctx, fairlead.KindRelease, name)
	if err != nil {
		w.t.Fatal(err)
	}
	var r fairlead.Release
	if err := json.Unmarshal(d.Data, &r); err != nil {
		w.t.Fatal(err)
	}
	f(&r)
	b, err := json.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.deps.Store.Commit(w.ctx, store.Commit{Put: []store.Put{{Kind: d.Kind, Key: d.Key, IfRev: d.Rev, Data: b}}}); err != nil {
		w.t.Fatal(err)
	}
}

// Which command fits which phase, and what is said when it does not.
func TestCommands(t *testing.T) {
	verbs := map[string]func(w *world, ctx context.Context) error{}
	for _, o := range []op.Op[op.CommandIn, fairlead.Release]{op.ReleasePause, op.ReleaseResume, op.ReleaseAbort, op.ReleaseRetry, op.ReleaseUndo, op.ReleaseApprove} {
		verbs[strings.TrimPrefix(o.Name, "release ")] = func(w *world, ctx context.Context) error {
			_, err := o.Call(ctx, w.deps, op.CommandIn{Name: "v2", Comment: "because"})
			return err
		}
	}
	verbs["promote"] = func(w *world, ctx context.Context) error {
		_, err := op.ReleasePromote.Call(ctx, w.deps, op.PromoteIn{CommandIn: op.CommandIn{Name: "v2"}, Full: true})
		return err
	}
	for _, c := range []struct {
		phase   fairlead.Phase
		reason  string
		step    int
		allowed string
	}{
		{fairlead.Pending, "", 0, "pause promote abort"},
		{fairlead.Progressing, fairlead.ReasonSteps, 0, "pause promote abort"},
		{fairlead.Progressing, fairlead.ReasonSteps, 1, "pause promote abort approve"},
		{fairlead.Paused, fairlead.ReasonPaused, 0, "resume promote abort"},
		{fairlead.Paused, fairlead.ReasonApproval, 1, "pause promote abort approve"},
		{fairlead.Paused, fairlead.ReasonUndecided, 0, "pause resume promote abort"},
		{fairlead.Guarding, fairlead.ReasonPromoted, 9, "abort undo"},
		{fairlead.RollingBack, fairlead.ReasonGate, 0, ""},
		{fairlead.Degraded, fairlead.ReasonGate, 0, "retry"},
		{fairlead.Healthy, fairlead.ReasonPromoted, 9, ""}, // undo: the endpoint's history is another release's
	} {
		for verb, call := range verbs {
			w := running(t)
			w.set("v2", func(r *fairlead.Release) {
				r.Status.Phase, r.Status.Reason, r.Status.Step = c.phase, c.reason, c.step
			})
			if c.phase.Terminal() {
				w.free()
			}
			before := w.ledger()
			err := call(w, as(w.ctx, "bob", fairlead.RoleOperator, "managers"))
			allowed := strings.Contains(" "+c.allowed+" ", " "+verb+" ")
			switch {
			case allowed && err != nil:
				t.Errorf("%s %s: %s is refused: %v", c.phase, c.reason, verb, err)
			case !allowed && err == nil:
				t.Errorf("%s %s: %s is taken", c.phase, c.reason, verb)
			case !allowed && fairlead.CodeOf(err) != fairlead.Conflict && fairlead.CodeOf(err) != fairlead.Denied:
				t.Errorf("%s %s: %s: %v", c.phase, c.reason, verb, err)
			case allowed:
				r := must(t, op.ReleaseGet, w, op.Named{Name: "v2"})
				if n := len(r.Commands); n != 1 || r.Commands[0].Verb != verb || r.Commands[0].By != "bob" || r.Commands[0].Seq != 1 || r.Status.Phase != c.phase {
					t.Errorf("%s: recorded %+v in %s", verb, r.Commands, r.Status.Phase)
				}
				if w.ledger() != before+1 {
					t.Errorf("%s: %d entries", verb, w.ledger()-before)
				}
				// The same again before the loop has looked says who was first.
				w.now = w.now.Add(65 * time.Second)
				if err := call(w, as(w.ctx, "bob", fairlead.RoleOperator, "managers")); err == nil || !strings.Contains(err.Error(), "bob asked for that 65 seconds ago") {
					t.Errorf("%s twice: %v", verb, err)
				}
			}
		}
	}
}

// A promotion that ended well can be undone while it is the endpoint's latest
// change; a release that was turned back can be tried again while the endpoint
// is free.
func TestUndoAndRetry(t *testing.T) {
	w := running(t)
	w.set("v2", func(r *fairlead.Release) { r.Status.Phase = fairlead.Healthy })
	w.serve("digits@2", "v2")
	must(t, op.ReleaseUndo, w, op.CommandIn{Name: "v2"})

	w = running(t)
	w.set("v2", func(r *fairlead.Release) { r.Status.Phase = fairlead.Healthy })
	w.serve("digits@2", "v2")
	w.serve("digits@3", "v3")
	refused(t, op.ReleaseUndo, w, op.CommandIn{Name: "v2"}, fairlead.Conflict, "latest release", "is v3")

	w = running(t)
	w.set("v2", func(r *fairlead.Release) { r.Status.Phase = fairlead.Degraded })
	w.free()
	must(t, op.ReleaseCreate, w, op.ReleaseIn{Name: "v3", Spec: spec("digits@3")})
	refused(t, op.ReleaseRetry, w, op.CommandIn{Name: "v2"}, fairlead.Conflict, "release v3 is moving")
	w.free()
	w.serve("digits@2", "other")
	refused(t, op.ReleaseRetry, w, op.CommandIn{Name: "v2"}, fairlead.Conflict, "serves digits@2 already")
}

// free lets the endpoint go, as the loop does at a release's end.
func (w *world) free() {
	w.t.Helper()
	w.endpoint(func(e *fairlead.Endpoint) { e.Status.Release = "" })
}

// serve lets a release end with its version serving.
func (w *world) serve(version, release string) {
	w.t.Helper()
	w.endpoint(func(e *fairlead.Endpoint) {
		e.Status.Release, e.Status.Previous, e.Status.Version = "", e.Status.Version, version
		e.Status.History = append(e.Status.History, fairlead.Serve{Version: version, Since: w.now, Release: release})
	})
}

func (w *world) endpoint(f func(*fairlead.Endpoint)) {
	w.t.Helper()
	d, err := w.deps.Store.Get(w.ctx, fairlead.KindEndpoint, "digits")
	if err != nil {
		w.t.Fatal(err)
	}
	var e fairlead.Endpoint
	if err := json.Unmarshal(d.Data, &e); err != nil {
		w.t.Fatal(err)
	}
	f(&e)
	b, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.deps.Store.Commit(w.ctx, store.Commit{Put: []store.Put{{Kind: d.Kind, Key: d.Key, IfRev: d.Rev, Data: b}}}); err != nil {
		w.t.Fatal(err)
	}
}

func TestConflictsAreSaidPlainly(t *testing.T) {
	w := running(t)
	must(t, op.ReleasePause, w, op.CommandIn{Name: "v2"})
	w.now = w.now.Add(3 * time.Minute)
	refused(t, op.ReleaseAbort, w, op.CommandIn{Name: "v2", Revision: 1}, fairlead.Conflict,
		"revision 2, not 1", "paused by ann 2026-03-01 12:00:00, 3 minutes ago", "look again")
	refused(t, op.ReleasePause, w, op.CommandIn{Name: "v3"}, fairlead.NotFound, "known: v2")
}

func TestApprovals(t *testing.T) {
	w := running(t)
	w.set("v2", func(r *fairlead.Release) {
		r.Status.Phase, r.Status.Reason, r.Status.Step = fairlead.Paused, fairlead.ReasonApproval, 1
	})
	for _, c := range []struct {
		name string
		role string
		ok   bool
	}{{"root", fairlead.RoleAdmin, false}, {"ann", fairlead.RoleOperator, false}, {"app", fairlead.RoleCaller, false}, {"managers", fairlead.RoleViewer, true}, {"eve", "managers", true}} {
		_, err := op.ReleaseApprove.Call(as(w.ctx, c.name, c.role), w.deps, op.CommandIn{Name: "v2"})
		if c.ok != (err == nil) && !strings.Contains(fmt.Sprint(err), "asked for that") {
			t.Errorf("%s (%s): %v", c.name, c.role, err)
		}
		if !c.ok && fairlead.CodeOf(err) != fairlead.Denied {
			t.Errorf("%s (%s): %v", c.name, c.role, err)
		}
	}
}

// What is stored of a gateway that has nothing new to say is up to a minute old
// and it is alive all the same; a gateway that has started again is one gateway.
func TestStatusOfGateways(t *testing.T) {
	w := running(t)
	put := func(id, home string, seen time.Time) {
		t.Helper()
		g := evidence.Gateway{GatewayReport: fairlead.GatewayReport{Gateway: id, Home: home, Endpoint: "digits"}, Seen: seen}
		data, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.deps.Store.Commit(w.ctx, store.Commit{Put: []store.Put{{Kind: fairlead.KindGateway, Key: evidence.GatewayKey("digits", id), IfRev: store.AnyRev, Data: data}}}); err != nil {
			t.Fatal(err)
		}
	}
	put("first", "here", w.now.Add(-50*time.Second))
	put("again", "here", w.now.Add(-40*time.Second))
	put("gone", "there", w.now.Add(-2*time.Minute))
	rep := must(t, op.EndpointStatus, w, op.Named{Name: "digits"})
	var got []string
	for _, g := range rep.Gateways {
		got = append(got, fmt.Sprint(g.ID, " ", g.Live))
	}
	if strings.Join(got, ", ") != "again true, gone false" {
		t.Errorf("%v", got)
	}
}

// A promotion that would skip somebody else's approval is refused at once,
// rather than taken and then ignored.
func TestPromotionSkipsNobodysApproval(t *testing.T) {
	promote := func(w *world, full bool, roles ...string) error {
		_, err := op.ReleasePromote.Call(as(w.ctx, "root", roles...), w.deps, op.PromoteIn{CommandIn: op.CommandIn{Name: "v2"}, Full: full})
		return err
	}
	for _, c := range []struct {
		step     int
		full, ok bool
		approved bool
		roles    []string
	}{
		{0, false, true, false, []string{fairlead.RoleAdmin}},
		{0, true, false, false, []string{fairlead.RoleAdmin}},
		{0, true, true, false, []string{fairlead.RoleOperator, "managers"}},
		{1, false, false, false, []string{fairlead.RoleAdmin}},
		{1, false, true, true, []string{fairlead.RoleAdmin}},
		{1, true, true, true, []string{fairlead.RoleAdmin}},
	} {
		w := running(t)
		w.set("v2", func(r *fairlead.Release) {
			r.Status.Phase, r.Status.Step = fairlead.Progressing, c.step
			if c.approved {
				r.Status.Approvals = []fairlead.Approval{{Step: c.step, By: "managers"}}
			}
		})
		before := w.ledger()
		err := promote(w, c.full, c.roles...)
		switch {
		case c.ok && err != nil:
			t.Errorf("step %d, full %v, %v: %v", c.step, c.full, c.roles, err)
		case !c.ok && (fairlead.CodeOf(err) != fairlead.Conflict || !strings.Contains(err.Error(), "skip the approval of managers")):
			t.Errorf("step %d, full %v, %v: got %v", c.step, c.full, c.roles, err)
		case !c.ok && w.ledger() != before:
			t.Errorf("step %d, full %v, %v: refused and recorded", c.step, c.full, c.roles)
		}
	}
}

// The status is judged while one asks; explain judges again what is on record.
func TestStatusAndExplain(t *testing.T) {
	w := running(t)
	w.set("v2", func(r *fairlead.Release) {
		r.Status.Phase, r.Status.Reason, r.Status.Attempt, r.Status.Weight, r.Status.Entered = fairlead.Progressing, fairlead.ReasonSteps, 1, 500, w.now
	})
	window := fairlead.Window{Endpoint: "digits", Stratum: fairlead.Stratum{Release: "v2", Attempt: 1}, Start: w.now, End: w.now.Add(10 * time.Second), Weight: 500,
		Arms: map[string]fairlead.Counts{
			fairlead.Incumbent: {Requests: 1900, Errors: 19, Latency: fairlead.Histogram{1000: 1900}},
			fairlead.Candidate: {Requests: 100, Errors: 60, Latency: fairlead.Histogram{1200: 100}, Metrics: map[string]fairlead.Moments{"accuracy": {N: 10, Sum: 9, Sum2: 9}}},
		}}
	data, err := json.Marshal(window)
	if err != nil {
		t.Fatal(err)
	}
	r := must(t, op.ReleaseGet, w, op.Named{Name: "v2"})
	verdicts := gate.JudgeAll(r.Spec.Gates, 0.05, []fairlead.Window{window})
	evidence, err := json.Marshal(map[string]any{"windows": []fairlead.Window{window}, "gates": r.Spec.Gates, "alpha": 0.05, "verdicts": verdicts})
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := json.Marshal(map[string]any{"windows": []fairlead.Window{}, "gates": r.Spec.Gates, "alpha": 0.05, "verdicts": verdicts})
	if _, err := w.deps.Store.Commit(w.ctx, store.Commit{
		Put: []store.Put{{Kind: fairlead.KindWindow, Key: "digits/v2/0001/0000/gw1", IfRev: store.AnyRev, Data: data}},
		Ledger: []fairlead.LedgerEntry{
			{Time: w.now, Actor: "loop/release", Verb: "release.step", Kind: fairlead.KindRelease, Name: "v2", To: "RollingBack", Evidence: evidence},
			{Time: w.now, Actor: "loop/release", Verb: "release.step", Kind: fairlead.KindRelease, Name: "v2", To: "RollingBack", Evidence: forged},
		}}); err != nil {
		t.Fatal(err)
	}
	rep := must(t, op.ReleaseStatus, w, op.Named{Name: "v2"})
	if rep.Samples != 100 || len(rep.Verdicts) != 1 || rep.Verdicts[0].Outcome != fairlead.Fail || len(rep.Why) == 0 {
		t.Errorf("%+v", rep)
	}
	a := rep.Arms[1]
	if a.Requests != 100 || a.Errors != 60 || a.P99 == nil || *a.Accuracy != 0.9 || a.Rate != 10 || a.Weight != 500 || rep.Arms[0].Weight != 9500 {
		t.Errorf("%+v", a)
	}
	if n := len(rep.Transitions); n != 3 || rep.Transitions[0].Verb != "apply" || rep.Transitions[2].Evidence != nil {
		t.Errorf("%+v", rep.Transitions)
	}
	x := must(t, op.ReleaseExplain, w, op.Named{Name: "v2"})
	var got []string
	for _, tr := range x.Transitions {
		got = append(got, tr.Replay)
	}
	if fmt.Sprint(got) != "[none same different]" || x.Transitions[1].Exposed[fairlead.Candidate] != 100 || len(x.Transitions[2].Differs) == 0 {
		t.Errorf("%v %+v", got, x.Transitions)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	secret, created, err := op.EnsureAdmin(t.Context(), w.deps)
	if err != nil || !created || !strings.HasPrefix(secret, "flt_admin_") || len(secret) != len("flt_admin_")+43 {
		t.Fatalf("%q %v %v", secret, created, err)
	}
	if _, created, err := op.EnsureAdmin(t.Context(), w.deps); created || err != nil {
		t.Errorf("a second administrator: %v", err)
	}
	root, err := op.Authenticate(t.Context(), w.deps, secret)
	if err != nil || root.Name != "admin" {
		t.Fatal(err)
	}
	w.ctx = op.WithCaller(t.Context(), root)
	out := must(t, op.TokenCreate, w, op.TokenIn{Name: "a_b", Roles: []string{"viewer"}, Expires: fairlead.Duration(time.Hour)})
	if c, err := op.Authenticate(t.Context(), w.deps, out.Secret); err != nil || c.Name != "a_b" || !c.May(op.CanRead) || c.May(op.CanWrite) {
		t.Errorf("%+v %v", c, err)
	}
	for _, bad := range []string{"", "flt_", out.Secret[:len(out.Secret)-1], out.Secret + "x", strings.Replace(out.Secret, "a_b", "admin", 1), "flt_a_b_" + strings.Repeat("A", 43), strings.Repeat("x", 5000), "flt_../x_" + strings.Repeat("A", 43)} {
		if _, err := op.Authenticate(t.Context(), w.deps, bad); fairlead.CodeOf(err) != fairlead.Unauthenticated {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	b, _ := json.Marshal(must(t, op.TokenList, w, op.Page{}))
	if strings.Contains(string(b), op.HashToken(secret)) {
		t.Error("the list shows hashes")
	}
	ledger, _ := json.Marshal(must(t, op.LedgerList, w, op.LedgerIn{Evidence: true}))
	if s := string(ledger); strings.Contains(s, op.HashToken(secret)) || strings.Contains(s, secret) {
		t.Error("the ledger shows secrets or hashes")
	}
	refused(t, op.TokenCreate, w, op.TokenIn{Name: "a_b", Roles: []string{"viewer"}}, fairlead.Exists)
	refused(t, op.TokenCreate, w, op.TokenIn{Name: "Bad", Roles: []string{"x", "x", "?"}}, fairlead.Invalid, "/name", "/roles/1", "/roles/2")
	refused(t, op.TokenRevoke, w, op.Deletion{Name: "admin"}, fairlead.Conflict, "last token of an administrator")
	w.now = w.now.Add(time.Hour)
	if _, err := op.Authenticate(t.Context(), w.deps, out.Secret); fairlead.CodeOf(err) != fairlead.Unauthenticated {
		t.Errorf("expired: %v", err)
	}
	second := must(t, op.TokenCreate, w, op.TokenIn{Name: "root2", Roles: []string{"admin"}})
	must(t, op.TokenRevoke, w, op.Deletion{Name: "admin"})
	if _, err := op.Authenticate(t.Context(), w.deps, secret); fairlead.CodeOf(err) != fairlead.Unauthenticated {
		t.Errorf("revoked: %v", err)
	}
	if _, err := op.Authenticate(t.Context(), w.deps, second.Secret); err != nil {
		t.Error(err)
	}
}

func TestLedger(t *testing.T) {
	w := running(t)
	must(t, op.ReleasePause, w, op.CommandIn{Name: "v2", Comment: "lunch"})
	all := must(t, op.LedgerList, w, op.LedgerIn{})
	if int64(len(all.Entries)) != all.Size || all.Entries[0].Seq != 0 || all.Next != -1 {
		t.Errorf("%d of %d, next %d", len(all.Entries), all.Size, all.Next)
	}
	last := must(t, op.LedgerList, w, op.LedgerIn{Limit: 1}).Entries[0]
	if last.Verb != "release.pause" || last.Actor != "ann" || last.Name != "v2" || last.Message != "lunch" || !last.Time.Equal(w.now) {
		t.Errorf("%+v", last)
	}
	if got := must(t, op.LedgerList, w, op.LedgerIn{Kind: "Version", Name: "digits@2"}).Entries; len(got) != 1 || got[0].Verb != "version.register" {
		t.Errorf("%+v", got)
	}
	page := must(t, op.LedgerList, w, op.LedgerIn{From: 1, Limit: 2})
	if len(page.Entries) != 2 || page.Entries[0].Seq != 1 || page.Next != 3 {
		t.Errorf("%+v", page)
	}
	if p := must(t, op.LedgerVerify, w, struct{}{}); !p.Verified || p.Size != all.Size || len(p.Root) != 64 {
		t.Errorf("%+v", p)
	}
	refused(t, op.LedgerList, w, op.LedgerIn{Limit: 5000}, fairlead.Invalid, "1 to 1000")
}

func TestListPages(t *testing.T) {
	w := newWorld(t)
	w.register("a@1", "a@2", "a@3", "b@1")
	var names []string
	for after := ""; ; {
		l := must(t, op.VersionList, w, op.Page{Prefix: "a@", Limit: 2, After: after})
		for _, v := range l.Items {
			names = append(names, v.Meta.Name)
		}
		if after = l.Next; after == "" {
			break
		}
	}
	if fmt.Sprint(names) != "[a@1 a@2 a@3]" {
		t.Error(names)
	}
}

func TestNobodyMayNothing(t *testing.T) {
	w := newWorld(t)
	for _, v := range op.All() {
		if _, err := v.Call(t.Context(), w.deps, v.New()); fairlead.CodeOf(err) != fairlead.Unauthenticated {
			t.Errorf("%s without a caller: %v", v.Name, err)
		}
	}
}
