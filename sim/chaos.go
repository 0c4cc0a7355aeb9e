package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"fairlead.dev"
	"fairlead.dev/store"
)

// Chaos says what goes wrong in a run. The zero value is a world without faults.
type Chaos struct {
	// CrashAt kills the control plane at its CrashAt-th commit (1, 2, …): before
	// it took place, or, with CrashAfter, after it did but before the process
	// could learn of it.
	CrashAt    int
	CrashAfter bool
	// CrashRate is the chance of a crash at each commit, before or after it.
	CrashRate float64
	// CrashAll takes the gateways down in the same moment, as when all is one
	// process.
	CrashAll bool
	// StoreFaults is the chance that a call of the store fails and changes nothing.
	StoreFaults float64
	// LostReports is the chance that a gateway's report does not arrive.
	LostReports float64
	// Partition cuts a gateway off from the control plane for this long, once,
	// beginning PartitionAt after the start of the release.
	Partition   time.Duration
	PartitionAt time.Duration
	// LoadFaults is the chance that a gateway cannot load a model when it tries.
	LoadFaults float64
	// People gives release verbs at random moments.
	People bool
}

// errCrashed is what a dead process gets from every call.
var errCrashed = errors.New("the process is dead")

// errFault is a passing failure of the store.
var errFault = &fairlead.Error{Code: fairlead.Unavailable, Message: "the store is briefly unavailable"}

// process is one life of the control plane, between two crashes.
type process struct{ dead bool }

// faultyStore stands between one life of the control plane and the durable
// store: it crashes, fails, and shows every commit to the invariants.
type faultyStore struct {
	store.Store
	w    *World
	life *process
	rng  *rand.Rand
}

func (s *faultyStore) fail() error {
	if s.life.dead {
		return errCrashed
	}
	if p := s.w.cfg.Chaos.StoreFaults; p > 0 && !s.w.healed && s.rng.Float64() < p {
		return errFault
	}
	return nil
}

func (s *faultyStore) Get(ctx context.Context, kind, key string) (store.Doc, error) {
	if err := s.fail(); err != nil {
		return store.Doc{}, err
	}
	if kind == fairlead.KindRelease && s.w.cfg.Blind != nil && s.w.cfg.Blind(s.w) {
		return store.Doc{}, errFault
	}
	return s.Store.Get(ctx, kind, key)
}

func (s *faultyStore) List(ctx context.Context, kind, prefix, after string, limit int) ([]store.Doc, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, kind, prefix, after, limit)
}

func (s *faultyStore) Pending(ctx context.Context) ([]store.Effect, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return s.Store.Pending(ctx)
}

func (s *faultyStore) Done(ctx context.Context, e store.Effect) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Done(ctx, e)
}

func (s *faultyStore) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if err := s.fail(); err != nil {
		return 0, err
	}
	s.w.commits++
	before, after := s.crashes()
	if before {
		s.w.kill()
		return 0, errCrashed
	}
	if s.w.cfg.Plant != nil {
		s.w.cfg.Plant(s.w, &c)
	}
	old := s.w.before(c)
	index, err := s.Store.Commit(ctx, c)
	if err == nil {
		s.w.committed(c, old)
	}
	if after {
		s.w.kill()
		return 0, errCrashed
	}
	return index, err
}

// crashes says whether this commit is one at which the process dies, and on
// which side of it.
func (s *faultyStore) crashes() (before, after bool) {
	ch := s.w.cfg.Chaos
	if s.w.commits == ch.CrashAt {
		return !ch.CrashAfter, ch.CrashAfter
	}
	if ch.CrashRate > 0 && !s.w.healed && s.rng.Float64() < ch.CrashRate {
		after = s.rng.IntN(2) == 0
		return !after, after
	}
	return false, false
}

// Watch is not used in virtual time: the world tells the runner what changed.
func (s *faultyStore) Watch(ctx context.Context, after int64) (<-chan store.Change, error) {
	return nil, errors.New("the simulation has no watchers")
}

func (s *faultyStore) Close() error { return nil }
