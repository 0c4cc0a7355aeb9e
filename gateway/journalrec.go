package gateway

import (
	"encoding/binary"
	"math"
	"time"

	"fairlead.dev"
)

// What stands in the journal's records. Fields are only ever added at the end.

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendDecision(b []byte, d *decision) []byte {
	b = appendString(b, d.id)
	b = binary.AppendVarint(b, d.at)
	b = binary.AppendVarint(b, d.expires)
	b = appendString(b, d.ep.name)
	b = appendString(b, d.arm.name)
	b = appendString(b, d.arm.version)
	if d.stratum == nil {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = appendString(b, d.stratum.key.Release)
		b = binary.AppendVarint(b, int64(d.stratum.key.Attempt))
		b = binary.AppendVarint(b, int64(d.stratum.key.Step))
		b = binary.AppendVarint(b, int64(d.stratum.weight))
		b = binary.AppendVarint(b, int64(d.stratum.mirror))
	}
	b = appendString(b, d.noLabel)
	b = binary.AppendUvarint(b, uint64(len(d.labels)))
	for _, v := range d.labels {
		b = append(b, v.kind)
		switch v.kind {
		case 'i', 'b':
			b = binary.AppendVarint(b, v.i)
		case 'u':
			b = binary.AppendUvarint(b, v.u)
		case 'f', 'g':
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.f))
		case 's':
			b = appendString(b, v.s)
		}
	}
	return b
}

// recordReader reads a record; bad stays set once a field does not fit.
type recordReader struct {
	b   []byte
	bad bool
}

func (r *recordReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *recordReader) str() string { return string(r.take(r.uint())) }

func (r *recordReader) byte() byte {
	if v := r.take(1); len(v) == 1 {
		return v[0]
	}
	return 0
}

// kept is a decision as the journal tells it.
type kept struct {
	decision
	endpoint, arm, version string
	evidence               bool
	stratum                fairlead.Stratum
	weight, mirror         fairlead.Weight
}

func readDecision(b []byte) (k kept, ok bool) {
	r := recordReader{b: b}
	k.id, k.at, k.expires = r.str(), r.int(), r.int()
	k.endpoint, k.arm, k.version = r.str(), r.str(), r.str()
	if k.evidence = r.byte() == 1; k.evidence {
		k.stratum = fairlead.Stratum{Release: r.str(), Attempt: int(r.int()), Step: int(r.int())}
		k.weight, k.mirror = fairlead.Weight(r.int()), fairlead.Weight(r.int())
	}
	k.noLabel = r.str()
	n := r.uint()
	if n > maxLabels {
		return k, false
	}
	for range n {
		v := value{kind: r.byte()}
		switch v.kind {
		case 'i', 'b':
			v.i = r.int()
		case 'u':
			v.u = r.uint()
		case 'f', 'g':
			if raw := r.take(8); raw != nil {
				v.f = math.Float64frombits(binary.LittleEndian.Uint64(raw))
			}
		case 's':
			v.s = r.str()
		default:
			return k, false
		}
		k.labels = append(k.labels, v)
	}
	return k, !r.bad
}

// recall puts a record of the journal back into the index; false when it is of
// no use any more.
func (g *Gateway) recall(kind byte, body []byte) bool {
	switch kind {
	case kindDecision:
		k, ok := readDecision(body)
		if !ok || k.expires < g.now() || len(fairlead.CheckName("", k.endpoint)) > 0 {
			return false
		}
		d := k.decision
		d.ep = g.endpoint(k.endpoint)
		d.ep.mu.Lock()
		if k.evidence {
			d.stratum = d.ep.strata[k.stratum]
			if d.stratum == nil {
				d.stratum = &stratum{key: k.stratum, start: time.UnixMicro(k.at).UTC(), weight: k.weight, mirror: k.mirror, arms: map[[2]string]*armStats{}}
				d.stratum.last.Store(g.now())
				d.ep.strata[k.stratum] = d.stratum
			}
			d.arm = d.stratum.armLocked(k.arm, k.version, g.mask)
		} else {
			d.arm = d.ep.asideLocked(k.arm, k.version, g.mask)
		}
		d.ep.mu.Unlock()
		g.index.put(&d)
		return true
	case kindFeedback:
		r := recordReader{b: body}
		d := g.index.get(r.str(), g.now())
		n := r.uint()
		if d == nil || n > maxMetrics+1 {
			return false
		}
		for range n {
			if m := r.str(); !r.bad {
				g.index.mark(d, m)
			}
		}
		return true
	}
	return true // of a later version: leave it alone
}
