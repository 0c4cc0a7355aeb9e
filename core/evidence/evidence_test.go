package evidence_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func window(step int, start time.Duration, n, x int64) fairlead.Window {
	return fairlead.Window{Endpoint: "digits", Stratum: fairlead.Stratum{Release: "v2", Attempt: 1, Step: step},
		Start: t0.Add(start), End: t0.Add(start + time.Minute), Weight: 500,
		Arms: map[string]fairlead.Counts{
			fairlead.Incumbent: {Requests: 10 * n, Errors: x, Latency: fairlead.Histogram{3: 10 * n}},
			fairlead.Candidate: {Requests: n, Errors: x, Metrics: map[string]fairlead.Moments{"accuracy": {N: n, Sum: 1, Sum2: 1}}},
		}}
}

func doc(t *testing.T, docs map[string][]byte, w fairlead.Window, gateway string) {
	t.Helper()
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	docs[evidence.Key("digits", w.Stratum, gateway)] = b
}

func TestMerge(t *testing.T) {
	docs := map[string][]byte{}
	doc(t, docs, window(10, 0, 5, 1), "g1")
	doc(t, docs, window(2, time.Second, 5, 1), "g2")
	doc(t, docs, window(2, 0, 7, 2), "g1")
	mark := fairlead.Mark{At: t0.Add(time.Minute), Arms: map[string]fairlead.Counts{fairlead.Candidate: {Requests: 3}}}
	doc(t, docs, fairlead.Window{Stratum: window(2, 0, 0, 0).Stratum, Marks: []fairlead.Mark{mark}}, evidence.MarksPart)
	got, err := evidence.Merge(maps.All(docs))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Stratum.Step != 2 || got[1].Stratum.Step != 10 {
		t.Fatalf("strata %+v", got)
	}
	w := got[0]
	want := window(2, 0, 12, 3)
	want.Arms[fairlead.Candidate].Metrics["accuracy"] = fairlead.Moments{N: 12, Sum: 2, Sum2: 2}
	for name, c := range want.Arms {
		have := w.Arms[name]
		if have.Requests != c.Requests || have.Errors != c.Errors || have.Latency.N() != c.Latency.N() || have.Metrics["accuracy"] != c.Metrics["accuracy"] {
			t.Errorf("%s: %+v, want %+v", name, have, c)
		}
	}
	if !w.Start.Equal(t0) || !w.End.Equal(t0.Add(time.Minute+time.Second)) || len(w.Marks) != 1 {
		t.Errorf("%v to %v, %d marks", w.Start, w.End, len(w.Marks))
	}
	if n := evidence.Samples(got, w.Stratum); n != 12 {
		t.Errorf("%d samples", n)
	}
}

func TestMergeRefusesWhatIsNoWindow(t *testing.T) {
	for key, data := range map[string]string{"digits/v2": "{}", evidence.Key("digits", window(1, 0, 0, 0).Stratum, "g"): "{"} {
		if _, err := evidence.Merge(maps.All(map[string][]byte{key: []byte(data)})); fairlead.CodeOf(err) != fairlead.Corrupt {
			t.Errorf("%s %s: %v", key, data, err)
		}
	}
}

// Keys sort as the strata do, so a listing is in order.
func TestKeysSort(t *testing.T) {
	var keys []string
	for _, step := range []int{0, 1, 2, 10, 101} {
		keys = append(keys, evidence.Key("digits", fairlead.Stratum{Release: "v2", Attempt: 1, Step: step}, "g"))
	}
	if d := cmp.Diff(slices.Sorted(slices.Values(keys)), keys); d != "" {
		t.Error(d)
	}
	endpoint, s, gateway, ok := evidence.Split(keys[3])
	if !ok || endpoint != "digits" || gateway != "g" || s != (fairlead.Stratum{Release: "v2", Attempt: 1, Step: 10}) {
		t.Errorf("%q: %v %v %v %v", keys[3], endpoint, s, gateway, ok)
	}
}
