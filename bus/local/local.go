// Package local is the bus of one process: Publish calls the subscribers
// itself. As long as one goroutine uses a bus, everything has been delivered
// when Publish or Subscribe returns, which the simulation relies on.
package local

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"fairlead.dev"
	"fairlead.dev/bus"
)

// Bus is a bus.Bus. Make it with New.
//
// Each subscriber has a queue of keys that have something new for it. Whoever
// adds to a queue that nobody is emptying empties it; the value is read when
// its turn comes, so a newer message replaces an undelivered older one, memory
// is bounded by the number of keys, and no lock is held while a subscriber
// runs: one may publish, subscribe or stop from inside.
type Bus struct {
	mu     sync.Mutex // guards all below, the subs' fields included
	topics map[string]*topic
}

type topic struct {
	kept map[string][]byte // the latest message of each key
	subs []*sub            // in order of subscription; replaced, never changed
}

type sub struct {
	f       func(bus.Message)
	queue   []string // keys to tell of, oldest first
	queued  map[string]bool
	busy    bool // somebody is emptying queue
	stopped bool
}

// New gives a bus without messages.
func New() *Bus { return &Bus{topics: map[string]*topic{}} }

// topic gives the topic of that name; mu is held.
func (b *Bus) topic(name string) *topic {
	t := b.topics[name]
	if t == nil {
		t = &topic{kept: map[string][]byte{}}
		b.topics[name] = t
	}
	return t
}

// Publish is bus.Bus.Publish. When another goroutine is just calling a
// subscriber, that one delivers the message and Publish does not wait for it.
// Subscribers share one copy of the data and may not change it.
func (b *Bus) Publish(ctx context.Context, m bus.Message) error {
	switch err := ctx.Err(); {
	case errors.Is(err, context.DeadlineExceeded):
		return fairlead.Errorf(fairlead.Timeout, "the message %s %q was not published in time: %w", m.Topic, m.Key, err)
	case err != nil:
		return fairlead.Errorf(fairlead.Unavailable, "the message %s %q was not published: %w", m.Topic, m.Key, err)
	case m.Topic == "":
		return noTopic()
	}
	b.mu.Lock()
	t := b.topic(m.Topic)
	t.kept[m.Key] = bytes.Clone(m.Data)
	subs := t.subs
	for _, s := range subs {
		s.tell(m.Key)
	}
	b.mu.Unlock()
	for _, s := range subs {
		b.deliver(m.Topic, t, s)
	}
	return nil
}

// Subscribe is bus.Bus.Subscribe; kept messages come in the order of their
// keys. Once stop has returned no call of f begins; one that has begun in
// another goroutine may still be ending.
func (b *Bus) Subscribe(name string, f func(bus.Message)) (stop func(), err error) {
	if name == "" {
		return nil, noTopic()
	}
	s := &sub{f: f, queued: map[string]bool{}}
	b.mu.Lock()
	t := b.topic(name)
	for key := range t.kept {
		s.tell(key)
	}
	slices.Sort(s.queue)
	t.subs = append(slices.Clone(t.subs), s)
	b.mu.Unlock()
	b.deliver(name, t, s)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		s.stopped = true
		t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(x *sub) bool { return x == s })
	}, nil
}

// tell queues a key; mu is held.
func (s *sub) tell(key string) {
	if !s.queued[key] {
		s.queued[key] = true
		s.queue = append(s.queue, key)
	}
}

// deliver empties a subscriber's queue unless somebody is at it.
func (b *Bus) deliver(name string, t *topic, s *sub) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.busy {
		return
	}
	s.busy = true
	defer func() { s.busy = false }() // also when f panics
	for len(s.queue) > 0 && !s.stopped {
		key := s.queue[0]
		s.queue = s.queue[1:]
		delete(s.queued, key)
		b.call(s.f, bus.Message{Topic: name, Key: key, Data: t.kept[key]})
	}
}

// call runs f without mu and takes mu again, whatever f does.
func (b *Bus) call(f func(bus.Message), m bus.Message) {
	b.mu.Unlock()
	defer b.mu.Lock()
	f(m)
}

func noTopic() error { return fairlead.Errorf(fairlead.Invalid, "a message needs a topic") }
