// Command gates measures the gates: seeded worlds without difference and with
// one are judged look by look by the real gate code (gate.JudgeAll on
// fairlead.Window), and a table says how often a harmless candidate was turned
// back and how soon a harmful one was. It exits 1 when a claim is missed.
//
// Begin at claims.go, the list of what must show; world.go makes the traffic,
// run.go spreads seeds over the processors.
//
//	go run ./internal/bench/gates [-seeds 2000] [-o docs/gates.md]
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	seeds := flag.Int("seeds", 2000, "runs of each row")
	out := flag.String("o", "", "also write the table to this file")
	only := flag.String("only", "", "only rows whose text contains this")
	flag.Parse()
	if *seeds < 1 {
		fmt.Fprintln(os.Stderr, "gates: -seeds must be at least 1")
		os.Exit(2)
	}
	start := time.Now()
	table := measure(*seeds, *only, os.Stderr)
	text := table.markdown(*seeds)
	if _, err := io.WriteString(os.Stdout, text); err != nil {
		fmt.Fprintln(os.Stderr, "gates:", err)
		os.Exit(2)
	}
	if *out != "" {
		if err := os.WriteFile(*out, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gates:", err)
			os.Exit(2)
		}
	}
	fmt.Fprintf(os.Stderr, "done in %v\n", time.Since(start).Round(time.Second))
	if missed := table.missed(); missed > 0 {
		fmt.Fprintf(os.Stderr, "gates: %d claims missed\n", missed)
		os.Exit(1)
	}
}
