package gateway

import (
	"encoding/json"
	"net/http"

	"fairlead.dev"
)

// The protocol's pages other than infer.

type serverMeta struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

type modelMeta struct {
	Name     string                `json:"name"`
	Versions []string              `json:"versions"`
	Platform string                `json:"platform"`
	Inputs   []fairlead.TensorSpec `json:"inputs"`
	Outputs  []fairlead.TensorSpec `json:"outputs"`
}

type modelReady struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
}

func (g *Gateway) serverMeta(w http.ResponseWriter) error {
	return reply(w, http.StatusOK, serverMeta{Name: "fairlead", Version: "2", Extensions: []string{}})
}

func (g *Gateway) live(w http.ResponseWriter) error {
	return reply(w, http.StatusOK, map[string]bool{"live": true})
}

// ready: the specification's text says {live}, servers say {ready}; both are
// sent. A draining gateway is not ready, though it still answers.
func (g *Gateway) ready(w http.ResponseWriter) error {
	ok := !g.draining.Load()
	code := http.StatusOK
	if !ok {
		code = http.StatusServiceUnavailable
	}
	return reply(w, code, map[string]bool{"live": true, "ready": ok})
}

func (g *Gateway) modelReady(w http.ResponseWriter, name, version string) error {
	rt := g.lookup(name)
	if rt == nil {
		err := g.unknown(name)
		if fairlead.CodeOf(err) == fairlead.Unavailable {
			return reply(w, http.StatusServiceUnavailable, modelReady{Name: name})
		}
		return err
	}
	if version != "" {
		if _, err := rt.pinned(version); err != nil {
			return err
		}
	}
	return reply(w, http.StatusOK, modelReady{Name: name, Ready: true})
}

// modelMeta describes an endpoint by the arm that a pinned version names, or
// by its incumbent: what callers may rely on while a candidate is tried.
func (g *Gateway) modelMeta(w http.ResponseWriter, name, version string) error {
	rt := g.lookup(name)
	if rt == nil {
		return g.unknown(name)
	}
	i := 0
	if version != "" {
		var err error
		if i, err = rt.pinned(version); err != nil {
			return err
		}
	}
	sig := rt.arms[i].handle.model.Signature()
	m := modelMeta{Name: name, Platform: sig.Platform, Inputs: sig.Inputs, Outputs: sig.Outputs}
	seen := map[string]bool{}
	for k := range rt.arms {
		if p := rt.arms[k].part; !seen[p] {
			seen[p] = true
			m.Versions = append(m.Versions, p)
		}
	}
	if m.Inputs == nil {
		m.Inputs = []fairlead.TensorSpec{}
	}
	if m.Outputs == nil {
		m.Outputs = []fairlead.TensorSpec{}
	}
	return reply(w, http.StatusOK, m)
}

func reply(w http.ResponseWriter, code int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return &fairlead.Error{Code: fairlead.Internal, Message: "internal error", Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
	return nil
}
