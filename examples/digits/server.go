package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a real `fairlead serve` in a process of its own, on a free port of
// this machine, with all its state in a folder of its own.
type server struct {
	Dir   string // data, log and token are in here
	URL   string
	Token string // of the administrator
	cmd   *exec.Cmd
	ended chan struct{} // closed once the process is gone
	err   error         // how it ended; read after ended
}

// Files of a server's folder.
func (s *server) data() string      { return filepath.Join(s.Dir, "data") }
func (s *server) log() string       { return filepath.Join(s.Dir, "server.log") }
func (s *server) tokenFile() string { return filepath.Join(s.Dir, "admin.token") }

// startServer runs the binary and returns once it is ready for requests.
func startServer(ctx context.Context, binary, dir string) (*server, error) {
	s := &server{Dir: dir, ended: make(chan struct{})}
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own copy
	s.cmd = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", s.data(), "--token-file", s.tokenFile())
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A Ctrl-C at the terminal goes to its whole group; the server is ended by
	// us, after the traffic, and with --keep not at all.
	detach(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the server does not start: %w (make builds it)", err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.ready(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// ready waits until the server says that it is, for ten seconds at most.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended at once: %w\n%s", errors.Join(s.err, errEnded), s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w\n%s", ctx.Err(), s.logTail())
		case <-tick.C:
		}
		address, err := os.ReadFile(filepath.Join(s.data(), "address"))
		if err != nil {
			continue // not there yet
		}
		token, err := os.ReadFile(s.tokenFile())
		if err != nil {
			continue
		}
		s.URL, s.Token = strings.TrimSpace(string(address)), strings.TrimSpace(string(token))
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
}

var errEnded = errors.New("it was to go on")

// stop ends the server and waits for it: politely first, then not.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt) // fails when it is gone already
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// logTail is the end of the server's log, for when it goes wrong.
func (s *server) logTail() string {
	b, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}
