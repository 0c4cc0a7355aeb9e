package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/runtime/inproc"
	"fairlead.dev/runtime/remote"
	"fairlead.dev/runtime/runtimetest"
)

func allowAll(string) error { return nil }

// newServer is an Open Inference Protocol server of one FP32-in model, backed
// by a real one in this process.
func newServer(t *testing.T) *httptest.Server {
	t.Helper()
	b, err := os.ReadFile("../inproc/testdata/mlp_digits.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := inproc.New(inproc.Config{}).Load(context.Background(), runtimetest.Blob{Format: inproc.FormatONNX, Bytes: b}, fairlead.TargetSpec{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/models/digits/versions/2/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ready":true}`) })
	mux.HandleFunc("GET /v2/models/digits/versions/2", func(w http.ResponseWriter, _ *http.Request) {
		s := m.Signature()
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "digits", "platform": s.Platform, "inputs": s.Inputs, "outputs": s.Outputs})
	})
	mux.HandleFunc("POST /v2/models/digits/versions/2/infer", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Inputs []struct {
				Name, Datatype string
				Shape          []int64
				Data           []float32
			}
			Outputs []struct{ Name string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, `{"error":"not JSON"}`, http.StatusBadRequest)
			return
		}
		req := &runtime.Request{}
		for _, x := range in.Inputs {
			req.Inputs = append(req.Inputs, runtime.Tensor{Name: x.Name, Datatype: x.Datatype, Shape: x.Shape, Data: x.Data})
		}
		for _, o := range in.Outputs {
			req.Outputs = append(req.Outputs, o.Name)
		}
		resp, err := m.Infer(r.Context(), req)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"model_name": "digits", "outputs": resp.Outputs})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func newRuntime(t *testing.T, c remote.Config) *remote.Runtime {
	t.Helper()
	r := remote.New(c)
	t.Cleanup(r.Close)
	return r
}

func ref(s string) runtimetest.Blob {
	return runtimetest.Blob{Format: remote.Format, Bytes: []byte(s)}
}

func TestRuntime(t *testing.T) {
	runtimetest.Run(t, runtimetest.Case{
		Runtime:       newRuntime(t, remote.Config{Allow: allowAll}),
		Format:        remote.Format,
		Artifact:      []byte(`{"model":"digits","version":"2"}`),
		Place:         fairlead.TargetSpec{Runtime: "remote", URL: newServer(t).URL},
		LateSignature: true,
	})
}

const meta = `{"platform":"x","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1]}]}`

// script is a server that says what a test wants: body and status of infer.
func script(t *testing.T, status int, body string, header ...string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, meta)
			return
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestAnswers(t *testing.T) {
	good := `{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1,2.5]}]}`
	for name, c := range map[string]struct {
		status int
		body   string
		code   fairlead.Code
	}{
		"good":           {200, good, ""},
		"nested":         {200, strings.Replace(good, "[1,2.5]", "[[1],[2.5]]", 1), ""},
		"wrong shape":    {200, strings.Replace(good, `"shape":[2]`, `"shape":[3]`, 1), fairlead.Internal},
		"wrong datatype": {200, strings.Replace(good, "FP32", "FP64", 1), fairlead.Internal},
		"null element":   {200, strings.Replace(good, "2.5", "null", 1), fairlead.Internal},
		"unknown output": {200, strings.Replace(good, `"y"`, `"z"`, 1), fairlead.Internal},
		"missing output": {200, `{"outputs":[]}`, fairlead.Internal},
		"not JSON":       {200, `<html>`, fairlead.Internal},
		"too long":       {200, strings.Repeat(" ", 5000) + good, fairlead.Unavailable},
		"400":            {400, `{"error":"bad x"}`, fairlead.Invalid},
		"404":            {404, ``, fairlead.Unavailable},
		"413":            {413, ``, fairlead.TooLarge},
		"429":            {429, ``, fairlead.Unavailable},
		"500":            {500, `{"error":"secret"}`, fairlead.Internal},
		"503":            {503, ``, fairlead.Unavailable},
		"504":            {504, ``, fairlead.Timeout},
	} {
		s := script(t, c.status, c.body)
		m, err := newRuntime(t, remote.Config{Allow: allowAll, MaxResponse: 4096}).Load(context.Background(), ref(`{"model":"m"}`), fairlead.TargetSpec{URL: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 2))
		if fairlead.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %q", name, err, c.code)
		}
		if err == nil && resp.Outputs[0].Data.([]float32)[1] != 2.5 {
			t.Errorf("%s: %v", name, resp.Outputs)
		}
	}
}

func TestDeadline(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, meta)
			return
		}
		<-stop
	}))
	defer s.Close()
	defer close(stop)
	m, err := newRuntime(t, remote.Config{Allow: allowAll}).Load(context.Background(), ref(`{"model":"m"}`), fairlead.TargetSpec{URL: s.URL, Timeout: fairlead.Duration(50 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 1)); fairlead.CodeOf(err) != fairlead.Timeout {
		t.Errorf("got %v, want code timeout", err)
	}
}

