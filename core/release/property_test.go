package release_test

import (
	"reflect"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/release"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever is seen and whatever people command, in any order, the promises of a
// release hold.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.SampledFrom([][2]string{
			{"canary", canary}, {"canary", `{"steps":[{"weight":"1%","hold":"1m"},{"weight":"100%","samples":10}]}`},
			{"shadow", `{"mirror":"10%","samples":5}`}, {"shadow", `{"hold":"1m","then":"promote","approve":{}}`},
			{"bluegreen", `{}`}, {"bluegreen", `{"mirror":"5%","hold":"1m"}`},
		}).Draw(t, "strategy")
		w := newWorld(spec[0], spec[1], gate(rapid.SampledFrom([]string{"", "hold", "extend", "rollback", "promote"}).Draw(t, "policy")), gate("extend"))
		w.judge(fairlead.Undecided)
		var top fairlead.Weight // the largest weight of the attempt
		for range rapid.IntRange(1, 60).Draw(t, "moments") {
			happen(t, w)
			for turn := 0; ; turn++ {
				if turn > 20+len(w.r.Commands) {
					t.Fatal("does not settle")
				}
				before, seen := w.r, w.s
				again := release.Step(before, seen, w.now)
				n := w.step()
				if !reflect.DeepEqual(n, again) {
					t.Fatalf("not a function of its inputs: %s", cmp.Diff(n, again))
				}
				if changed := !reflect.DeepEqual(before, n.Release); changed != n.Changed || n.Changed != (n.Record != release.Record{}) {
					t.Fatalf("changed %v, says %v, record %+v", changed, n.Changed, n.Record)
				}
				if !reflect.DeepEqual(before.Commands, n.Release.Commands) {
					t.Fatal("commands were touched")
				}
				if !n.Changed {
					if !n.Wake.IsZero() && !n.Wake.After(w.now) {
						t.Fatalf("nothing changes, yet wakes at %v, now %v", n.Wake, w.now)
					}
					break
				}
				if n.Record.From != release.Word(before.Status) || n.Record.To != release.Word(n.Release.Status) || n.Record.Message == "" {
					t.Fatalf("record %+v", n.Record)
				}
				promises(t, before, n, &top)
			}
		}
	})
}

// happen draws one thing that befalls the release.
func happen(t *rapid.T, w *world) {
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 0, 1:
		w.now = w.now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, 10 * time.Minute, time.Hour}).Draw(t, "time"))
	case 2:
		live := rapid.IntRange(0, 2).Draw(t, "live")
		w.s.Gateways = release.Gateways{Live: live, Applied: rapid.IntRange(0, live).Draw(t, "applied"), Failed: rapid.SampledFrom([]string{"", "no"}).Draw(t, "failed")}
	case 3:
		w.s.Gateways = release.Gateways{Live: 1, Applied: 1}
	case 4:
		w.judge(rapid.SampledFrom([]fairlead.Outcome{fairlead.Pass, fairlead.Undecided, fairlead.Pass, fairlead.Fail}).Draw(t, "outcome"))
	case 5:
		w.s.Samples = int64(rapid.IntRange(0, 200).Draw(t, "samples"))
	case 6:
		w.s.Trips = nil
		if rapid.IntRange(0, 3).Draw(t, "trip") == 0 {
			trip(w.r.Status.Attempt)(w)
		}
	case 7:
		w.command(rapid.SampledFrom([]string{"pause", "resume", "promote", "full", "abort", "retry", "undo", "approve", "nonsense"}).Draw(t, "verb"),
			rapid.SampledFrom([]string{"ann", "managers"}).Draw(t, "by"))
	}
}

func promises(t *rapid.T, before fairlead.Release, n release.Next, top *fairlead.Weight) {
	was, is := before.Status, n.Release.Status
	if is.Attempt != was.Attempt {
		*top = 0
	}
	allowedWeight, allowedMirror := fairlead.Weight(0), fairlead.Weight(0)
	for i, s := range is.Steps {
		if i > is.Step {
			break
		}
		if s.Weight != nil {
			allowedWeight = *s.Weight
		}
		if s.Mirror != nil {
			allowedMirror = *s.Mirror
		}
	}
	switch is.Phase {
	case fairlead.Guarding, fairlead.Healthy:
		allowedWeight, allowedMirror = fairlead.FullWeight, 0
	case fairlead.Pending, fairlead.RollingBack, fairlead.Degraded, fairlead.Observed:
		allowedWeight, allowedMirror = 0, 0
	default:
		if is.Weight < *top {
			t.Fatalf("weight fell from %v to %v without a rollback", *top, is.Weight)
		}
	}
	*top = max(*top, is.Weight)
	if is.Weight > allowedWeight || is.Mirror > allowedMirror {
		t.Fatalf("%s exposes more than %v and %v", release.Word(is), allowedWeight, allowedMirror)
	}
	if (was.Weight != is.Weight || was.Mirror != is.Mirror) && (is.Phase.Terminal() == was.Phase.Terminal()) && !n.Route && is.Phase != fairlead.Healthy {
		t.Fatalf("%s → %s without a new route", release.Word(was), release.Word(is))
	}
	if was.Phase.Terminal() && is.Phase != was.Phase && n.Record.Verb != "release.retry" && n.Record.Verb != "release.undo-ended" {
		t.Fatalf("%s left %s", n.Record.Verb, was.Phase)
	}
	if was.Phase == fairlead.RollingBack && is.Phase != fairlead.RollingBack && is.Phase != fairlead.Degraded {
		t.Fatalf("a rollback ended as %s", is.Phase)
	}
	if is.Phase.Terminal() && is.Ended.IsZero() {
		t.Fatalf("%s without an end", is.Phase)
	}
}

// From wherever it is, an abort leads to zero exposure and an end.
func TestAbortAlwaysEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld("canary", canary, gate(""), gate(""))
		w.judge(fairlead.Undecided)
		for range rapid.IntRange(0, 30).Draw(t, "moments") {
			happen(t, w)
			w.step()
		}
		if w.r.Status.Phase.Terminal() {
			return
		}
		w.command("abort", "ann")
		for range 20 + 2*len(w.r.Commands) { // other commands are before it in the queue
			w.step()
		}
		w.s.Gateways = release.Gateways{Live: 1, Applied: 1}
		for range 20 + 2*len(w.r.Commands) {
			w.step()
		}
		st := w.r.Status
		if st.Phase == fairlead.Healthy || st.Phase == fairlead.Guarding {
			t.Fatalf("after an abort: %s", release.Word(st))
		}
		if st.SeenCommand != int64(len(w.r.Commands)) || st.Phase != fairlead.Degraded || st.Weight != 0 || st.Mirror != 0 {
			t.Fatalf("after an abort: %s, %d of %d commands seen", release.Word(st), st.SeenCommand, len(w.r.Commands))
		}
		if w.s.Endpoint.Status.Release != "" {
			t.Fatal("the endpoint is not free")
		}
	})
}
