package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestPaced: a body that does not come ends its request, read or not; one that
// comes is read whole, and the handler may then take its time.
func TestPaced(t *testing.T) {
	const grace = 200 * time.Millisecond
	s := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil && r.URL.Path == "/long" {
			select {
			case <-r.Context().Done():
				err = context.Cause(r.Context())
			case <-time.After(3 * grace):
			}
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, n, err)
	}), grace, 1000))
	defer s.Close()
	answer := func(head, body string) string {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\n%s", head, body)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				return "closed"
			}
			t.Fatalf("%s: %v", head, err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.StatusCode, " ", string(b))
	}
	for _, c := range []struct{ head, body, want string }{
		{"POST /", "Content-Length: 5\r\n\r\nhello", "200 5"},
		{"POST /", "Content-Length: 5\r\n\r\nhe", "400 2"},
		{"POST /", "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", "400 2"},
		{"POST /long", "Content-Length: 5\r\n\r\nhello", "200 5"},
		{"GET /long", "\r\n", "200 0"},
		{"POST /refused", "Content-Length: 500\r\n\r\nhe", "401"},
	} {
		if got := answer(c.head, c.body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %q: got %q, want %q", c.head, c.body, got, c.want)
		}
	}
}
