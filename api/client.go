package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/op"
)

// Client calls a server's verbs. The zero HTTP means one with sensible
// timeouts that follows no redirects (a redirect could carry the token away).
type Client struct {
	Base  string // e.g. http://127.0.0.1:8080
	Token string
	HTTP  *http.Client
}

// maxAnswer bounds what a server may answer with.
const maxAnswer = 64 << 20

// Call runs a verb on the server. Errors are *fairlead.Error with the server's
// code and faults; code Unavailable when the server cannot be reached.
func Call[In, Out any](ctx context.Context, c *Client, o op.Op[In, Out], in In) (Out, error) {
	var none Out
	out, err := c.Do(ctx, o.Verb(), &in)
	if err != nil {
		return none, err
	}
	return out.(Out), nil
}

// Do is Call for a verb of the table: in is a pointer to its In, the answer is
// an Out.
func (c *Client) Do(ctx context.Context, v op.Verb, in any) (any, error) {
	path, query := v.Path, url.Values{}
	for _, p := range v.Params {
		text := p.Text(in)
		switch p.In {
		case op.InPath:
			if text == "" || text == "." || text == ".." {
				return nil, &fairlead.Error{Code: fairlead.Invalid, Message: v.Name + " needs " + p.Name,
					Faults: []fairlead.Fault{{Path: p.Name, Message: "missing", Want: p.Doc}}}
			}
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(text), 1)
		case op.InQuery:
			if text != "" {
				query.Set(p.Name, text)
			}
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var body io.Reader
	if v.HasBody() {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, &fairlead.Error{Code: fairlead.Invalid, Message: "the request cannot be written as JSON", Err: err}
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, v.Method, path, body, -1, "application/json", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	out := reflect.New(v.Out)
	if err := decodeAnswer(resp.Body, out.Interface()); err != nil {
		return nil, err
	}
	return out.Elem().Interface(), nil
}

func decodeAnswer(r io.Reader, out any) error {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	switch {
	case err != nil:
		return &fairlead.Error{Code: fairlead.Unavailable, Message: "the server's answer broke off", Err: err}
	case len(body) > maxAnswer:
		return fairlead.Errorf(fairlead.TooLarge, "the server's answer is over %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &fairlead.Error{Code: fairlead.Corrupt, Message: "the server's answer cannot be read; is this a Fairlead server of this version?", Err: err}
	}
	return nil
}

// send makes a request and turns anything but success into an error.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, size int64, kind string, header http.Header) (*http.Response, error) {
	base, err := url.Parse(c.Base)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fairlead.Errorf(fairlead.Invalid, "%q is not a server's address; expected e.g. http://127.0.0.1:8080", c.Base)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Base, "/")+Prefix+path, body)
	if err != nil {
		return nil, &fairlead.Error{Code: fairlead.Invalid, Message: "the request cannot be made", Err: err}
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if size >= 0 {
		req.ContentLength = size
		if size == 0 {
			req.Body = http.NoBody
		}
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	hc := c.HTTP
	if hc == nil {
		hc = defaultHTTP()
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, unreachable(ctx, c.Base, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, problemOf(resp)
}

func unreachable(ctx context.Context, base string, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the URL: the message names the server
	}
	if ctx.Err() != nil {
		code := fairlead.Timeout
		if errors.Is(ctx.Err(), context.Canceled) {
			code = fairlead.Unavailable
		}
		return &fairlead.Error{Code: code, Message: "gave up waiting for " + base, Err: ctx.Err()}
	}
	return &fairlead.Error{Code: fairlead.Unavailable, Message: "cannot reach " + base, Err: err}
}

// problemOf reads the server's error.
func problemOf(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<20)) // half an error is still one
	var p Problem
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		return &fairlead.Error{Code: p.Code, Message: p.Detail, Faults: p.Faults}
	}
	code := fairlead.Internal
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		code = fairlead.Unauthenticated
	case http.StatusForbidden:
		code = fairlead.Denied
	case http.StatusNotFound:
		code = fairlead.NotFound
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = fairlead.Unavailable
	}
	return fairlead.Errorf(code, "the server answered %s; is this a Fairlead server?", resp.Status)
}

func defaultHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: verbTime + 10*time.Second,
			DisableKeepAlives:     true, // it is made for one request
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// HasBlob asks whether the server has the bytes of a digest.
func (c *Client) HasBlob(ctx context.Context, digest string) (bool, error) {
	resp, err := c.send(ctx, http.MethodHead, "/blobs/"+url.PathEscape(digest), nil, -1, "", nil)
	if err != nil {
		if fairlead.CodeOf(err) == fairlead.NotFound {
			return false, nil
		}
		return false, err
	}
	return true, resp.Body.Close()
}

// PutBlob streams size bytes of r to the server; their digest must be digest.
func (c *Client) PutBlob(ctx context.Context, digest string, r io.Reader, size int64) (Blob, error) {
	resp, err := c.send(ctx, http.MethodPut, "/blobs/"+url.PathEscape(digest), io.NopCloser(r), size, "application/octet-stream", nil)
	if err != nil {
		return Blob{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var b Blob
	return b, decodeAnswer(resp.Body, &b)
}

// Upload sends a file, or a folder of plain files, and gives what "version
// register" wants to know of it: Digest and File, or Files. What the server
// has already is not sent again.
func (c *Client) Upload(ctx context.Context, path string) (in op.VersionIn, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return in, &fairlead.Error{Code: fairlead.NotFound, Message: "cannot read the artifact", Err: err}
	}
	if info.Mode().IsRegular() {
		in.File = filepath.Base(path)
		in.Digest, _, err = c.uploadFile(ctx, path)
		return in, err
	}
	err = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() { // a link may lead out of the folder
			return fairlead.Errorf(fairlead.Invalid, "%s is not a plain file; an artifact holds plain files only", p)
		}
		rel, err := filepath.Rel(path, p)
		if err != nil {
			return err
		}
		digest, size, err := c.uploadFile(ctx, p)
		in.Files = append(in.Files, fairlead.ArtifactFile{Path: filepath.ToSlash(rel), Digest: digest, Size: size})
		return err
	})
	if err == nil && len(in.Files) == 0 {
		err = fairlead.Errorf(fairlead.Invalid, "%s holds no files", path)
	}
	return in, err
}

func (c *Client) uploadFile(ctx context.Context, path string) (digest string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	if has, err := c.HasBlob(ctx, digest); err != nil || has {
		return digest, size, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	_, err = c.PutBlob(ctx, digest, f, size)
	return digest, size, err
}

// Watch calls f for what changes, as Change says, until f or the connection
// fails or ctx ends. After is the last Index seen; 0 begins with everything
// there is. It gives the last index, to go on with.
func (c *Client) Watch(ctx context.Context, kind, name string, after int64, f func(Change) error) (int64, error) {
	q := url.Values{}
	if kind != "" {
		q.Set("kind", kind)
	}
	if name != "" {
		q.Set("name", name)
	}
	header := http.Header{}
	if after > 0 {
		header.Set("Last-Event-ID", strconv.FormatInt(after, 10))
	}
	resp, err := c.send(ctx, http.MethodGet, "/watch?"+q.Encode(), nil, -1, "", header)
	if err != nil {
		return after, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var ch Change
		if err := json.Unmarshal([]byte(data), &ch); err != nil {
			return after, &fairlead.Error{Code: fairlead.Corrupt, Message: "the server's event cannot be read", Err: err}
		}
		if err := f(ch); err != nil {
			return after, err
		}
		after = ch.Index
	}
	if ctx.Err() != nil {
		return after, ctx.Err()
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return after, &fairlead.Error{Code: fairlead.Unavailable, Message: fmt.Sprintf("the connection to %s was lost", c.Base), Err: err}
}
