package gateway

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"pgregory.net/rapid"
)

// small keeps nearly all of a gateway's memory of answers on disk: 16 answers in
// memory, a file of the journal for every ten or so.
func small(t *testing.T) func(*Config) {
	dir := t.TempDir()
	return func(c *Config) { c.Dir, c.MaxDecisions, c.JournalSegment, c.JournalTotal = dir, 16, 1000, 1<<20 }
}

// serve answers n requests r0 … and writes them down.
func (w *world) serve(n int) {
	w.t.Helper()
	for i := range n {
		if _, err := w.call(fmt.Sprint("r", i)); err != nil {
			w.t.Fatal(err)
		}
		if i%7 == 0 {
			w.g.Collect(false)
		}
	}
}

func (w *world) metric(id, name string) error {
	return w.g.Feedback(w.t.Context(), fairlead.Feedback{RequestID: id, Metrics: map[string]float64{name: 1}})
}

// TestFeedbackFromDisk: answers that memory has let go of are joined to their
// arm and stratum all the same, each metric once, however often the gateway
// starts again.
func TestFeedbackFromDisk(t *testing.T) {
	w := newWorld(t, small(t))
	w.apply(plan(1, fairlead.FullWeight))
	w.serve(300)
	w.apply(plan(2, fairlead.FullWeight, func(r *fairlead.Route) { r.Stratum.Step = 2 }))
	must(t, "held in memory", w.g.index.get("r0") == nil, true)
	must(t, "files", len(w.g.journal.sealed) > 10, true)

	reply := func(want string) {
		t.Helper()
		code, got := w.feed(`[{"request_id":"r0","label":7},{"request_id":"r150","metrics":{"m":2}},{"request_id":"r0","label":7},{"request_id":"r299","metrics":{"m":3}},{"request_id":"r300","label":7}]`)
		must(t, "code", code, 200)
		must(t, "reply", got, want)
	}
	reply(`{"accepted":3,"duplicate":1,"unknown":1,"unknown_ids":["r300"]}`)
	c := w.counts(1, "candidate")
	must(t, "accuracy", c.Metrics["accuracy"], fairlead.Moments{N: 1, Sum: 1, Sum2: 1})
	must(t, "m", c.Metrics["m"], fairlead.Moments{N: 2, Sum: 5, Sum2: 13})
	must(t, "the step now", len(w.counts(2, "candidate").Metrics), 0)

	batch := []string{`{"request_id":"r10","metrics":{"m":1}}`}
	for i := 20; i < 260; i++ { // these push it out of memory within the batch
		batch = append(batch, fmt.Sprintf(`{"request_id":"r%d","metrics":{"x":1}}`, i))
	}
	_, got := w.feed("[" + strings.Join(append(batch, batch[0]), ",") + "]")
	must(t, "twice in one batch", got, `{"accepted":241,"duplicate":1,"unknown":0}`)
	must(t, "out of memory", w.g.index.get("r10") == nil, true)

	const again = `{"accepted":0,"duplicate":4,"unknown":1,"unknown_ids":["r300"]}`
	reply(again)
	for i := 20; i < 260; i++ { // and again, one by one
		must(t, "other", w.metric(fmt.Sprint("r", i), "y"), nil)
	}
	must(t, "out of memory again", w.g.index.get("r0") == nil, true)
	reply(again)
	for i := range 3 {
		w.g.Collect(false) // writes
		w.cfg.ID = fmt.Sprint("gw", i)
		w.start()
		reply(again)
		must(t, "another metric of it", w.metric("r0", fmt.Sprint("new", i)), nil)
	}
	c = w.counts(1, "candidate")
	must(t, "after restarts", []any{c.Requests, c.Metrics["accuracy"].N, c.Metrics["m"].N, c.Metrics["new2"].N}, "[0 0 0 1]")
}

// TestFeedbackSameID: an id that was used again is the later answer's.
func TestFeedbackSameID(t *testing.T) {
	w := newWorld(t, small(t))
	w.apply(plan(1, fairlead.FullWeight))
	_, _ = w.call("same")
	must(t, "first", w.metric("same", "m"), nil)
	w.serve(100)
	w.apply(plan(2, fairlead.FullWeight, func(r *fairlead.Route) { r.Stratum.Step = 2 }))
	_, _ = w.call("same")
	w.serve(100)
	must(t, "in memory", w.g.index.get("same") == nil, true)
	must(t, "second", w.metric("same", "m"), nil)
	must(t, "step 1", w.counts(1, "candidate").Metrics["m"].N, 1)
	must(t, "step 2", w.counts(2, "candidate").Metrics["m"].N, 1)
}

