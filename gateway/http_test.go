package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	model "fairlead.dev/runtime"
)

// TestPages walks the protocol's pages, good and bad.
func TestPages(t *testing.T) {
	w := newWorld(t)
	w.apply(plan(1, 500, func(r *fairlead.Route) { r.Limits.Body = 256 }))
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		code                     int
		want                     string // within the body
	}{
		{"live", "GET", "/v2/health/live", "", nil, 200, `"live":true`},
		{"live without a token", "GET", "/v2/health/live", "", []string{"Authorization: "}, 200, `"live":true`},
		{"ready", "GET", "/v2/health/ready", "", []string{"Authorization: "}, 200, `"ready":true`},
		{"server", "GET", "/v2", "", nil, 200, `{"name":"fairlead","version":"2","extensions":[]}`},
		{"server without a token", "GET", "/v2", "", []string{"Authorization: "}, 401, "Authorization: Bearer"},
		{"server as viewer", "GET", "/v2", "", []string{"Authorization: Bearer flt_viewer"}, 200, "fairlead"},
		{"model", "GET", "/v2/models/digits", "", nil, 200, `{"name":"digits","versions":["1","2"],"platform":"fake","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"label","datatype":"INT64","shape":[-1]}]}`},
		{"version", "GET", "/v2/models/digits/versions/2", "", nil, 200, `"name":"digits"`},
		{"version unknown", "GET", "/v2/models/digits/versions/3", "", nil, 404, `version \"3\" is not routed by endpoint \"digits\"; routed: 1, 2`},
		{"model escaped", "GET", "/v2/models/digi%74s", "", nil, 200, `"name":"digits"`},
		{"model with escaped slash", "GET", "/v2/models/a%2Fb", "", nil, 404, `unknown endpoint \"a/b\"`},
		{"model unknown", "GET", "/v2/models/nope", "", nil, 404, `{"error":"unknown endpoint \"nope\""}`},
		{"model ready", "GET", "/v2/models/digits/ready", "", nil, 200, `{"name":"digits","ready":true}`},
		{"version ready", "GET", "/v2/models/digits/versions/1/ready", "", nil, 200, `"ready":true`},
		{"version not ready", "GET", "/v2/models/digits/versions/9/ready", "", nil, 404, `routed: 1, 2`},
		{"trailing slash", "GET", "/v2/models/digits/", "", nil, 404, "no such path"},
		{"deep path", "GET", "/v2/models/digits/infer/x", "", nil, 404, "no such path"},
		{"no path", "GET", "/v2x", "", nil, 404, "no such path"},
		{"infer", "POST", "/v2/models/digits/infer", goodBody, nil, 200, `"model_name":"digits","model_version":"1"`},
		{"infer as caller", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: Bearer flt_caller"}, 200, `"outputs":`},
		{"infer as operator", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: bearer flt_operator"}, 200, `"outputs":`},
		{"infer as viewer", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: Bearer flt_viewer"}, 403, "caller, operator, admin"},
		{"infer as chef", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: Bearer flt_chef"}, 403, "may not do this"},
		{"infer expired", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: Bearer flt_late"}, 401, "expired"},
		{"infer unknown token", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: Bearer nope"}, 401, "not known"},
		{"infer basic", "POST", "/v2/models/digits/infer", goodBody, []string{"Authorization: Basic eA=="}, 401, "Bearer"},
		{"infer by GET", "GET", "/v2/models/digits/infer", "", nil, 405, "use POST"},
		{"page by POST", "POST", "/v2", "", nil, 405, "use GET, HEAD"},
		{"infer pinned", "POST", "/v2/models/digits/versions/2/infer", goodBody, nil, 200, `"model_version":"2"`},
		{"infer pinned unknown", "POST", "/v2/models/digits/versions/3/infer", goodBody, nil, 404, "routed: 1, 2"},
		{"infer unknown", "POST", "/v2/models/nope/infer", goodBody, nil, 404, "unknown endpoint"},
		{"infer too large", "POST", "/v2/models/digits/infer", `{"id":"` + strings.Repeat("x", 300) + `"}`, nil, 413, "larger than this endpoint takes (256B)"},
		{"infer binary", "POST", "/v2/models/digits/infer", goodBody, []string{"Inference-Header-Content-Length: 10"}, 415, "send the tensors' data as JSON"},
		{"infer gzip", "POST", "/v2/models/digits/infer", goodBody, []string{"Content-Encoding: gzip"}, 415, "gzip"},
		{"infer empty", "POST", "/v2/models/digits/infer", "", nil, 400, "expected an object; got the end of the body"},
		{"infer wrong", "POST", "/v2/models/digits/infer", `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,"b"]}]}`, nil, 400,
			`{"error":"the request is not valid: inputs[0].data[1]: not of datatype FP32 (expected a number within the range of FP32; got \"b\")"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.do(c.method, c.path, c.body, c.headers...)
			body := r.Body.String()
			if r.Code != c.code || !strings.Contains(body, c.want) {
				t.Errorf("%s %s: got %d %s\nwant %d with %s", c.method, c.path, r.Code, body, c.code, c.want)
			}
			must(t, "Content-Type", r.Header().Get("Content-Type"), "application/json")
			if r.Code == 401 && r.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if r.Code == 405 && r.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if strings.Contains(c.path, "infer") && r.Code != 404 && r.Header().Get(HeaderRequestID) == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	w := newWorld(t)
	w.apply(plan(1, 0))
	body := func(id string) string { return `{"id":"` + id + `",` + goodBody[1:] }
	for _, c := range []struct {
		name, body, want string
		headers          []string
	}{
		{"body", body("abc 1"), "abc 1", []string{"X-Request-Id: other"}},
		{"header", goodBody, "h1", []string{"Fairlead-Request-Id: h1", "X-Request-Id: other"}},
		{"x-header", goodBody, "h2", []string{"X-Request-Id: h2"}},
		{"long body id", body(strings.Repeat("x", 129)), "h3", []string{"X-Request-Id: h3"}},
		{"body id not for headers", body(`a\nb`), "h4", []string{"X-Request-Id: h4"}},
	} {
		r := w.infer(c.body, c.headers...)
		must(t, c.name+" code", r.Code, 200)
		must(t, c.name, r.Header().Get(HeaderRequestID), c.want)
		if !strings.Contains(r.Body.String(), `"id":"`+c.want+`"`) {
			t.Errorf("%s: the body has another id: %s", c.name, r.Body)
		}
	}
	r := w.infer(goodBody, "X-Request-Id: "+strings.Repeat("y", 200))
	if id := r.Header().Get(HeaderRequestID); len(id) != 32 {
		t.Errorf("generated id %q", id)
	}
	must(t, "endpoint", r.Header().Get(HeaderEndpoint), "digits")
	must(t, "version", r.Header().Get(HeaderVersion), "digits@1")
	must(t, "arm", r.Header().Get(HeaderArm), "incumbent")
}

// TestKeys: the declared unit decides, wherever it stands in the request.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name    string
		key     fairlead.Key
		body    string
		headers []string
		want    string
	}{
		{"header", fairlead.Key{Header: "x-user-id"}, goodBody, []string{"X-User-Id: alice"}, "alice"},
		{"cookie", fairlead.Key{Cookie: "user"}, goodBody, []string{`Cookie: a=b; user="alice"; c=d`}, "alice"},
		{"json", fairlead.Key{JSON: "parameters.user"}, `{"parameters":{"x":"y","user":"al\u0069ce"},` + goodBody[1:], nil, "alice"},
		{"json number", fairlead.Key{JSON: "parameters.user"}, `{"parameters":{"user":42},` + goodBody[1:], nil, "42"},
		{"json index", fairlead.Key{JSON: "inputs.0.name"}, goodBody, nil, "x"},
		{"json absent", fairlead.Key{JSON: "parameters.user"}, goodBody, nil, ""},
		{"json object", fairlead.Key{JSON: "parameters"}, goodBody, nil, ""},
		{"header absent", fairlead.Key{Header: "X-User-Id"}, goodBody, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(plan(1, 5000, func(r *fairlead.Route) { r.Key = &c.key }))
			rt := w.g.lookup("digits")
			for i := range 20 {
				id := string(rune('a' + i))
				unit := c.want
				if unit == "" {
					unit = id
				}
				k, _ := rt.choose(unit)
				r := w.infer(c.body, append([]string{"X-Request-Id: " + id}, c.headers...)...)
				must(t, "code", r.Code, 200)
				must(t, "arm", r.Header().Get(HeaderArm), rt.arms[k].name)
			}
		})
	}
}

// TestFailures: what is the arm's fault, and what is not.
func TestFailures(t *testing.T) {
	type result struct {
		code              int
		text              string
		requests, errors_ int64
	}
	for _, c := range []struct {
		name  string
		infer func(w *world) func(context.Context, *model.Request) (*model.Response, error)
		want  result
	}{
		{"panic", func(*world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) { panic("boom secret") }
		}, result{500, "digits@1 failed", 1, 1}},
		{"nothing", func(*world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) { return nil, nil }
		}, result{500, "gave no answer", 1, 1}},
		{"invalid", func(*world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) {
				return nil, fairlead.Faulty("wrong input", []fairlead.Fault{{Path: "inputs", Message: "unknown input", Known: []string{"x"}}})
			}
		}, result{400, "wrong input: inputs: unknown input (known: x)", 0, 0}},
		{"unavailable", func(*world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) {
				return nil, &fairlead.Error{Code: fairlead.Unavailable, Message: "the server is down", Err: context.DeadlineExceeded}
			}
		}, result{503, `{"error":"the server is down"}`, 1, 1}},
		{"plain error", func(*world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) { return nil, http.ErrBodyNotAllowed }
		}, result{500, `{"error":"digits@1 failed"}`, 1, 1}},
		{"late", func(w *world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) {
				w.pass(11 * time.Second)
				return say1("1", 1), nil
			}
		}, result{504, "did not answer within 10s", 1, 1}},
		{"contradiction", func(*world) func(context.Context, *model.Request) (*model.Response, error) {
			return func(context.Context, *model.Request) (*model.Response, error) {
				return &model.Response{Outputs: []model.Tensor{{Name: "label", Datatype: "INT64", Shape: []int64{2}, Data: []int64{1}}}}, nil
			}
		}, result{500, "is not what its datatype and shape say", 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.model("digits@1").infer = c.infer(w)
			w.apply(plan(1, 0))
			r := w.infer(goodBody)
			arms := w.report().Windows[0].Arms["incumbent"]
			got := result{r.Code, r.Body.String(), arms.Requests, arms.Errors}
			if got.code != c.want.code || !strings.Contains(got.text, c.want.text) || got.requests != c.want.requests || got.errors_ != c.want.errors_ {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if strings.Contains(got.text, "secret") || strings.Contains(got.text, "deadline") {
				t.Errorf("details for operators reached the caller: %s", got.text)
			}
		})
	}
}

// TestCandidateRefuses: a candidate that no longer takes what the incumbent
// declares is at fault itself, though it calls the request invalid.
func TestCandidateRefuses(t *testing.T) {
	w := newWorld(t)
	m := w.model("digits@2")
	m.sig.Inputs = []fairlead.TensorSpec{{Name: "y", Datatype: "FP32", Shape: []int64{-1, 2}}}
	m.infer = func(context.Context, *model.Request) (*model.Response, error) {
		return nil, fairlead.Errorf(fairlead.Invalid, "unknown input")
	}
	w.apply(plan(1, fairlead.FullWeight))
	must(t, "code", w.infer(goodBody).Code, 400)
	must(t, "errors", w.counts(1, "candidate").Errors, 1)
	bad := strings.ReplaceAll(goodBody, `"x"`, `"z"`) // the caller's own mistake
	must(t, "code", w.infer(bad).Code, 400)
	must(t, "errors", w.counts(1, "candidate").Errors, 1)
}

// TestConcurrency: over the limit callers are told to come again, at no arm's cost.
func TestConcurrency(t *testing.T) {
	w := newWorld(t)
	in, out := make(chan bool), make(chan bool)
	w.model("digits@1").infer = func(context.Context, *model.Request) (*model.Response, error) {
		in <- true
		<-out
		return say1("1", 1), nil
	}
	w.apply(plan(1, 0, func(r *fairlead.Route) { r.Limits.Concurrency = 1 }))
	done := make(chan int)
	go func() { done <- w.infer(goodBody).Code }()
	<-in
	r := w.infer(goodBody)
	must(t, "code", r.Code, 429)
	must(t, "Retry-After", r.Header().Get("Retry-After"), "1")
	out <- true
	must(t, "first", <-done, 200)
	must(t, "counted", w.report().Windows[0].Arms["incumbent"].Requests, 1)
}

// TestTimeoutAndCancel: the endpoint's deadline is the arm's error, the caller's
// departure is nobody's.
func TestTimeoutAndCancel(t *testing.T) {
	w := newWorld(t)
	w.model("digits@1").infer = func(ctx context.Context, _ *model.Request) (*model.Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	w.apply(plan(1, 0, func(r *fairlead.Route) { r.Limits.Timeout = fairlead.Duration(time.Millisecond) }))
	must(t, "code", w.infer(goodBody).Code, 504)
	w.apply(plan(2, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.g.Infer(ctx, Call{Endpoint: "digits", Request: request()}); err != context.Canceled { //nolint:errorlint // exactly this
		t.Errorf("got %v", err)
	}
	c := w.report().Windows[0].Arms["incumbent"]
	must(t, "requests, errors", []int64{c.Requests, c.Errors}, "[1 1]")
}
