package inproc_test

import (
	"bytes"
	"os"
	goruntime "runtime"
	"slices"
	"testing"
	"time"

	"fairlead.dev/runtime/inproc"
)

// TestDamagedModel flips bits, overwrites bytes and cuts all over a real model,
// one place at a time, under the limits that a server has: each copy is refused
// or answers, soon and in little memory.
func TestDamagedModel(t *testing.T) {
	whole, err := os.ReadFile("../../examples/digits/v1.onnx")
	if err != nil {
		t.Fatal(err)
	}
	step := 7 // 1 was run once, in nine seconds
	if raceOn || testing.Short() {
		step = 31
	}
	rt := inproc.New(inproc.Config{})
	loaded, refused := 0, 0
	try := func(what string, at int, b []byte) {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		begin := time.Now()
		if loadAndAsk(t, rt, inproc.FormatONNX, b) {
			loaded++
		} else {
			refused++
		}
		took := time.Since(begin)
		goruntime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; took > 5*time.Second || used > 100<<20 {
			t.Errorf("%s at %d: took %v and %d bytes of memory", what, at, took, used)
		}
	}
	for i := 0; i < len(whole); i += step {
		for bit := range 8 {
			b := slices.Clone(whole)
			b[i] ^= 1 << bit
			try("a flipped bit", i, b)
		}
		for _, v := range []byte{0, 0x7f, 0xff} {
			b := slices.Clone(whole)
			b[i] = v
			try("another byte", i, b)
		}
		try("a cut", i, whole[:i])
		try("a gap", i, append(bytes.Clone(whole[:i]), whole[min(len(whole), i+5):]...))
	}
	if loaded == 0 || refused == 0 {
		t.Errorf("%d loaded, %d refused: the damage shows nothing", loaded, refused)
	}
	t.Logf("%d loaded, %d refused", loaded, refused)
}
