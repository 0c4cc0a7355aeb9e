package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead.dev/cli"
	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary stands in for the real one: run under the name fairlead, it
// is fairlead, built the same way as the tests (with -race, when they are).
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fairlead": main})
}

// The stories in testdata/script drive the real binary.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("FAIRLEAD_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("NO_COLOR", "1")
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			return os.Symlink(examples, filepath.Join(e.WorkDir, "examples"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":   ready,
			"infer":   infer,
			"traffic": traffic,
			"get":     get,
			"code":    code,
			"capture": capture,
			"tamper":  tamper,
			"grepmode": func(ts *testscript.TestScript, neg bool, args []string) {
				info, err := os.Stat(ts.MkAbs(args[1]))
				ts.Check(err)
				if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[0]) == neg {
					ts.Fatalf("%s has mode %s", args[1], got)
				}
			},
		},
	})
}

// address is where the story's server listens.
func address(ts *testscript.TestScript) string {
	data, err := os.ReadFile(filepath.Join(ts.Getenv("FAIRLEAD_DATA"), cli.AddressFile))
	ts.Check(err)
	return strings.TrimSpace(string(data))
}

// ready waits until the server of the story answers /readyz.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	for range 600 {
		if data, err := os.ReadFile(filepath.Join(ts.Getenv("FAIRLEAD_DATA"), cli.AddressFile)); err == nil {
			if resp, err := http.Get(strings.TrimSpace(string(data)) + "/readyz"); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					server := strings.TrimSpace(string(data))
					ts.Setenv("SERVER", server)
					ts.Setenv("LISTEN", strings.TrimPrefix(server, "http://"))
					return
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("the server is not ready after 30 s")
}

// token is the one in the file admin.token.
func token(ts *testscript.TestScript) string {
	return strings.TrimSpace(ts.ReadFile("admin.token"))
}

// call sends one inference and gives the status, the arm and the body.
func call(server, token, endpoint, unit string, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, server+"/v2/models/"+endpoint+"/infer", bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("X-User", unit)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, out, err
}

// infer ENDPOINT FILE [UNIT] sends one request; its answer becomes stdout. The
// first answers of a new endpoint are waited for.
func infer(ts *testscript.TestScript, neg bool, args []string) {
	unit := "u1"
	if len(args) > 2 {
		unit = args[2]
	}
	for try := 0; ; try++ {
		status, head, out, err := call(address(ts), token(ts), args[0], unit, []byte(ts.ReadFile(args[1])))
		ts.Check(err)
		if (status == http.StatusNotFound || status == http.StatusServiceUnavailable) && !neg && try < 200 {
			time.Sleep(25 * time.Millisecond)
			continue
		}
		if (status == http.StatusOK) == neg {
			ts.Fatalf("status %d: %s", status, out)
		}
		fmt.Fprintf(ts.Stdout(), "%d %s %s\n%s\n", status, head.Get("Fairlead-Arm"), head.Get("Fairlead-Version"), out)
		return
	}
}

// traffic ENDPOINT FILE N sends N requests of N callers; how many each arm
// answered becomes stdout. A lost request fails the story.
func traffic(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	arms := map[string]int{}
	body := []byte(ts.ReadFile(args[1]))
	for i := range n {
		status, head, out, err := call(address(ts), token(ts), args[0], fmt.Sprintf("u%d", i), body)
		ts.Check(err)
		if status != http.StatusOK {
			arms["failed"]++
			_ = out
		}
		arms[head.Get("Fairlead-Arm")]++
	}
	data, err := json.Marshal(arms)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n", data)
}

// get STATUS PATH asks the server without a token.
func get(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Get(address(ts) + args[1])
	ts.Check(err)
	defer resp.Body.Close()
	out, _ := io.ReadAll(resp.Body)
	if got := strconv.Itoa(resp.StatusCode); (got == args[0]) == neg {
		ts.Fatalf("%s: status %s: %s", args[1], got, out)
	}
	fmt.Fprintf(ts.Stdout(), "%s\n", out)
}
