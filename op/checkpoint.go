package op

import (
	"context"
	"encoding/hex"
	"iter"
	"net/http"
	"strings"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/store"
)

// What an auditor needs who does not trust the server: the ledger's state,
// signed, to be kept elsewhere; the entries as they were hashed; and
// AuditLedger, which holds the one against the other on the auditor's machine.
var (
	LedgerCheckpoint = Op[struct{}, SignedCheckpoint]{Name: "ledger checkpoint", Method: http.MethodGet, Path: "/ledger/checkpoint", Can: CanRead,
		Doc: "Show the ledger's present size and root, signed by the server.\nKeep it where the server's owner cannot write: from then on nobody can change an earlier entry unnoticed.\nThe form is that of c2sp.org/tlog-checkpoint.",
		Do: func(ctx context.Context, d *Deps, _ struct{}) (SignedCheckpoint, error) {
			if d.LedgerKey == "" {
				return SignedCheckpoint{}, fairlead.Errorf(fairlead.Unsupported, "this server has no key to sign checkpoints with")
			}
			key, err := audit.VerifierKey(d.LedgerKey)
			if err != nil {
				return SignedCheckpoint{}, err
			}
			size, root, err := d.Store.Head(ctx)
			if err != nil {
				return SignedCheckpoint{}, err
			}
			origin, _, _ := strings.Cut(key, "+")
			text, err := audit.Sign(audit.Checkpoint{Origin: origin, Size: size, Root: root}, d.LedgerKey)
			return SignedCheckpoint{Size: size, Root: hex.EncodeToString(root[:]), Key: key, Text: string(text)}, err
		}}
	LedgerEntries = Op[EntriesIn, EntriesOut]{Name: "ledger entries", Method: http.MethodGet, Path: "/ledger/entries", Can: CanRead,
		Doc: "Show the ledger's entries exactly as they were hashed, for a verification elsewhere.",
		Do:  listEntries}
)

// SignedCheckpoint is the ledger's state as told to somebody outside.
type SignedCheckpoint struct {
	Size int64  `json:"size"`
	Root string `json:"root" doc:"hash of the tree over all entries (RFC 6962), hex"`
	Key  string `json:"key" doc:"checks the signature; trust the one you noted earlier, not this one"`
	Text string `json:"text" doc:"the signed checkpoint, a text of some lines"`
}

// EntriesIn selects a page of the ledger.
type EntriesIn struct {
	From  int64 `json:"-" query:"from" doc:"from this number on; 0 if absent"`
	Limit int   `json:"-" query:"limit" doc:"at most so many, 1 to 1000; 100 if absent; fewer come when they are large"`
}

// EntriesOut is a page of the ledger: it ends where the next one begins.
type EntriesOut struct {
	Leaves []Leaf `json:"leaves"`
	Size   int64  `json:"size" doc:"of the whole ledger"`
}

// Leaf is an entry as the hash tree has it.
type Leaf struct {
	Entry string `json:"entry" doc:"the bytes that were hashed: JSON"`
	Hash  string `json:"hash,omitempty" doc:"the leaf's hash as it was recorded, hex; it tells which entry was changed"`
}

// maxEntryBytes ends a page of entries early, far below what a client reads.
const maxEntryBytes = 8 << 20

func listEntries(ctx context.Context, d *Deps, in EntriesIn) (EntriesOut, error) {
	limit, err := pageSize(in.Limit)
	if err != nil {
		return EntriesOut{}, err
	}
	if in.From < 0 {
		return EntriesOut{}, fairlead.Faulty("the parameter from is wrong", []fairlead.Fault{{Path: "from", Message: "out of range", Want: "0 or above"}})
	}
	size, _, err := d.Store.Head(ctx)
	if err != nil {
		return EntriesOut{}, err
	}
	out, bytes, leaves := EntriesOut{Leaves: []Leaf{}, Size: size}, 0, storedHashes(ctx, d)
	for raw, err := range entries(ctx, d, in.From, min(size, in.From+int64(limit))) {
		if err != nil {
			return out, err
		}
		leaf := Leaf{Entry: string(raw)}
		if leaves != nil {
			h, err := leaves([]int64{audit.LeafIndex(in.From + int64(len(out.Leaves)))})
			if err != nil {
				return out, err
			}
			leaf.Hash = hex.EncodeToString(h[0][:])
		}
		out.Leaves = append(out.Leaves, leaf)
		if bytes += len(raw); bytes > maxEntryBytes {
			break
		}
	}
	return out, nil
}

