// Package store is the contract of everything durable: documents with
// optimistic revisions, append-only logs, and content-addressed blobs. The
// implementations stand in the folders beside; storetest examines them all.
//
//	Docs   (kind, key) → bytes, revision, index   state; Commit is atomic
//	ledger one tamper-evident log, written by Commit alone
//	outbox effects still to do, written by Commit alone
//	Blobs  sha-256 → bytes                        artifacts
package store

import (
	"context"
	"io"

	"fairlead.dev"
)

// Doc is a stored noun. Data is JSON, but the store does not look inside.
type Doc struct {
	Kind, Key string
	Rev       int64 // of this document: 1, 2, …; goes on counting when it is deleted and made again, so a stale guard never holds
	Index     int64 // of the commit that wrote it: grows over the whole store
	Data      []byte
}

// Put writes or deletes one document.
type Put struct {
	Kind, Key string
	// IfRev guards the write: the document's present revision, 0 for "does not
	// exist yet", AnyRev for no guard.
	IfRev  int64
	Data   []byte
	Delete bool
}

// AnyRev as IfRev: last writer wins (for documents with a single writer).
const AnyRev int64 = -1

// Require makes a commit depend on a document it only read.
type Require struct {
	Kind, Key string
	Rev       int64 // 0: must not exist
}

// Effect is something to do after a commit, at least once: idempotent and
// level-triggered, so (Kind, Key) is its identity and a second one replaces
// the first.
type Effect struct {
	Kind, Key string
	Index     int64 // of the commit that asked for it
}

// Commit is all or nothing: either every guard holds and everything in it is
// durable, or nothing happened and the error has code Conflict.
type Commit struct {
	Require []Require
	Put     []Put
	Ledger  []fairlead.LedgerEntry // Seq is given by the store
	Effects []Effect               // Index is given by the store
}

// Change tells a watcher that a document was written or deleted.
type Change struct {
	Kind, Key string
	Index     int64
}

// Docs is the state of the control plane.
type Docs interface {
	// Get fails with code NotFound when there is no such document.
	Get(ctx context.Context, kind, key string) (Doc, error)
	// List gives the documents of a kind whose key begins with prefix and is
	// greater than after, in key order, at most limit (0: no limit).
	List(ctx context.Context, kind, prefix, after string, limit int) ([]Doc, error)
	// Commit returns the commit's index.
	Commit(ctx context.Context, c Commit) (int64, error)
	// Watch tells of every change with an index greater than after, in order,
	// until ctx ends, then closes the channel. A slow reader gets changes of
	// one document folded into the latest, never none.
	Watch(ctx context.Context, after int64) (<-chan Change, error)
	// Pending lists the effects still to do, oldest first.
	Pending(ctx context.Context) ([]Effect, error)
	// Done removes an effect unless a later commit asked for it again.
	Done(ctx context.Context, e Effect) error
	Close() error
}

// Ledger reads what commits recorded. The hash tree is that of RFC 6962
// (core/audit), kept in the same transaction as the entries.
type Ledger interface {
	// Entries gives at most limit entries from seq on, as recorded: the exact
	// bytes that were hashed.
	Entries(ctx context.Context, seq int64, limit int) ([][]byte, error)
	// Head is the number of entries and the root hash of the tree over them.
	Head(ctx context.Context) (size int64, root [32]byte, err error)
}

// Blobs hold artifacts by digest ("sha256:<hex>").
type Blobs interface {
	// Put stores r's bytes and gives their digest. With want non-empty it fails
	// with code Corrupt, storing nothing, when the digest differs; over max
	// bytes it fails with TooLarge.
	Put(ctx context.Context, r io.Reader, want string, max int64) (digest string, size int64, err error)
	// Open gives the blob's bytes; reading to the end fails with Corrupt when
	// they no longer match the digest. NotFound when there is none.
	Open(ctx context.Context, digest string) (r io.ReadCloser, size int64, err error)
	// Has reports whether the blob is there.
	Has(ctx context.Context, digest string) (bool, error)
}

// Tree is what a Ledger may also be: a reader of the stored hashes
// (core/audit.HashReader), for proofs and for finding which entry was changed.
type Tree interface {
	// Hashes gives the stored hashes at the indexes, in their order; Corrupt
	// when one is missing.
	Hashes(ctx context.Context, indexes []int64) ([][32]byte, error)
}

// Store is the state: documents and ledger.
type Store interface {
	Docs
	Ledger
}
