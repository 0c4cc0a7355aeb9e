package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/store"
	"fairlead.dev/store/sqlite"
	"fairlead.dev/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
	storetest.RunDurable(t, open)
}

func TestPathMayHaveAnyCharacter(t *testing.T) {
	for _, name := range []string{"a b", "100%", "what?mode=memory", "#1", "é&x=y"} {
		path := filepath.Join(t.TempDir(), name)
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		switch info, err := os.Stat(path); {
		case err != nil:
			t.Error(err)
		case info.Mode().Perm() != 0o600:
			t.Errorf("%s has mode %v: others may read it", name, info.Mode())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		code    fairlead.Code
		says    string
	}{
		{"a missing folder", func(t *testing.T, path string) { _ = os.Remove(filepath.Dir(path)) }, fairlead.Unavailable, "state.db"},
		{"a file that is no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, fairlead.Corrupt, "state.db"},
		{"a newer build's file", func(t *testing.T, path string) {
			meddle(t, path, `INSERT INTO schema_version (version) VALUES (99)`)
		}, fairlead.Unsupported, "schema 99"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "d", "state.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, path)
			s, err := sqlite.Open(t.Context(), path)
			if fairlead.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want code %s and %q", err, c.code, c.says)
			}
			if s != nil {
				_ = s.Close()
			}
		})
	}
}

// meddle changes the file behind the store's back, making it first.
func meddle(t *testing.T, path string, statements ...string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever can write the file can change the ledger, but not unseen.
func TestMeddlingIsDetected(t *testing.T) {
	for _, c := range []struct{ name, statement, says string }{
		{"an entry changed", `UPDATE ledger SET entry = replace(entry, 'ann', 'bob') WHERE seq = 3`, "entry 3 was changed"},
		{"entries exchanged", `UPDATE ledger SET entry = (SELECT entry FROM ledger AS o WHERE o.seq = 7 - ledger.seq) WHERE seq IN (3, 4)`, "stands where entry 3 belongs"},
		{"an entry removed", `DELETE FROM ledger WHERE seq = 3`, "no entry 3"},
		{"the last entry removed", `DELETE FROM ledger WHERE seq = 9`, "cut off"},
		{"the last entry removed and the size set", `DELETE FROM ledger WHERE seq = 9; UPDATE head SET size = 9`, ""},
		{"an entry added", `INSERT INTO ledger (seq, entry) VALUES (10, '{"seq":10}')`, "past its size"},
		{"a hash changed", `UPDATE hashes SET hash = zeroblob(32) WHERE id = 4`, "was changed"},
		{"a hash removed", `DELETE FROM hashes WHERE id = 4`, "no stored hash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			s := open(t, filepath.Dir(path))
			for i := range 10 {
				if _, err := s.Commit(t.Context(), store.Commit{Ledger: []fairlead.LedgerEntry{{Actor: "ann", Verb: fmt.Sprint("v", i)}}}); err != nil {
					t.Fatal(err)
				}
			}
			size, root, err := s.Head(t.Context()) // what a checkpoint outside would say
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			meddle(t, path, c.statement)
			s = open(t, filepath.Dir(path))
			defer s.Close()
			inside, _, _ := s.Head(t.Context())
			err = verify(t.Context(), s, size, root)
			if fairlead.CodeOf(err) != fairlead.Corrupt || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want code corrupt and %q (the file says %d entries)", err, c.says, inside)
			}
		})
	}
}

func verify(ctx context.Context, s store.Store, size int64, root [32]byte) error {
	return audit.Verify(func(yield func([]byte, error) bool) {
		entries, err := s.Entries(ctx, 0, 0)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}, size, root, func(indexes []int64) ([]audit.Hash, error) {
		hs, err := s.(store.Tree).Hashes(ctx, indexes)
		out := make([]audit.Hash, len(hs))
		for i, h := range hs {
			out[i] = h
		}
		return out, err
	})
}

func BenchmarkCommit(b *testing.B) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := make([]byte, 2000)
	for b.Loop() {
		if _, err := s.Commit(b.Context(), store.Commit{
			Put:     []store.Put{{Kind: "Release", Key: "r", IfRev: store.AnyRev, Data: data}},
			Ledger:  []fairlead.LedgerEntry{{Actor: "loop/release", Verb: "release.step"}},
			Effects: []store.Effect{{Kind: "route", Key: "e"}},
		}); err != nil {
			b.Fatal(err)
		}
	}
}
