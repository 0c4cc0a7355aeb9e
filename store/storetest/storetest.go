// Package storetest examines every implementation of the store. Begin with
// Run; RunDurable adds what outlives a process, RunBlobs examines artifacts.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev"
	"fairlead.dev/store"
)

// Run examines the stores that open gives: a fresh, empty one for each case.
// The suite closes them.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	cases := []struct {
		name string
		f    func(t *testing.T, s store.Store)
	}{
		{"write, read, delete", writeReadDelete},
		{"guards", guards},
		{"a revision is never used twice", revisions},
		{"a refused commit changes nothing", refused},
		{"malformed commits are refused", malformed},
		{"the index grows by each commit", index},
		{"list: order, prefix, after, limit", list},
		{"list: any key has its place", oddKeys},
		{"bytes are copied in and out", copies},
		{"large documents", large},
		{"effects: identity, order, done", effects},
		{"ledger: bytes, sequence, head", ledger},
		{"ledger: stored hashes prove entries", proofs},
		{"watch: from an index, in order, folded", watchFrom},
		{"watch: a late one hears the latest of each", watchLate},
		{"watch: a slow reader loses nothing", watchSlow},
		{"watch: ends with its context and with the store", watchEnds},
		{"many writers", manyWriters},
		{"a random history agrees with a simple model", randomHistory},
		{"an ended context is respected", ended},
		{"a closed store answers nothing", closed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { _ = s.Close() })
			c.f(t, s)
		})
	}
}

// Helpers.

func put(kind, key string, rev int64, data string) store.Commit {
	return store.Commit{Put: []store.Put{{Kind: kind, Key: key, IfRev: rev, Data: []byte(data)}}}
}

func remove(kind, key string, rev int64) store.Commit {
	return store.Commit{Put: []store.Put{{Kind: kind, Key: key, IfRev: rev, Delete: true}}}
}

func mustCommit(t *testing.T, s store.Store, c store.Commit) int64 {
	t.Helper()
	i, err := s.Commit(t.Context(), c)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return i
}

func wantCode(t *testing.T, err error, code fairlead.Code) {
	t.Helper()
	if fairlead.CodeOf(err) != code {
		t.Fatalf("error %v has code %q, want %q", err, fairlead.CodeOf(err), code)
	}
}

