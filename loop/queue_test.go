package loop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead.dev"
	"pgregory.net/rapid"
)

// A key runs at most once at a time, a poke during a run is not lost, and there
// are never more passes than workers.
func TestQueueRunsAKeyOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(fairlead.System())
		ctx, cancel := context.WithCancel(t.Context())
		var under sync.Map
		var atOnce, most, runs atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			q.run(ctx, func(_ context.Context, w Work) (time.Time, error) {
				if _, taken := under.LoadOrStore(w, true); taken {
					t.Errorf("%v runs twice at once", w)
				}
				most.Store(max(most.Load(), atOnce.Add(1)))
				time.Sleep(time.Second)
				atOnce.Add(-1)
				runs.Add(1)
				under.Delete(w)
				return time.Time{}, nil
			})
		}()
		for i := range 20 {
			q.poke(Work{"x", fmt.Sprint(i)})
		}
		time.Sleep(500 * time.Millisecond)
		for i := range 20 {
			q.poke(Work{"x", fmt.Sprint(i)}) // the first eight run just now
		}
		time.Sleep(time.Minute)
		if runs.Load() != 28 || most.Load() > workers {
			t.Errorf("%d runs, %d at once", runs.Load(), most.Load())
		}
		q.mu.Lock()
		if len(q.items) != 0 {
			t.Errorf("%d idle keys are kept", len(q.items))
		}
		q.mu.Unlock()
		cancel()
		<-done
	})
}

func TestQueueWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(fairlead.System())
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var at []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			q.run(ctx, func(context.Context, Work) (time.Time, error) {
				at = append(at, time.Since(start))
				if len(at) < 3 {
					return time.Now().Add(90 * time.Minute), nil
				}
				return time.Time{}, nil
			})
		}()
		q.poke(Work{"x", ""})
		time.Sleep(24 * time.Hour)
		cancel()
		<-done
		if len(at) != 3 || at[1] != 90*time.Minute || at[2] != 180*time.Minute {
			t.Errorf("woke at %v", at)
		}
	})
}

// The marks' times depend on the hold alone, grow, and outlast any wait.
func TestMarkTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hold := time.Duration(rapid.Int64Range(0, int64(fairlead.MaxDuration)).Draw(t, "hold"))
		last, n := time.Duration(0), 0
		for {
			next, ok := nextMark(hold, last)
			if !ok {
				break
			}
			if next < last+time.Second {
				t.Fatalf("hold %v: mark %d at %v after %v", hold, n, next, last)
			}
			last, n = next, n+1
		}
		if n > fairlead.MaxMarks || last < hold || last < 24*time.Hour {
			t.Fatalf("hold %v: %d marks, the last at %v", hold, n, last)
		}
	})
}
