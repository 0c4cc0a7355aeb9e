package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fairlead.dev"
)

// What a gateway keeps, so that it serves and authenticates with the control
// plane down:
//
//	routes/<endpoint>.route   the last good route and its trips
//	tokens                    hashes of tokens, never the tokens
//	journal/*.journal         decisions that feedback may still come for
//	journal/*.index           where each stands, of the files that are full
//
// The first two are one line with the sha-256 of the rest, then JSON. They are
// replaced whole (write, fsync, rename, fsync of the folder), so a reader sees
// the old file or the new one; one that does not check is ignored, loudly.

// keptRoute is the content of a route's file.
type keptRoute struct {
	Route fairlead.Route  `json:"route"`
	Trips []fairlead.Trip `json:"trips,omitempty"`
}

// restoreTimeout bounds the loading of one route's models at start: a target
// that hangs must not keep the other endpoints from being served.
const restoreTimeout = 30 * time.Second

// restoreAtOnce bounds how many endpoints load their models at once at start.
const restoreAtOnce = 8

func (g *Gateway) restore() error {
	if err := os.MkdirAll(filepath.Join(g.cfg.Dir, "routes"), 0o700); err != nil {
		return fmt.Errorf("the gateway's folder: %w", err)
	}
	j, err := openJournal(filepath.Join(g.cfg.Dir, "journal"), g.cfg.JournalSegment, g.cfg.JournalTotal, g.now, g.log)
	if err != nil {
		return err
	}
	g.journal = j
	if g.cfg.Home == "" {
		if g.cfg.Home, err = g.home(); err != nil {
			return err
		}
	}
	var tokens []fairlead.Token
	if err := readChecked(filepath.Join(g.cfg.Dir, "tokens"), &tokens); err == nil {
		g.setTokens(tokens)
	} else if !errors.Is(err, fs.ErrNotExist) {
		g.log.Error("the kept tokens cannot be used; nobody can call until the control plane sends them again", "error", err)
	}
	entries, err := os.ReadDir(filepath.Join(g.cfg.Dir, "routes"))
	if err != nil {
		return fmt.Errorf("the gateway's folder: %w", err)
	}
	var loading sync.WaitGroup
	turns := make(chan struct{}, restoreAtOnce)
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".route")
		if !ok {
			continue // a temporary file that a kill left behind is overwritten in time
		}
		turns <- struct{}{}
		loading.Go(func() {
			g.restoreRoute(name, filepath.Join(g.cfg.Dir, "routes", e.Name()))
			<-turns
		})
	}
	loading.Wait()
	return nil
}

// restoreRoute puts a kept route in force.
func (g *Gateway) restoreRoute(name, path string) {
	var k keptRoute
	err := readChecked(path, &k)
	if err == nil && k.Route.Endpoint != name {
		err = fmt.Errorf("it is for endpoint %q", k.Route.Endpoint)
	}
	if err == nil {
		ep := g.endpoint(name)
		ep.mu.Lock()
		ep.trips = k.Trips
		ep.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), restoreTimeout)
		defer cancel()
		err = g.Apply(ctx, k.Route)
	}
	switch {
	case err != nil && g.lookup(name) == nil:
		g.log.Error("a kept route cannot be used; the endpoint is not served until its route comes again", "file", path, "error", err)
	case err != nil:
		g.log.Error("a kept route cannot be used whole yet", "file", path, "error", err)
	}
}

func (g *Gateway) routeFile(endpoint string) string {
	return filepath.Join(g.cfg.Dir, "routes", endpoint+".route")
}

// keepRoute writes what is in force now.
func (g *Gateway) keepRoute(ep *endpoint) error {
	if g.cfg.Dir == "" {
		return nil
	}
	ep.disk.Lock()
	defer ep.disk.Unlock()
	rt := g.lookup(ep.name)
	if rt == nil {
		return nil
	}
	ep.mu.Lock()
	k := keptRoute{Route: *rt.wanted(), Trips: append([]fairlead.Trip(nil), ep.trips...)}
	ep.mu.Unlock()
	if err := writeChecked(g.routeFile(ep.name), k); err != nil {
		return &fairlead.Error{Code: fairlead.Internal, Message: "the route of " + ep.name + " is in force but could not be kept on disk", Err: err}
	}
	return nil
}

func (g *Gateway) forgetRoute(ep *endpoint) {
	if g.cfg.Dir == "" {
		return
	}
	ep.disk.Lock()
	defer ep.disk.Unlock()
	if err := os.Remove(g.routeFile(ep.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.log.Error("the route of a removed endpoint could not be deleted", "endpoint", ep.name, "error", err)
	}
}

func writeChecked(path string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	out := append([]byte(hex.EncodeToString(sum[:])+"\n"), body...)
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(out)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maxKept bounds a file that is read back.
const maxKept = 16 << 20

func readChecked(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxKept {
		return fmt.Errorf("%s: larger than any such file", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, body, ok := bytes.Cut(raw, []byte("\n"))
	sum := sha256.Sum256(body)
	if !ok || string(head) != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("%s: damaged (its checksum does not match)", path)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// home is the folder's own name, made at its first use.
func (g *Gateway) home() (string, error) {
	path := filepath.Join(g.cfg.Dir, "home")
	var home string
	if err := readChecked(path, &home); err == nil && home != "" {
		return home, nil
	}
	home = g.cfg.Env.NewID()
	return home, writeChecked(path, home)
}
