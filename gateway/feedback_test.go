package gateway

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

func (w *world) feed(body string) (int, string) {
	r := w.do("POST", "/v1/feedback", body)
	return r.Code, strings.TrimSpace(r.Body.String())
}

// TestFeedback: outcomes are joined to the arm that answered, once.
func TestFeedback(t *testing.T) {
	w := newWorld(t)
	w.model("digits@2").infer = func(context.Context, *model.Request) (*model.Response, error) {
		return &model.Response{Outputs: []model.Tensor{{Name: "label", Datatype: "INT64", Shape: []int64{3, 1}, Data: []int64{1, 2, 3}}}}, nil
	}
	w.apply(plan(1, fairlead.FullWeight))
	if _, err := w.call("r1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body string
		code       int
		want       string
	}{
		{"label", `{"request_id":"r1","label":[1,2,4]}`, 200, `{"accepted":1,"duplicate":0,"unknown":0}`},
		{"label again", `{"request_id":"r1","label":[1,2,3]}`, 200, `{"accepted":0,"duplicate":1,"unknown":0}`},
		{"metric", `{"request_id":"r1","metrics":{"conversion":1,"revenue":9.5}}`, 200, `{"accepted":1,"duplicate":0,"unknown":0}`},
		{"partly new", `{"request_id":"r1","metrics":{"conversion":1,"clicks":3}}`, 200, `{"accepted":1,"duplicate":0,"unknown":0}`},
		{"unknown", `{"request_id":"r9","metrics":{"conversion":1}}`, 200, `{"accepted":0,"duplicate":0,"unknown":1,"unknown_ids":["r9"]}`},
		{"list", `[{"request_id":"r1","metrics":{"conversion":1}},{"request_id":"r8","label":1}]`, 200, `{"accepted":0,"duplicate":1,"unknown":1,"unknown_ids":["r8"]}`},
		{"lines", "{\"request_id\":\"r1\",\"metrics\":{\"a\":1}}\n{\"request_id\":\"r1\",\"metrics\":{\"b\":1}}\n", 200, `{"accepted":2,"duplicate":0,"unknown":0}`},
		{"empty", ``, 400, "empty; expected an object"},
		{"empty list", `[]`, 400, "empty"},
		{"not json", `{"request_id"`, 400, "not JSON"},
		{"unknown field", `{"request_id":"r1","reward":1}`, 400, `unknown field \"reward\" (known: request_id, label, metrics, at)`},
		{"wrong type", `[{"request_id":"r1","metrics":{"a":1}},{"request_id":5}]`, 400, "[1].request_id: expected a string, got number"},
		{"no id", `{"metrics":{"a":1}}`, 400, "request_id: not a request id"},
		{"nothing said", `{"request_id":"r1"}`, 400, "says nothing (expected label, metrics or both)"},
		{"reserved", `{"request_id":"r1","metrics":{"error_rate":1}}`, 400, "metrics.error_rate: the gateway measures this metric itself"},
		{"bad name", `{"request_id":"r1","metrics":{"a b":1}}`, 400, "not a metric's name"},
		{"huge", `{"request_id":"r1","metrics":{"c":1e200}}`, 400, "metrics.c: not a usable number"},
		{"nothing of a bad list", `[{"request_id":"r1","metrics":{"fresh":1}},{"request_id":"r1","metrics":{"error_rate":1}}]`, 400, "[1].metrics.error_rate"},
		{"is taken", `{"request_id":"r1","metrics":{"fresh":1}}`, 200, `{"accepted":1,"duplicate":0,"unknown":0}`},
	} {
		code, got := w.feed(c.body)
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %d %s, want %d %s", c.name, code, got, c.code, c.want)
		}
	}
	m := w.counts(1, "candidate").Metrics
	must(t, "accuracy", m["accuracy"], fairlead.Moments{N: 3, Sum: 2, Sum2: 2})
	must(t, "revenue", m["revenue"], fairlead.Moments{N: 1, Sum: 9.5, Sum2: 90.25})
	must(t, "conversion", m["conversion"], fairlead.Moments{N: 1, Sum: 1, Sum2: 1})
	must(t, "as viewer", w.do("POST", "/v1/feedback", "{}", "Authorization: Bearer flt_viewer").Code, 403)
	must(t, "by GET", w.do("GET", "/v1/feedback", "").Code, 405)
}

