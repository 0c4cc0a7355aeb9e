package gateway

import (
	"encoding/binary"
	"math"

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

// appendFeedback says which metrics of a decision have counted.
func appendFeedback(b []byte, d *decision, metrics []string) []byte {
	b = appendString(b, d.id)
	b = binary.AppendVarint(b, d.expires)
	b = binary.AppendUvarint(b, uint64(len(metrics)))
	for _, m := range metrics {
		b = appendString(b, m)
	}
	return b
}

func readFeedback(b []byte) (id string, metrics []string, ok bool) {
	r := recordReader{b: b}
	id, _ = r.str(), r.int()
	n := r.uint()
	if n > maxMetrics+1 {
		return "", nil, false
	}
	for range n {
		metrics = append(metrics, r.str())
	}
	return id, metrics, !r.bad
}

// recordKey gives the id that a record is found by and when it is of no use any
// more; ok is false for kinds of a later version.
func recordKey(kind byte, body []byte) (id []byte, expires int64, ok bool) {
	r := recordReader{b: body}
	id = r.take(r.uint())
	switch kind {
	case kindDecision:
		r.int() // when it was
		expires = r.int()
	case kindFeedback:
		expires = r.int()
	default:
		return nil, 0, false
	}
	return id, expires, !r.bad
}
