package main

import (
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The claims in small: fewer seeds, so the bounds leave room for chance. `make
// bench-gates` holds them in full.
func TestClaimsInSmall(t *testing.T) {
	seeds := 20
	if testing.Short() {
		seeds = 10
	}
	for _, only := range []string{
		"no difference, 100 looks × 1000 per arm ratio e-process, margin 0",
		"no difference, 100 looks × 1000 per arm z-test",
		"100 % errors at 5 % weight",
		"no difference ratio e-process, margin 0",
	} {
		table := measure(seeds, only, io.Discard)
		if len(table.rows) == 0 {
			t.Errorf("no row for %q", only)
		}
		for _, r := range table.rows {
			t.Logf("%s | %s | %s | %s", r.what, r.method, r.found, r.want)
			if r.missed {
				t.Errorf("%s, %s: %s, want %s", r.what, r.method, r.found, r.want)
			}
		}
	}
	// A median of 20 runs is not that of 2000: room for a quarter more.
	b := &bench{seeds: seeds, progress: io.Discard}
	b.harmful("1 % → 3 %", "ratio e-process", world{steps: even(100, 100), rates: constant(0.03, 0.01)}, seeds, 1250, 3000, fails(sequential(0)))
	if r := b.table.rows[0]; r.missed {
		t.Errorf("1 %% → 3 %%: %s, want %s", r.found, r.want)
	}
}

func TestMissedClaimsShow(t *testing.T) {
	b := &bench{seeds: 5, progress: io.Discard}
	b.harmful("no harm at all", "fixed", world{steps: even(10, 3), rates: constant(0.01, 0.01)}, 5, 10, 10, fails(sequential(0)))
	if b.table.missed() != 1 || !strings.Contains(b.table.markdown(5), "delay never / never | ≤ 10 / 10 | **missed** |") {
		t.Errorf("a delay that never ends was not a miss:\n%s", b.table.markdown(5))
	}
}

func TestBinomial(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		n int64
		p float64
	}{{1000, 0.01}, {50, 0.5}, {50, 0.97}, {10, 0}, {10, 1}} {
		var sum float64
		const draws = 20000
		for range draws {
			x := binomial(rnd, c.n, c.p)
			if x < 0 || x > c.n {
				t.Fatalf("binomial(%d, %v) = %d", c.n, c.p, x)
			}
			sum += float64(x)
		}
		mean, want := sum/draws, float64(c.n)*c.p
		if se := math.Sqrt(float64(c.n) * c.p * (1 - c.p) / draws); math.Abs(mean-want) > 5*se {
			t.Errorf("binomial(%d, %v) has mean %v", c.n, c.p, mean)
		}
	}
}