// TestLabels: what compares with what.
func TestLabels(t *testing.T) {
	out := func(d string, data any) *model.Response {
		return &model.Response{Outputs: []model.Tensor{{Name: "label", Datatype: d, Shape: []int64{1}, Data: data}}}
	}
	for i, c := range []struct {
		resp  *model.Response
		label string
		want  string // "1", "0" or a piece of the error
	}{
		{out("INT64", []int64{7}), `7`, "1"},
		{out("INT64", []int64{7}), `[7]`, "1"},
		{out("INT64", []int64{7}), `7.0`, "1"},
		{out("INT64", []int64{7}), `8`, "0"},
		{out("INT64", []int64{9007199254740993}), `9007199254740992`, "0"},
		{out("INT64", []int64{7}), `"7"`, `label: does not compare with the prediction (expected a number; got "7")`},
		{out("INT64", []int64{7}), `[7,7]`, "wrong number of labels (expected 1, one a row of the answer; got 2)"},
		{out("UINT8", []uint8{7}), `7`, "1"},
		{out("UINT64", []uint64{18446744073709551615}), `18446744073709551615`, "1"},
		{out("INT8", []int8{-7}), `-7`, "1"},
		{out("FP32", []float32{0.1}), `0.1`, "1"},
		{out("FP64", []float64{0.1}), `0.1`, "1"},
		{out("FP16", []uint16{0x3c00}), `1`, "1"},
		{out("BOOL", []bool{true}), `true`, "1"},
		{out("BOOL", []bool{true}), `1`, "expected true or false"},
		{out("BYTES", [][]byte{[]byte("cat")}), `"cat"`, "1"},
		{out("BYTES", [][]byte{[]byte("cat")}), `"dog"`, "0"},
		{&model.Response{Outputs: []model.Tensor{{Name: "label", Datatype: "FP32", Shape: []int64{1, 2}, Data: []float32{1, 2}}}}, `1`, "more than one value a row"},
		{&model.Response{Outputs: []model.Tensor{{Name: "other", Datatype: "FP32", Shape: []int64{1}, Data: []float32{1}}}}, `1`, `had no output "label"`},
	} {
		w := newWorld(t)
		w.model("digits@1").infer = func(context.Context, *model.Request) (*model.Response, error) { return c.resp, nil }
		w.apply(plan(1, 0))
		if _, err := w.call("r"); err != nil {
			t.Fatal(err)
		}
		err := w.g.Feedback(t.Context(), fairlead.Feedback{RequestID: "r", Label: []byte(c.label)})
		got := fmt.Sprint(w.report().Windows[0].Arms["incumbent"].Metrics["accuracy"].Sum)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("case %d: label %s: got %s, want %s", i, c.label, got, c.want)
		}
	}
	w := newWorld(t)
	w.apply(plan(1, 0, func(r *fairlead.Route) { r.Feedback.Prediction = "" }))
	_, _ = w.call("r")
	if err := w.g.Feedback(t.Context(), fairlead.Feedback{RequestID: "r", Label: []byte(`1`)}); err == nil || !strings.Contains(err.Error(), "declares no prediction") {
		t.Errorf("got %v", err)
	}
}

