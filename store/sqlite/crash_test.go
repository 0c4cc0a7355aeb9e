package sqlite_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"fairlead.dev/store/sqlite"
	"fairlead.dev/store/storetest"
)

// victimEnv tells this test binary to be the process that gets killed.
const victimEnv = "FAIRLEAD_TEST_VICTIM"

// TestVictim is not a test of its own: TestKill starts it.
func TestVictim(t *testing.T) {
	path := os.Getenv(victimEnv)
	if path == "" {
		t.Skip("TestKill runs this in a process of its own")
	}
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Burden(t, s, func(step int64) { fmt.Println("step", step) })
}

// TestKill kills a writing process with signal 9 at random moments. Each time
// the store must be whole, and hold everything that was acknowledged.
func TestKill(t *testing.T) {
	kills := 12
	if testing.Short() {
		kills = 3
	}
	path := filepath.Join(t.TempDir(), "state.db")
	r := rand.New(rand.NewPCG(1, 2))
	var at int64
	for range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$", "-test.v")
		cmd.Env = append(os.Environ(), victimEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged, last, killed := at, at+1+r.Int64N(20), false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var step int64
			if _, err := fmt.Sscanf(lines.Text(), "step %d", &step); err != nil {
				continue
			}
			acknowledged = step // also what it still said before it died
			if step >= last && !killed {
				killed = true
				// Somewhere within the following commits, which take about a
				// millisecond each.
				time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait() // it was killed
		if !killed {
			t.Fatalf("the writer ended by itself after step %d", acknowledged)
		}
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		at = storetest.CheckBurden(t, s, acknowledged)
		storetest.CheckLedger(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("steps survived: " + strconv.FormatInt(at, 10))
}
