package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/core/route"
	"fairlead.dev/op"
)

var (
	kills    = flag.Int("kills", 50, "how often the kill test kills the server")
	killSeed = flag.Uint64("killseed", 0, "seed of the kill test's moments; 0: a new one")
)

// answer is what a caller saw.
type answer struct {
	unit           string
	version        string
	sent, received time.Time
}

// world is a real server that is killed again and again, and its callers.
type world struct {
	t       *testing.T
	dir     string
	listen  string
	client  *api.Client
	mu      sync.Mutex
	server  *exec.Cmd
	salt    string   // under which the release's route assigns units
	answers []answer // guarded by mu
	odd     []string // answers that were neither 200 nor a broken connection; guarded by mu
}

const killRelease = `
apiVersion: fairlead/v1
kind: Target
metadata: {name: lab}
spec: {runtime: fake}
---
apiVersion: fairlead/v1
kind: Endpoint
metadata: {name: digits}
spec: {initial: digits@1, target: lab, key: {header: X-User}}
`

const killCanary = `
apiVersion: fairlead/v1
kind: Release
metadata: {name: digits-v2}
spec:
  endpoint: digits
  candidate: digits@2
  strategy:
    canary:
      steps:
        - {mirror: 100%, hold: 2s}
        - {weight: 1%, hold: 2s}
        - {weight: 2%, hold: 2s}
        - {weight: 5%, hold: 2s}
        - {weight: 10%, hold: 2s}
        - {weight: 20%, hold: 2s}
        - {weight: 35%, hold: 2s}
        - {weight: 50%, hold: 2s}
        - {approve: {}}
  gates:
    - {metric: error_rate, max: 30%, onUndecided: promote}
`

// A server that is killed at random moments of a canary under traffic resumes
// and ends as if nothing had happened: no caller is ever exposed beyond the
// step, nobody is moved back, and every change is on record exactly once.
func TestKill(t *testing.T) {
	n := *kills
	if testing.Short() {
		n = min(n, 5)
	}
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -killseed)", seed)
	chance := rand.New(rand.NewPCG(seed, 1))

	w := newWorld(t)
	w.start()
	defer w.kill()
	w.setUp()
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for k := range 4 {
		callers.Go(func() { w.calls(k, stop) })
	}
	for range n {
		time.Sleep(time.Duration(chance.Int64N(int64(600 * time.Millisecond))))
		w.kill()
		w.start()
	}
	w.finish()
	time.Sleep(200 * time.Millisecond) // some answers after the end, too
	close(stop)
	callers.Wait()
	w.judge(n)
}

func newWorld(t *testing.T) *world {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that stays the same over restarts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	return &world{t: t, dir: dir, listen: l.Addr().String(), client: &api.Client{Base: "http://" + l.Addr().String()}}
}