// TestFeedbackBounds: windows end, memory ends, names end; strata stay apart.
func TestFeedbackBounds(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxDecisions = 16 * 4 })
	w.apply(plan(1, fairlead.FullWeight, func(r *fairlead.Route) { r.Feedback.Window = fairlead.Duration(time.Hour) }))
	_, _ = w.call("old")
	metric := func(id, name string) error {
		return w.g.Feedback(t.Context(), fairlead.Feedback{RequestID: id, Metrics: map[string]float64{name: 1}})
	}
	w.apply(plan(2, fairlead.FullWeight, func(r *fairlead.Route) { r.Stratum.Step = 2 }))
	must(t, "in the stratum of the answer", metric("old", "m"), nil)
	must(t, "step 1", w.counts(1, "candidate").Metrics["m"].N, 1)
	must(t, "step 2", w.counts(2, "candidate").Metrics["m"].N, 0)
	w.pass(time.Hour + time.Second)
	if err := metric("old", "n"); fairlead.CodeOf(err) != fairlead.NotFound {
		t.Errorf("expired: %v", err)
	}
	for i := range 1000 {
		_, _ = w.call(fmt.Sprint(i))
	}
	found := 0
	for i := range 1000 {
		if metric(fmt.Sprint(i), "m") == nil {
			found++
		}
	}
	if found < 16 || found > 64 {
		t.Errorf("%d of 64 decisions kept", found)
	}
	must(t, "the latest is", metric("999", "m2"), nil)
	for i := range maxMetrics - 3 { // m, n was refused, m2 … the index decides
		_ = metric("999", fmt.Sprint("x", i))
	}
	var last error
	for i := range 5 {
		last = metric("999", fmt.Sprint("y", i))
	}
	if fairlead.CodeOf(last) != fairlead.Invalid || !strings.Contains(last.Error(), "has its 32 metrics already") {
		t.Errorf("got %v", last)
	}
	must(t, "known names go on", metric("998", "m2"), nil)
}

// TestStrataRetire: what can change no more is let go of, and reported before.
func TestStrataRetire(t *testing.T) {
	w := newWorld(t)
	for step := range int64(5) {
		w.apply(plan(step+1, 5000, func(r *fairlead.Route) { r.Stratum.Step = int(step) }))
		_, _ = w.call("a")
	}
	must(t, "windows", len(w.g.Collect(false)[0].Windows), 5)
	must(t, "said again, for that may have been lost", len(w.g.Collect(false)[0].Windows), 5)
	w.pass(repeatFor)
	must(t, "unchanged ones are not said for ever", len(w.g.Collect(false)[0].Windows), 0)
	w.pass(25 * time.Hour)
	w.g.Collect(false)
	must(t, "kept", len(w.g.Collect(true)[0].Windows), 1)
	var b strings.Builder
	if err := w.g.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, s := range w.g.eps["digits"].totals() {
		total += float64(s.c.Requests)
	}
	must(t, "metrics never go back", total, 5)
}

// TestFeedbackSurvivesKill: decisions and what has counted come back.
func TestFeedbackSurvivesKill(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Dir = t.TempDir() })
	w.apply(plan(1, fairlead.FullWeight))
	for i := range 10 {
		_, _ = w.call(fmt.Sprint("r", i))
	}
	must(t, "first", w.g.Feedback(t.Context(), fairlead.Feedback{RequestID: "r1", Label: []byte(`7`), Metrics: map[string]float64{"m": 2}}), nil)
	w.g.Collect(false) // flushes
	w.cfg.ID = "gw2"
	w.start() // killed meanwhile
	code, got := w.feed(`[{"request_id":"r1","label":7},{"request_id":"r2","label":8},{"request_id":"r3","metrics":{"m":4}},{"request_id":"r77","label":1}]`)
	must(t, "code", code, 200)
	must(t, "reply", got, `{"accepted":2,"duplicate":1,"unknown":1,"unknown_ids":["r77"]}`)
	c := w.counts(1, "candidate")
	must(t, "accuracy", c.Metrics["accuracy"], fairlead.Moments{N: 1})
	must(t, "m", c.Metrics["m"], fairlead.Moments{N: 1, Sum: 4, Sum2: 16})
	must(t, "requests began again with the gateway's id", c.Requests, 0)
}

