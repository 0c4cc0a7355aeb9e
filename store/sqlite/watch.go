package sqlite

import (
	"context"
	"time"

	"fairlead.dev/store"
)

// retry is how long a watch waits after a read that failed (a full disk, a
// lock held by a backup).
const retry = 100 * time.Millisecond

// Watch is store.Docs.Watch. It holds no queue: each time the reader has taken
// a batch, the next is read from the table, where a document has one row. A
// read that fails is tried again: nothing was told, so nothing is lost.
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
			var again <-chan time.Time
			if err != nil {
				again = time.After(retry)
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
			case <-again:
			case <-s.ended:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
