// Package bustest examines every implementation of the bus. Begin with Run.
package bustest

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"fairlead.dev"
	"fairlead.dev/bus"
)

// Run examines the buses that open gives: a fresh one for each case.
func Run(t *testing.T, open func(t *testing.T) bus.Bus) {
	cases := []struct {
		name string
		f    func(t *testing.T, b bus.Bus)
	}{
		{"every subscriber gets every key", everyone},
		{"a late subscriber gets the latest of each key", late},
		{"topics are apart", topics},
		{"an empty message is delivered and kept", empty},
		{"order per key under concurrency", order},
		{"after stop nothing comes", stopping},
		{"a subscriber that stops itself hears no more", stoppingInside},
		{"a subscriber may publish, subscribe and stop", reentrant},
		{"the publisher may reuse its bytes", aliasing},
		{"an ended context publishes nothing", ended},
		{"a message without a topic is refused", nameless},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.f(t, open(t)) })
	}
}

// inbox collects what a subscriber got; await waits until it holds what is
// asked for, since a bus may deliver after Publish has returned.
type inbox struct {
	mu   sync.Mutex
	all  []bus.Message
	news chan struct{} // buffered 1
}

func subscribe(t *testing.T, b bus.Bus, topic string) (*inbox, func()) {
	t.Helper()
	in := &inbox{news: make(chan struct{}, 1)}
	stop, err := b.Subscribe(topic, func(m bus.Message) {
		for range 5 {
			runtime.Gosched() // lets a second call at the same time overtake, if there is one
		}
		in.take(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	return in, stop
}

func (in *inbox) take(m bus.Message) {
	in.mu.Lock()
	in.all = append(in.all, m)
	in.mu.Unlock()
	select {
	case in.news <- struct{}{}:
	default:
	}
}

func (in *inbox) got() []bus.Message {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]bus.Message(nil), in.all...)
}

// await waits until the last message of key is data.
func (in *inbox) await(t *testing.T, key, data string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		last, found := "", false
		for _, m := range in.got() {
			if m.Key == key {
				last, found = string(m.Data), true
			}
		}
		if found && last == data {
			return
		}
		select {
		case <-in.news:
		case <-deadline:
			t.Fatalf("key %q never became %q, it is %q", key, data, last)
		}
	}
}

func publish(t *testing.T, b bus.Bus, topic, key, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), bus.Message{Topic: topic, Key: key, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

func everyone(t *testing.T, b bus.Bus) {
	one, _ := subscribe(t, b, bus.TopicRoute)
	two, _ := subscribe(t, b, bus.TopicRoute)
	for i := range 10 {
		publish(t, b, bus.TopicRoute, strconv.Itoa(i), "v")
	}
	for _, in := range []*inbox{one, two} {
		for i := range 10 {
			in.await(t, strconv.Itoa(i), "v")
		}
	}
	for _, m := range one.got() {
		if m.Topic != bus.TopicRoute {
			t.Errorf("topic %q", m.Topic)
		}
	}
}

func late(t *testing.T, b bus.Bus) {
	publish(t, b, bus.TopicRoute, "a", "old")
	publish(t, b, bus.TopicRoute, "b", "only")
	publish(t, b, bus.TopicRoute, "a", "new")
	in, _ := subscribe(t, b, bus.TopicRoute)
	in.await(t, "a", "new")
	in.await(t, "b", "only")
	publish(t, b, bus.TopicRoute, "a", "newest")
	in.await(t, "a", "newest")
}

func topics(t *testing.T, b bus.Bus) {
	in, _ := subscribe(t, b, bus.TopicTokens)
	publish(t, b, bus.TopicRoute, "a", "other")
	publish(t, b, bus.TopicTokens, "", "mine")
	in.await(t, "", "mine")
	for _, m := range in.got() {
		if string(m.Data) == "other" {
			t.Error("a message of another topic arrived")
		}
	}
}

func empty(t *testing.T, b bus.Bus) {
	publish(t, b, bus.TopicRoute, "a", "here")
	in, _ := subscribe(t, b, bus.TopicRoute)
	in.await(t, "a", "here")
	publish(t, b, bus.TopicRoute, "a", "")
	in.await(t, "a", "")
	after, _ := subscribe(t, b, bus.TopicRoute)
	after.await(t, "a", "")
}

func order(t *testing.T, b bus.Bus) {
	const keys, n = 8, 300
	early, _ := subscribe(t, b, bus.TopicReport)
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			for i := 1; i <= n; i++ {
				_ = b.Publish(context.Background(), bus.Message{Topic: bus.TopicReport, Key: strconv.Itoa(k), Data: []byte(strconv.Itoa(i))})
			}
		})
	}
	midway, _ := subscribe(t, b, bus.TopicReport)
	wg.Wait()
	for _, in := range []*inbox{early, midway} {
		last := map[string]int{}
		for k := range keys {
			in.await(t, strconv.Itoa(k), strconv.Itoa(n))
		}
		for _, m := range in.got() {
			i, _ := strconv.Atoi(string(m.Data))
			if i < last[m.Key] {
				t.Fatalf("key %s: %d came after %d", m.Key, i, last[m.Key])
			}
			last[m.Key] = i
		}
	}
}

