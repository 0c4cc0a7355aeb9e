package local_test

import (
	"slices"
	"testing"

	"fairlead.dev/bus"
	"fairlead.dev/bus/bustest"
	"fairlead.dev/bus/local"
)

func TestBus(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bus.Bus { return local.New() })
}

// The simulation steps the world from one goroutine and looks at once.
func TestDeliveredOnReturn(t *testing.T) {
	b := local.New()
	var got []string
	take := func(m bus.Message) { got = append(got, m.Key+"="+string(m.Data)) }
	publish := func(key, data string) {
		t.Helper()
		if err := b.Publish(t.Context(), bus.Message{Topic: "t", Key: key, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	publish("b", "1")
	publish("a", "1")
	stop, err := b.Subscribe("t", take)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a=1", "b=1"}; !slices.Equal(got, want) {
		t.Fatalf("after Subscribe: %v, want %v", got, want)
	}
	publish("b", "2")
	if want := []string{"a=1", "b=1", "b=2"}; !slices.Equal(got, want) {
		t.Fatalf("after Publish: %v, want %v", got, want)
	}
	stop()
	publish("b", "3")
	if len(got) != 3 {
		t.Fatalf("after stop: %v", got)
	}
}

// A subscriber that panics must not silence the ones that come later.
func TestPanicLeavesTheBusUsable(t *testing.T) {
	b := local.New()
	bad := true
	var got int
	if _, err := b.Subscribe("t", func(bus.Message) {
		if bad {
			panic("once")
		}
		got++
	}); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = b.Publish(t.Context(), bus.Message{Topic: "t", Key: "a"})
	}()
	bad = false
	if err := b.Publish(t.Context(), bus.Message{Topic: "t", Key: "b"}); err != nil || got != 1 {
		t.Fatalf("got %d calls, error %v", got, err)
	}
}
