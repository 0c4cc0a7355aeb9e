package op_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/op"
	"fairlead.dev/store"
)

// withKey is a world whose ledger has some entries and a key.
func withKey(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	var err error
	if w.deps.LedgerKey, _, err = audit.NewKey(rand.Reader, "harbour"); err != nil {
		t.Fatal(err)
	}
	w.register("digits@1", "digits@2", "digits@3")
	return w
}

// source is the world as an auditor's machine sees it.
func (w *world) source() op.LedgerSource {
	return op.LedgerSource{
		Checkpoint: func(context.Context) (op.SignedCheckpoint, error) {
			return op.LedgerCheckpoint.Call(w.ctx, w.deps, struct{}{})
		},
		Entries: func(_ context.Context, in op.EntriesIn) (op.EntriesOut, error) {
			in.Limit = 2 // so that there are several pages
			return op.LedgerEntries.Call(w.ctx, w.deps, in)
		},
	}
}

func TestAuditLedger(t *testing.T) {
	w := withKey(t)
	w.ctx = as(t.Context(), "auditor", fairlead.RoleViewer)
	kept := must(t, op.LedgerCheckpoint, w, struct{}{})
	if info := must(t, op.ServerInfo, w, struct{}{}); info.LedgerKey != kept.Key || strings.Contains(kept.Key, "PRIVATE") {
		t.Errorf("the server names the key %q, the checkpoint %q", info.LedgerKey, kept.Key)
	}
	w.ctx = as(t.Context(), "ann", fairlead.RoleOperator)
	w.register("digits@4", "digits@5")
	w.ctx = as(t.Context(), "auditor", fairlead.RoleViewer)

	other := withKey(t)
	otherKept := must(t, op.LedgerCheckpoint, other, struct{}{})
	rewritten := newWorld(t) // the same key, another history
	rewritten.deps.LedgerKey = w.deps.LedgerKey
	rewritten.register("digits@9", "digits@8", "digits@7", "digits@6", "digits@5")
	short := newWorld(t)
	short.deps.LedgerKey = w.deps.LedgerKey
	short.register("digits@1")

	// lying changes what the server says of its entries.
	lying := func(lie func(seq int64, l *op.Leaf)) op.LedgerSource {
		s := w.source()
		honest := s.Entries
		s.Entries = func(ctx context.Context, in op.EntriesIn) (op.EntriesOut, error) {
			out, err := honest(ctx, in)
			for i := range out.Leaves {
				lie(in.From+int64(i), &out.Leaves[i])
			}
			return out, err
		}
		return s
	}
	bob := func(l *op.Leaf) { l.Entry = strings.Replace(l.Entry, `"ann"`, `"bob"`, 1) }
	cut := w.source()
	cut.Entries = func(context.Context, op.EntriesIn) (op.EntriesOut, error) { return op.EntriesOut{}, nil }
	gone := w.source()
	gone.Entries = func(context.Context, op.EntriesIn) (op.EntriesOut, error) {
		return op.EntriesOut{}, fairlead.Errorf(fairlead.Unavailable, "gone")
	}
	for _, c := range []struct {
		name    string
		key     string
		earlier string
		from    op.LedgerSource
		code    fairlead.Code // "": accepted
		says    string
	}{
		{"it has grown", kept.Key, kept.Text, w.source(), "", ""},
		{"no earlier checkpoint", kept.Key, "", w.source(), "", ""},
		{"no hashes of entries", kept.Key, kept.Text, lying(func(_ int64, l *op.Leaf) { l.Hash = "" }), "", ""},
		{"garbage", kept.Key, "garbage", w.source(), fairlead.Invalid, "earlier checkpoint is of no use: this is not a signed checkpoint"},
		{"changed by a letter", kept.Key, strings.Replace(kept.Text, "\n", "\n1", 1), w.source(), fairlead.Invalid, "is not as harbour+"},
		{"another key", otherKept.Key, kept.Text, w.source(), fairlead.Invalid, "is signed by harbour+"},
		{"no key", "x", kept.Text, w.source(), fairlead.Invalid, "the verification key is not usable"},
		{"no key, no checkpoint", "x", "", w.source(), fairlead.Invalid, "the verification key is not usable"},
		{"another server", kept.Key, kept.Text, other.source(), fairlead.Corrupt, "the server's own checkpoint does not hold: the checkpoint is signed by harbour+"},
		{"an entry changed", kept.Key, kept.Text, lying(func(seq int64, l *op.Leaf) {
			if seq >= 3 {
				bob(l)
			}
		}), fairlead.Corrupt, "ledger entry 3 was changed"},
		{"an entry and its hash changed", kept.Key, kept.Text, lying(func(seq int64, l *op.Leaf) {
			if bob(l); seq == 1 {
				h := audit.Leaf([]byte(l.Entry))
				l.Hash = hex.EncodeToString(h[:])
			}
		}), fairlead.Corrupt, "ledger entry 0 was changed"},
		{"a new entry changed, no hash", kept.Key, kept.Text, lying(func(seq int64, l *op.Leaf) {
			if l.Hash = ""; seq == kept.Size {
				bob(l)
			}
		}), fairlead.Corrupt, "the ledger was changed: the root over its"},
		{"nothing comes", kept.Key, kept.Text, cut, fairlead.Corrupt, "cut off: 0 entries of"},
		{"rewritten in all consistency", kept.Key, kept.Text, rewritten.source(), fairlead.Corrupt, "the ledger was rewritten: the root over its first"},
		{"cut off in all consistency", kept.Key, kept.Text, short.source(), fairlead.Corrupt, "the ledger was cut off"},
		{"unreachable", kept.Key, kept.Text, gone, fairlead.Unavailable, "gone"},
	} {
		var earlier []byte
		if c.earlier != "" {
			earlier = []byte(c.earlier)
		}
		out, err := op.AuditLedger(t.Context(), c.key, earlier, c.from)
		switch {
		case c.code != "":
			if fairlead.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) || out.Verified {
				t.Errorf("%s: %+v, %v; want code %s and %q", c.name, out, err, c.code, c.says)
			}
		case err != nil || !out.Verified || out.Size != w.ledger() || (out.Extends != nil) != (earlier != nil) || out.Extends != nil && *out.Extends != kept.Size:
			t.Errorf("%s: %+v, %v", c.name, out, err)
		}
	}
}

