package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"unicode/utf8"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/store"
)

// Get is store.Docs.Get.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	if err := s.begin(ctx); err != nil {
		return store.Doc{}, err
	}
	d := store.Doc{Kind: kind, Key: key}
	err := s.read.QueryRowContext(ctx, sqlGet, kind, key).Scan(&d.Rev, &d.Index, &d.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Doc{}, store.Missing(kind, key)
	}
	if err != nil {
		return store.Doc{}, s.fail(ctx, "read", err)
	}
	return d, nil
}

// List is store.Docs.List.
func (s *Store) List(ctx context.Context, kind, prefix, after string, limit int) ([]store.Doc, error) {
	query, args := sqlList, []any{kind, prefix, after, all(limit)}
	if end := prefixEnd(prefix); end != "" {
		query, args = sqlListTo, append(args, end)
	}
	return collect(ctx, s, query, args, func(rows *sql.Rows) (store.Doc, error) {
		d := store.Doc{Kind: kind}
		return d, rows.Scan(&d.Key, &d.Rev, &d.Index, &d.Data)
	})
}

// all makes "no limit" SQLite's.
func all(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// prefixEnd is the least text greater than every one that begins with prefix;
// "" when there is none. UTF-8 sorts as its code points do.
func prefixEnd(prefix string) string {
	for prefix != "" {
		r, n := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-n]
		switch {
		case r == utf8.MaxRune:
			continue
		case r+1 == 0xd800: // surrogates are no characters
			return prefix + "\ue000"
		}
		return prefix + string(r+1)
	}
	return ""
}

// Pending is store.Docs.Pending.
func (s *Store) Pending(ctx context.Context) ([]store.Effect, error) {
	return collect(ctx, s, sqlPending, nil, func(rows *sql.Rows) (store.Effect, error) {
		var e store.Effect
		return e, rows.Scan(&e.Kind, &e.Key, &e.Index)
	})
}

// changes gives what Watch tells next.
func (s *Store) changes(ctx context.Context, after int64) ([]store.Change, error) {
	return collect(ctx, s, sqlChanges, []any{after}, func(rows *sql.Rows) (store.Change, error) {
		var c store.Change
		return c, rows.Scan(&c.Kind, &c.Key, &c.Index)
	})
}

// Entries is store.Ledger.Entries. A gap in the sequence, which only meddling
// with the file can make, is Corrupt.
func (s *Store) Entries(ctx context.Context, seq int64, limit int) ([][]byte, error) {
	next := max(seq, 0)
	return collect(ctx, s, sqlEntries, []any{next, all(limit)}, func(rows *sql.Rows) ([]byte, error) {
		var got int64
		var entry []byte
		err := rows.Scan(&got, &entry)
		if err == nil && got != next {
			err = fairlead.Errorf(fairlead.Corrupt, "the ledger has no entry %d", next)
		}
		next++
		return entry, err
	})
}

// Head is store.Ledger.Head. Size and hashes are read in one transaction.
func (s *Store) Head(ctx context.Context) (size int64, root [32]byte, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, root, err
	}
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return 0, root, s.fail(ctx, "read", err)
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	var index int64
	if err := tx.QueryRowContext(ctx, sqlHead).Scan(&index, &size); err != nil {
		return 0, root, s.fail(ctx, "read", err)
	}
	h, err := audit.Root(size, hashReader(ctx, tx))
	if err != nil {
		return 0, root, s.fail(ctx, "read", err)
	}
	return size, h, nil
}

// Hashes is store.Tree.Hashes.
func (s *Store) Hashes(ctx context.Context, indexes []int64) ([][32]byte, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	hashes, err := hashReader(ctx, s.read)(indexes)
	if err != nil {
		return nil, s.fail(ctx, "read", err)
	}
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = h
	}
	return out, nil
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// hashReader reads stored hashes one by one: a proof needs about 2·log2(size).
func hashReader(ctx context.Context, q querier) audit.HashReader {
	return func(indexes []int64) ([]audit.Hash, error) {
		out := make([]audit.Hash, len(indexes))
		for i, x := range indexes {
			var b []byte
			err := q.QueryRowContext(ctx, sqlHash, x).Scan(&b)
			switch {
			case errors.Is(err, sql.ErrNoRows):
				return nil, fairlead.Errorf(fairlead.Corrupt, "the ledger has no stored hash %d", x)
			case err != nil:
				return nil, err
			case len(b) != len(out[i]):
				return nil, fairlead.Errorf(fairlead.Corrupt, "the ledger's stored hash %d has %d bytes", x, len(b))
			}
			out[i] = audit.Hash(b)
		}
		return out, nil
	}
}

// collect runs a query and scans all its rows.
func collect[T any](ctx context.Context, s *Store, query string, args []any, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.fail(ctx, "read", err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, s.fail(ctx, "read", err)
		}
		out = append(out, v)
	}
	return out, s.fail(ctx, "read", rows.Err())
}
