package loop

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"fairlead.dev"
)

// Bounds of the queue: passes at once, and how long a failing key waits.
const (
	workers    = 8
	backoffMin = 100 * time.Millisecond
	backoffMax = 30 * time.Second
)

// queue holds keys until they are due. A key runs at most once at a time; one
// that is poked while it runs runs again after.
type queue struct {
	env  fairlead.Env
	kick chan struct{} // something became due earlier; capacity 1

	mu      sync.Mutex
	items   map[Work]*item // guarded by mu; idle keys are forgotten
	due     dueHeap        // guarded by mu; entries that no longer match their item are skipped
	running int            // guarded by mu
}

type item struct {
	due     time.Time // zero: not queued
	running bool
	again   bool // poked while running
	fails   int
}

func newQueue(env fairlead.Env) *queue {
	return &queue{env: env, kick: make(chan struct{}, 1), items: map[Work]*item{}}
}

// poke makes a key due now. A key that backs off after a failure is looked at
// anew, too: something changed.
func (q *queue) poke(w Work) {
	q.mu.Lock()
	q.schedule(w, q.env.Now())
	q.mu.Unlock()
	q.nudge()
}

// schedule makes w due at t unless it is due earlier; mu is held.
func (q *queue) schedule(w Work, t time.Time) {
	it := q.items[w]
	if it == nil {
		it = &item{}
		q.items[w] = it
	}
	switch {
	case it.running:
		it.again = true
	case it.due.IsZero() || t.Before(it.due):
		it.due = t
		heap.Push(&q.due, entry{t, w})
	}
}

func (q *queue) nudge() {
	select {
	case q.kick <- struct{}{}:
	default: // a nudge is waiting already
	}
}

// run runs due keys until ctx ends, then waits for those under way.
func (q *queue) run(ctx context.Context, pass func(context.Context, Work) (time.Time, error)) {
	var under sync.WaitGroup
	defer under.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := q.start(func(w Work) {
			under.Go(func() {
				wake, err := pass(ctx, w)
				q.finish(w, wake, err)
			})
		})
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-q.kick:
		}
	}
}

// start hands out what is due, as far as there are workers, and gives the time
// until the next key is due.
func (q *queue) start(begin func(Work)) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.env.Now()
	for len(q.due) > 0 && q.running < workers {
		e := q.due[0]
		it := q.items[e.work]
		if it == nil || it.running || !it.due.Equal(e.at) {
			heap.Pop(&q.due)
			continue
		}
		if e.at.After(now) {
			return e.at.Sub(now)
		}
		heap.Pop(&q.due)
		it.due, it.running = time.Time{}, true
		q.running++
		begin(e.work)
	}
	return time.Hour
}

// finish puts a key back: at its wake time, now if it was poked, later and
// later if it failed.
func (q *queue) finish(w Work, wake time.Time, err error) {
	q.mu.Lock()
	it := q.items[w]
	it.running = false
	q.running--
	now := q.env.Now()
	again := it.again
	it.again = false
	switch {
	case err != nil:
		// Poked or not, a failing key waits: whatever pokes it often must not
		// turn its failures into a busy loop.
		it.fails++
		q.schedule(w, now.Add(q.backoff(it.fails)))
	case again:
		it.fails = 0
		q.schedule(w, now)
	case !wake.IsZero():
		it.fails = 0
		q.schedule(w, wake)
	default:
		delete(q.items, w)
	}
	q.mu.Unlock()
	q.nudge()
}

// backoff doubles from backoffMin to backoffMax; half of it is chance, so that
// keys that failed together do not come back together.
func (q *queue) backoff(fails int) time.Duration {
	d := backoffMax
	if fails < 9 {
		d = min(backoffMax, backoffMin<<(fails-1))
	}
	return d/2 + time.Duration(q.env.Rand()%uint64(d/2+1))
}

type entry struct {
	at   time.Time
	work Work
}

// dueHeap is a heap by time.
type dueHeap []entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(entry)) }
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