func stopping(t *testing.T, b bus.Bus) {
	in, stop := subscribe(t, b, bus.TopicRoute)
	publish(t, b, bus.TopicRoute, "a", "before")
	in.await(t, "a", "before")
	stop()
	stop() // again is harmless
	witness, _ := subscribe(t, b, bus.TopicRoute)
	publish(t, b, bus.TopicRoute, "a", "after")
	witness.await(t, "a", "after")
	for _, m := range in.got() {
		if string(m.Data) == "after" {
			t.Error("a message came after stop")
		}
	}
}

// stoppingInside: what was published before stop, but is still in line, does
// not come any more.
func stoppingInside(t *testing.T, b bus.Bus) {
	calls := make(chan string, 10)
	var stop func()
	stop, err := b.Subscribe(bus.TopicRoute, func(m bus.Message) {
		if m.Key == "begin" {
			_ = b.Publish(context.Background(), bus.Message{Topic: bus.TopicRoute, Key: "late", Data: []byte("v")})
			stop()
		}
		calls <- m.Key
	})
	if err != nil {
		t.Fatal(err)
	}
	witness, _ := subscribe(t, b, bus.TopicRoute)
	publish(t, b, bus.TopicRoute, "begin", "v")
	witness.await(t, "late", "v")
	publish(t, b, bus.TopicRoute, "later", "v")
	witness.await(t, "later", "v")
	close(calls) // a call now panics
	if k := <-calls; k != "begin" {
		t.Errorf("the only call was for %q", k)
	}
	if k, more := <-calls; more {
		t.Errorf("a call for %q began after stop", k)
	}
}

func reentrant(t *testing.T, b bus.Bus) {
	echo, _ := subscribe(t, b, bus.TopicReport)
	var stop func()
	var once sync.Once
	inner := &inbox{news: make(chan struct{}, 1)}
	stop, err := b.Subscribe(bus.TopicRoute, func(m bus.Message) {
		_ = b.Publish(context.Background(), bus.Message{Topic: bus.TopicReport, Key: m.Key, Data: m.Data})
		if string(m.Data) == "1" {
			_ = b.Publish(context.Background(), bus.Message{Topic: bus.TopicRoute, Key: m.Key, Data: []byte("2")})
			once.Do(func() { _, _ = b.Subscribe(bus.TopicRoute, inner.take) })
		}
		if string(m.Data) == "3" {
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, bus.TopicRoute, "a", "1")
	echo.await(t, "a", "2")
	inner.await(t, "a", "2")
	publish(t, b, bus.TopicRoute, "a", "3")
	echo.await(t, "a", "3")
	publish(t, b, bus.TopicRoute, "a", "4")
	inner.await(t, "a", "4")
	for _, m := range echo.got() {
		if string(m.Data) == "4" {
			t.Error("a message came after stop")
		}
	}
}

func aliasing(t *testing.T, b bus.Bus) {
	in, _ := subscribe(t, b, bus.TopicRoute)
	data := []byte("good")
	if err := b.Publish(t.Context(), bus.Message{Topic: bus.TopicRoute, Key: "a", Data: data}); err != nil {
		t.Fatal(err)
	}
	copy(data, "evil")
	in.await(t, "a", "good")
	after, _ := subscribe(t, b, bus.TopicRoute)
	after.await(t, "a", "good")
}

func ended(t *testing.T, b bus.Bus) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.Publish(ctx, bus.Message{Topic: bus.TopicRoute, Key: "a", Data: []byte("never")})
	if fairlead.CodeOf(err) != fairlead.Unavailable {
		t.Fatalf("got %v, want code unavailable", err)
	}
	in, _ := subscribe(t, b, bus.TopicRoute)
	publish(t, b, bus.TopicRoute, "b", "v")
	in.await(t, "b", "v")
	for _, m := range in.got() {
		if m.Key == "a" {
			t.Error("it was published")
		}
	}
}

func nameless(t *testing.T, b bus.Bus) {
	if err := b.Publish(t.Context(), bus.Message{Key: "a"}); fairlead.CodeOf(err) != fairlead.Invalid {
		t.Errorf("Publish: %v", err)
	}
	if _, err := b.Subscribe("", func(m bus.Message) { panic(fmt.Sprint(m)) }); fairlead.CodeOf(err) != fairlead.Invalid {
		t.Errorf("Subscribe: %v", err)
	}
}
