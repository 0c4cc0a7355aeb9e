package sqlite

import (
	"context"

	"fairlead.dev/store"
)

// Watch is store.Docs.Watch. It holds no queue: each time the reader has taken
// a batch, the next is read from the table, where a document has one row. A
// read that fails ends the watch: the channel closes, and who is still
// interested watches again from the last index heard.
func (s *Store) Watch(ctx context.Context, after int64) (<-chan store.Change, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	out := make(chan store.Change)
	go func() {
		defer close(out)
		for {
			s.mu.Lock()
			wake := s.wake // taken before reading, so no commit falls between
			s.mu.Unlock()
			batch, err := s.changes(ctx, after)
			if err != nil {
				return
			}
			for _, c := range batch {
				select {
				case out <- c:
					after = c.Index
				case <-s.ended:
					return
				case <-ctx.Done():
					return
				}
			}
			if len(batch) > 0 {
				continue
			}
			select {
			case <-wake:
			case <-s.ended:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