// TestFeedbackTooLate: an answer that is known but whose window is over is not
// called unknown.
func TestFeedbackTooLate(t *testing.T) {
	w := newWorld(t, small(t))
	hour := func(r *fairlead.Route) { r.Feedback.Window = fairlead.Duration(time.Hour) }
	w.apply(plan(1, fairlead.FullWeight, hour))
	w.serve(100)
	w.pass(time.Hour - time.Second)
	must(t, "in time, from disk", w.metric("r3", "m"), nil)
	must(t, "in time, from memory", w.metric("r99", "m"), nil)
	w.pass(2 * time.Second)
	for _, id := range []string{"r4", "r98"} { // on disk, in memory
		err := w.metric(id, "m")
		if fairlead.CodeOf(err) != fairlead.NotFound || !strings.Contains(err.Error(), "the feedback window of its answer is over") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := w.metric("nobody", "m"); err == nil || !strings.Contains(err.Error(), "no answer with request id") {
		t.Errorf("unknown: %v", err)
	}
	_, got := w.feed(`[{"request_id":"r5","label":7},{"request_id":"nobody","label":7}]`)
	must(t, "reply", got, `{"accepted":0,"duplicate":0,"unknown":1,"unknown_ids":["nobody"],"expired":1,"expired_ids":["r5"]}`)
	must(t, "counted", w.counts(1, "candidate").Metrics["m"].N, 2)
}

// TestStratumOver: a stratum that was let go of does not begin at zero again
// when late feedback comes, for reports only ever grow.
func TestStratumOver(t *testing.T) {
	w := newWorld(t, small(t))
	w.apply(plan(1, fairlead.FullWeight))
	w.serve(50)
	for step := range maxStrata + 1 {
		w.apply(plan(int64(step)+2, fairlead.FullWeight, func(r *fairlead.Route) { r.Stratum.Step = step + 2 }))
	}
	w.pass(2 * time.Minute)
	w.g.Collect(true)
	w.g.Collect(true)
	must(t, "let go of", w.g.eps["digits"].strata[fairlead.Stratum{Release: "digits-v2", Attempt: 1, Step: 1}] == nil, true)
	must(t, "taken", w.metric("r1", "m"), nil)
	must(t, "no window", len(w.counts(1, "candidate").Metrics), 0)
}

// TestManyStrataFromDisk: late feedback for many old steps cannot make a report
// larger than it may be.
func TestManyStrataFromDisk(t *testing.T) {
	w := newWorld(t, small(t))
	for step := range maxStrata {
		w.apply(plan(int64(step)+1, fairlead.FullWeight, func(r *fairlead.Route) { r.Stratum.Step = step + 1 }))
		_, _ = w.call(fmt.Sprint("r", step))
		if step%10 == 0 {
			w.pass(2 * time.Minute)
			w.g.Collect(false)
		}
	}
	w.g.Collect(false) // writes
	w.start()
	for step := range maxStrata {
		must(t, "taken", w.metric(fmt.Sprint("r", step), "m"), nil)
	}
	n := len(w.report().Windows)
	if n < 100 || n > maxStrata/2+1 {
		t.Errorf("%d windows in a report", n)
	}
}

// TestIndexDamaged: whatever happened to an index, the next start finds the
// same answers, and makes it again.
func TestIndexDamaged(t *testing.T) {
	w := newWorld(t, small(t))
	w.apply(plan(1, fairlead.FullWeight))
	w.serve(60)
	must(t, "counted", w.metric("r1", "m"), nil)
	w.g.Collect(false)
	names, err := filepath.Glob(filepath.Join(w.cfg.Dir, "journal", "*.index"))
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		w.start()
		k, counted, ok := w.g.journal.find("r1")
		if !ok || k.id != "r1" || fmt.Sprint(counted) != "[m]" {
			t.Fatalf("%s: %v %q %v", what, ok, k.id, counted)
		}
		again, err := os.ReadFile(names[0])
		if err != nil || string(again) != string(whole) {
			t.Fatalf("%s: not made again: %v", what, err)
		}
	}
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	check("missing")
	for cut := 0; cut < len(whole); cut += 5 {
		if err := os.WriteFile(names[0], whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprint("cut at ", cut))
	}
	for i := 0; i < len(whole); i += 3 {
		raw := append([]byte(nil), whole...)
		raw[i] ^= 1 << (i % 8)
		if err := os.WriteFile(names[0], raw, 0o600); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprint("bit at ", i))
	}
	other, err := os.ReadFile(names[1])
	if err != nil {
		t.Fatal(err)
	}
	if len(other) == len(whole) {
		binary.LittleEndian.PutUint64(other[8:], 1) // else it might be of a file of the same size
	}
	if err := os.WriteFile(names[0], other, 0o600); err != nil {
		t.Fatal(err)
	}
	check("another's")
}

