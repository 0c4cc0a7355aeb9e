package gateway

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
	model "fairlead.dev/runtime"
)

// Config is all that a gateway is given. Env, Load are required.
type Config struct {
	Env  fairlead.Env
	ID   string // of this start of the gateway; made up if empty
	Home string // the same at each start of this gateway; kept in Dir if empty
	Bus  bus.Bus
	Dir  string // keeps routes, token hashes and the decision journal; "" keeps nothing
	// Load makes an arm's version ready to answer. It is called off the hot
	// path, for several endpoints at once.
	Load   func(ctx context.Context, arm fairlead.Arm) (model.Model, error)
	Logger *slog.Logger

	SyncMirror     bool  // run mirrored copies within Infer: for simulations alone
	MirrorQueue    int   // copies waiting at most; 1024 if 0
	MirrorBytes    int64 // bytes waiting at most; 64 MiB if 0
	MirrorWorkers  int   // copies running at once; 8 if 0
	MaxDecisions   int   // answers in memory that feedback is joined to; 262,144 if 0. The journal finds the others
	JournalSegment int64 // bytes of one journal file; a 64th of all, from 64 KiB to 64 MiB, if 0
	JournalTotal   int64 // bytes of all journal files and their indexes; 1 GiB if 0
}

// Gateway answers callers. Make one with New.
type Gateway struct {
	cfg  Config
	env  fairlead.Env
	log  *slog.Logger
	mask uint32 // shards-1 of the counters

	table atomic.Pointer[map[string]*compiled] // immutable; replaced whole under mu

	mu      sync.Mutex
	eps     map[string]*endpoint // guarded by mu
	handles map[string]*handle   // loaded models by what they were loaded from; guarded by mu

	tokens   atomic.Pointer[map[[32]byte]principal]
	mirrors  mirrors
	index    *index
	journal  *journal   // nil when nothing is kept on disk
	feeding  sync.Mutex // one call of feedback at a time
	bodies   sync.Pool
	wake     chan struct{} // a trip wants to be reported
	draining atomic.Bool
	closed   atomic.Bool
}

// New makes a gateway and, with a Dir, brings back what the last one there
// knew: routes (their models are loaded now), token hashes, and the answers
// that feedback may still arrive for. Files that are damaged are logged and
// left out; they never keep the gateway from starting.
func New(cfg Config) (*Gateway, error) {
	if cfg.Load == nil || cfg.Env.Now == nil || cfg.Env.Rand == nil || cfg.Env.NewID == nil {
		return nil, errors.New("gateway: Config.Load and Config.Env must be set")
	}
	if cfg.ID == "" {
		cfg.ID = cfg.Env.NewID()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	orInt(&cfg.MirrorQueue, 1024)
	orInt(&cfg.MirrorBytes, 64<<20)
	orInt(&cfg.MirrorWorkers, 8)
	orInt(&cfg.MaxDecisions, 1<<18)
	orInt(&cfg.JournalTotal, 1<<30)
	orInt(&cfg.JournalSegment, min(max(cfg.JournalTotal/64, 64<<10), 64<<20))

	shards := uint32(1)
	for shards < uint32(runtime.GOMAXPROCS(0)) && shards < 16 {
		shards *= 2
	}
	g := &Gateway{
		cfg: cfg, env: cfg.Env, log: cfg.Logger, mask: shards - 1,
		eps: map[string]*endpoint{}, handles: map[string]*handle{},
		index: newIndex(cfg.MaxDecisions),
		wake:  make(chan struct{}, 1),
	}
	g.table.Store(&map[string]*compiled{})
	g.tokens.Store(&map[[32]byte]principal{})
	g.mirrors.init(cfg.MirrorQueue, cfg.MirrorBytes, cfg.MirrorWorkers)
	if cfg.Dir == "" {
		return g, nil
	}
	if err := g.restore(); err != nil {
		return nil, err
	}
	return g, nil
}

func orInt[T int | int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// now is the wall clock in microseconds.
func (g *Gateway) now() int64 { return g.env.Now().UnixMicro() }

// lookup is the match: one atomic load and one map access.
func (g *Gateway) lookup(endpoint string) *compiled { return (*g.table.Load())[endpoint] }

// endpoint gives the state that outlives an endpoint's routes, making it if
// needed. Callers hold no lock.
func (g *Gateway) endpoint(name string) *endpoint {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.endpointLocked(name)
}

func (g *Gateway) endpointLocked(name string) *endpoint {
	ep := g.eps[name]
	if ep == nil {
		ep = newEndpoint(name)
		g.eps[name] = ep
	}
	return ep
}

// Shutdown drains: readiness turns false at once, calls and mirrored copies
// that are running are waited for until ctx ends, what is in memory is flushed,
// and the models are closed. Answers go on until then. It may be called once
// Run has ended.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.draining.Store(true)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var err error
	for err == nil && !g.idle() {
		select {
		case <-ctx.Done():
			err = fairlead.Errorf(fairlead.Timeout, "the gateway was stopped with calls still running")
		case <-tick.C:
		}
	}
	if g.closed.Swap(true) {
		return err
	}
	g.mu.Lock()
	old := *g.table.Load()
	g.table.Store(&map[string]*compiled{})
	g.mu.Unlock()
	for _, rt := range old {
		rt.drop(g)
	}
	if g.journal != nil {
		err = errors.Join(err, g.journal.close())
	}
	return err
}

func (g *Gateway) idle() bool {
	if !g.mirrors.idle() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, ep := range g.eps {
		if ep.inflight.Load() > 0 {
			return false
		}
	}
	return true
}
