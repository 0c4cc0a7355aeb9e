package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/store"
)

func sortStrings(s []string) { slices.Sort(s) }

func ledger(t *testing.T, s store.Store) {
	size, root, err := s.Head(t.Context())
	if err != nil || size != 0 || root != new(audit.Tree).Root() {
		t.Fatalf("an empty ledger has %d entries and root %x (%v)", size, root, err)
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.FixedZone("CET", 3600))
	var want [][]byte
	for i := range 40 {
		var c store.Commit
		for j := range i % 4 { // 0 to 3 entries a commit
			e := fairlead.LedgerEntry{Seq: 77, Time: at, Actor: "ann", Verb: "release.step", Kind: fairlead.KindRelease, Name: fmt.Sprintf("r%d", i),
				Message: "<b>&\u2028", Evidence: json.RawMessage(fmt.Sprintf(`{"n": %d}`, j))}
			c.Ledger = append(c.Ledger, e)
			data, err := audit.Encode(e, int64(len(want)))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, data)
		}
		mustCommit(t, s, c)
		CheckLedger(t, s)
	}
	got, err := s.Entries(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "entries", got, want)
	for i, data := range got {
		var e fairlead.LedgerEntry
		if err := json.Unmarshal(data, &e); err != nil || e.Seq != int64(i) || !e.Time.Equal(at) {
			t.Fatalf("entry %d reads as %+v (%v)", i, e, err)
		}
	}
	part, err := s.Entries(t.Context(), 7, 3)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a part", part, want[7:10])
	past, err := s.Entries(t.Context(), int64(len(want)), 3)
	if err != nil || len(past) != 0 {
		t.Fatalf("past the end: %d entries, %v", len(past), err)
	}
}

// CheckLedger fails the test unless the store's head is that of its entries,
// recomputed from their bytes. It gives the number of entries.
func CheckLedger(t *testing.T, s store.Store) int64 {
	t.Helper()
	size, root, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.Verify(entries(t, s), size, root, hashes(t, s)); err != nil {
		t.Fatal(err)
	}
	return size
}

// entries goes through the ledger in pieces.
func entries(t *testing.T, s store.Store) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for seq := int64(0); ; {
			part, err := s.Entries(t.Context(), seq, 100)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range part {
				if !yield(e, nil) {
					return
				}
			}
			if len(part) == 0 {
				return
			}
			seq += int64(len(part))
		}
	}
}

// hashes reads the stored ones when the store shows them.
func hashes(t *testing.T, s store.Store) audit.HashReader {
	tree, ok := s.(store.Tree)
	if !ok {
		return nil
	}
	return func(indexes []int64) ([]audit.Hash, error) {
		hs, err := tree.Hashes(t.Context(), indexes)
		out := make([]audit.Hash, len(hs))
		for i, h := range hs {
			out[i] = h
		}
		return out, err
	}
}

func proofs(t *testing.T, s store.Store) {
	read := hashes(t, s)
	if read == nil {
		t.Skip("this store does not show its hashes")
	}
	for i := range 21 {
		mustCommit(t, s, store.Commit{Ledger: []fairlead.LedgerEntry{{Verb: fmt.Sprint(i)}}})
	}
	size, root, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Entries(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for seq, e := range all {
		p, err := audit.Include(size, int64(seq), read)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckInclude(p, size, root, int64(seq), e); err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckInclude(p, size, root, int64(seq), append(bytes.Clone(e), ' ')); fairlead.CodeOf(err) != fairlead.Corrupt {
			t.Fatalf("a changed entry %d is proven: %v", seq, err)
		}
	}
	tree := s.(store.Tree)
	for _, bad := range []int64{-1, audit.StoredCount(size)} {
		if _, err := tree.Hashes(t.Context(), []int64{0, bad}); fairlead.CodeOf(err) != fairlead.Corrupt {
			t.Errorf("hash %d: %v", bad, err)
		}
	}
	// In the order asked for, repetitions too.
	ab, err1 := tree.Hashes(t.Context(), []int64{3, 0, 3})
	a, err2 := tree.Hashes(t.Context(), []int64{0})
	b, err3 := tree.Hashes(t.Context(), []int64{3})
	if err1 != nil || err2 != nil || err3 != nil || ab[0] != b[0] || ab[1] != a[0] || ab[2] != b[0] {
		t.Errorf("the hashes' order is lost: %v %v %v", err1, err2, err3)
	}
}