// start runs the real binary and waits until it is ready.
func (w *world) start() {
	w.t.Helper()
	log, err := os.OpenFile(filepath.Join(w.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer log.Close()
	token := filepath.Join(w.dir, "token")
	w.server = exec.Command("fairlead", "serve", "--listen", w.listen, "--data", filepath.Join(w.dir, "data"), "--token-file", token, "--fake-runtime")
	w.server.Stderr = log
	if err := w.server.Start(); err != nil {
		w.t.Fatal(err)
	}
	for range 1500 {
		if resp, err := http.Get("http://" + w.listen + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				secret, err := os.ReadFile(token)
				if err != nil {
					w.t.Fatal(err)
				}
				if w.client.Token == "" { // the callers read it
					w.client.Token = strings.TrimSpace(string(secret))
				}
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("the server did not come up:\n%s", w.log())
}

// log is the end of what the servers said.
func (w *world) log() string {
	data, _ := os.ReadFile(filepath.Join(w.dir, "log"))
	return string(data[max(0, len(data)-4000):])
}

func (w *world) kill() {
	_ = w.server.Process.Kill() // SIGKILL
	_ = w.server.Wait()
}

func must[In, Out any](w *world, o op.Op[In, Out], in In) Out {
	w.t.Helper()
	out, err := api.Call(context.Background(), w.client, o, in)
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", o.Name, err, w.log())
	}
	return out
}

func (w *world) setUp() {
	for v, script := range map[string]string{"digits@1": `{"answer": 1}`, "digits@2": `{"answer": 2}`} {
		path := filepath.Join(w.dir, "model.json")
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			w.t.Fatal(err)
		}
		in, err := w.client.Upload(context.Background(), path)
		if err != nil {
			w.t.Fatal(err)
		}
		in.Name, in.Format = v, "fake"
		must(w, op.VersionRegister, in)
	}
	must(w, op.Apply, op.ApplyIn{Files: []op.Manifest{{Text: killRelease}}})
	for { // until the endpoint answers
		status, _, _, err := call("http://"+w.listen, w.client.Token, "digits", "first", killBody)
		if err == nil && status == http.StatusOK {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	must(w, op.Apply, op.ApplyIn{Files: []op.Manifest{{Text: killCanary}}})
	for w.salt == "" { // until the release has its route
		if rt := must(w, op.EndpointStatus, op.Named{Name: "digits"}).Route; rt != nil && len(rt.Arms) == 2 {
			w.salt = rt.Salt
		}
	}
}

var killBody = []byte(`{"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}`)

// calls sends requests of ever the same units, one after another, and notes
// what each caller saw.
func (w *world) calls(k int, stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		a := answer{unit: fmt.Sprintf("u%d-%d", k, i%100), sent: time.Now()}
		status, head, body, err := call("http://"+w.listen, w.client.Token, "digits", a.unit, killBody)
		if err != nil {
			time.Sleep(5 * time.Millisecond) // the server is dead just now
			continue
		}
		a.received, a.version = time.Now(), head.Get("Fairlead-Version")
		w.mu.Lock()
		if status == http.StatusOK {
			w.answers = append(w.answers, a)
		} else {
			w.odd = append(w.odd, fmt.Sprintf("%d %s", status, body))
		}
		w.mu.Unlock()
	}
}

// finish lets the release go to its end.
func (w *world) finish() {
	approved := false
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
		r := must(w, op.ReleaseGet, op.Named{Name: "digits-v2"})
		switch st := r.Status; {
		case st.Phase == fairlead.Healthy:
			return
		case st.Phase == fairlead.Degraded:
			w.t.Fatalf("turned back: %s %s\n%s", st.Reason, st.Message, w.log())
		case st.Reason == fairlead.ReasonApproval && !approved:
			must(w, op.ReleaseApprove, op.CommandIn{Name: "digits-v2", Comment: "the killing is over"})
			approved = true
		}
	}
	w.t.Fatalf("the release did not end\n%s", w.log())
}

var weightRE = regexp.MustCompile(`(\d+)/(\d+) ([0-9.]+%)`)

// judge looks at all that callers saw and all that is on record.
func (w *world) judge(kills int) {
	t := w.t
	if len(w.odd) > 0 {
		t.Errorf("%d requests were answered with errors, the first: %s", len(w.odd), w.odd[0])
	}
	proof := must(w, op.LedgerVerify, struct{}{})
	entries := must(w, op.LedgerList, op.LedgerIn{Kind: fairlead.KindRelease, Name: "digits-v2", Limit: 1000}).Entries
	if !proof.Verified || len(entries) == 0 {
		t.Fatalf("the ledger does not verify, or holds nothing of the release: %+v", proof)
	}

	// Each change once: every entry of the loop begins where the one before ended.
	state, seen := "", map[string]bool{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Actor, "loop/") {
			continue
		}
		if state != "" && e.From != state {
			t.Errorf("ledger entry %d begins at %q, but the one before ended at %q", e.Seq, e.From, state)
		}
		state = e.To
		if id := e.Verb + " " + e.From + " → " + e.To; e.From != e.To && seen[id] {
			t.Errorf("the change %q is on record twice", id)
		} else {
			seen[id] = true
		}
	}
	if !strings.HasPrefix(state, "Healthy") {
		t.Errorf("the last change on record ends at %q", state)
	}

	// Exposure: a unit's bucket must lie below the weight that was on record
	// before its answer arrived.
	report := must(w, op.EndpointStatus, op.Named{Name: "digits"})
	allowed := func(at time.Time) (weight fairlead.Weight) {
		for _, e := range entries {
			if m := weightRE.FindStringSubmatch(e.To); m != nil && !e.Time.After(at) {
				var v fairlead.Weight
				if err := v.UnmarshalText([]byte(m[3])); err != nil {
					t.Fatal(err)
				}
				weight = max(weight, v)
			}
		}
		return weight
	}
	slices.SortFunc(w.answers, func(a, b answer) int { return a.sent.Compare(b.sent) })
	candidateAt := map[string]time.Time{} // by unit: when its first candidate answer had arrived
	candidates, back, beyond := 0, 0, 0
	for _, a := range w.answers {
		first, moved := candidateAt[a.unit]
		if a.version != "digits@2" {
			if moved && a.sent.After(first) {
				if back++; back > 5 {
					continue
				}
				t.Errorf("%s was moved back: %s answered at %s, after the candidate had at %s", a.unit, a.version, a.sent, first)
			}
			continue
		}
		candidates++
		if !moved || a.received.Before(first) {
			candidateAt[a.unit] = a.received
		}
		if bucket, limit := route.Bucket(w.salt, a.unit), allowed(a.received); bucket >= int32(limit) {
			if beyond++; beyond > 5 {
				continue
			}
			t.Errorf("%s (bucket %d) saw the candidate at %s, when %s was allowed", a.unit, bucket, a.received, limit)
		}
	}
	if candidates == 0 || candidates == len(w.answers) {
		t.Errorf("%d of %d answers came from the candidate: the test saw no canary", candidates, len(w.answers))
	}
	if report.Endpoint.Status.Version != "digits@2" {
		t.Errorf("the endpoint serves %s", report.Endpoint.Status.Version)
	}
	if back+beyond > 0 {
		t.Errorf("in all: %d answers beyond the step, %d after a move back", beyond, back)
	}
	t.Logf("%d kills; %d answers, %d by the candidate; %d changes of the release, ledger of %d", kills, len(w.answers), candidates, len(entries), proof.Size)
}
