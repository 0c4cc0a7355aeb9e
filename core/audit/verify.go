package audit

import (
	"encoding/json"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"fairlead.dev"
)

// Tree computes the root over entries that are met one after another, in
// memory proportional to the logarithm of their number. The zero Tree is the
// empty one.
type Tree struct {
	size  int64
	peaks []Hash // roots of the perfect subtrees of size's binary digits, largest first
}

// Add appends an entry's exact bytes.
func (t *Tree) Add(entry []byte) {
	h := tlog.RecordHash(entry)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.peaks) - 1
		h = tlog.NodeHash(t.peaks[last], h)
		t.peaks = t.peaks[:last]
	}
	t.peaks = append(t.peaks, h)
	t.size++
}

// Size is the number of entries added.
func (t *Tree) Size() int64 { return t.size }

// Root is the root hash over the entries added.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // a constant: reads nothing
		return h
	}
	h := t.peaks[len(t.peaks)-1]
	for i := len(t.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.peaks[i], h)
	}
	return h
}

// Verify recomputes the tree from the entries alone and fails with code
// Corrupt when they are not exactly the size entries under root: an entry
// changed, missing, added or moved. Leaves, when not nil, reads the stored
// hashes and lets the error name the first entry that differs.
func Verify(entries iter.Seq2[[]byte, error], size int64, root Hash, leaves HashReader) error {
	var t Tree
	for entry, err := range entries {
		if err != nil {
			return err
		}
		seq := t.Size()
		if seq == size {
			return corrupt("the ledger holds entries past its size %d", size)
		}
		var e struct {
			Seq *int64 `json:"seq"`
		}
		if err := json.Unmarshal(entry, &e); err != nil || e.Seq == nil {
			return corrupt("ledger entry %d is not readable", seq)
		}
		if *e.Seq != seq {
			return corrupt("ledger entry %d stands where entry %d belongs", *e.Seq, seq)
		}
		if leaves != nil {
			want, err := reader(leaves).ReadHashes([]int64{LeafIndex(seq)})
			if err != nil {
				return err
			}
			if Leaf(entry) != want[0] {
				return corrupt("ledger entry %d was changed: its hash is %s, recorded was %s", seq, Leaf(entry), want[0])
			}
		}
		t.Add(entry)
	}
	if t.Size() != size {
		return corrupt("the ledger is cut off: %d entries of %d", t.Size(), size)
	}
	if got := t.Root(); got != root {
		return corrupt("the ledger was changed: the root over its %d entries is %s, recorded was %s", size, got, root)
	}
	return nil
}

// VerifyExtends is Verify for somebody who holds an earlier checkpoint: the
// entries must be those under now, and the first of them those under earlier.
// Who rewrites the ledger can give it a new root, but not an earlier one.
func VerifyExtends(entries iter.Seq2[[]byte, error], now, earlier Checkpoint, leaves HashReader) error {
	switch {
	case now.Origin != earlier.Origin:
		return corrupt("the earlier checkpoint is of the ledger %q, this one is %q", earlier.Origin, now.Origin)
	case now.Size < earlier.Size:
		return corrupt("the ledger was cut off: it has %d entries, the earlier checkpoint %d", now.Size, earlier.Size)
	}
	var t Tree
	rewritten := func() error {
		if t.Size() != earlier.Size || t.Root() == earlier.Root {
			return nil
		}
		return corrupt("the ledger was rewritten: the root over its first %d entries is %s, the earlier checkpoint's is %s", earlier.Size, t.Root(), earlier.Root)
	}
	return Verify(func(yield func([]byte, error) bool) {
		if err := rewritten(); err != nil {
			yield(nil, err)
			return
		}
		for entry, err := range entries {
			if !yield(entry, err) {
				return // Verify has found something, and says more of it
			}
			t.Add(entry)
			if err := rewritten(); err != nil {
				yield(nil, err)
				return
			}
		}
	}, now.Size, now.Root, leaves)
}

func corrupt(format string, args ...any) error {
	return fairlead.Errorf(fairlead.Corrupt, format, args...)
}
