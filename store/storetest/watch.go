package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"fairlead.dev/store"
)

// patience bounds how long a case waits for what must happen; it is spent only
// when a test fails.
const patience = 20 * time.Second

func next(t *testing.T, ch <-chan store.Change) store.Change {
	t.Helper()
	select {
	case c, ok := <-ch:
		if !ok {
			t.Fatal("the watch has ended")
		}
		return c
	case <-time.After(patience):
		t.Fatal("the watch is silent")
	}
	panic("unreachable")
}

func watch(t *testing.T, s store.Store, ctx context.Context, after int64) <-chan store.Change {
	t.Helper()
	ch, err := s.Watch(ctx, after)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func watchFrom(t *testing.T, s store.Store) {
	i1 := mustCommit(t, s, put("K", "a", 0, "1"))
	i2 := mustCommit(t, s, store.Commit{Put: []store.Put{{Kind: "K", Key: "c", Data: []byte("1")}, {Kind: "K", Key: "b", Data: []byte("1")}}})
	i3 := mustCommit(t, s, put("L", "a", 0, "1"))
	i4 := mustCommit(t, s, put("K", "c", 1, "2"))
	i5 := mustCommit(t, s, remove("K", "b", 1))
	a := store.Change{Kind: "K", Key: "a", Index: i1}
	c := store.Change{Kind: "K", Key: "c", Index: i4}
	b := store.Change{Kind: "K", Key: "b", Index: i5}
	la := store.Change{Kind: "L", Key: "a", Index: i3}
	read := func(after int64, want ...store.Change) <-chan store.Change {
		t.Helper()
		ch := watch(t, s, t.Context(), after)
		for _, w := range want {
			same(t, fmt.Sprintf("after %d", after), next(t, ch), w)
		}
		return ch
	}
	all := read(0, a, la, c, b)
	read(i2, la, c, b)
	read(i4, b)
	live := read(i5)
	i6 := mustCommit(t, s, put("K", "d", 0, "1"))
	d := store.Change{Kind: "K", Key: "d", Index: i6}
	same(t, "live", next(t, live), d)
	same(t, "live after old ones", next(t, all), d)
	i7 := mustCommit(t, s, store.Commit{Put: []store.Put{{Kind: "K", Key: "z", Data: []byte("1")}, {Kind: "K", Key: "y", Data: []byte("1")}}})
	same(t, "in the commit's order", next(t, live), store.Change{Kind: "K", Key: "z", Index: i7})
	same(t, "in the commit's order", next(t, live), store.Change{Kind: "K", Key: "y", Index: i7})
}

// watchLate: after many rewrites a new watch hears of each document once.
func watchLate(t *testing.T, s store.Store) {
	for range 30 {
		mustCommit(t, s, put("K", "busy", store.AnyRev, "x"))
	}
	want := []store.Change{
		{Kind: "K", Key: "still", Index: mustCommit(t, s, put("K", "still", 0, "x"))},
		{Kind: "K", Key: "too", Index: mustCommit(t, s, put("K", "too", 0, "x"))},
	}
	var last int64
	for range 250 {
		last = mustCommit(t, s, put("K", "busy", store.AnyRev, "x"))
	}
	ch := watch(t, s, t.Context(), 0)
	for _, w := range append(want, store.Change{Kind: "K", Key: "busy", Index: last}) {
		same(t, "after many rewrites", next(t, ch), w)
	}
}

// watchSlow: the reader sleeps while 300 commits rewrite 10 documents. It must
// then hear the latest of each, in order, and not much more than that.
func watchSlow(t *testing.T, s store.Store) {
	ch := watch(t, s, t.Context(), 0)
	latest := map[string]int64{}
	for i := range 300 {
		key := fmt.Sprint("k", i%10)
		if i >= 290 {
			latest[key] = mustCommit(t, s, put("K", key, store.AnyRev, "x"))
		} else {
			mustCommit(t, s, put("K", key, store.AnyRev, "x"))
		}
	}
	var last int64
	heard := 0
	for len(latest) > 0 {
		c := next(t, ch)
		heard++
		if c.Index < last {
			t.Fatalf("change %d after %d", c.Index, last)
		}
		last = c.Index
		if latest[c.Key] == c.Index {
			delete(latest, c.Key)
		}
	}
	if heard > 100 {
		t.Errorf("a reader that slept heard %d changes of 10 documents: they were not folded", heard)
	}
}

func watchEnds(t *testing.T, s store.Store) {
	mustCommit(t, s, put("K", "a", 0, "1"))
	ended := func(what string, ch <-chan store.Change) {
		t.Helper()
		for {
			select {
			case _, ok := <-ch:
				if !ok {
					return
				}
			case <-time.After(patience):
				t.Fatalf("%s: the channel stays open", what)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	idle := watch(t, s, ctx, 0)
	next(t, idle)
	unread := watch(t, s, ctx, 0)
	cancel()
	ended("an idle watch", idle)
	ended("a watch nobody read", unread)
	open := watch(t, s, t.Context(), 0)
	next(t, open)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ended("a watch of a closed store", open)
}
