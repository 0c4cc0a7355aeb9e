// Package mem keeps the store in memory: for tests, the simulation and servers
// that may forget. It answers exactly as the durable stores do; begin with
// Store.Commit.
package mem

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"strings"
	"sync"

	"fairlead.dev"
	"fairlead.dev/core/audit"
	"fairlead.dev/store"
)

// Store is a store.Store and store.Tree. Make it with New.
type Store struct {
	mu      sync.Mutex // guards all below
	closed  bool
	index   int64
	docs    map[id]store.Doc
	keys    map[string][]string // by kind: the keys of docs, sorted
	revs    map[id]int64        // the last revision of deleted documents
	log     history
	effects map[id]effect
	entries [][]byte
	hashes  []audit.Hash
	wake    chan struct{} // closed and replaced by every commit, closed for good by Close
}

type id struct{ kind, key string }

// effect remembers its place in its commit, so Pending can keep the order.
type effect struct {
	store.Effect
	pos int
}

// New gives an empty store.
func New() *Store {
	return &Store{
		docs:    map[id]store.Doc{},
		keys:    map[string][]string{},
		revs:    map[id]int64{},
		log:     history{last: map[id]int{}},
		effects: map[id]effect{},
		wake:    make(chan struct{}),
	}
}

// lock takes the mutex unless the store is closed or ctx has ended.
func (s *Store) lock(ctx context.Context) error {
	if err := store.Ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.Closed()
	}
	return nil
}

// Get is store.Docs.Get.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	if err := s.lock(ctx); err != nil {
		return store.Doc{}, err
	}
	defer s.mu.Unlock()
	d, ok := s.docs[id{kind, key}]
	if !ok {
		return store.Doc{}, store.Missing(kind, key)
	}
	return clone(d), nil
}

// List is store.Docs.List.
func (s *Store) List(ctx context.Context, kind, prefix, after string, limit int) ([]store.Doc, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	keys := s.keys[kind]
	i, _ := slices.BinarySearch(keys, prefix)
	if j, found := slices.BinarySearch(keys, after); found && j >= i {
		i = j + 1
	} else if j > i {
		i = j
	}
	var docs []store.Doc
	for ; i < len(keys) && strings.HasPrefix(keys[i], prefix); i++ {
		if limit > 0 && len(docs) == limit {
			break
		}
		docs = append(docs, clone(s.docs[id{kind, keys[i]}]))
	}
	return docs, nil
}

// clone keeps callers' hands off the store's bytes.
func clone(d store.Doc) store.Doc {
	d.Data = bytes.Clone(d.Data)
	return d
}

// Commit is store.Docs.Commit: it judges everything first and then changes
// everything, under one lock.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for _, r := range c.Require {
		if have := s.docs[id{r.Kind, r.Key}].Rev; have != r.Rev {
			return 0, store.Refused(r.Kind, r.Key, r.Rev, have)
		}
	}
	for _, p := range c.Put {
		if have := s.docs[id{p.Kind, p.Key}].Rev; p.IfRev != store.AnyRev && have != p.IfRev {
			return 0, store.Refused(p.Kind, p.Key, p.IfRev, have)
		}
	}
	entries, hashes, err := s.record(c.Ledger)
	if err != nil {
		return 0, err
	}

	// Nothing below fails.
	s.index++
	for _, p := range c.Put {
		s.put(p)
	}
	s.entries = append(s.entries, entries...)
	s.hashes = append(s.hashes, hashes...)
	for i, e := range c.Effects {
		e.Index = s.index
		s.effects[id{e.Kind, e.Key}] = effect{e, i}
	}
	close(s.wake)
	s.wake = make(chan struct{})
	return s.index, nil
}

// record gives the bytes and hashes that the entries add to the ledger.
func (s *Store) record(ledger []fairlead.LedgerEntry) (entries [][]byte, hashes []audit.Hash, err error) {
	// Old and new hashes lie in two slices; reads go to the one that has them.
	read := func(indexes []int64) ([]audit.Hash, error) {
		out := make([]audit.Hash, len(indexes))
		for i, x := range indexes {
			if old := int64(len(s.hashes)); x < old {
				out[i] = s.hashes[x]
			} else {
				out[i] = hashes[x-old]
			}
		}
		return out, nil
	}
	for _, e := range ledger {
		seq := int64(len(s.entries) + len(entries))
		data, err := audit.Encode(e, seq)
		if err != nil {
			return nil, nil, err
		}
		add, err := audit.Append(seq, data, read)
		if err != nil {
			return nil, nil, err
		}
		entries, hashes = append(entries, data), append(hashes, add...)
	}
	return entries, hashes, nil
}

func (s *Store) put(p store.Put) {
	at := id{p.Kind, p.Key}
	old, exists := s.docs[at]
	keys := s.keys[p.Kind]
	i, _ := slices.BinarySearch(keys, p.Key)
	switch {
	case p.Delete && !exists:
		return
	case p.Delete:
		delete(s.docs, at)
		s.revs[at] = old.Rev
		s.keys[p.Kind] = slices.Delete(keys, i, i+1)
	default:
		if !exists {
			old.Rev = s.revs[at]
			delete(s.revs, at)
			s.keys[p.Kind] = slices.Insert(keys, i, p.Key)
		}
		s.docs[at] = store.Doc{Kind: p.Kind, Key: p.Key, Rev: old.Rev + 1, Index: s.index, Data: bytes.Clone(p.Data)}
	}
	s.log.add(at, s.index)
}

// Pending is store.Docs.Pending.
func (s *Store) Pending(ctx context.Context) ([]store.Effect, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	all := make([]effect, 0, len(s.effects))
	for _, e := range s.effects {
		all = append(all, e)
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Index != all[j].Index {
			return all[i].Index < all[j].Index
		}
		return all[i].pos < all[j].pos
	})
	out := make([]store.Effect, len(all))
	for i, e := range all {
		out[i] = e.Effect
	}
	return out, nil
}

// Done is store.Docs.Done.
func (s *Store) Done(ctx context.Context, e store.Effect) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	at := id{e.Kind, e.Key}
	if s.effects[at].Index <= e.Index {
		delete(s.effects, at)
	}
	return nil
}

// Entries is store.Ledger.Entries.
func (s *Store) Entries(ctx context.Context, seq int64, limit int) ([][]byte, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out [][]byte
	for i := max(seq, 0); i < int64(len(s.entries)); i++ {
		if limit > 0 && len(out) == limit {
			break
		}
		out = append(out, bytes.Clone(s.entries[i]))
	}
	return out, nil
}

// Head is store.Ledger.Head.
func (s *Store) Head(ctx context.Context) (int64, [32]byte, error) {
	if err := s.lock(ctx); err != nil {
		return 0, [32]byte{}, err
	}
	defer s.mu.Unlock()
	size := int64(len(s.entries))
	root, err := audit.Root(size, s.read)
	return size, root, err
}

// Hashes is store.Tree.Hashes.
func (s *Store) Hashes(ctx context.Context, indexes []int64) ([][32]byte, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	hashes, err := s.read(indexes)
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = h
	}
	return out, err
}

func (s *Store) read(indexes []int64) ([]audit.Hash, error) {
	out := make([]audit.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(s.hashes)) {
			return nil, fairlead.Errorf(fairlead.Corrupt, "the ledger has no stored hash %d", x)
		}
		out[i] = s.hashes[x]
	}
	return out, nil
}

// Close ends the store: watches close their channels, every later call fails
// with code Unavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.wake)
	}
	return nil
}
