package inproc

import (
	"bytes"
	"context"
	"io"
	"sync/atomic"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// Formats that inproc loads, as an artifact's format gives them.
const (
	FormatONNX     = "onnx"
	FormatXGBoost  = "xgboost-json"
	FormatLightGBM = "lightgbm-text"
)

// Config bounds what a model may cost; zero values mean the defaults.
type Config struct {
	MaxFile   int64 // bytes of a model file; 512 MiB
	MaxMemory int64 // bytes of values in one call; 512 MiB
	MaxWork   int   // multiply-adds or element visits of one call; 16e9, some seconds
}

// Runtime implements runtime.Runtime.
type Runtime struct {
	lim Config
	ops map[string]operator
}

// New makes the runtime. It holds no goroutines and needs no closing.
func New(c Config) *Runtime {
	if c.MaxFile <= 0 {
		c.MaxFile = 512 << 20
	}
	if c.MaxMemory <= 0 {
		c.MaxMemory = 512 << 20
	}
	if c.MaxWork <= 0 {
		c.MaxWork = 16e9
	}
	ops := map[string]operator{}
	for _, o := range operators() {
		ops[opKey(o.domain, o.name)] = o
	}
	return &Runtime{lim: c, ops: ops}
}

func (r *Runtime) Name() string { return "inproc" }

func (r *Runtime) Formats() []string { return []string{FormatONNX, FormatXGBoost, FormatLightGBM} }

// executor is a loaded model of any format. infer is given a request that fits
// the signature.
type executor interface {
	signature() runtime.Signature
	infer(ctx context.Context, req *runtime.Request) (*runtime.Response, error)
}

func (r *Runtime) Check(ctx context.Context, src runtime.Source) (runtime.Signature, error) {
	e, err := r.open(ctx, src)
	if err != nil {
		return runtime.Signature{}, err
	}
	return e.signature(), nil
}

// Load ignores place: inproc has only one.
func (r *Runtime) Load(ctx context.Context, src runtime.Source, _ fairlead.TargetSpec) (runtime.Model, error) {
	e, err := r.open(ctx, src)
	if err != nil {
		return nil, err
	}
	return &model{exec: e, sig: e.signature()}, nil
}

func (r *Runtime) open(ctx context.Context, src runtime.Source) (executor, error) {
	a := src.Artifact()
	b, err := readAll(ctx, src, r.lim.MaxFile)
	if err != nil {
		return nil, err
	}
	var e executor
	err = protect(func() (err error) {
		switch a.Format {
		case FormatONNX:
			e, err = r.openONNX(ctx, b)
		case FormatXGBoost:
			e, err = parseXGBoost(ctx, b, r.lim)
		case FormatLightGBM:
			e, err = parseLightGBM(ctx, b, r.lim)
		default:
			err = fairlead.Unknown("format for runtime inproc", clip(a.Format), r.Formats())
		}
		return err
	})
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			return nil, fairlead.Errorf(fairlead.Timeout, "reading the model was ended: %w", cause)
		}
		return nil, err
	}
	return e, nil
}

func (r *Runtime) openONNX(ctx context.Context, b []byte) (executor, error) {
	g, err := parseONNX(b)
	if err != nil {
		return nil, err
	}
	p, err := compile(ctx, g, r.ops, r.lim)
	if err != nil {
		return nil, err
	}
	p.sig.Platform = FormatONNX
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// readAll reads a one-file artifact within limit; the declared size is only a
// hint for the first buffer.
func readAll(ctx context.Context, src runtime.Source, limit int64) ([]byte, error) {
	a := src.Artifact()
	if len(a.Files) > 0 {
		return nil, fairlead.Errorf(fairlead.Unsupported, "inproc loads a model of one file; this artifact is a folder of %d", len(a.Files))
	}
	if a.Size > limit {
		return nil, fairlead.Errorf(fairlead.TooLarge, "the model file has %d bytes, at most %d are allowed", a.Size, limit)
	}
	f, err := src.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var buf bytes.Buffer
	if a.Size > 0 && a.Size < 64<<20 {
		buf.Grow(int(a.Size) + 1)
	}
	n, err := io.Copy(&buf, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fairlead.Errorf(fairlead.TooLarge, "the model file has more than %d bytes", limit)
	}
	return buf.Bytes(), nil
}

// model guards an executor: it checks requests and refuses them after Close.
type model struct {
	exec   executor
	sig    runtime.Signature
	closed atomic.Bool
}

func (m *model) Signature() runtime.Signature { return m.sig }

func (m *model) Infer(ctx context.Context, req *runtime.Request) (resp *runtime.Response, err error) {
	if err := runtime.Admit(ctx, m.closed.Load(), &m.sig, req); err != nil {
		return nil, err
	}
	err = protect(func() (err error) {
		resp, err = m.exec.infer(ctx, req)
		return err
	})
	return resp, err
}

// Close refuses further calls; the garbage collector frees the model when the
// running ones have ended.
func (m *model) Close() error {
	m.closed.Store(true)
	return nil
}
