package gateway

import (
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	model "fairlead.dev/runtime"
)

// decision is one answer that feedback can be joined to.
type decision struct {
	id          string
	at, expires int64 // µs
	ep          *endpoint
	stratum     *stratum // nil: no evidence (pinned, or after a trip)
	arm         *armStats
	labels      []value
	noLabel     string   // why labels cannot be compared, if so
	seen        []string // metrics that have counted; guarded by the index shard's lock
	one         [1]value // where labels lie when there is one, as nearly always
}

// value is one predicted label, kept exactly.
type value struct {
	kind byte // i int64, u uint64, f float64, g float32 (in f), b bool (in i), s string
	i    int64
	u    uint64
	f    float64
	s    string
}

// index finds decisions by request id. It is bounded: the oldest make room.
type index struct {
	seed   maphash.Seed
	limit  int // of each shard
	shards []indexShard
}

// A large index is spread over shards, so that cores do not wait for each other;
// a small one would only lose its order by it.
const (
	indexShards = 16
	smallIndex  = 1024
)

type indexShard struct {
	mu   sync.Mutex
	byID map[string]*decision // guarded by mu
	ring []*decision          // in order of arrival, from next on once full; guarded by mu
	next int
}

func newIndex(limit int) *index {
	n := indexShards
	if limit < smallIndex {
		n = 1
	}
	x := &index{seed: maphash.MakeSeed(), shards: make([]indexShard, n)}
	x.limit = max(1, limit/len(x.shards))
	for i := range x.shards {
		x.shards[i].byID = map[string]*decision{}
	}
	return x
}

func (x *index) shard(id string) *indexShard {
	// Which shard holds an id is seen by nobody, so the seed may differ at
	// each start without harm to replays.
	return &x.shards[maphash.String(x.seed, id)%uint64(len(x.shards))]
}

