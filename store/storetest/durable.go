package storetest

import (
	"fmt"
	"testing"

	"fairlead.dev"
	"fairlead.dev/store"
)

// RunDurable examines what outlives a store's Close. Open opens the same state
// each time it is called with the same folder.
func RunDurable(t *testing.T, open func(t *testing.T, dir string) store.Store) {
	t.Run("reopening loses nothing", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		mustCommit(t, s, put("K", "gone", 0, "1"))
		mustCommit(t, s, remove("K", "gone", 1))
		for i := range 20 {
			mustCommit(t, s, store.Commit{
				Put:     []store.Put{{Kind: "K", Key: fmt.Sprint(i % 7), IfRev: store.AnyRev, Data: []byte(fmt.Sprint(i))}},
				Ledger:  []fairlead.LedgerEntry{{Verb: "v", Name: fmt.Sprint(i)}},
				Effects: []store.Effect{{Kind: "e", Key: fmt.Sprint(i % 3)}},
			})
		}
		before := look(t, s, "K")
		for range 3 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
			same(t, "after reopening", look(t, s, "K"), before)
			CheckLedger(t, s)
		}
		t.Cleanup(func() { _ = s.Close() })
		// What was deleted still counts on, watchers hear of it, and the index
		// does not begin again.
		ch := watch(t, s, t.Context(), 0)
		if c := next(t, ch); c.Key != "gone" {
			t.Errorf("the first change is %+v", c)
		}
		last := before.Docs[len(before.Docs)-1].Index
		if i := mustCommit(t, s, put("K", "gone", 0, "2")); i <= last {
			t.Errorf("index %d after %d", i, last)
		}
		if d := mustGet(t, s, "K", "gone"); d.Rev != 2 {
			t.Errorf("revision %d was used before", d.Rev)
		}
	})
}

// Burden commits one step after another, each of two documents that must
// agree, a ledger entry and an effect, and calls told with the step's number
// after each. It returns only when a commit fails. Meant for a process that is
// about to be killed; CheckBurden examines what it left.
func Burden(t *testing.T, s store.Store, told func(step int64)) {
	for {
		step := CheckBurden(t, s, 0) + 1
		_, err := s.Commit(t.Context(), store.Commit{
			Put: []store.Put{
				{Kind: "K", Key: "left", IfRev: step - 1, Data: []byte(fmt.Sprint(step))},
				{Kind: "K", Key: "right", IfRev: step - 1, Data: append([]byte(fmt.Sprint(step)), make([]byte, 10_000)...)},
			},
			Ledger:  []fairlead.LedgerEntry{{Verb: "step", Name: fmt.Sprint(step)}},
			Effects: []store.Effect{{Kind: "e", Key: "k"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		told(step)
	}
}

// CheckBurden fails the test unless the store is exactly after one of Burden's
// steps, at least atLeast, which it gives.
func CheckBurden(t *testing.T, s store.Store, atLeast int64) int64 {
	t.Helper()
	docs, err := s.List(t.Context(), "K", "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	size, _, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pending, err := s.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if size < atLeast {
		t.Fatalf("step %d was acknowledged, the store is at %d", atLeast, size)
	}
	if size == 0 {
		if len(docs)+len(pending) != 0 {
			t.Fatalf("an unfinished first step left %d documents and %d effects", len(docs), len(pending))
		}
		return 0
	}
	want := fmt.Sprint(size)
	if len(docs) != 2 || docs[0].Rev != size || docs[1].Rev != size || string(docs[0].Data) != want ||
		len(docs[1].Data) != len(want)+10_000 || string(docs[1].Data[:len(want)]) != want {
		t.Fatalf("after step %d the documents are not whole", size)
	}
	if len(pending) != 1 || pending[0].Index != docs[0].Index || docs[0].Index != docs[1].Index {
		t.Fatalf("after step %d the effects are %+v", size, pending)
	}
	return size
}
