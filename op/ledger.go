package op

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"iter"
	"net/http"

	"fairlead.dev"
	"fairlead.dev/core/audit"
)

// The verbs of the ledger, which only ever grows.
var (
	LedgerList = Op[LedgerIn, LedgerOut]{Name: "ledger list", Method: http.MethodGet, Path: "/ledger", Can: CanRead,
		Doc: "Show the record of decisions, oldest first: the latest ones, or those from a number on.\nEvidence is left out unless asked for.",
		Do:  listLedger}
	LedgerVerify = Op[struct{}, LedgerProof]{Name: "ledger verify", Method: http.MethodGet, Path: "/ledger/verify", Can: CanRead,
		Doc: "Recompute the ledger's hash tree from its entries and compare it with the stored root.\nThe server does this over its own state; who does not trust it checks the entries against a checkpoint kept elsewhere.",
		Do: func(ctx context.Context, d *Deps, _ struct{}) (LedgerProof, error) {
			size, root, err := d.Store.Head(ctx)
			if err != nil {
				return LedgerProof{}, err
			}
			err = audit.Verify(entries(ctx, d, 0, size), size, root, nil)
			if leaves := storedHashes(ctx, d); leaves != nil && fairlead.CodeOf(err) == fairlead.Corrupt {
				// Once more, with a look at each entry's own hash: it names the entry.
				err = audit.Verify(entries(ctx, d, 0, size), size, root, leaves)
			}
			if err != nil {
				return LedgerProof{}, err
			}
			return LedgerProof{Size: size, Root: hex.EncodeToString(root[:]), Verified: true}, nil
		}}
)

// LedgerIn selects entries.
type LedgerIn struct {
	Kind     string `json:"-" query:"kind" maxLength:"63" doc:"only about nouns of this kind, e.g. Release"`
	Name     string `json:"-" query:"name" maxLength:"127" doc:"only about the noun of this name"`
	Actor    string `json:"-" query:"actor" maxLength:"127" doc:"only by this token or loop/<name>"`
	Verb     string `json:"-" query:"verb" maxLength:"63" doc:"only of this verb, e.g. release.pause"`
	From     int64  `json:"-" query:"from" doc:"from this number on; absent: the latest"`
	Limit    int    `json:"-" query:"limit" doc:"at most so many, 1 to 1000; 100 if absent"`
	Evidence bool   `json:"-" query:"evidence" doc:"with the evidence behind each decision"`
}

// LedgerOut is a part of the ledger. Next is where to go on, -1 at the end.
type LedgerOut struct {
	Entries []fairlead.LedgerEntry `json:"entries"`
	Size    int64                  `json:"size" doc:"of the whole ledger"`
	Next    int64                  `json:"next" doc:"from, for more; -1 at the end"`
}

// LedgerProof is the outcome of a verification; one that fails is an error
// with code corrupt that names the entry.
type LedgerProof struct {
	Size     int64  `json:"size"`
	Root     string `json:"root" doc:"hash of the tree over all entries (RFC 6962), hex"`
	Verified bool   `json:"verified"`
}

// maxScan bounds how many entries one question may read.
const maxScan = 100_000

const pageLen = 500

func listLedger(ctx context.Context, d *Deps, in LedgerIn) (LedgerOut, error) {
	limit, err := pageSize(in.Limit)
	if err != nil {
		return LedgerOut{}, err
	}
	if in.From < 0 {
		return LedgerOut{}, fairlead.Faulty("the parameter from is wrong", []fairlead.Fault{{Path: "from", Message: "out of range", Want: "0 or above"}})
	}
	size, _, err := d.Store.Head(ctx)
	if err != nil {
		return LedgerOut{}, err
	}
	match := func(e fairlead.LedgerEntry) bool {
		return (in.Kind == "" || e.Kind == in.Kind) && (in.Name == "" || e.Name == in.Name) &&
			(in.Actor == "" || e.Actor == in.Actor) && (in.Verb == "" || e.Verb == in.Verb)
	}
	out := LedgerOut{Entries: []fairlead.LedgerEntry{}, Size: size, Next: -1}
	if in.From == 0 {
		out.Entries, err = latest(ctx, d, size, limit, match, nil)
	} else {
		seen := int64(0)
		for raw, e := range entries(ctx, d, in.From, size) {
			if e != nil {
				return out, e
			}
			entry, e := decodeEntry(raw)
			if e != nil {
				return out, e
			}
			if match(entry) {
				if len(out.Entries) == limit {
					out.Next = entry.Seq
					break
				}
				out.Entries = append(out.Entries, entry)
			}
			if seen++; seen == maxScan {
				out.Next = entry.Seq + 1
				break
			}
		}
	}
	if !in.Evidence {
		for i := range out.Entries {
			out.Entries[i].Evidence = nil
		}
	}
	return out, err
}

// latest gives the last entries that match, oldest first, reading backwards
// until there are enough, stop says so, or maxScan are read.
func latest(ctx context.Context, d *Deps, size int64, limit int, match, stop func(fairlead.LedgerEntry) bool) ([]fairlead.LedgerEntry, error) {
	found := []fairlead.LedgerEntry{}
	for end := size; end > 0 && size-end < maxScan && len(found) < limit; {
		begin := max(0, end-pageLen)
		raws, err := d.Store.Entries(ctx, begin, int(end-begin))
		if err != nil {
			return nil, err
		}
		for i := len(raws) - 1; i >= 0 && len(found) < limit; i-- {
			e, err := decodeEntry(raws[i])
			if err != nil {
				return nil, err
			}
			if stop != nil && stop(e) {
				begin = 0
				break
			}
			if match(e) {
				found = append(found, e)
			}
		}
		end = begin
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found, nil
}

// entries reads the ledger from seq up to size, page by page.
func entries(ctx context.Context, d *Deps, seq, size int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for seq < size {
			raws, err := d.Store.Entries(ctx, seq, int(min(pageLen, size-seq)))
			if err == nil && len(raws) == 0 {
				return // fewer than the head says: Verify will tell
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range raws {
				if !yield(raw, nil) {
					return
				}
			}
			seq += int64(len(raws))
		}
	}
}

func decodeEntry(raw []byte) (fairlead.LedgerEntry, error) {
	var e fairlead.LedgerEntry
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, &fairlead.Error{Code: fairlead.Corrupt, Message: "an entry of the ledger cannot be read; run ledger verify", Err: err}
	}
	return e, nil
}
