package audit_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fairlead.dev"
	"fairlead.dev/core/audit"
)

// book is a ledger in memory as a store keeps it.
type book struct {
	entries [][]byte
	hashes  []audit.Hash
}

func (b *book) read(indexes []int64) ([]audit.Hash, error) {
	out := make([]audit.Hash, len(indexes))
	for i, x := range indexes {
		if x >= int64(len(b.hashes)) {
			return nil, fmt.Errorf("no hash %d", x)
		}
		out[i] = b.hashes[x]
	}
	return out, nil
}

func (b *book) add(t interface{ Fatal(...any) }, entry []byte) {
	hs, err := audit.Append(int64(len(b.entries)), entry, b.read)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b.hashes)) != audit.StoredCount(int64(len(b.entries))) {
		t.Fatal("StoredCount is not the number of hashes")
	}
	b.entries, b.hashes = append(b.entries, entry), append(b.hashes, hs...)
}

func write(t interface{ Fatal(...any) }, n int) *book {
	b := &book{}
	for i := range n {
		e, err := audit.Encode(fairlead.LedgerEntry{Time: time.Unix(int64(i), 0), Actor: "ann", Verb: "release.step"}, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		b.add(t, e)
	}
	return b
}

func seq(entries [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// The vectors are those of RFC 6962 as the Certificate Transparency project
// publishes them: eight leaves, the root after each.
func TestRootIsThatOfRFC6962(t *testing.T) {
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	b := &book{}
	var tree audit.Tree
	for i, want := range roots {
		got, err := audit.Root(int64(i), b.read)
		if err != nil || hex.EncodeToString(got[:]) != want {
			t.Errorf("root of %d leaves: %x (%v), want %s", i, got[:], err, want)
		}
		if tree.Root() != got || tree.Size() != int64(i) {
			t.Errorf("Tree after %d leaves: %x", i, tree.Root())
		}
		if i < len(leaves) {
			leaf, _ := hex.DecodeString(leaves[i])
			b.add(t, leaf)
			tree.Add(leaf)
		}
	}
}

func TestEncode(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 5000, time.FixedZone("CET", 3600))
	got, err := audit.Encode(fairlead.LedgerEntry{Seq: 99, Time: at, Actor: "ann", Verb: "v", Kind: "K", Name: "n", Evidence: json.RawMessage(`{"a": 1}`)}, 3)
	want := `{"seq":3,"time":"2026-11-23T11:00:00.000005Z","actor":"ann","verb":"v","kind":"K","name":"n","evidence":{"a":1}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s (%v)\nwant %s", got, err, want)
	}
	if _, err := audit.Encode(fairlead.LedgerEntry{Evidence: json.RawMessage("{")}, 0); fairlead.CodeOf(err) != fairlead.Invalid {
		t.Errorf("bad evidence: %v", err)
	}
}

// Verify accepts exactly the ledger that was written. Each row spoils a ledger
// of 11 entries in one way.
func TestVerify(t *testing.T) {
	type args struct {
		entries [][]byte
		size    int64
		root    audit.Hash
		hashes  []audit.Hash
	}
	for _, c := range []struct {
		name  string
		spoil func(a *args)
		says  string // "": accepted
	}{
		{"untouched", func(*args) {}, ""},
		{"an entry changed", func(a *args) { a.entries[4] = bytes.Replace(a.entries[4], []byte("ann"), []byte("bob"), 1) }, "entry 4 was changed"},
		{"an entry's space changed", func(a *args) { a.entries[4] = append(a.entries[4], ' ') }, "entry 4 was changed"},
		{"two exchanged", func(a *args) { a.entries[4], a.entries[5] = a.entries[5], a.entries[4] }, "entry 5 stands where entry 4 belongs"},
		{"one removed", func(a *args) { a.entries = slices.Delete(a.entries, 4, 5) }, "entry 5 stands where entry 4 belongs"},
		{"one doubled", func(a *args) { a.entries = slices.Insert(a.entries, 4, a.entries[4]) }, "entry 4 stands where entry 5 belongs"},
		{"cut off", func(a *args) { a.entries = a.entries[:10] }, "cut off: 10 entries of 11"},
		{"all gone", func(a *args) { a.entries = nil }, "cut off: 0 entries of 11"},
		{"cut off, size too", func(a *args) { a.entries, a.size = a.entries[:10], 10 }, "root over its 10 entries"},
		{"one added", func(a *args) { a.entries = append(a.entries, []byte(`{"seq":11}`)) }, "past its size 11"},
		{"not JSON", func(a *args) { a.entries[4] = []byte("x") }, "entry 4 is not readable"},
		{"no sequence", func(a *args) { a.entries[0] = []byte("{}") }, "entry 0 is not readable"},
		{"another root", func(a *args) { a.root[0] ^= 1 }, "recorded was"},
		{"a leaf's hash changed", func(a *args) { a.hashes[audit.LeafIndex(6)][0] ^= 1 }, "entry 6 was changed"},
	} {
		for _, withHashes := range []bool{true, false} {
			b := write(t, 11)
			root, err := audit.Root(11, b.read)
			if err != nil {
				t.Fatal(err)
			}
			a := args{b.entries, 11, root, b.hashes}
			c.spoil(&a)
			var leaves audit.HashReader
			if withHashes {
				leaves = b.read
			}
			says := c.says
			if !withHashes && strings.HasSuffix(says, "was changed") {
				says = "the ledger was changed"
				if strings.HasPrefix(c.name, "a leaf's") {
					says = "" // only the stored hashes suffered
				}
			}
			err = audit.Verify(seq(a.entries), a.size, a.root, leaves)
			if says == "" && err != nil {
				t.Errorf("%s (hashes %v): %v", c.name, withHashes, err)
			}
			if says != "" && (fairlead.CodeOf(err) != fairlead.Corrupt || !strings.Contains(err.Error(), says)) {
				t.Errorf("%s (hashes %v): got %v, want code corrupt and %q", c.name, withHashes, err, says)
			}
		}
	}
	stop := fairlead.Errorf(fairlead.Unavailable, "the disk is gone")
	if err := audit.Verify(func(yield func([]byte, error) bool) { yield(nil, stop) }, 0, audit.Hash{}, nil); err != stop {
		t.Errorf("a reader's error became %v", err)
	}
}

// Who kept a checkpoint sees whether its entries are still the first ones, even
// when all later hashes were computed anew.
func TestVerifyExtends(t *testing.T) {
	at := func(b *book) audit.Checkpoint {
		size := int64(len(b.entries))
		root, err := audit.Root(size, b.read)
		if err != nil {
			t.Fatal(err)
		}
		return audit.Checkpoint{Origin: "o", Size: size, Root: root}
	}
	rewritten := &book{}
	for i, e := range write(t, 11).entries {
		if i == 4 {
			e = bytes.Replace(e, []byte("ann"), []byte("bob"), 1)
		}
		rewritten.add(t, e)
	}
	other := at(write(t, 7))
	other.Origin = "another"
	for _, c := range []struct {
		name    string
		now     *book
		earlier audit.Checkpoint
		says    string // "": accepted
	}{
		{"grown", write(t, 11), at(write(t, 7)), ""},
		{"the same", write(t, 11), at(write(t, 11)), ""},
		{"from the start", write(t, 11), at(write(t, 0)), ""},
		{"nothing yet", write(t, 0), at(write(t, 0)), ""},
		{"rewritten after the checkpoint", rewritten, at(write(t, 4)), ""},
		{"rewritten", rewritten, at(write(t, 7)), "rewritten: the root over its first 7 entries"},
		{"rewritten, the same size", rewritten, at(write(t, 11)), "rewritten: the root over its first 11 entries"},
		{"cut off", write(t, 6), at(write(t, 7)), "cut off: it has 6 entries, the earlier checkpoint 7"},
		{"an impossible root", write(t, 1), audit.Checkpoint{Origin: "o"}, "rewritten: the root over its first 0 entries"},
		{"another ledger", write(t, 11), other, `of the ledger "another", this one is "o"`},
	} {
		err := audit.VerifyExtends(seq(c.now.entries), at(c.now), c.earlier, c.now.read)
		if c.says == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.says != "" && (fairlead.CodeOf(err) != fairlead.Corrupt || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: got %v, want code corrupt and %q", c.name, err, c.says)
		}
	}
	// An entry that no longer has its own hash is named.
	b := write(t, 11)
	was := at(b)
	b.entries[2] = bytes.Replace(b.entries[2], []byte("ann"), []byte("bob"), 1)
	if err := audit.VerifyExtends(seq(b.entries), was, at(write(t, 7)), b.read); err == nil || !strings.Contains(err.Error(), "entry 2 was changed") {
		t.Errorf("a changed entry: %v", err)
	}
}

func TestProofs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 70).Draw(t, "size")
		b := write(t, int(size))
		root, err := audit.Root(size, b.read)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.Int64Range(0, size-1).Draw(t, "entry")
		p, err := audit.Include(size, n, b.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckInclude(p, size, root, n, b.entries[n]); err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckInclude(p, size, root, n, []byte("another")); fairlead.CodeOf(err) != fairlead.Corrupt {
			t.Fatalf("another entry is proven: %v", err)
		}
		old := rapid.Int64Range(1, size).Draw(t, "old")
		oldRoot, err := audit.Root(old, b.read)
		if err != nil {
			t.Fatal(err)
		}
		q, err := audit.Extend(size, old, b.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckExtend(q, size, root, old, oldRoot); err != nil {
			t.Fatal(err)
		}
		oldRoot[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		if err := audit.CheckExtend(q, size, root, old, oldRoot); fairlead.CodeOf(err) != fairlead.Corrupt {
			t.Fatalf("a rewritten past is proven: %v", err)
		}
	})
}

func TestWrongNumbers(t *testing.T) {
	b := write(t, 3)
	empty := func([]int64) ([]audit.Hash, error) { return nil, nil }
	for name, c := range map[string]struct {
		f    func() error
		code fairlead.Code
	}{
		"root of -1":            {func() error { _, err := audit.Root(-1, b.read); return err }, fairlead.Invalid},
		"append after -1":       {func() error { _, err := audit.Append(-1, nil, b.read); return err }, fairlead.Invalid},
		"entry past the end":    {func() error { _, err := audit.Include(3, 3, b.read); return err }, fairlead.Invalid},
		"entry -1":              {func() error { _, err := audit.Include(3, -1, b.read); return err }, fairlead.Invalid},
		"extend the longer":     {func() error { _, err := audit.Extend(3, 4, b.read); return err }, fairlead.Invalid},
		"extend nothing":        {func() error { _, err := audit.Extend(3, 0, b.read); return err }, fairlead.Invalid},
		"hashes missing":        {func() error { _, err := audit.Root(9, b.read); return err }, fairlead.Corrupt},
		"a short answer":        {func() error { _, err := audit.Root(3, empty); return err }, fairlead.Corrupt},
		"a short answer, more":  {func() error { _, err := audit.Append(3, nil, empty); return err }, fairlead.Corrupt},
		"a short answer, proof": {func() error { _, err := audit.Include(3, 1, empty); return err }, fairlead.Corrupt},
	} {
		if err := c.f(); fairlead.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want code %s", name, err, c.code)
		}
	}
}
