// Package sqlite keeps the store in one SQLite file, in pure Go. A commit is
// one transaction, on disk when Commit returns (WAL, synchronous=FULL).
//
// Begin with Open and Store.Commit; sql.go has every statement. One connection
// writes, a few read: readers see the last commit and never wait for the
// writer. One process at a time should own the file: its watches hear only of
// commits made through it.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"fairlead.dev"
	"fairlead.dev/store"
)

// readers is how many queries run at once; more would only compete for the
// two or so cores of a small machine.
const readers = 4

// Store is a store.Store and store.Tree. Make it with Open.
type Store struct {
	path   string
	write  *sql.DB       // one connection
	read   *sql.DB       // query_only
	turn   chan struct{} // holds one token while a commit runs: waiting for it can be cancelled, a begun commit cannot
	ended  chan struct{} // closed by Close
	ending sync.Once

	mu   sync.Mutex
	wake chan struct{} // closed and replaced by every commit; guarded by mu
}

// Open opens the file, making it and its tables when they do not exist. The
// folder must. It fails with code Corrupt when the file is not a database of
// ours, with Unsupported when a newer build wrote it.
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "%s: %w", path, err)
	}
	s := &Store{path: path, turn: make(chan struct{}, 1), ended: make(chan struct{}), wake: make(chan struct{})}
	// Made here so that only the owner reads it; SQLite gives its WAL the same
	// mode.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, s.fail(ctx, "opened", err)
	}
	if err := f.Close(); err != nil {
		return nil, s.fail(ctx, "opened", err)
	}
	// The driver's name is registered by the library; sql.Open only parses.
	if s.write, err = sql.Open("sqlite", dsn(abs, "immediate", "journal_mode(WAL)", "synchronous(FULL)")); err != nil {
		return nil, s.fail(ctx, "opened", err)
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write, path); err != nil {
		_ = s.write.Close()
		return nil, s.fail(ctx, "opened", err)
	}
	if s.read, err = sql.Open("sqlite", dsn(abs, "deferred", "query_only(1)")); err != nil {
		_ = s.write.Close()
		return nil, s.fail(ctx, "opened", err)
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return s, nil
}

// dsn names the file as a URI, so that no character of its path is special.
// busy_timeout (ms) covers a second process, e.g. a backup, holding the lock.
func dsn(path, lock string, pragmas ...string) string {
	q := url.Values{"_txlock": {lock}, "_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}

// fail turns an error of the library into ours: what was to be done to which
// file, and a code. Our own errors pass.
func (s *Store) fail(ctx context.Context, what string, err error) error {
	var own *fairlead.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	if ended := store.Ended(ctx); ended != nil {
		return ended
	}
	select {
	case <-s.ended:
		return store.Closed()
	default:
	}
	code := fairlead.Unavailable
	var lib *sqlite.Error
	if errors.As(err, &lib) {
		switch lib.Code() & 0xff { // the primary code
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			code = fairlead.Corrupt
		case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_RANGE:
			code = fairlead.Internal
		}
	}
	return fairlead.Errorf(code, "the store %s could not be %s: %w", s.path, what, err)
}

// begin is how every read starts.
func (s *Store) begin(ctx context.Context) error {
	select {
	case <-s.ended:
		return store.Closed()
	default:
		return store.Ended(ctx)
	}
}

// Close waits for the commit at hand, ends all watches and closes the file.
// Every later call fails with code Unavailable.
func (s *Store) Close() error {
	var err error
	s.ending.Do(func() {
		s.turn <- struct{}{} // kept: nobody commits any more
		close(s.ended)
		// Readers first: the last connection to go folds the WAL into the file.
		err = errors.Join(s.read.Close(), s.write.Close())
	})
	if err != nil {
		return fairlead.Errorf(fairlead.Unavailable, "the store %s was not closed well: %w", s.path, err)
	}
	return nil
}
