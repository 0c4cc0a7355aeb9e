package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/api"
	"fairlead.dev/op"
)

// client is made once a run; its connection serves all of a watch's requests.
func (p *program) client() (*api.Client, error) {
	if p.made != nil {
		return p.made, nil
	}
	at, err := p.where()
	if err != nil {
		return nil, err
	}
	p.made = newClient(at)
	return p.made, nil
}

func newClient(at place) *api.Client {
	return &api.Client{Base: at.Server, Token: at.Token, HTTP: &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 3 * time.Minute, // registering examines the model
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     true,
		},
		// A redirect could carry the token to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// call runs a verb on the server.
func call[In, Out any](ctx context.Context, p *program, o op.Op[In, Out], in In) (Out, error) {
	out, err := p.call(ctx, o.Verb(), &in)
	if err != nil {
		var none Out
		return none, err
	}
	return out.(Out), nil
}

// call runs a verb of the table; in is a pointer to its input.
func (p *program) call(ctx context.Context, v op.Verb, in any) (any, error) {
	c, err := p.client()
	if err != nil {
		return nil, err
	}
	out, err := c.Do(ctx, v, in)
	return out, helpful(err, c)
}

// callWith calls a verb with its parameters given as text.
func (p *program) callWith(ctx context.Context, name string, params map[string]string) (any, error) {
	v := verb(name)
	in := v.New()
	for _, a := range v.Params {
		if text := params[a.Name]; text != "" {
			if err := a.Set(in, text); err != nil {
				return nil, err
			}
		}
	}
	return p.call(ctx, v, in)
}

// helpful adds to an error what a person can do about it.
func helpful(err error, c *api.Client) error {
	e, ok := err.(*fairlead.Error) //nolint:errorlint // the client's own error, not what it wraps
	if !ok {
		return err
	}
	more := *e
	switch {
	case e.Code == fairlead.Unauthenticated && c.Token == "":
		more.Message = "no token for " + c.Base + "; run fairlead login, or set FAIRLEAD_TOKEN"
	case e.Code == fairlead.Unauthenticated:
		more.Message += "; run fairlead login again, or set FAIRLEAD_TOKEN"
	case e.Code == fairlead.Unavailable && strings.HasPrefix(e.Message, "cannot reach"):
		more.Message += "; is a server running (fairlead serve)? Choose another with --server"
	}
	return &more
}

// upload sends a file unless the server has it already.
func (p *program) upload(ctx context.Context, u upload, bar *progressBar) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	has, err := c.HasBlob(ctx, u.digest)
	if err != nil {
		return helpful(err, c)
	}
	if has {
		bar.add(u.size)
		return nil
	}
	f, err := os.Open(u.path)
	if err != nil {
		return usage{err}
	}
	defer f.Close()
	// No more than was hashed: a file that grows meanwhile must not go over.
	_, err = c.PutBlob(ctx, u.digest, counted{io.LimitReader(f, u.size), bar}, u.size)
	return helpful(err, c)
}

// whoami tries a token and gives its name and roles, as text.
func (p *program) whoami(ctx context.Context, at place) (string, error) {
	c := newClient(at)
	info, err := api.Call(ctx, c, op.ServerInfo, struct{}{})
	if err != nil {
		return "", helpful(err, c)
	}
	return info.Caller + " (" + strings.Join(info.Roles, ", ") + ")", nil
}
