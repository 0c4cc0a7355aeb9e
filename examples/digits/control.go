package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/op"
)

// control is the operator's side of the demo: the same client that the command
// line uses.
type control struct{ c *api.Client }

func newControl(s *server) control {
	return control{&api.Client{Base: s.URL, Token: s.Token, HTTP: &http.Client{Timeout: 30 * time.Second}}}
}

// apply makes a manifest true; name is for messages.
func (c control) apply(ctx context.Context, name, manifest string) error {
	_, err := api.Call(ctx, c.c, op.Apply, op.ApplyIn{Files: []op.Manifest{{Name: name, Text: manifest}}})
	return err
}

// register uploads an artifact and makes it a version.
func (c control) register(ctx context.Context, version, file string, artifact []byte, metrics map[string]float64, from fairlead.Lineage) (fairlead.Artifact, error) {
	sum := sha256.Sum256(artifact)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if _, err := c.c.PutBlob(ctx, digest, bytes.NewReader(artifact), int64(len(artifact))); err != nil {
		return fairlead.Artifact{}, fmt.Errorf("%s: %w", file, err)
	}
	out, err := api.Call(ctx, c.c, op.VersionRegister, op.VersionIn{Name: version, Digest: digest, File: file, Metrics: metrics, Lineage: from})
	if err != nil {
		return fairlead.Artifact{}, fmt.Errorf("%s: %w", file, err)
	}
	return out.Version.Spec.Artifact, nil
}

// callerToken makes a token that may infer and send feedback, nothing else.
func (c control) callerToken(ctx context.Context, name string) (string, error) {
	out, err := api.Call(ctx, c.c, op.TokenCreate, op.TokenIn{Name: name, Roles: []string{fairlead.RoleCaller}})
	return out.Secret, err
}

func (c control) release(ctx context.Context, name string) (fairlead.Release, error) {
	return api.Call(ctx, c.c, op.ReleaseGet, op.Named{Name: name})
}

// serving waits until the endpoint answers that it is ready: the route and the
// model must first reach the gateway.
func (c control) serving(ctx context.Context, endpoint, token string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, fmt.Errorf("the endpoint %s is not ready after 10s", endpoint))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.c.Base+"/v2/models/"+endpoint+"/ready", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		if resp, err := c.c.HTTP.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
