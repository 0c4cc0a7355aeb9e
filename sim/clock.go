package sim

import (
	"container/heap"
	"context"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// epoch is when every simulation begins. Any instant would do; a fixed one
// makes logs comparable.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is virtual: it stands still unless the world moves it. A model's
// latency passes for its own request alone: Sleep shifts what Now says until
// the request is over.
type clock struct {
	now   time.Time
	shift time.Duration
}

func (c *clock) Now() time.Time { return c.now.Add(c.shift) }

// Sleep is what the fake runtime calls; a deadline nearer than d ends it there.
func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.shift += d
	return ctx.Err()
}

// event is something that will happen.
type event struct {
	at  time.Time
	seq int // breaks ties in order of planning
	do  func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return a[i].seq < a[j].seq
	}
	return a[i].at.Before(a[j].at)
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	*a = old[:len(old)-1]
	return e
}

func (a *agenda) add(e event) { heap.Push(a, e) }
func (a *agenda) next() event { return heap.Pop(a).(event) }

// stream is a source of chance of its own per name, so that one more draw in
// one place changes nothing elsewhere.
func stream(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
