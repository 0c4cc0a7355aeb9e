package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"fairlead.dev"
	"fairlead.dev/store"
)

// No test can cut the power, so this one looks at the settings that make a
// commit survive it.
func TestSettings(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000"} {
		var got string
		if err := s.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the writer is %q (%v), want %q", pragma, got, err, want)
		}
	}
	if _, err := s.read.ExecContext(t.Context(), "DELETE FROM docs"); err == nil {
		t.Error("the readers may write")
	}
}

// Another process, e.g. a backup, may hold the file's lock for a moment.
func TestBusyFileIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Commit(t.Context(), store.Commit{Put: []store.Put{{Kind: "K", Key: "a"}}})
		done <- err
	}()
	if _, err := s.Get(t.Context(), "K", "a"); fairlead.CodeOf(err) != fairlead.NotFound {
		t.Errorf("a reader waited or failed: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWaitingForTheTurnEndsWithTheContext(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.turn <- struct{}{} // a long commit
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Commit(ctx, store.Commit{Put: []store.Put{{Kind: "K", Key: "a"}}})
		done <- err
	}()
	cancel()
	if err := <-done; fairlead.CodeOf(err) != fairlead.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-s.turn
	if _, err := s.Get(t.Context(), "K", "a"); fairlead.CodeOf(err) != fairlead.NotFound {
		t.Errorf("the cancelled commit took place: %v", err)
	}
}