// TestIndexUnwritable: where no index can be written the files are found all
// the same.
func TestIndexUnwritable(t *testing.T) {
	w := newWorld(t, small(t))
	w.apply(plan(1, fairlead.FullWeight))
	for seq := range int64(3) { // a folder stands in the way of each index
		if err := os.MkdirAll(filepath.Join(w.g.journal.path(seq+1, "index"), "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.serve(60)
	must(t, "r1", w.metric("r1", "m"), nil)
	must(t, "logged", strings.Contains(w.log.String(), "could not be written"), true)
}

// TestJournalUnreadable: what cannot be read is not guessed at; a metric that may
// have counted does not count again.
func TestJournalUnreadable(t *testing.T) {
	w := newWorld(t, small(t))
	w.apply(plan(1, fairlead.FullWeight))
	w.serve(60)
	must(t, "counted", w.metric("r1", "m"), nil)
	for i := range 60 {
		_, _ = w.call(fmt.Sprint("s", i))
		w.g.Collect(false)
	}
	damaged := false
	for _, s := range w.g.journal.sealed {
		raw, err := os.ReadFile(s.journal)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = records(raw, func(at int64, kind byte, body []byte) {
			if kind == kindFeedback {
				raw[at+recordHead+2] ^= 1
				damaged = true
			}
		})
		if err := os.WriteFile(s.journal, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "damaged", damaged, true)
	if err := w.metric("r1", "m"); fairlead.CodeOf(err) != fairlead.NotFound {
		t.Errorf("got %v", err)
	}
	must(t, "logged", strings.Contains(w.log.String(), "damaged record"), true)
	must(t, "the others", w.metric("r2", "m"), nil)
	must(t, "m", w.counts(1, "candidate").Metrics["m"].N, 2)
}

// TestIndexFind: every record of a hash is found, the latest first, also where
// many share one and lie in several blocks; others are not.
func TestIndexFind(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		j := &journal{dir: dir(t)}
		var x freshIndex
		want := map[uint64][]uint32{}
		at := uint32(0)
		for range rapid.IntRange(0, 6).Draw(rt, "hashes") {
			h := rapid.Uint64().Draw(rt, "hash")
			for range rapid.IntRange(1, 3*fenceEvery).Draw(rt, "records") {
				at += 7
				x.entries = append(x.entries, indexEntry{h, at})
				want[h] = append([]uint32{at}, want[h]...)
			}
		}
		s, err := j.writeIndex(1, int64(at), &x)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.close()
		r, err := j.readIndex(1, int64(at))
		if err != nil || r.newest != s.newest || r.size != s.size {
			rt.Fatal(r, s, err)
		}
		defer r.close()
		buf := make([]byte, fenceEvery*entrySize)
		for h, at := range want {
			for _, h := range []uint64{h, h + 1, h - 1, rapid.Uint64().Draw(rt, "other")} {
				got, err := r.find(h, buf)
				if _, known := want[h]; err != nil || fmt.Sprint(got) != fmt.Sprint(want[h]) {
					rt.Fatalf("hash %x (%v): got %v, want %v, %v", h, known, got, at, err)
				}
			}
		}
	})
}

func dir(t *testing.T) string {
	t.Helper()
	name, err := os.MkdirTemp(t.TempDir(), "j")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// BenchmarkLateFeedback looks answers up that memory does not hold, in a journal
// of fifty full files: one that is there, somewhere, and one that is not.
func BenchmarkLateFeedback(b *testing.B) {
	size := int64(64 << 20)
	if s := os.Getenv("FAIRLEAD_BENCH_JOURNAL"); s != "" {
		var n fairlead.Bytes
		if err := n.UnmarshalText([]byte(s)); err != nil {
			b.Fatal(err)
		}
		size = int64(n)
	}
	j, err := openJournal(b.TempDir(), size/64, size, func() int64 { return 0 }, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ep, arm := &endpoint{name: "digits"}, &armStats{name: fairlead.Candidate, version: "digits@2"}
	st := &stratum{key: fairlead.Stratum{Release: "digits-v2", Attempt: 1, Step: 2}, weight: 500}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	id := func(i int) string { return fmt.Sprintf("%032x", i) }
	n := 0
	began := time.Now()
	for ; j.written.Load() < size*85/100; n++ {
		now := at.UnixMicro() + int64(n)*10000
		j.decision(&decision{id: id(n), at: now, expires: now + defaultWindow.Microseconds(), ep: ep, arm: arm, stratum: st, labels: []value{{kind: 'i', i: 7}}})
		if n%1000 == 0 {
			j.flush()
		}
	}
	j.flush()
	wrote := time.Since(began)
	var disk int64
	for _, s := range j.sealed {
		disk += s.size
	}
	b.Cleanup(func() { _ = j.close() })
	perGiB := float64(j.written.Load()) / float64(n) * float64(disk+j.size) / float64(j.written.Load()) // bytes an answer, index included
	for _, c := range []struct {
		name string
		id   func(i int) string
	}{
		{"found", func(i int) string { return id(i * 7919 % n) }},
		{"unknown", func(i int) string { return id(n + i) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, _, ok := j.find(c.id(i)); ok != (c.name == "found") {
					b.Fatal(i, ok)
				}
				i++
			}
			b.ReportMetric(float64(1<<30)/perGiB/1e6, "Manswers/GiB")
		})
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			again, err := openJournal(j.dir, j.segment, j.total, j.now, j.log)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range again.sealed {
				s.close()
			}
		}
	})
	b.Logf("%d answers written in %s, %d files, %d bytes", n, wrote.Round(time.Millisecond), len(j.sealed)+1, disk+j.size)
}
