// Package audit answers for the ledger's tamper evidence: the hash tree of
// RFC 6962 over the ledger's entries, the proofs drawn from it, and signed
// checkpoints that let somebody else hold us to a past state.
//
// Begin with Append, which a store calls inside the transaction that records
// an entry, and Verify, which an auditor calls over the entries alone. All
// functions are pure; hashes are read through a HashReader that the caller
// supplies.
//
//	root          = H(1, H(1, e0 e1), H(1, e2 e3))
//	stored hashes = e0, e1, e0e1, e2, e3, e2e3, e0e1e2e3 …   (a dense list)
package audit

import (
	"encoding/json"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"fairlead.dev"
)

// Hash is a SHA-256 of the tree: of a leaf (0x00 before the entry's bytes) or
// of two subtrees (0x01 before both).
type Hash = tlog.Hash

// HashReader gives the stored hashes at the indexes, one for each, in the same
// order.
type HashReader func(indexes []int64) ([]Hash, error)

// Encode gives the exact bytes of an entry that are hashed, stored and shown:
// its JSON with Seq set and Time in UTC. It fails with code Invalid when the
// evidence is not JSON.
func Encode(e fairlead.LedgerEntry, seq int64) ([]byte, error) {
	e.Seq, e.Time = seq, e.Time.UTC()
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "ledger entry %s of %s %s cannot be written: %w", e.Verb, e.Kind, e.Name, err)
	}
	return data, nil
}

// Append gives the hashes to store for the entry that follows size others.
// They belong at the indexes StoredCount(size), StoredCount(size)+1, … Its
// reads are at most one for each bit of size.
func Append(size int64, entry []byte, read HashReader) ([]Hash, error) {
	if size < 0 {
		return nil, badSize(size)
	}
	hashes, err := tlog.StoredHashes(size, entry, reader(read))
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Corrupt, "the ledger's tree cannot be extended at %d: %w", size, err)
	}
	return hashes, nil
}

// StoredCount is how many hashes are stored for a ledger of size entries.
func StoredCount(size int64) int64 { return tlog.StoredHashCount(size) }

// LeafIndex is where the hash of the entry seq is stored.
func LeafIndex(seq int64) int64 { return tlog.StoredHashIndex(0, seq) }

// Leaf is the hash of one entry.
func Leaf(entry []byte) Hash { return tlog.RecordHash(entry) }

// Root is the hash of the tree over the first size entries. That of the empty
// tree is the SHA-256 of nothing.
func Root(size int64, read HashReader) (Hash, error) {
	if size < 0 {
		return Hash{}, badSize(size)
	}
	h, err := tlog.TreeHash(size, reader(read))
	if err != nil {
		return Hash{}, fairlead.Errorf(fairlead.Corrupt, "the ledger's root over %d entries cannot be computed: %w", size, err)
	}
	return h, nil
}

// reader makes a HashReader tlog's, and refuses short answers before tlog
// meets them.
func reader(read HashReader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]Hash, error) {
		if len(indexes) == 0 {
			return nil, nil
		}
		hashes, err := read(indexes)
		if err != nil {
			return nil, err
		}
		if len(hashes) != len(indexes) {
			return nil, fmt.Errorf("asked for %d stored hashes, got %d", len(indexes), len(hashes))
		}
		return hashes, nil
	})
}

func badSize(size int64) error {
	return fairlead.Errorf(fairlead.Invalid, "a ledger cannot have %d entries", size)
}