// storedHashes reads the hashes of the ledger's tree, nil when the store shows
// none.
func storedHashes(ctx context.Context, d *Deps) audit.HashReader {
	tree, ok := d.Store.(store.Tree)
	if !ok {
		return nil
	}
	return func(indexes []int64) ([]audit.Hash, error) {
		hashes, err := tree.Hashes(ctx, indexes)
		out := make([]audit.Hash, len(hashes))
		for i, h := range hashes {
			out[i] = h
		}
		return out, err
	}
}

// LedgerSource is a server as AuditLedger asks it: LedgerCheckpoint and
// LedgerEntries.
type LedgerSource struct {
	Checkpoint func(context.Context) (SignedCheckpoint, error)
	Entries    func(context.Context, EntriesIn) (EntriesOut, error)
}

// LedgerAudit is what an audit has found: nothing wrong. Anything else is an
// error with code corrupt.
type LedgerAudit struct {
	Size       int64  `json:"size"`
	Root       string `json:"root" doc:"hash of the tree over all entries (RFC 6962), hex"`
	Verified   bool   `json:"verified"`
	Extends    *int64 `json:"extends,omitempty" doc:"entries under the earlier checkpoint, all of them unchanged"`
	Checkpoint string `json:"checkpoint" doc:"the signed checkpoint of this state, to be kept in the place of the earlier one"`
}

// AuditLedger checks a ledger where the server cannot interfere: it believes
// nothing but vkey and, when not nil, earlier, a signed checkpoint that was
// kept. It hashes all entries, so it takes time and traffic in proportion to
// the ledger. It fails with code Invalid when vkey or earlier are of no use,
// with Corrupt when the server contradicts them.
func AuditLedger(ctx context.Context, vkey string, earlier []byte, from LedgerSource) (LedgerAudit, error) {
	var before audit.Checkpoint
	if earlier != nil {
		var err error
		before, err = audit.Open(earlier, vkey)
		if fairlead.CodeOf(err) == fairlead.Corrupt { // it was given to us: no word on the ledger yet
			err = &fairlead.Error{Code: fairlead.Invalid, Message: "the earlier checkpoint is of no use", Err: err}
		}
		if err != nil {
			return LedgerAudit{}, err
		}
	}
	signed, err := from.Checkpoint(ctx)
	if err != nil {
		return LedgerAudit{}, err
	}
	now, err := audit.Open([]byte(signed.Text), vkey)
	if fairlead.CodeOf(err) == fairlead.Corrupt {
		err = &fairlead.Error{Code: fairlead.Corrupt, Message: "the server's own checkpoint does not hold", Err: err}
	}
	if err != nil {
		return LedgerAudit{}, err
	}
	found := LedgerAudit{Size: now.Size, Root: hex.EncodeToString(now.Root[:]), Verified: true, Checkpoint: signed.Text}
	if earlier == nil {
		before.Origin, before.Root = now.Origin, new(audit.Tree).Root()
	} else {
		found.Extends = &before.Size
	}
	var leaf Leaf
	recorded := func([]int64) ([]audit.Hash, error) { // of leaf: hashes are asked for one by one, with the entries
		h, err := hex.DecodeString(leaf.Hash)
		if err != nil || len(h) != len(audit.Hash{}) {
			return []audit.Hash{audit.Leaf([]byte(leaf.Entry))}, nil // it only helps to name an entry; the roots decide
		}
		return []audit.Hash{audit.Hash(h)}, nil
	}
	if err := audit.VerifyExtends(remoteEntries(ctx, now.Size, from, &leaf), now, before, recorded); err != nil {
		return LedgerAudit{}, err
	}
	return found, nil
}

// remoteEntries fetches the entries up to size; leaf is the one it is at.
func remoteEntries(ctx context.Context, size int64, from LedgerSource, leaf *Leaf) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for seq := int64(0); seq < size; {
			page, err := from.Entries(ctx, EntriesIn{From: seq, Limit: pageLen})
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page.Leaves) == 0 {
				return // fewer than the checkpoint says: the verification will tell
			}
			for _, *leaf = range page.Leaves[:min(int64(len(page.Leaves)), size-seq)] {
				if !yield([]byte(leaf.Entry), nil) {
					return
				}
				seq++
			}
		}
	}
}