// TestJournalTorn: cut at any byte, what stands before is used, and new
// decisions are kept as if nothing had happened.
func TestJournalTorn(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Dir = t.TempDir() })
	w.apply(plan(1, fairlead.FullWeight))
	var ends []int64
	file := ""
	for i := range 4 {
		_, _ = w.call(fmt.Sprint("r", i))
		w.g.Collect(false)
		names, _ := filepath.Glob(filepath.Join(w.cfg.Dir, "journal", "*.journal"))
		if len(names) != 1 {
			t.Fatalf("files %v", names)
		}
		file = names[0]
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, info.Size())
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := func() (n int) {
		for i := range 4 {
			if w.g.find(fmt.Sprint("r", i)) != nil {
				n++
			}
		}
		return n
	}
	base := w.cfg.Dir
	for cut := range len(whole) + 1 {
		w.cfg.Dir = filepath.Join(base, fmt.Sprint("cut", cut))
		dir := filepath.Join(w.cfg.Dir, "journal")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		g, err := New(w.cfg)
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		w.g = g
		want := 0
		for _, e := range ends {
			if int64(cut) >= e {
				want++
			}
		}
		if got := known(); got != want {
			t.Fatalf("cut at %d: %d decisions, want %d", cut, got, want)
		}
	}
	// A flipped bit ends the file there, too.
	for i := range whole {
		raw := append([]byte(nil), whole...)
		raw[i] ^= 0x10
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		if _, err := records(raw, func(int64, byte, []byte) { n++ }); err == nil || n > 3 {
			t.Fatalf("bit at %d: %d records, %v", i, n, err)
		}
	}
}

// TestJournalBounds: files are cut, and the oldest go.
func TestJournalBounds(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Dir, c.JournalSegment, c.JournalTotal = t.TempDir(), 1000, 5000 })
	w.apply(plan(1, 0))
	for i := range 500 {
		_, _ = w.call(fmt.Sprint("r", i))
		if i%5 == 0 {
			w.g.Collect(false)
		}
	}
	files := func() (n int, bytes int64) {
		names, err := filepath.Glob(filepath.Join(w.cfg.Dir, "journal", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return len(names), bytes
	}
	if n, sum := files(); n < 5 || sum > 6500 {
		t.Errorf("%d files, %d bytes", n, sum)
	}
	w.g.Collect(false)
	w.start()
	if w.g.find("r499") == nil || w.g.find("r0") != nil {
		t.Error("the newest decisions must be the ones kept")
	}
	w.pass(25 * time.Hour)
	w.start()
	n, _ := files()
	must(t, "nothing of use: nothing kept", n, 0)
}

// FuzzJournalRecord: whatever stands in a file, reading it is harmless.
func FuzzJournalRecord(f *testing.F) {
	f.Add(byte(1), appendDecision(nil, &decision{id: "r", ep: &endpoint{name: "e"}, arm: &armStats{name: "a", version: "v"},
		stratum: &stratum{key: fairlead.Stratum{Release: "x", Attempt: 1}}, expires: 1 << 60,
		labels: []value{{kind: 's', s: "x"}, {kind: 'i', i: -4}, {kind: 'u', u: 4}, {kind: 'f', f: 1.5}}}))
	f.Add(byte(2), []byte("\x01r\x01\x01\x01m"))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		w := newWorld(t)
		var x freshIndex
		x.add(append(make([]byte, recordHead), append([]byte{kind}, body...)...), 0)
		_, _, _ = recordKey(kind, body)
		_, _, _ = readFeedback(body)
		if k, ok := readDecision(body); ok && kind == 1 {
			if len(fairlead.CheckName("", k.endpoint)) == 0 {
				w.g.join(&k)
			}
			k.ep, k.decision.arm = &endpoint{name: k.endpoint}, &armStats{name: k.arm, version: k.version}
			if k.evidence {
				k.decision.stratum = &stratum{key: k.stratum, weight: k.weight, mirror: k.mirror}
			}
			again, ok := readDecision(appendDecision(nil, &k.decision))
			if !ok || again.id != k.id || len(again.labels) != len(k.labels) || again.stratum != k.stratum {
				t.Fatalf("%+v became %+v", k, again)
			}
		}
	})
}
