package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// open checks that the model is ready and reads its metadata.
func (m *model) open(ctx context.Context) error {
	if _, err := m.call(ctx, http.MethodGet, "ready", nil); err != nil {
		return err
	}
	b, err := m.call(ctx, http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	var meta struct {
		Platform string                `json:"platform"`
		Inputs   []fairlead.TensorSpec `json:"inputs"`
		Outputs  []fairlead.TensorSpec `json:"outputs"`
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		return fairlead.Errorf(fairlead.Unavailable, "the remote server's metadata is not readable: %w", err)
	}
	if len(meta.Inputs) == 0 || len(meta.Outputs) == 0 || len(meta.Inputs) > 256 || len(meta.Outputs) > 256 {
		return fairlead.Errorf(fairlead.Unsupported, "the remote server's metadata names %d inputs and %d outputs", len(meta.Inputs), len(meta.Outputs))
	}
	for _, specs := range [][]fairlead.TensorSpec{meta.Inputs, meta.Outputs} {
		for _, s := range specs {
			if s.Name == "" || len(s.Name) > 255 || len(s.Shape) > 16 {
				return fairlead.Errorf(fairlead.Unsupported, "the remote server's metadata has a nameless tensor or one of more than 16 dimensions")
			}
			if !carried(s.Datatype) {
				return fairlead.Errorf(fairlead.Unsupported, "the remote model's tensor %q is %s, which JSON cannot carry here", cut(s.Name), cut(s.Datatype))
			}
		}
	}
	m.sig = runtime.Signature{Platform: cut(meta.Platform), Inputs: meta.Inputs, Outputs: meta.Outputs}
	return nil
}

// call sends one request within the target's deadline and gives the body of a
// 200.
func (m *model) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	u := m.url
	if path != "" {
		u = u.JoinPath(path)
	}
	var rd io.Reader
	if body != nil {
		rd = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), rd)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "target URL: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := m.r.client.Do(req)
	if err != nil {
		return nil, broken(ctx, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, m.r.c.MaxResponse+1))
	if err != nil {
		return nil, broken(ctx, err)
	}
	if int64(len(b)) > m.r.c.MaxResponse {
		return nil, fairlead.Errorf(fairlead.Unavailable, "the remote server's answer has more than %d bytes", m.r.c.MaxResponse)
	}
	if resp.StatusCode == http.StatusOK {
		return b, nil
	}
	return nil, refused(resp.StatusCode, b)
}

// broken is the error of a call without an answer.
func broken(ctx context.Context, err error) error {
	var denied *deniedError
	switch {
	case errors.As(err, &denied):
		return fairlead.Errorf(fairlead.Denied, "the remote address is not allowed: %w", denied.err)
	case ctx.Err() != nil:
		return fairlead.Errorf(fairlead.Timeout, "the remote server did not answer in time: %w", ctx.Err())
	}
	return &fairlead.Error{Code: fairlead.Unavailable, Message: "the remote server cannot be reached", Err: err}
}

// refused maps a status to a code. What the server said is the detail for
// operators; only of a caller's mistake is it part of the message.
func refused(status int, body []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // a body of another form says nothing
	detail := fairlead.Errorf(fairlead.Internal, "status %d: %s", status, cut(said.Error))
	fail := func(code fairlead.Code, message string) error {
		return &fairlead.Error{Code: code, Message: message, Err: detail}
	}
	switch {
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		return fairlead.Errorf(fairlead.Invalid, "the remote server refused the input: %s", cut(said.Error))
	case status == http.StatusNotFound:
		return fail(fairlead.NotFound, "the remote server does not have this model")
	case status == http.StatusRequestEntityTooLarge:
		return fail(fairlead.TooLarge, "the remote server found the request too large")
	case status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout:
		return fail(fairlead.Timeout, "the remote server did not answer in time")
	case status == http.StatusTooManyRequests || status == http.StatusBadGateway || status == http.StatusServiceUnavailable:
		return fail(fairlead.Unavailable, "the remote server is not available")
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fail(fairlead.Unavailable, "the remote server did not let Fairlead in")
	case status >= 300 && status < 400:
		return fail(fairlead.Unavailable, "the remote server sent a redirect, which is not followed")
	}
	return fail(fairlead.Internal, "the remote server failed")
}
