package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"fairlead.dev"
	"fairlead.dev/store"
)

// manyWriters: each reads a counter, adds one and commits with a guard, again
// and again until it has succeeded n times. No addition may be lost; every
// success has one ledger entry and its own index; a watcher hears the end.
func manyWriters(t *testing.T, s store.Store) {
	const writers, n = 8, 12
	mustCommit(t, s, put("K", "sum", 0, "0"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ch := watch(t, s, ctx, 0)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for done := 0; done < n; {
				d, err := s.Get(ctx, "K", "sum")
				if err != nil {
					t.Error(err)
					return
				}
				sum, _ := strconv.Atoi(string(d.Data))
				i, err := s.Commit(ctx, store.Commit{
					Put: []store.Put{
						{Kind: "K", Key: "sum", IfRev: d.Rev, Data: []byte(strconv.Itoa(sum + 1))},
						{Kind: "K", Key: fmt.Sprint("own", w), IfRev: store.AnyRev, Data: []byte(strconv.Itoa(done + 1))},
					},
					Ledger:  []fairlead.LedgerEntry{{Verb: "add", Name: fmt.Sprint(w)}},
					Effects: []store.Effect{{Kind: "e", Key: fmt.Sprint(w)}},
				})
				if fairlead.CodeOf(err) == fairlead.Conflict {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen[i] {
					t.Errorf("index %d was given twice", i)
				}
				seen[i] = true
				mu.Unlock()
				done++
			}
		})
	}
	wg.Wait()
	if d := mustGet(t, s, "K", "sum"); string(d.Data) != strconv.Itoa(writers*n) || d.Rev != writers*n+1 {
		t.Errorf("the sum is %s at revision %d, want %d", d.Data, d.Rev, writers*n)
	}
	if size := CheckLedger(t, s); size != writers*n {
		t.Errorf("%d ledger entries, want %d", size, writers*n)
	}
	if p, err := s.Pending(t.Context()); err != nil || len(p) != writers {
		t.Errorf("%d effects pending (%v), want %d", len(p), err, writers)
	}
	end := mustGet(t, s, "K", "sum").Index
	for c := next(t, ch); c.Key != "sum" || c.Index != end; c = next(t, ch) {
		if c.Index > end {
			t.Fatalf("the watch went past %d without telling of it", end)
		}
	}
}

// randomHistory plays 200 random commits to the store and to a map, and
// compares all that can be read.
func randomHistory(t *testing.T, s store.Store) {
	r := rand.New(rand.NewPCG(7, 7))
	type doc struct {
		rev  int64
		data string
	}
	model, revs := map[string]doc{}, map[string]int64{}
	entries := 0
	for step := range 200 {
		var c store.Commit
		ok := true
		used := map[string]bool{}
		for range 1 + r.IntN(3) {
			key := string(rune('a'+r.IntN(5))) + strings.Repeat("/", r.IntN(2))
			if used[key] {
				continue
			}
			used[key] = true
			p := store.Put{Kind: "K", Key: key, IfRev: model[key].rev, Data: []byte(strconv.Itoa(step)), Delete: r.IntN(4) == 0}
			switch r.IntN(6) {
			case 0:
				p.IfRev++
				ok = false
			case 1:
				p.IfRev = store.AnyRev
			}
			c.Put = append(c.Put, p)
		}
		c.Ledger = make([]fairlead.LedgerEntry, r.IntN(2))
		_, err := s.Commit(t.Context(), c)
		if ok != (err == nil) {
			t.Fatalf("step %d: %+v gives %v, want success %v", step, c, err, ok)
		}
		if ok {
			entries += len(c.Ledger)
			for _, p := range c.Put {
				_, exists := model[p.Key]
				switch {
				case p.Delete && exists:
					delete(model, p.Key)
				case !p.Delete:
					revs[p.Key]++
					model[p.Key] = doc{revs[p.Key], string(p.Data)}
				}
			}
		}
		docs, err := s.List(t.Context(), "K", "", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]doc{}
		for _, d := range docs {
			got[d.Key] = doc{d.Rev, string(d.Data)}
		}
		if len(got) != len(model) {
			t.Fatalf("step %d: %v, want %v", step, got, model)
		}
		for k, d := range model {
			if got[k] != d {
				t.Fatalf("step %d: %q is %v, want %v", step, k, got[k], d)
			}
		}
		if !slices.IsSortedFunc(docs, func(a, b store.Doc) int { return strings.Compare(a.Key, b.Key) }) {
			t.Fatalf("step %d: the list is not in order", step)
		}
	}
	if size := CheckLedger(t, s); size != int64(entries) {
		t.Errorf("%d ledger entries, want %d", size, entries)
	}
}
