package fake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/fake"
	"fairlead.dev/runtime/runtimetest"
)

func TestRuntime(t *testing.T) {
	runtimetest.Run(t, runtimetest.Case{
		Runtime:  fake.New(fake.Config{}),
		Format:   fake.Format,
		Artifact: []byte(`{"answer": 0.5, "latency": "10us", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}`),
	})
}

func mustLoad(t *testing.T, r *fake.Runtime, script string) (runtime.Model, string) {
	t.Helper()
	src := runtimetest.Blob{Format: fake.Format, Bytes: []byte(script)}
	m, err := r.Load(context.Background(), src, fairlead.TargetSpec{})
	if err != nil {
		t.Fatal(err)
	}
	return m, src.Artifact().Digest
}

// run asks a model n times and counts the errors of each code.
func run(m runtime.Model, n int) map[fairlead.Code]int {
	count := map[fairlead.Code]int{}
	for range n {
		_, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 1))
		count[fairlead.CodeOf(err)]++
	}
	return count
}

func TestFailsOnCue(t *testing.T) {
	r := fake.New(fake.Config{})
	m, _ := mustLoad(t, r, `{"failAfter": 3, "errorCode": "unavailable"}`)
	if c := run(m, 5); c[""] != 3 || c[fairlead.Unavailable] != 2 {
		t.Errorf("failAfter 3 of 5: %v", c)
	}
	m, _ = mustLoad(t, r, `{"errorRate": 0.25}`)
	if c := run(m, 4000); c[fairlead.Internal] < 900 || c[fairlead.Internal] > 1100 {
		t.Errorf("errorRate 0.25 of 4000: %v", c)
	}
	m, digest := mustLoad(t, r, `{}`)
	if c := run(m, 10); c[""] != 10 {
		t.Errorf("no cue: %v", c)
	}
	r.Cue(digest, &fake.Script{ErrorRate: 1})
	if c := run(m, 10); c[fairlead.Internal] != 10 {
		t.Errorf("cued: %v", c)
	}
	r.Cue(digest, nil)
	if c := run(m, 10); c[""] != 10 {
		t.Errorf("cue taken back: %v", c)
	}
}

func TestSameSeedSameRun(t *testing.T) {
	codes := func() (out []fairlead.Code) {
		m, _ := mustLoad(t, fake.New(fake.Config{}), `{"errorRate": 0.5}`)
		for range 50 {
			_, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 1))
			out = append(out, fairlead.CodeOf(err))
		}
		return out
	}
	a, b := codes(), codes()
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("call %d: %q and %q", i, a[i], b[i])
		}
	}
}

func TestSleepsInGivenTime(t *testing.T) {
	var slept []time.Duration
	r := fake.New(fake.Config{Sleep: func(ctx context.Context, d time.Duration) error {
		slept = append(slept, d)
		if d > time.Hour {
			return context.DeadlineExceeded
		}
		return nil
	}})
	m, digest := mustLoad(t, r, `{"latency": "20ms", "slowRate": 1, "slow": "5s"}`)
	run(m, 2)
	if len(slept) != 2 || slept[0] != 5020*time.Millisecond {
		t.Errorf("slept %v", slept)
	}
	r.Cue(digest, &fake.Script{Latency: fairlead.Duration(2 * time.Hour)})
	if c := run(m, 1); c[fairlead.Timeout] != 1 {
		t.Errorf("a sleep that its context ends: %v", c)
	}
}

func TestHangsAndRefuses(t *testing.T) {
	r := fake.New(fake.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	m, _ := mustLoad(t, r, `{"hang": true}`)
	done := make(chan error)
	go func() {
		_, err := m.Infer(ctx, runtimetest.Request(m.Signature(), 1))
		done <- err
	}()
	cancel()
	if err := <-done; fairlead.CodeOf(err) != fairlead.Timeout || !errors.Is(err, context.Canceled) {
		t.Errorf("hang: %v", err)
	}
	for script, code := range map[string]fairlead.Code{
		`{"checkError": "no"}`:     fairlead.Invalid,
		`{"loadError": "no room"}`: fairlead.Unavailable,
		`{"answers": 1}`:           fairlead.Invalid,
		`{"errorRate": 2}`:         fairlead.Invalid,
		`{} {}`:                    fairlead.Corrupt,
		`{"inputs": [{"name": "x", "datatype": "FP99", "shape": [1]}]}`:               fairlead.Invalid,
		`{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1000000, 100000]}]}`: fairlead.Invalid,
	} {
		_, err := r.Load(context.Background(), runtimetest.Blob{Format: fake.Format, Bytes: []byte(script)}, fairlead.TargetSpec{})
		if fairlead.CodeOf(err) != code {
			t.Errorf("%s: %v, want code %s", script, err, code)
		}
	}
}
