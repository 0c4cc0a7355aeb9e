package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/op"
	"fairlead.dev/sim"
)

// TestStories plays the examples' stories on the real binary, in real time: the
// same pages that the simulation plays in virtual time.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("../../examples/stories/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d stories: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			story, err := sim.Parse(filepath.Base(f), data)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			w.start()
			defer func() { w.kill() }()
			p := sim.NewPlayer(&driver{w: w, chance: rand.New(rand.NewPCG(1, 1))})
			if err := p.Play(story); err != nil {
				t.Fatalf("%v\n%s", err, w.log())
			}
		})
	}
}

// driver is a sim.Driver on a real server.
type driver struct {
	w      *world
	chance *rand.Rand
	ahead  time.Time // when the time that was let pass ends
}

func (d *driver) Now() time.Time {
	if d.ahead.IsZero() {
		d.ahead = time.Now()
	}
	return d.ahead
}

func (d *driver) Chance() float64 { return d.chance.Float64() }

// Advance waits until the story's time has come; a story that falls behind does
// not catch up by hurrying.
func (d *driver) Advance(span time.Duration) error {
	d.ahead = d.Now().Add(span)
	if late := time.Since(d.ahead); late > 0 {
		d.ahead = time.Now()
		return nil
	}
	time.Sleep(time.Until(d.ahead))
	return nil
}

func (d *driver) Register(ref string, script []byte) error {
	path := filepath.Join(d.w.t.TempDir(), "fake.json")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		return err
	}
	in, err := d.w.client.Upload(context.Background(), path)
	if err != nil {
		return err
	}
	in.Name, in.Format = ref, "fake"
	_, err = api.Call(context.Background(), d.w.client, op.VersionRegister, in)
	return err
}

func (d *driver) Apply(file string, manifest []byte) error {
	_, err := api.Call(context.Background(), d.w.client, op.Apply, op.ApplyIn{Files: []op.Manifest{{Name: file, Text: string(manifest)}}})
	return err
}

func (d *driver) Request(endpoint, user string) sim.Answer {
	status, head, body, err := call("http://"+d.w.listen, d.w.client.Token, endpoint, user, killBody)
	if err != nil {
		return sim.Answer{Err: err.Error()}
	}
	a := sim.Answer{ID: head.Get("Fairlead-Request-Id"), Version: head.Get("Fairlead-Version"), Arm: head.Get("Fairlead-Arm")}
	if status != http.StatusOK {
		a.Err = string(body)
	}
	return a
}

func (d *driver) Feedback(f fairlead.Feedback) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return post("http://"+d.w.listen+"/v1/feedback", d.w.client.Token, body)
}

func (d *driver) Command(verb, release string) error {
	in := op.CommandIn{Name: release}
	ops := map[string]op.Op[op.CommandIn, fairlead.Release]{"pause": op.ReleasePause, "resume": op.ReleaseResume, "abort": op.ReleaseAbort,
		"retry": op.ReleaseRetry, "undo": op.ReleaseUndo, "approve": op.ReleaseApprove}
	var err error
	if o, ok := ops[verb]; ok {
		_, err = api.Call(context.Background(), d.as(verb), o, in)
	} else {
		_, err = api.Call(context.Background(), d.w.client, op.ReleasePromote, op.PromoteIn{CommandIn: in, Full: verb == "promote-full"})
	}
	return err
}

// as gives the client of whoever may do it: approvals are a role of their own.
func (d *driver) as(verb string) *api.Client {
	if verb != "approve" {
		return d.w.client
	}
	out, err := api.Call(context.Background(), d.w.client, op.TokenCreate, op.TokenIn{Name: "manager", Roles: []string{"release-managers", fairlead.RoleViewer}})
	if err != nil {
		d.w.t.Fatal(err)
	}
	return &api.Client{Base: d.w.client.Base, Token: out.Secret}
}

func (d *driver) Release(name string) (fairlead.Release, error) {
	return api.Call(context.Background(), d.w.client, op.ReleaseGet, op.Named{Name: name})
}

func (d *driver) Endpoint(name string) (fairlead.Endpoint, error) {
	return api.Call(context.Background(), d.w.client, op.EndpointGet, op.Named{Name: name})
}

func (d *driver) Crash() error {
	d.w.kill()
	d.w.start()
	return nil
}

func post(url, token string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	out, _ := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("feedback: %s: %s", resp.Status, out)
	}
	return nil
}
