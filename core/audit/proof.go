package audit

import (
	"golang.org/x/mod/sumdb/tlog"

	"fairlead.dev"
)

// Include proves that the entry seq is in the tree of the first size entries
// (RFC 6962 §2.1.1).
func Include(size, seq int64, read HashReader) ([]Hash, error) {
	if seq < 0 || seq >= size {
		return nil, fairlead.Errorf(fairlead.Invalid, "entry %d is not among the first %d", seq, size)
	}
	p, err := tlog.ProveRecord(size, seq, reader(read))
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Corrupt, "no proof for ledger entry %d: %w", seq, err)
	}
	return p, nil
}

// CheckInclude fails with code Corrupt unless proof shows that entry is number
// seq under root, the root of size entries.
func CheckInclude(proof []Hash, size int64, root Hash, seq int64, entry []byte) error {
	if err := tlog.CheckRecord(proof, size, root, seq, Leaf(entry)); err != nil {
		return fairlead.Errorf(fairlead.Corrupt, "ledger entry %d is not proven to be under root %s of %d entries: %w", seq, root, size, err)
	}
	return nil
}

// Extend proves that the tree of size entries begins with the tree of the
// first old ones (RFC 6962 §2.1.2).
func Extend(size, old int64, read HashReader) ([]Hash, error) {
	if old < 1 || old > size {
		return nil, fairlead.Errorf(fairlead.Invalid, "a ledger of %d entries does not extend one of %d", size, old)
	}
	p, err := tlog.ProveTree(size, old, reader(read))
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Corrupt, "no proof that the ledger extends its first %d entries: %w", old, err)
	}
	return p, nil
}

// CheckExtend fails with code Corrupt unless proof shows that the tree (size,
// root) begins with the tree (old, oldRoot): nothing was rewritten in between.
func CheckExtend(proof []Hash, size int64, root Hash, old int64, oldRoot Hash) error {
	if err := tlog.CheckTree(proof, size, root, old, oldRoot); err != nil {
		return fairlead.Errorf(fairlead.Corrupt, "the ledger of %d entries is not proven to extend that of %d: %w", size, old, err)
	}
	return nil
}
