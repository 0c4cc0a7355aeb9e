package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// outcome of one seeded run: whether it was stopped, and after how many of the
// candidate's requests.
type outcome struct {
	requests int64
	stopped  bool
}

// outcomes of many.
type outcomes []outcome

// stopped is the share of runs that were stopped, and its standard error.
func (o outcomes) stopped() (share, se float64) {
	n := 0
	for _, r := range o {
		if r.stopped {
			n++
		}
	}
	share = float64(n) / float64(len(o))
	return share, math.Sqrt(share * (1 - share) / float64(len(o)))
}

// quantile of the requests until the stop; a run that was never stopped counts
// as endless (-1 is answered where the quantile falls among those).
func (o outcomes) quantile(q float64) int64 {
	r := make([]int64, len(o))
	for i, x := range o {
		r[i] = math.MaxInt64
		if x.stopped {
			r[i] = x.requests
		}
	}
	slices.Sort(r)
	v := r[min(max(int(math.Ceil(q*float64(len(r))))-1, 0), len(r)-1)]
	if v == math.MaxInt64 {
		return -1
	}
	return v
}

// spread runs f for the seeds 1 … n on all processors. The answers' order is
// the seeds', so the table is the same every time.
func spread(n int, label string, progress io.Writer, f func(seed uint64) outcome) outcomes {
	out := make(outcomes, n)
	var next, done atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex // guards progress
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				out[i-1] = f(uint64(i))
				if d := done.Add(1); d%int64(max(n/20, 1)) == 0 || d == int64(n) {
					mu.Lock()
					_, _ = fmt.Fprintf(progress, "\r%-72.72s %3d %%", label, d*100/int64(n))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	_, _ = fmt.Fprintln(progress)
	return out
}

// row of the table. A row without a want is there for comparison.
type row struct {
	what, method, found, want string
	missed                    bool
}

type table struct{ rows []row }

func (t *table) add(r row) { t.rows = append(t.rows, r) }

func (t *table) missed() (n int) {
	for _, r := range t.rows {
		if r.missed {
			n++
		}
	}
	return n
}

func (t *table) markdown(seeds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Gates, measured\n\nMade by `make bench-gates`: seeded worlds through the real gate code, %d runs a row unless it says otherwise, alpha 0.05, one look every %v.\n"+
		"\"Turned back\" is the share of runs that ended in a failed gate, with its standard error; delays are the candidate's requests until then, median / 90th percentile.\n"+
		"Rows with a claim must hold; the others are for comparison.\n\n", seeds, lookEvery)
	b.WriteString("| world | judged by | found | claim | |\n|---|---|---|---|---|\n")
	for _, r := range t.rows {
		mark := ""
		if r.want != "" {
			mark = "holds"
			if r.missed {
				mark = "**missed**"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.method, r.found, r.want, mark)
	}
	return b.String()
}
