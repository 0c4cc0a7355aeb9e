package docs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The quickstart is done as a reader would: every command of its shell blocks
// runs, in order, against a server of its own.
func TestQuickstart(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the page uses %s, which is not here", tool)
		}
	}
	text, err := os.ReadFile("quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	q := newQuickstart(t)
	ran := 0
	for _, b := range blocks(string(text)) {
		if b.lang != "sh" {
			continue
		}
		for _, command := range statements(b.text) {
			if q.run(t, command) {
				ran++
			}
		}
	}
	if ran < 18 {
		t.Errorf("only %d commands ran", ran)
	}
}

// quickstart is a reader with a server.
type quickstart struct {
	binary, dir, url string
	env              []string
	request          string // id of the answer, once there is one
}

var requestID = regexp.MustCompile(`(?i)fairlead-request-id: *(\S+)`)

func newQuickstart(t *testing.T) *quickstart {
	t.Helper()
	q := &quickstart{dir: t.TempDir()}
	q.binary = filepath.Join(q.dir, "fairlead")
	if out, err := exec.Command("go", "build", "-o", q.binary, "fairlead.dev/cmd/fairlead").CombinedOutput(); err != nil {
		t.Fatalf("the server does not build: %v\n%s", err, out)
	}
	data := filepath.Join(q.dir, "data")
	q.env = append(os.Environ(), "FAIRLEAD_CONFIG="+filepath.Join(q.dir, "contexts.json"), "FAIRLEAD_DATA="+data, "FAIRLEAD_SERVER=", "FAIRLEAD_TOKEN=", "FAIRLEAD_CONTEXT=")
	log, err := os.Create(filepath.Join(q.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	srv := exec.Command(q.binary, "serve", "--listen", "127.0.0.1:0", "--token-file", filepath.Join(q.dir, "token"))
	srv.Env, srv.Stdout, srv.Stderr = q.env, log, log
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = srv.Process.Kill() // it is safe to kill at any moment
		_ = srv.Wait()
		log.Close()
		if b, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("the server's log:\n%s", b)
		}
	})
	until(t, "the server's address", func() bool {
		b, err := os.ReadFile(filepath.Join(data, "address"))
		q.url = strings.TrimSpace(string(b))
		return err == nil
	})
	return q
}

// run does one command of the page; false for those that a test cannot do.
func (q *quickstart) run(t *testing.T, command string) bool {
	t.Helper()
	switch {
	case command == "make" || command == "bin/fairlead serve":
		return false // done by newQuickstart
	case command == "bin/fairlead login":
		command += " < " + filepath.Join(q.dir, "token")
	case strings.HasSuffix(command, "--watch"):
		command = strings.TrimSuffix(command, "--watch") + "|| test $? = 3" // 3: still moving
	}
	command = strings.ReplaceAll(command, "bin/fairlead", q.binary)
	command = strings.ReplaceAll(command, "http://127.0.0.1:8080", q.url)
	command = strings.ReplaceAll(command, "curl -s", "curl -fs")
	command = strings.ReplaceAll(command, "019a…", q.request)
	// What was asked of a release is done a moment later; until then the next
	// command may be refused, and a reader would type it again.
	var out []byte
	until(t, command, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		// Variables live from one command to the next in a file.
		vars := filepath.Join(q.dir, "vars")
		cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; touch "+vars+"; . "+vars+"; { "+command+"\n}; code=$?; declare -p CALLER > "+vars+" 2>/dev/null; exit $code")
		cmd.Dir, cmd.Env = root, q.env
		var err error
		out, err = cmd.CombinedOutput()
		if err != nil {
			t.Logf("%s: %v\n%s", command, err, out)
		}
		return err == nil
	})
	if m := requestID.FindSubmatch(out); m != nil {
		q.request = string(m[1])
	}
	return true
}

// until tries for fifteen seconds.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within 15s", what)
		case <-tick.C:
		}
	}
}

// statements cuts a block at line ends, but not within quotes; comments go.
func statements(text string) []string {
	var all []string
	var b strings.Builder
	quoted := false
	for _, l := range strings.SplitAfter(text, "\n") {
		if !quoted {
			if i := strings.Index(l, " #"); i >= 0 {
				l = l[:i] + "\n"
			}
		}
		b.WriteString(l)
		quoted = quoted != (strings.Count(l, "'")%2 == 1)
		if s := strings.TrimSpace(b.String()); !quoted {
			if s != "" {
				all = append(all, s)
			}
			b.Reset()
		}
	}
	return all
}
