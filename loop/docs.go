package loop

import (
	"context"
	"encoding/json"
	"sync"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/store"
)

// memory keeps what documents decoded to. Passes look at the same few
// documents every second; reading their JSON anew would be most of the control
// plane's work. A commit's index names a document's content for good, so an
// entry is right or replaced, never stale. What it hands out is shared: it must
// not be changed in place.
type memory struct {
	mu   sync.Mutex
	docs map[docID]decoded // guarded by mu
}

type docID struct{ kind, key string }

type decoded struct {
	index int64
	value any
}

// maxMemory bounds the entries; a full memory starts over.
const maxMemory = 1 << 14

func (m *memory) get(d store.Doc) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.docs[docID{d.Kind, d.Key}]; e.index == d.Index {
		return e.value
	}
	return nil
}

func (m *memory) put(d store.Doc, v any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.docs == nil || len(m.docs) >= maxMemory {
		m.docs = map[docID]decoded{}
	}
	m.docs[docID{d.Kind, d.Key}] = decoded{d.Index, v}
}

// decode reads a stored noun; the error has code Corrupt.
func decode[T any](m *memory, d store.Doc) (T, error) {
	if v, ok := m.get(d).(T); ok {
		return v, nil
	}
	var v T
	if err := json.Unmarshal(d.Data, &v); err != nil {
		return v, fairlead.Errorf(fairlead.Corrupt, "the stored %s %q cannot be read: %w", d.Kind, d.Key, err)
	}
	m.put(d, v)
	return v, nil
}

// get reads a noun and the document it came from.
func get[T any](ctx context.Context, r *Runner, kind, key string) (T, store.Doc, error) {
	d, err := r.cfg.Store.Get(ctx, kind, key)
	if err != nil {
		var none T
		return none, d, err
	}
	v, err := decode[T](&r.memory, d)
	return v, d, err
}

// encode writes a noun. All nouns can be written: an error is ours.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Internal, "cannot encode %T: %w", v, err)
	}
	return b, nil
}

// windows gives the evidence of a release's present attempt: its strata in
// order, each merged over gateways, marks included. This is what the release's
// gates are judged on.
func (r *Runner) windows(ctx context.Context, rel fairlead.Release) ([]fairlead.Window, error) {
	found, err := r.cfg.Store.List(ctx, fairlead.KindWindow, evidence.Prefix(rel.Spec.Endpoint, rel.Meta.Name, rel.Status.Attempt), "", 0)
	if err != nil {
		return nil, err
	}
	parts := make(map[string]fairlead.Window, len(found))
	for _, d := range found {
		if parts[d.Key], err = decode[fairlead.Window](&r.memory, d); err != nil {
			return nil, err
		}
	}
	return evidence.MergeWindows(parts)
}
