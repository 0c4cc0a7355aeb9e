package main

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// How slowly a request's body may come: after the grace, this many bytes a
// second on average. Models are large, so there is no limit on the time alone.
const (
	bodyGrace = 30 * time.Second
	bodyRate  = 16 << 10
)

// paced ends requests whose body comes too slowly, or not at all, so that
// nobody can hold connections for nothing; with or without credentials.
func paced(next http.Handler, grace time.Duration, rate int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			b := &pacedBody{ReadCloser: r.Body, conn: http.NewResponseController(w), start: time.Now(), grace: grace, rate: rate}
			b.until() // also for what the server itself reads of a body that nobody wants
			r = r.WithContext(r.Context())
			r.Body = b
		}
		next.ServeHTTP(w, r)
	})
}

// pacedBody moves the connection's read deadline along with what has arrived,
// and takes it away at the end: from then on the server reads ahead to notice
// that the client is gone, which must not look so because of our deadline.
type pacedBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	start time.Time
	grace time.Duration
	rate  int64
	read  int64
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.conn.SetReadDeadline(time.Time{}) // as in until
	case err == nil:
		b.until()
	}
	return n, err
}

func (b *pacedBody) until() {
	// A connection without deadlines is not one from the network.
	_ = b.conn.SetReadDeadline(b.start.Add(b.grace + time.Duration(b.read/b.rate)*time.Second))
}