// put remembers a decision; a later one with the same id takes its place.
func (x *index) put(d *decision) {
	s := x.shard(d.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	x.putLocked(s, d)
}

// putBack remembers a decision again, unless its id has been given to another
// meanwhile; it gives the one that counts.
func (x *index) putBack(d *decision) *decision {
	s := x.shard(d.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if had := s.byID[d.id]; had != nil {
		return had
	}
	x.putLocked(s, d)
	return d
}

func (x *index) putLocked(s *indexShard, d *decision) {
	if len(s.ring) < x.limit {
		s.ring = append(s.ring, d)
	} else {
		if old := s.ring[s.next]; s.byID[old.id] == old {
			delete(s.byID, old.id)
		}
		s.ring[s.next] = d
		s.next = (s.next + 1) % len(s.ring)
	}
	s.byID[d.id] = d
}

// get finds a decision; it may have expired.
func (x *index) get(id string) *decision {
	s := x.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

// mark says whether a metric of the request counts now for the first time.
func (x *index) mark(d *decision, metric string) bool {
	s := x.shard(d.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range d.seen {
		if m == metric {
			return false
		}
	}
	d.seen = append(d.seen, metric)
	return true
}

// marked is mark without the marking.
func (x *index) marked(d *decision, metric string) bool {
	s := x.shard(d.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range d.seen {
		if m == metric {
			return true
		}
	}
	return false
}

// decide remembers an answer (or the failure the caller got instead).
func (g *Gateway) decide(rt *compiled, arm *armStats, st *stratum, id string, at time.Time, resp *model.Response) {
	now := at.UnixMicro()
	d := &decision{id: id, at: now, expires: now + rt.window, ep: rt.ep, stratum: st, arm: arm}
	switch name := rt.plan.Feedback.Prediction; {
	case name == "":
		d.noLabel = "the endpoint declares no prediction to compare a label with (spec.feedback.prediction)"
	case resp == nil:
		d.noLabel = "the request had no answer"
	default:
		if t := find(resp, name); t == nil {
			d.noLabel = "the answer had no output " + strconv.Quote(name)
		} else {
			d.labels, d.noLabel = predictions(d.one[:0], t)
		}
	}
	g.index.put(d)
	if g.journal != nil {
		g.journal.decision(d)
	}
}

// Limits of what is kept of an answer for later labels.
const (
	maxLabels     = 1024
	maxLabelBytes = 1024 // of one label
)

// predictions gives one value a row of a tensor of shape [n] or [n,1,…], or
// why it cannot. They are put in out, if there is room.
func predictions(out []value, t *model.Tensor) ([]value, string) {
	n := int64(1)
	for i, d := range t.Shape {
		if i > 0 && d != 1 {
			return nil, "output " + strconv.Quote(t.Name) + " has more than one value a row"
		}
		n *= d
	}
	if n > maxLabels {
		return nil, "the answer had more than " + strconv.Itoa(maxLabels) + " rows"
	}
	out = slices.Grow(out, int(max(n, 0)))
	switch x := t.Data.(type) {
	case []bool:
		for _, v := range x {
			o := value{kind: 'b'}
			if v {
				o.i = 1
			}
			out = append(out, o)
		}
	case []int8:
		out = ints(out, x)
	case []int16:
		out = ints(out, x)
	case []int32:
		out = ints(out, x)
	case []int64:
		out = ints(out, x)
	case []uint8:
		out = uints(out, x)
	case []uint16:
		if t.Datatype == "FP16" {
			for _, v := range x {
				out = append(out, value{kind: 'g', f: float64(halfToFloat(v))})
			}
			break
		}
		out = uints(out, x)
	case []uint32:
		out = uints(out, x)
	case []uint64:
		out = uints(out, x)
	case []float32:
		for _, v := range x {
			out = append(out, value{kind: 'g', f: float64(v)})
		}
	case []float64:
		for _, v := range x {
			out = append(out, value{kind: 'f', f: v})
		}
	case [][]byte:
		for _, v := range x {
			if len(v) > maxLabelBytes {
				return nil, "a prediction was longer than " + strconv.Itoa(maxLabelBytes) + " bytes"
			}
			out = append(out, value{kind: 's', s: string(v)})
		}
	default:
		return nil, "output " + strconv.Quote(t.Name) + " has an unknown datatype"
	}
	return out, ""
}

func ints[T int8 | int16 | int32 | int64](out []value, x []T) []value {
	for _, v := range x {
		out = append(out, value{kind: 'i', i: int64(v)})
	}
	return out
}

func uints[T uint8 | uint16 | uint32 | uint64](out []value, x []T) []value {
	for _, v := range x {
		out = append(out, value{kind: 'u', u: uint64(v)})
	}
	return out
}

// equals compares a prediction with a label as JSON gives it: a string, a bool,
// or a number's text. ok is false when the two are of different kinds, for then
// a difference says nothing about the model.
func (v value) equals(label any) (same, ok bool) {
	switch x := label.(type) {
	case string:
		return v.s == x, v.kind == 's'
	case bool:
		return (v.i == 1) == x, v.kind == 'b'
	case number:
		s := string(x)
		switch v.kind {
		case 'i':
			if n, err := strconv.ParseInt(s, 10, 64); err == nil {
				return n == v.i, true
			}
			f, err := strconv.ParseFloat(s, 64)
			return err == nil && math.Abs(f) < 1<<53 && f == float64(v.i), err == nil
		case 'u':
			if n, err := strconv.ParseUint(s, 10, 64); err == nil {
				return n == v.u, true
			}
			f, err := strconv.ParseFloat(s, 64)
			return err == nil && math.Abs(f) < 1<<53 && f == float64(v.u), err == nil
		case 'f':
			f, err := strconv.ParseFloat(s, 64)
			return f == v.f, err == nil
		case 'g': // the label as the model could have said it
			f, err := strconv.ParseFloat(s, 32)
			return float32(f) == float32(v.f), err == nil
		}
	}
	return false, false
}

// number is a JSON number's text.
type number string
