package gateway

import (
	"context"
	"math"
	"reflect"
	"sync"

	"fairlead.dev/core/route"
	model "fairlead.dev/runtime"
)

// mirrors is a bounded queue with workers that live only while there is work.
// A full queue drops the copy and counts it; callers never wait for one.
type mirrors struct {
	mu       sync.Mutex
	queue    []copyJob // guarded by mu, as all below
	bytes    int64
	running  int
	maxQueue int
	maxBytes int64
	workers  int
}

type copyJob struct {
	rt    *compiled
	arm   int
	size  int64
	req   *model.Request
	first *model.Response // the incumbent's answer
	shard uint32
}

func (m *mirrors) init(queue int, bytes int64, workers int) {
	m.maxQueue, m.maxBytes, m.workers = queue, bytes, workers
}

func (m *mirrors) idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running == 0 && len(m.queue) == 0
}

// mirror sends copies of an answered call to the arms that want them.
func (g *Gateway) mirror(ctx context.Context, rt *compiled, answered int, unit string, c *Call, first *model.Response) {
	for i := range rt.arms {
		a := &rt.arms[i]
		if answered != 0 || i == 0 || a.mirror == 0 { // copies are compared with the incumbent
			continue
		}
		if !route.Mirrored(rt.route.Salt, unit, a.mirror) {
			continue
		}
		if !a.handle.use() {
			continue // the route was replaced meanwhile
		}
		job := copyJob{rt: rt, arm: i, size: c.Size, req: c.Request, first: first, shard: uint32(route.Bucket(rt.route.Salt, unit))}
		if g.cfg.SyncMirror {
			g.runCopy(context.WithoutCancel(ctx), job)
			continue
		}
		if !g.mirrors.put(g, job) {
			a.handle.release(g)
			a.stats.dropped.Add(1)
			rt.stratum.touch()
		}
	}
}

func (m *mirrors) put(g *Gateway, job copyJob) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) >= m.maxQueue || m.bytes+job.size > m.maxBytes {
		return false
	}
	m.queue = append(m.queue, job)
	m.bytes += job.size
	if m.running < m.workers {
		m.running++
		go m.work(g)
	}
	return true
}

func (m *mirrors) work(g *Gateway) {
	for {
		m.mu.Lock()
		if len(m.queue) == 0 {
			m.running--
			m.queue = nil // let the backing array go
			m.mu.Unlock()
			return
		}
		job := m.queue[0]
		m.queue[0] = copyJob{}
		m.queue = m.queue[1:]
		m.mu.Unlock()
		// Its own deadline, not the caller's: the caller has long been answered.
		g.runCopy(context.Background(), job)
		m.mu.Lock()
		m.bytes -= job.size
		m.mu.Unlock()
	}
}

// runCopy sends one copy and compares the answers. What the incumbent could
// answer, the candidate must: even "invalid" is the candidate's error here.
func (g *Gateway) runCopy(ctx context.Context, job copyJob) {
	a := &job.rt.arms[job.arm]
	defer a.handle.release(g)
	start := g.env.Now()
	resp, err := g.send(model.WithMirror(ctx), a, job.req, job.rt.timeout)
	elapsed := g.env.Now().Sub(start)
	failed := err != nil || elapsed > job.rt.timeout
	if a.mirrorCounts {
		a.stats.record(job.shard, elapsed.Seconds(), failed)
	}
	if !failed {
		if differ, ok := compare(job, resp); ok {
			a.stats.compared.Add(1)
			if differ {
				a.stats.differed.Add(1)
			}
		}
	}
	job.rt.stratum.touch()
	if failed && a.mirrorCounts {
		g.checkTrips(job.rt, a.name)
	}
}

// compare reports whether the copy's prediction differs from the incumbent's.
func compare(job copyJob, resp *model.Response) (differ, ok bool) {
	if p := job.rt.plan.Feedback.Prediction; p != "" {
		x, y := find(job.first, p), find(resp, p)
		if x == nil {
			return false, false // the caller did not ask for it
		}
		return y == nil || !sameTensor(x, y), true
	}
	for i := range job.first.Outputs {
		x := &job.first.Outputs[i]
		if y := find(resp, x.Name); y == nil || !sameTensor(x, y) {
			return true, true
		}
	}
	return false, true
}

func find(r *model.Response, name string) *model.Tensor {
	for i := range r.Outputs {
		if r.Outputs[i].Name == name {
			return &r.Outputs[i]
		}
	}
	return nil
}

// tolerance of compared floating-point outputs: two builds of one model differ
// by rounding, not by more.
const tolerance = 1e-6

func sameTensor(x, y *model.Tensor) bool {
	if x.Datatype != y.Datatype || len(x.Shape) != len(y.Shape) {
		return false
	}
	for i := range x.Shape {
		if x.Shape[i] != y.Shape[i] {
			return false
		}
	}
	switch a := x.Data.(type) {
	case []float32:
		return closeAll(a, y.Data.([]float32))
	case []float64:
		return closeAll(a, y.Data.([]float64))
	default:
		return reflect.DeepEqual(x.Data, y.Data)
	}
}

func closeAll[T float32 | float64](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		if x == y || math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		if !(math.Abs(x-y) <= tolerance*max(1, math.Abs(x), math.Abs(y))) {
			return false
		}
	}
	return true
}
