package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a person with curl sees: text that reads as it is meant, an answer that
// does not wait for a body nobody wants, and a fault of theirs where the body
// ends early.
func TestRawRequests(t *testing.T) {
	w := newWorld(t)
	send := func(token, body string, size int) (*http.Response, string) {
		t.Helper()
		c, err := net.Dial("tcp", w.srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "POST /api/v1/apply HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", token, size, body)
		if token != "" && size > len(body) {
			_ = c.(*net.TCPConn).CloseWrite()
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	resp, body := send("", "{", 1000)
	if resp.StatusCode != http.StatusUnauthorized || !resp.Close || !strings.Contains(body, "Bearer <token>") {
		t.Errorf("without a token: %s %v %s", resp.Status, resp.Header, body)
	}
	resp, body = send("Bearer "+w.root.Token, "{", 1000)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "did not arrive whole") {
		t.Errorf("half a body: %s %s", resp.Status, body)
	}
	for query, want := range map[string]string{"kind=Foo": `unknown kind`, "after=1": `unknown parameter`, "kind=Model&kind=Alias": "given more than once"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.srv.URL+"/api/v1/watch?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.root.Token)
		resp, err := w.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), want) {
			t.Errorf("watch %s: %s %s", query, resp.Status, b)
		}
	}
	var info struct{ Version string }
	getJSON(t, w, "/api/v1/server", &info)
	if log := w.log.String(); strings.Contains(log, "path=/api/v1/server") || !strings.Contains(log, "path=/api/v1/apply status=401") || strings.Contains(log, "level=ERROR") {
		t.Errorf("reads fill the log, or refusals do not stand in it:\n%s", log)
	}
}
