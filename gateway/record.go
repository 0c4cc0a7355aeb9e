package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/stats"
)

// stratum is the evidence of one endpoint under one exposure.
type stratum struct {
	key            fairlead.Stratum
	start          time.Time
	weight, mirror fairlead.Weight
	arms           map[[2]string]*armStats // by arm and version; guarded by endpoint.mu
	dirty          atomic.Bool             // changed since the last report
	last           atomic.Int64            // µs of the last report to which it had changed
}

// armStats counts one version's answers in one stratum. Requests, errors and
// latencies are spread over shards by the caller's bucket, so cores do not
// fight over a cache line; the sums are exact.
type armStats struct {
	name, version               string
	shards                      []shard
	dropped, compared, differed atomic.Int64

	mu      sync.Mutex
	moments map[string]fairlead.Moments // guarded by mu
}

// shard is padded to keep neighbours off its cache lines. The histogram's
// octaves are made when first hit: real latencies lie in a few of them.
type shard struct {
	requests, errors atomic.Int64
	hist             []atomic.Pointer[octave]
	_                [128 - 40]byte
}

type octave [octaveSize]atomic.Int64

const octaveSize = 128

func newArmStats(name, version string, mask uint32) *armStats {
	s := &armStats{name: name, version: version, shards: make([]shard, mask+1)}
	n := (stats.BucketCount() + octaveSize - 1) / octaveSize
	for i := range s.shards {
		s.shards[i].hist = make([]atomic.Pointer[octave], n)
	}
	return s
}

// record counts one answer or failure. Requests before errors: a reader that
// reads errors first never sees more errors than requests.
func (s *armStats) record(bucket uint32, seconds float64, failed bool) {
	sh := &s.shards[bucket&uint32(len(s.shards)-1)]
	sh.requests.Add(1)
	if failed {
		sh.errors.Add(1)
	}
	i := stats.Bucket(seconds)
	o := &sh.hist[i/octaveSize]
	oct := o.Load()
	if oct == nil {
		oct = new(octave)
		if !o.CompareAndSwap(nil, oct) {
			oct = o.Load()
		}
	}
	oct[i%octaveSize].Add(1)
}

// errors in all.
func (s *armStats) errors() int64 {
	var n int64
	for i := range s.shards {
		n += s.shards[i].errors.Load()
	}
	return n
}

// observe counts one value of a feedback metric.
func (s *armStats) observe(metric string, n int64, sum, sum2 float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moments == nil {
		s.moments = map[string]fairlead.Moments{}
	}
	m := s.moments[metric]
	s.moments[metric] = fairlead.Moments{N: m.N + n, Sum: m.Sum + sum, Sum2: m.Sum2 + sum2}
}

// counts is the present state.
func (s *armStats) counts() fairlead.Counts {
	c := fairlead.Counts{Latency: fairlead.Histogram{}, Dropped: s.dropped.Load(), Differed: s.differed.Load()}
	c.Compared = max(s.compared.Load(), c.Differed)
	for i := range s.shards {
		sh := &s.shards[i]
		c.Errors += sh.errors.Load()
		c.Requests += sh.requests.Load()
		for k := range sh.hist {
			oct := sh.hist[k].Load()
			if oct == nil {
				continue
			}
			for j := range oct {
				if n := oct[j].Load(); n > 0 {
					c.Latency[int32(k*octaveSize+j)] += n
				}
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.moments) > 0 {
		c.Metrics = make(map[string]fairlead.Moments, len(s.moments))
		for k, v := range s.moments {
			c.Metrics[k] = v
		}
	}
	return c
}

// touch marks the stratum for the next report. Load first: storing on each
// request would bounce the cache line between cores.
func (st *stratum) touch() {
	if st != nil && !st.dirty.Load() {
		st.dirty.Store(true)
	}
}

// stratumLocked finds the evidence that belongs to an exposure; nil when the
// plan changed the exposure within a stratum, for then the two periods do not
// compare and the later one is left out. ep.mu is held.
func (g *Gateway) stratumLocked(ep *endpoint, key fairlead.Stratum, weight, mirror fairlead.Weight, now time.Time) *stratum {
	st := ep.strata[key]
	switch {
	case st == nil || st.weight == 0 && st.mirror == 0 && weight+mirror > 0:
		// The second case: the step's exposure came after its name. What the
		// incumbent did alone before is no comparison; begin anew.
		if st != nil {
			ep.foldLocked(st)
		}
		st = &stratum{key: key, start: now, weight: weight, mirror: mirror, arms: map[[2]string]*armStats{}}
		st.dirty.Store(true)
		st.last.Store(now.UnixMicro())
		ep.strata[key] = st
	case st.weight != weight || st.mirror != mirror:
		return nil
	}
	return st
}

// armLocked finds an arm's counters. endpoint.mu is held.
func (st *stratum) armLocked(name, version string, mask uint32) *armStats {
	return armIn(st.arms, name, version, mask)
}

func (ep *endpoint) asideLocked(name, version string, mask uint32) *armStats {
	return armIn(ep.asides, name, version, mask)
}

func armIn(m map[[2]string]*armStats, name, version string, mask uint32) *armStats {
	k := [2]string{name, version}
	s := m[k]
	if s == nil {
		s = newArmStats(name, version, mask)
		m[k] = s
	}
	return s
}
