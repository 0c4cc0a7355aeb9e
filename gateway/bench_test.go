package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

func benchRequest() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v2/models/digits/infer", nil)
	r.Header.Set("X-User-Id", "alice")
	r.Header.Set("Cookie", "a=b; user=alice")
	r.Header.Set("Authorization", "Bearer flt_caller")
	return r
}

func benchGateway(b *testing.B) *Gateway {
	answer := &model.Response{Outputs: []model.Tensor{{Name: "label", Datatype: "INT64", Shape: []int64{1}, Data: []int64{7}}}}
	g, err := New(Config{Env: fairlead.System(), Load: func(context.Context, fairlead.Arm) (model.Model, error) {
		return &fakeModel{sig: fakeSig, infer: func(context.Context, *model.Request) (*model.Response, error) { return answer, nil }}, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	g.SetTokens(tokens("caller"))
	if err := g.Apply(b.Context(), plan(1, 500, func(r *fairlead.Route) { r.Key = &fairlead.Key{Header: "X-User-Id"} })); err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkChoose is match and choose alone.
func BenchmarkChoose(b *testing.B) {
	g := benchGateway(b)
	r := benchRequest()
	b.ReportAllocs()
	for b.Loop() {
		_, name, _ := match(r.URL.EscapedPath())
		rt := g.lookup(name)
		rt.choose(unitKey(rt.plan.Key, r, nil))
	}
}

// BenchmarkRecord is what an answer adds to the counters.
func BenchmarkRecord(b *testing.B) {
	s := newArmStats("candidate", "2", 1)
	b.ReportAllocs()
	for b.Loop() {
		s.record(4711, 0.0123, false)
	}
}

// BenchmarkInfer is the transport-free chain.
func BenchmarkInfer(b *testing.B) {
	g := benchGateway(b)
	req := request()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Infer(context.Background(), Call{Endpoint: "digits", RequestID: "r", Key: "alice", Request: req}); err != nil {
			b.Fatal(err)
		}
	}
}

// digitBody is an infer request of one 8×8 picture.
func digitBody() string {
	var px []string
	for i := range 64 {
		px = append(px, fmt.Sprintf("%d.5", i%17))
	}
	return `{"inputs":[{"name":"x","shape":[1,64],"datatype":"FP32","data":[` + strings.Join(px, ",") + `]}]}`
}

// BenchmarkDecode reads it.
func BenchmarkDecode(b *testing.B) {
	body := []byte(digitBody())
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeInfer(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChain is the whole way: HTTP handler, token, body, choice, model,
// counters, decision, answer; without the network.
func BenchmarkChain(b *testing.B) {
	g := benchGateway(b)
	h := g.Handler()
	body := digitBody()
	r := benchRequest()
	rd := strings.NewReader(body)
	w := &discard{h: http.Header{}}
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		rd.Reset(body)
		r.Body = readCloser{rd}
		r.ContentLength = int64(len(body))
		clear(w.h)
		w.code = 200
		h.ServeHTTP(w, r)
		if w.code != 200 {
			b.Fatal(w.code)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "req/s")
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

type discard struct {
	h    http.Header
	code int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(code int)        { d.code = code }

// TestChainBudget: what a request may leave for the garbage collector, the HTTP
// server's own share aside. Four are the deadline's context, four the tensor's.
func TestChainBudget(t *testing.T) {
	w := newWorld(t)
	answer := &model.Response{Outputs: []model.Tensor{{Name: "label", Datatype: "INT64", Shape: []int64{1}, Data: []int64{7}}}}
	w.model("digits@1").infer = func(context.Context, *model.Request) (*model.Response, error) { return answer, nil }
	w.apply(plan(1, 0))
	body := digitBody()
	h, r, rd, out := w.g.Handler(), benchRequest(), strings.NewReader(body), &discard{h: http.Header{}}
	r.Header.Set("Authorization", "Bearer flt_admin")
	n := testing.AllocsPerRun(500, func() {
		rd.Reset(body)
		r.Body, r.ContentLength = readCloser{rd}, int64(len(body))
		clear(out.h)
		h.ServeHTTP(out, r)
	})
	if out.code != 0 || n > 20 { // 15; the rest is for the race detector, under which pools forget
		t.Errorf("code %d, %v allocations", out.code, n)
	}
}
