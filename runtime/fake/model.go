package fake

import (
	"context"
	"sync/atomic"
	"time"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

type model struct {
	r      *Runtime
	own    *Script
	digest string
	sig    runtime.Signature
	calls  atomic.Int64
	closed atomic.Bool
}

func (m *model) Signature() runtime.Signature { return m.sig }

func (m *model) Close() error {
	m.closed.Store(true)
	return nil
}

func (m *model) Infer(ctx context.Context, req *runtime.Request) (*runtime.Response, error) {
	if err := runtime.Admit(ctx, m.closed.Load(), &m.sig, req); err != nil {
		return nil, err
	}
	s := m.r.script(m.digest, m.own)
	n := m.calls.Add(1)
	if s.Hang {
		<-ctx.Done()
		return nil, fairlead.Errorf(fairlead.Timeout, "the fake hung: %w", ctx.Err())
	}
	if d := m.delay(s); d > 0 {
		if err := m.r.c.Sleep(ctx, d); err != nil {
			return nil, fairlead.Errorf(fairlead.Timeout, "the call was ended while the fake slept: %w", err)
		}
	}
	if (s.FailAfter > 0 && n > s.FailAfter) || m.chance(s.ErrorRate) {
		code := s.ErrorCode
		if code == "" {
			code = fairlead.Internal
		}
		return nil, fairlead.Errorf(code, "the fake failed on cue")
	}
	return m.answer(s, req)
}

// chance draws only where a rate is set, so that scripts without one do not
// move the sequence.
func (m *model) chance(rate float64) bool {
	return rate > 0 && float64(m.r.c.Rand()>>11)/(1<<53) < rate
}

func (m *model) delay(s *Script) time.Duration {
	d := s.Latency.Std()
	if s.Jitter > 0 {
		d += time.Duration(m.r.c.Rand() % uint64(s.Jitter))
	}
	if m.chance(s.SlowRate) {
		d += s.Slow.Std()
	}
	return d
}

// maxAnswer bounds the elements of one answer.
const maxAnswer = 1 << 22

func (m *model) answer(s *Script, req *runtime.Request) (*runtime.Response, error) {
	rows := int64(1)
	if sh := req.Inputs; len(sh) > 0 && len(sh[0].Shape) > 0 {
		rows = sh[0].Shape[0]
	}
	resp := &runtime.Response{}
	for _, spec := range m.sig.Outputs {
		if len(req.Outputs) > 0 && !has(req.Outputs, spec.Name) {
			continue
		}
		shape := positive(spec.Shape, rows)
		n := runtime.Elements(shape)
		if n < 0 || n > maxAnswer {
			return nil, fairlead.Errorf(fairlead.TooLarge, "an answer of shape %s is too large for a fake", runtime.ShapeText(shape))
		}
		if s.WrongShape && n > 0 {
			n--
		}
		resp.Outputs = append(resp.Outputs, runtime.Tensor{Name: spec.Name, Datatype: spec.Datatype, Shape: shape, Data: fill(spec.Datatype, int(n), s)})
	}
	return resp, nil
}

func has(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func fill(datatype string, n int, s *Script) any {
	data := runtime.NewData(datatype, n)
	switch d := data.(type) {
	case []bool:
		set(d, s.Answer != 0)
	case [][]byte:
		set(d, []byte(s.Label))
	case []int8:
		set(d, int8(s.Answer))
	case []int16:
		set(d, int16(s.Answer))
	case []int32:
		set(d, int32(s.Answer))
	case []int64:
		set(d, int64(s.Answer))
	case []uint8:
		set(d, uint8(s.Answer))
	case []uint16:
		if datatype == "UINT16" { // FP16 stays zero: a fake needs no half floats
			set(d, uint16(s.Answer))
		}
	case []uint32:
		set(d, uint32(s.Answer))
	case []uint64:
		set(d, uint64(s.Answer))
	case []float32:
		set(d, float32(s.Answer))
	case []float64:
		set(d, s.Answer)
	}
	return data
}

func set[T any](d []T, v T) {
	for i := range d {
		d[i] = v
	}
}