func TestLedgerEntries(t *testing.T) {
	w := withKey(t)
	size := w.ledger()
	for _, c := range []struct {
		in   op.EntriesIn
		want int64
	}{
		{op.EntriesIn{}, size}, {op.EntriesIn{From: 1, Limit: 2}, 2}, {op.EntriesIn{From: size - 1}, 1}, {op.EntriesIn{From: size}, 0}, {op.EntriesIn{From: 1<<63 - 1}, 0},
	} {
		out := must(t, op.LedgerEntries, w, c.in)
		if int64(len(out.Leaves)) != c.want || out.Size != size {
			t.Errorf("%+v: %d entries of %d, want %d", c.in, len(out.Leaves), out.Size, c.want)
		}
	}
	refused(t, op.LedgerEntries, w, op.EntriesIn{From: -1}, fairlead.Invalid, "from")
	refused(t, op.LedgerEntries, w, op.EntriesIn{Limit: 1001}, fairlead.Invalid, "limit")
	w.ctx = as(t.Context(), "shop", fairlead.RoleCaller)
	refused(t, op.LedgerEntries, w, op.EntriesIn{}, fairlead.Denied)
	refused(t, op.LedgerCheckpoint, w, struct{}{}, fairlead.Denied)
	w = newWorld(t)
	refused(t, op.LedgerCheckpoint, w, struct{}{}, fairlead.Unsupported, "no key to sign")
}

// tampered is a store in whose ledger somebody has changed an entry.
type tampered struct {
	store.Store
	store.Tree
}

func (s tampered) Entries(ctx context.Context, seq int64, limit int) ([][]byte, error) {
	raws, err := s.Store.Entries(ctx, seq, limit)
	for i := range raws {
		if seq+int64(i) >= 2 {
			raws[i] = []byte(strings.Replace(string(raws[i]), `"ann"`, `"bob"`, 1))
		}
	}
	return raws, err
}

func TestServersVerifyNamesTheEntry(t *testing.T) {
	w := withKey(t)
	if out := must(t, op.LedgerVerify, w, struct{}{}); !out.Verified || out.Size != w.ledger() {
		t.Errorf("%+v", out)
	}
	w.deps.Store = tampered{w.deps.Store, w.deps.Store.(store.Tree)}
	refused(t, op.LedgerVerify, w, struct{}{}, fairlead.Corrupt, "ledger entry 2 was changed")
}