func mustGet(t *testing.T, s store.Store, kind, key string) store.Doc {
	t.Helper()
	d, err := s.Get(t.Context(), kind, key)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func keys(t *testing.T, s store.Store, kind, prefix, after string, limit int) []string {
	t.Helper()
	docs, err := s.List(t.Context(), kind, prefix, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, d := range docs {
		out = append(out, d.Key)
	}
	return out
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// The cases.

func writeReadDelete(t *testing.T, s store.Store) {
	_, err := s.Get(t.Context(), "K", "a")
	wantCode(t, err, fairlead.NotFound)
	if !strings.Contains(err.Error(), `K "a"`) {
		t.Errorf("the error does not name the document: %v", err)
	}
	i := mustCommit(t, s, put("K", "a", 0, "one"))
	same(t, "first", mustGet(t, s, "K", "a"), store.Doc{Kind: "K", Key: "a", Rev: 1, Index: i, Data: []byte("one")})
	_, err = s.Get(t.Context(), "L", "a")
	wantCode(t, err, fairlead.NotFound)
	i = mustCommit(t, s, put("K", "a", 1, "two"))
	same(t, "second", mustGet(t, s, "K", "a"), store.Doc{Kind: "K", Key: "a", Rev: 2, Index: i, Data: []byte("two")})
	mustCommit(t, s, store.Commit{Put: []store.Put{{Kind: "K", Key: "empty"}}}) // no bytes are bytes too
	if d := mustGet(t, s, "K", "empty"); len(d.Data) != 0 {
		t.Errorf("an empty document has %q", d.Data)
	}
	mustCommit(t, s, remove("K", "a", 2))
	_, err = s.Get(t.Context(), "K", "a")
	wantCode(t, err, fairlead.NotFound)
	same(t, "list", keys(t, s, "K", "", "", 0), []string{"empty"})
	mustCommit(t, s, remove("K", "never", store.AnyRev)) // harmless
}

func guards(t *testing.T, s store.Store) {
	mustCommit(t, s, put("K", "a", 0, "1"))
	mustCommit(t, s, put("K", "a", 1, "2"))
	mustCommit(t, s, put("K", "gone", 0, "1"))
	mustCommit(t, s, remove("K", "gone", 1))
	require := func(key string, rev int64) store.Commit {
		return store.Commit{Require: []store.Require{{Kind: "K", Key: key, Rev: rev}}}
	}
	for _, c := range []struct {
		name   string
		commit store.Commit
		ok     bool
	}{
		{"create what exists", put("K", "a", 0, "x"), false},
		{"an old revision", put("K", "a", 1, "x"), false},
		{"a future revision", put("K", "a", 3, "x"), false},
		{"update what never was", put("K", "b", 1, "x"), false},
		{"update what is deleted", put("K", "gone", 1, "x"), false},
		{"delete at an old revision", remove("K", "a", 1), false},
		{"delete what never was, guarded", remove("K", "b", 1), false},
		{"delete what must not exist but does", remove("K", "a", 0), false},
		{"require an old revision", require("a", 1), false},
		{"require absence of what exists", require("a", 0), false},
		{"require what is deleted", require("gone", 1), false},
		{"require what never was", require("b", 1), false},
		{"require the present revision", require("a", 2), true},
		{"require absence", require("b", 0), true},
		{"require absence of what is deleted", require("gone", 0), true},
		{"another kind is another document", put("L", "a", 0, "x"), true},
		{"the present revision", put("K", "a", 2, "3"), true},
		{"any revision of what exists", put("K", "a", store.AnyRev, "4"), true},
		{"any revision of what does not", put("K", "c", store.AnyRev, "1"), true},
		{"create what was deleted", put("K", "gone", 0, "again"), true},
		{"a commit sees the state before it", store.Commit{
			Require: []store.Require{{Kind: "K", Key: "new", Rev: 0}},
			Put:     []store.Put{{Kind: "K", Key: "new", Data: []byte("1")}},
		}, true},
	} {
		_, err := s.Commit(t.Context(), c.commit)
		if c.ok && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.ok && fairlead.CodeOf(err) != fairlead.Conflict {
			t.Errorf("%s: got %v, want code conflict", c.name, err)
		}
	}
	if d := mustGet(t, s, "K", "a"); d.Rev != 4 || string(d.Data) != "4" {
		t.Errorf("in the end: %+v", d)
	}
}

func revisions(t *testing.T, s store.Store) {
	seen := map[int64]bool{}
	for range 5 {
		mustCommit(t, s, put("K", "a", store.AnyRev, "x"))
		rev := mustGet(t, s, "K", "a").Rev
		if seen[rev] {
			t.Fatalf("revision %d was used twice", rev)
		}
		seen[rev] = true
		mustCommit(t, s, remove("K", "a", rev))
		_, err := s.Commit(t.Context(), put("K", "a", rev, "stale"))
		wantCode(t, err, fairlead.Conflict)
	}
}

// state is all that a reader can see of a store.
type state struct {
	Docs    []store.Doc
	Effects []store.Effect
	Entries [][]byte
	Size    int64
	Root    [32]byte
}

func look(t *testing.T, s store.Store, kinds ...string) state {
	t.Helper()
	var st state
	var err, errs error
	for _, k := range kinds {
		docs, err := s.List(t.Context(), k, "", "", 0)
		errs = errors.Join(errs, err)
		st.Docs = append(st.Docs, docs...)
	}
	st.Effects, err = s.Pending(t.Context())
	errs = errors.Join(errs, err)
	st.Entries, err = s.Entries(t.Context(), 0, 0)
	errs = errors.Join(errs, err)
	st.Size, st.Root, err = s.Head(t.Context())
	if errs = errors.Join(errs, err); errs != nil {
		t.Fatal(errs)
	}
	return st
}

func refused(t *testing.T, s store.Store) {
	first := mustCommit(t, s, store.Commit{
		Put:     []store.Put{{Kind: "K", Key: "a", Data: []byte("1")}, {Kind: "K", Key: "b", Data: []byte("1")}},
		Ledger:  []fairlead.LedgerEntry{{Verb: "test.begin"}},
		Effects: []store.Effect{{Kind: "route", Key: "e"}},
	})
	before := look(t, s, "K")
	whole := func() store.Commit {
		return store.Commit{
			Put: []store.Put{
				{Kind: "K", Key: "a", IfRev: 1, Data: []byte("2")},
				{Kind: "K", Key: "b", IfRev: 1, Delete: true},
				{Kind: "K", Key: "c", Data: []byte("1")},
			},
			Require: []store.Require{{Kind: "K", Key: "a", Rev: 1}},
			Ledger:  []fairlead.LedgerEntry{{Verb: "test.more"}, {Verb: "test.more"}},
			Effects: []store.Effect{{Kind: "route", Key: "e"}, {Kind: "route", Key: "f"}},
		}
	}
	for name, spoil := range map[string]func(c *store.Commit){
		"a stale put last": func(c *store.Commit) {
			c.Put = append(c.Put, store.Put{Kind: "K", Key: "d", IfRev: 7, Data: []byte("x")})
		},
		"a stale put first": func(c *store.Commit) { c.Put[0].IfRev = 9 },
		"a stale require":   func(c *store.Commit) { c.Require = append(c.Require, store.Require{Kind: "K", Key: "b"}) },
	} {
		c := whole()
		spoil(&c)
		i, err := s.Commit(t.Context(), c)
		wantCode(t, err, fairlead.Conflict)
		if i != 0 {
			t.Errorf("%s: index %d of a refused commit", name, i)
		}
		same(t, name, look(t, s, "K"), before)
	}
	c := whole()
	c.Ledger[1].Evidence = json.RawMessage("{not json")
	_, err := s.Commit(t.Context(), c)
	wantCode(t, err, fairlead.Invalid)
	same(t, "bad evidence", look(t, s, "K"), before)

	if i := mustCommit(t, s, whole()); i <= first {
		t.Errorf("index %d after %d", i, first)
	}
	if after := look(t, s, "K"); after.Size != 3 || len(after.Docs) != 2 || len(after.Effects) != 2 {
		t.Errorf("the good commit was not whole: %+v", after)
	}
}

func malformed(t *testing.T, s store.Store) {
	long := strings.Repeat("k", store.MaxKey+1)
	for name, c := range map[string]store.Commit{
		"empty kind":            put("", "a", 0, "x"),
		"empty key":             put("K", "", 0, "x"),
		"long key":              put("K", long, 0, "x"),
		"key not UTF-8":         put("K", "a\xff", 0, "x"),
		"key with a zero":       put("K", "a\x00b", 0, "x"),
		"a revision below any":  put("K", "a", -2, "x"),
		"twice the same":        {Put: []store.Put{{Kind: "K", Key: "a"}, {Kind: "K", Key: "a", IfRev: 1}}},
		"require any":           {Require: []store.Require{{Kind: "K", Key: "a", Rev: store.AnyRev}}},
		"effect without a kind": {Effects: []store.Effect{{Key: "a"}}},
	} {
		_, err := s.Commit(t.Context(), c)
		if fairlead.CodeOf(err) != fairlead.Invalid {
			t.Errorf("%s: got %v, want code invalid", name, err)
		}
	}
	same(t, "afterwards", keys(t, s, "K", "", "", 0), []string{})
}

func index(t *testing.T, s store.Store) {
	var last int64
	for n, c := range []store.Commit{
		put("K", "a", 0, "1"),
		{},
		{Ledger: []fairlead.LedgerEntry{{Verb: "v"}}},
		{Effects: []store.Effect{{Kind: "e", Key: "k"}}},
		{Put: []store.Put{{Kind: "K", Key: "b", Data: []byte("1")}, {Kind: "K", Key: "c", Data: []byte("1")}}},
		remove("K", "b", 1),
	} {
		i := mustCommit(t, s, c)
		if i <= last {
			t.Fatalf("commit %d has index %d after %d", n, i, last)
		}
		last = i
	}
	a, c := mustGet(t, s, "K", "a"), mustGet(t, s, "K", "c")
	if a.Index >= c.Index || c.Index >= last {
		t.Errorf("indexes %d, %d, %d do not grow", a.Index, c.Index, last)
	}
}

func list(t *testing.T, s store.Store) {
	var c store.Commit
	for _, k := range []string{"digits/2", "digits/10", "digits", "digit", "digits-x", "digits/1", "zebra", "digits0"} {
		c.Put = append(c.Put, store.Put{Kind: "K", Key: k, Data: []byte(k)})
	}
	c.Put = append(c.Put, store.Put{Kind: "J", Key: "digits/j"}, store.Put{Kind: "KK", Key: "digits/kk"})
	mustCommit(t, s, c)
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          []string
	}{
		{"", "", 0, []string{"digit", "digits", "digits-x", "digits/1", "digits/10", "digits/2", "digits0", "zebra"}},
		{"digits/", "", 0, []string{"digits/1", "digits/10", "digits/2"}},
		{"digits/", "", 2, []string{"digits/1", "digits/10"}},
		{"digits/", "digits/1", 2, []string{"digits/10", "digits/2"}},
		{"digits/", "digits/2", 0, []string{}},
		{"digits/", "digits/15", 0, []string{"digits/2"}},
		{"digits/", "a", 0, []string{"digits/1", "digits/10", "digits/2"}},
		{"digits/", "z", 0, []string{}},
		{"", "digits0", 1, []string{"zebra"}},
		{"nothing", "", 0, []string{}},
		{"", "", 1, []string{"digit"}},
	} {
		same(t, fmt.Sprintf("%+v", c), keys(t, s, "K", c.prefix, c.after, c.limit), c.want)
	}
	docs, err := s.List(t.Context(), "K", "zebra", "", 0)
	if err != nil || len(docs) != 1 {
		t.Fatalf("%v, %v", docs, err)
	}
	same(t, "a listed document", docs[0], mustGet(t, s, "K", "zebra"))
	same(t, "an unknown kind", keys(t, s, "None", "", "", 0), []string{})
}

func oddKeys(t *testing.T, s store.Store) {
	odd := []string{" ", "a b", "a%b", "a%c", "a*", "a?b", "a[b]", "a_b", "axb", "a'b", `a"b`, `a\b`, "a;--", "A", "a", "é", "e\u0301",
		"日本", "日本語", "\U0010ffff", "\U0010ffffx", "\ud7ffx", "\ud7ff", "\ue000", "\u007f", "\u0080", "a\nb", "\x01", "model@1.0", strings.Repeat("長", store.MaxKey/3)}
	var c store.Commit
	for _, k := range odd {
		c.Put = append(c.Put, store.Put{Kind: "K'; DROP", Key: k, Data: []byte(k)})
	}
	mustCommit(t, s, c)
	for _, prefix := range append([]string{"", "a\ufffd"}, odd...) {
		want := []string{}
		for _, k := range odd {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		sortStrings(want)
		same(t, fmt.Sprintf("prefix %q", prefix), keys(t, s, "K'; DROP", prefix, "", 0), want)
		if prefix != "" {
			for i, after := range want {
				same(t, fmt.Sprintf("prefix %q after %q", prefix, after), keys(t, s, "K'; DROP", prefix, after, 0), append([]string{}, want[i+1:]...))
			}
		}
	}
	for _, k := range odd {
		if d := mustGet(t, s, "K'; DROP", k); string(d.Data) != k || d.Key != k {
			t.Errorf("key %q gives %q", k, d.Data)
		}
	}
}

func copies(t *testing.T, s store.Store) {
	data := []byte("good")
	mustCommit(t, s, store.Commit{Put: []store.Put{{Kind: "K", Key: "a", Data: data}}, Ledger: []fairlead.LedgerEntry{{Verb: "good"}}})
	copy(data, "evil")
	copy(mustGet(t, s, "K", "a").Data, "evil")
	docs, _ := s.List(t.Context(), "K", "", "", 0)
	copy(docs[0].Data, "evil")
	entries, _ := s.Entries(t.Context(), 0, 0)
	copy(entries[0], "evil")
	if d := mustGet(t, s, "K", "a"); string(d.Data) != "good" {
		t.Errorf("the document became %q", d.Data)
	}
	if entries, _ := s.Entries(t.Context(), 0, 0); strings.HasPrefix(string(entries[0]), "evil") {
		t.Error("the ledger was changed through a reader")
	}
}

func large(t *testing.T, s store.Store) {
	big := make([]byte, 5<<20)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(big)
	mustCommit(t, s, store.Commit{Put: []store.Put{{Kind: "K", Key: "big", Data: big}}})
	if d := mustGet(t, s, "K", "big"); string(d.Data) != string(big) {
		t.Error("5 MiB did not come back as they went in")
	}
	_, err := s.Commit(t.Context(), store.Commit{Put: []store.Put{{Kind: "K", Key: "too", Data: make([]byte, store.MaxData+1)}}})
	wantCode(t, err, fairlead.TooLarge)
}

func effects(t *testing.T, s store.Store) {
	want := func(e store.Effect) store.Commit { return store.Commit{Effects: []store.Effect{e}} }
	route := store.Effect{Kind: "route", Key: "digits"}
	pending := func() []store.Effect {
		t.Helper()
		p, err := s.Pending(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return append([]store.Effect{}, p...)
	}
	done := func(e store.Effect) {
		t.Helper()
		if err := s.Done(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "at first", pending(), []store.Effect{})
	i := mustCommit(t, s, want(route))
	first := store.Effect{Kind: "route", Key: "digits", Index: i}
	j := mustCommit(t, s, want(store.Effect{Kind: "mail", Key: "digits", Index: 99}))
	other := store.Effect{Kind: "mail", Key: "digits", Index: j}
	same(t, "two", pending(), []store.Effect{first, other})

	k := mustCommit(t, s, want(route)) // asked again while the first is being done
	again := store.Effect{Kind: "route", Key: "digits", Index: k}
	same(t, "replaced", pending(), []store.Effect{other, again})
	done(first)
	same(t, "the newer one stays", pending(), []store.Effect{other, again})
	done(again)
	done(again)
	same(t, "done", pending(), []store.Effect{other})
	done(store.Effect{Kind: "never", Key: "asked", Index: 1})
	done(other)
	same(t, "all done", pending(), []store.Effect{})

	l := mustCommit(t, s, store.Commit{Effects: []store.Effect{{Kind: "b", Key: "1"}, {Kind: "a", Key: "2"}, {Kind: "b", Key: "1"}}})
	same(t, "order within a commit, once each", pending(), []store.Effect{{Kind: "a", Key: "2", Index: l}, {Kind: "b", Key: "1", Index: l}})
}

func ended(t *testing.T, s store.Store) {
	mustCommit(t, s, put("K", "a", 0, "1"))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		code fairlead.Code
		is   error
	}{{cancelled, fairlead.Unavailable, context.Canceled}, {late, fairlead.Timeout, context.DeadlineExceeded}} {
		for name, call := range calls(s) {
			err := call(c.ctx)
			if fairlead.CodeOf(err) != c.code || !errors.Is(err, c.is) {
				t.Errorf("%s: got %v, want code %s", name, err, c.code)
			}
		}
	}
	if d := mustGet(t, s, "K", "a"); d.Rev != 1 {
		t.Errorf("a commit with an ended context took place: %+v", d)
	}
}

func calls(s store.Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Get":     func(ctx context.Context) error { _, err := s.Get(ctx, "K", "a"); return err },
		"List":    func(ctx context.Context) error { _, err := s.List(ctx, "K", "", "", 0); return err },
		"Commit":  func(ctx context.Context) error { _, err := s.Commit(ctx, put("K", "a", 1, "2")); return err },
		"Watch":   func(ctx context.Context) error { _, err := s.Watch(ctx, 0); return err },
		"Pending": func(ctx context.Context) error { _, err := s.Pending(ctx); return err },
		"Done":    func(ctx context.Context) error { return s.Done(ctx, store.Effect{Kind: "k", Key: "k"}) },
		"Entries": func(ctx context.Context) error { _, err := s.Entries(ctx, 0, 0); return err },
		"Head":    func(ctx context.Context) error { _, _, err := s.Head(ctx); return err },
	}
}

func closed(t *testing.T, s store.Store) {
	mustCommit(t, s, put("K", "a", 0, "1"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls(s) {
		if err := call(t.Context()); fairlead.CodeOf(err) != fairlead.Unavailable {
			t.Errorf("%s: got %v, want code unavailable", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