// TestAllow: nothing but allowed hosts is reached, not by URL, not by a
// redirect.
func TestAllow(t *testing.T) {
	s := newServer(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	only := func(host string) func(string) error {
		return func(h string) error {
			if h != host {
				return fairlead.Errorf(fairlead.Denied, "%s is not on the list", h)
			}
			return nil
		}
	}
	load := func(allow func(string) error, url string) error {
		_, err := newRuntime(t, remote.Config{Allow: allow}).Load(context.Background(), ref(`{"model":"digits","version":"2"}`), fairlead.TargetSpec{URL: url})
		return err
	}
	if err := load(only("127.0.0.1:"+port), s.URL); err != nil {
		t.Errorf("allowed: %v", err)
	}
	for name, c := range map[string]struct {
		allow func(string) error
		url   string
		code  fairlead.Code
	}{
		"no list":        {nil, s.URL, fairlead.Denied},
		"another port":   {only("127.0.0.1:1"), s.URL, fairlead.Denied},
		"user in URL":    {allowAll, "http://me:secret@127.0.0.1:" + port, fairlead.Invalid},
		"scheme":         {allowAll, "file:///etc/passwd", fairlead.Invalid},
		"no URL":         {allowAll, "", fairlead.Invalid},
		"unspecified":    {only("0.0.0.0:" + port), "http://0.0.0.0:" + port, ""}, // that very address is allowed
		"nobody listens": {allowAll, "http://127.0.0.1:1", fairlead.Unavailable},
	} {
		if err := load(c.allow, c.url); fairlead.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %q", name, err, c.code)
		}
	}
	other := newServer(t)
	re := script(t, http.StatusTemporaryRedirect, "", "Location", other.URL+"/v2/models/digits/versions/2/infer")
	m, err := newRuntime(t, remote.Config{Allow: allowAll}).Load(context.Background(), ref(`{"model":"m"}`), fairlead.TargetSpec{URL: re.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Infer(context.Background(), runtimetest.Request(m.Signature(), 1)); fairlead.CodeOf(err) != fairlead.Unavailable || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("redirect: %v", err)
	}
}

func TestSendsNoNaN(t *testing.T) {
	s := script(t, 200, "")
	m, err := newRuntime(t, remote.Config{Allow: allowAll}).Load(context.Background(), ref(`{"model":"m"}`), fairlead.TargetSpec{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	req := runtimetest.Request(m.Signature(), 1)
	req.Inputs[0].Data.([]float32)[1] = float32(math.NaN())
	if _, err := m.Infer(context.Background(), req); fairlead.CodeOf(err) != fairlead.Invalid || !strings.Contains(err.Error(), "/inputs/0/data") {
		t.Errorf("NaN: %v", err)
	}
}

func FuzzReference(f *testing.F) {
	for _, s := range []string{`{"model":"m"}`, `{"model":"a/b","version":"2"}`, `{"model":""}`, `{"model":"m","x":1}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := remote.ParseReference(b)
		switch fairlead.CodeOf(err) {
		case "":
			if r.Model == "" || len(r.Model) > 255 {
				t.Errorf("took %+v", r)
			}
		case fairlead.Invalid, fairlead.Corrupt, fairlead.TooLarge:
		default:
			t.Errorf("code %s: %v", fairlead.CodeOf(err), err)
		}
	})
}
