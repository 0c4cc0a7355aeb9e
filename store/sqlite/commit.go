package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/store"
)

// Commit is store.Docs.Commit. Waiting for other writers ends with ctx; the
// transaction itself, once begun, does not, so that an error always means that
// nothing happened.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	var index int64
	err := s.exclusively(ctx, func(ctx context.Context, tx *sql.Tx) error {
		w := writer{ctx: ctx, tx: tx}
		var err error
		index, err = w.commit(c)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	close(s.wake)
	s.wake = make(chan struct{})
	s.mu.Unlock()
	return index, nil
}

// Done is store.Docs.Done.
func (s *Store) Done(ctx context.Context, e store.Effect) error {
	return s.exclusively(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlDone, e.Kind, e.Key, e.Index)
		return err
	})
}

// exclusively runs f in the one write transaction.
func (s *Store) exclusively(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.ended:
		return store.Closed()
	case <-ctx.Done():
		return store.Ended(ctx)
	}
	ctx = context.WithoutCancel(ctx)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.fail(ctx, "written", err)
	}
	if err := f(ctx, tx); err != nil {
		return s.fail(ctx, "written", errors.Join(err, tx.Rollback()))
	}
	return s.fail(ctx, "written", tx.Commit())
}

// writer is one commit on its way.
type writer struct {
	ctx context.Context
	tx  *sql.Tx
}

func (w writer) commit(c store.Commit) (index int64, err error) {
	for _, r := range c.Require {
		if _, err := w.guard(r.Kind, r.Key, r.Rev); err != nil {
			return 0, err
		}
	}
	var size int64
	if err := w.tx.QueryRowContext(w.ctx, sqlHead).Scan(&index, &size); err != nil {
		return 0, err
	}
	index++
	for i, p := range c.Put {
		if err := w.put(p, index, i); err != nil {
			return 0, err
		}
	}
	for _, e := range c.Ledger {
		if err := w.record(e, size); err != nil {
			return 0, err
		}
		size++
	}
	for i, e := range c.Effects {
		if err := w.exec(sqlEffect, e.Kind, e.Key, index, i); err != nil {
			return 0, err
		}
	}
	return index, w.exec(sqlSetHead, index, size)
}

// past is a document's row: its last revision, and whether it exists.
type past struct {
	rev    int64
	exists bool
}

// guard fails with Conflict unless the document is at revision want.
func (w writer) guard(kind, key string, want int64) (past, error) {
	var p past
	err := w.tx.QueryRowContext(w.ctx, sqlRev, kind, key).Scan(&p.rev, &p.exists)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return p, err
	}
	have := p.rev
	if !p.exists {
		have = 0
	}
	if want != store.AnyRev && have != want {
		return p, store.Refused(kind, key, want, have)
	}
	return p, nil
}

func (w writer) put(p store.Put, index int64, pos int) error {
	old, err := w.guard(p.Kind, p.Key, p.IfRev)
	switch {
	case err != nil:
		return err
	case p.Delete && !old.exists:
		return nil
	case p.Delete:
		return w.exec(sqlDelete, p.Kind, p.Key, index, pos)
	}
	data := p.Data
	if data == nil {
		data = []byte{} // NULL means deleted
	}
	return w.exec(sqlPut, p.Kind, p.Key, old.rev+1, index, pos, data)
}

// record appends an entry and its hashes to the ledger.
func (w writer) record(e fairlead.LedgerEntry, seq int64) error {
	data, err := audit.Encode(e, seq)
	if err != nil {
		return err
	}
	hashes, err := audit.Append(seq, data, hashReader(w.ctx, w.tx))
	if err != nil {
		return err
	}
	if err := w.exec(sqlAppend, seq, data); err != nil {
		return err
	}
	for i, h := range hashes {
		if err := w.exec(sqlAddHash, audit.StoredCount(seq)+int64(i), h[:]); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) exec(query string, args ...any) error {
	_, err := w.tx.ExecContext(w.ctx, query, args...)
	return err
}
