package gateway

import (
	"context"
	"fmt"
	"testing"
	"time"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// TestMirror: copies are the candidate's evidence and nobody else's business.
func TestMirror(t *testing.T) {
	w := newWorld(t)
	w.model("digits@2").infer = func(ctx context.Context, req *model.Request) (*model.Response, error) {
		if !model.IsMirror(ctx) {
			t.Error("a copy is not marked")
		}
		switch n := w.model("digits@2").calls.Load(); {
		case n%10 == 0:
			panic("boom")
		case n%10 == 1:
			return nil, fairlead.Errorf(fairlead.Invalid, "unknown input")
		case n%2 == 0:
			return say1("2", 8), nil // another label
		}
		return say1("2", 7), nil // another output, the same label
	}
	w.apply(plan(1, 0, withMirror(fairlead.FullWeight)))
	for i := range 100 {
		if a, err := w.call(fmt.Sprint(i)); err != nil || a.Arm != "incumbent" || string(a.Response.Outputs[0].Data.([][]byte)[0]) != "digits@1" {
			t.Fatalf("%v %v", a, err)
		}
	}
	c := w.counts(0, "candidate")
	must(t, "requests errors compared differed", []int64{c.Requests, c.Errors, c.Compared, c.Differed, c.Latency.N()}, "[100 20 80 40 100]")
	must(t, "incumbent", w.counts(0, "incumbent").Requests, 100)

	// Marked copies from elsewhere are not copied on; pinned calls neither.
	w.infer(goodBody, HeaderMirror+": 1")
	w.do("POST", "/v2/models/digits/versions/1/infer", goodBody)
	must(t, "copies", w.counts(0, "candidate").Requests, 100)
}

// TestMirrorShare: about the share asked for, the same units each time, and no
// mixing with live traffic's counts.
func TestMirrorShare(t *testing.T) {
	w := newWorld(t)
	w.apply(plan(1, 0, withMirror(2500)))
	for range 2 {
		for i := range 2000 {
			if _, err := w.call(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := w.counts(0, "candidate").Requests
	if n < 850 || n > 1150 || n%2 != 0 {
		t.Errorf("%d of 4000 were mirrored", n)
	}
	w.apply(plan(2, 5000, withMirror(fairlead.FullWeight), func(r *fairlead.Route) { r.Stratum.Step = 1 }))
	for i := range 100 {
		if _, err := w.call(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	c, i := w.counts(1, "candidate"), w.counts(1, "incumbent")
	must(t, "live alone is counted", c.Requests+i.Requests, 100)
	must(t, "each incumbent's answer is compared", c.Compared, i.Requests)
}

// TestMirrorQueue: a hanging candidate costs callers nothing; copies beyond the
// queue are dropped and counted, and a trip turns mirroring off.
func TestMirrorQueue(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.SyncMirror, c.MirrorQueue, c.MirrorWorkers = false, 3, 2 })
	hang := make(chan bool)
	w.model("digits@2").infer = func(context.Context, *model.Request) (*model.Response, error) {
		<-hang
		return say1("2", 7), nil
	}
	w.apply(plan(1, 0, withMirror(fairlead.FullWeight)))
	for i := range 20 {
		if _, err := w.call(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	// Two may be at work; three wait.
	c := w.counts(0, "candidate")
	if c.Dropped < 15 || c.Dropped > 17 {
		t.Errorf("dropped %d of 20", c.Dropped)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.g.Shutdown(ctx); fairlead.CodeOf(err) != fairlead.Timeout {
		t.Errorf("shutdown with copies running: %v", err)
	}
	close(hang)
	ctx2, cancel2 := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel2()
	if err := w.g.Shutdown(ctx2); err != nil {
		t.Error(err)
	}
	if m := w.models["digits@2"]; m.misused.Load() || !m.closed.Load() {
		t.Error("the model was closed under a copy, or never")
	}
}

// TestMirrorBytes: the budget of bytes holds too.
func TestMirrorBytes(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MirrorBytes = 10; c.SyncMirror = false })
	w.apply(plan(1, 0, withMirror(fairlead.FullWeight)))
	_, err := w.g.Infer(t.Context(), Call{Endpoint: "digits", Request: request(), Size: 11})
	must(t, "err", err, nil)
	must(t, "dropped", w.counts(0, "candidate").Dropped, 1)
}

// TestMirrorTrip: evidence of copies trips the wire as well.
func TestMirrorTrip(t *testing.T) {
	w := newWorld(t)
	w.model("digits@2").infer = failing
	w.apply(plan(1, 0, withMirror(1000), withTrip))
	for i := range 1000 {
		if _, err := w.call(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.models["digits@2"].calls.Load(); n > 6 {
		t.Errorf("%d copies", n)
	}
	must(t, "trips", len(w.report().Trips), 1)
}

func TestSameTensor(t *testing.T) {
	f := func(v ...float32) *model.Tensor {
		return &model.Tensor{Datatype: "FP32", Shape: []int64{int64(len(v))}, Data: v}
	}
	for _, c := range []struct {
		x, y *model.Tensor
		want bool
	}{
		{f(1, 2), f(1, 2.0000001), true},
		{f(1, 2), f(1, 2.001), false},
		{f(1), f(1, 1), false},
		{f(1), &model.Tensor{Datatype: "FP64", Shape: []int64{1}, Data: []float64{1}}, false},
		{&model.Tensor{Datatype: "BYTES", Shape: []int64{1}, Data: [][]byte{[]byte("a")}}, &model.Tensor{Datatype: "BYTES", Shape: []int64{1}, Data: [][]byte{[]byte("a")}}, true},
	} {
		must(t, fmt.Sprint(c.x, c.y), sameTensor(c.x, c.y), c.want)
	}
}
