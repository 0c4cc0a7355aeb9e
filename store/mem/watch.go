package mem

import (
	"context"
	"sort"

	"fairlead.dev/store"
)

// history knows the latest change of every document, in order. Superseded
// ones are dropped when they are more than half of it, so it is as large as
// the number of documents that ever were, and adding is O(1) on average.
type history struct {
	changes []store.Change
	last    map[id]int // where in changes the latest of a document is
}

func (h *history) add(at id, index int64) {
	h.last[at] = len(h.changes)
	h.changes = append(h.changes, store.Change{Kind: at.kind, Key: at.key, Index: index})
	if len(h.changes) < 2*len(h.last)+64 {
		return
	}
	kept := h.changes[:0]
	for i, c := range h.changes {
		if at := (id{c.Kind, c.Key}); h.last[at] == i {
			h.last[at] = len(kept)
			kept = append(kept, c)
		}
	}
	h.changes = kept
}

// after gives the latest changes with an index greater than after, in order.
func (h *history) after(after int64) []store.Change {
	from := sort.Search(len(h.changes), func(i int) bool { return h.changes[i].Index > after })
	var out []store.Change
	for i := from; i < len(h.changes); i++ {
		if c := h.changes[i]; h.last[id{c.Kind, c.Key}] == i {
			out = append(out, c)
		}
	}
	return out
}

// Watch is store.Docs.Watch. It holds no queue: each time the reader has taken
// a batch, the next is read from history, where changes are folded already.
func (s *Store) Watch(ctx context.Context, after int64) (<-chan store.Change, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	s.mu.Unlock()
	out := make(chan store.Change)
	go func() {
		defer close(out)
		for {
			s.mu.Lock()
			batch, wake, closed := s.log.after(after), s.wake, s.closed
			s.mu.Unlock()
			for _, c := range batch {
				select {
				case out <- c:
					after = c.Index
				case <-ctx.Done():
					return
				}
			}
			if closed {
				return
			}
			if len(batch) > 0 {
				continue
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
