package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain: the worlds are many, small and short-lived; collecting garbage less
// often makes them a third faster.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
