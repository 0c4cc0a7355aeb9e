package gate

import (
	"math"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/core/stats"
)

// The words of a verdict's reason. A reason is one sentence: what was seen, a
// colon, what follows from it.

func join(facts, conclusion string) string {
	if facts == "" {
		return conclusion
	}
	return facts + ": " + conclusion
}

// number writes v to three significant digits and without needless zeros.
func number(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	s := strconv.FormatFloat(v, 'f', min(max(digits, 0), 9), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// rate writes a share as people read error rates: 3.0 %, 0.12 %.
func rate(v float64) string {
	p := v * 100
	switch {
	case p >= 100 || p == 0:
		return number(p) + " %"
	case p >= 1:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
	return number(p) + " %"
}

func seconds(v float64) string {
	if v <= 0 {
		return number(v) + " s"
	}
	d := time.Duration(v * 1e9)
	switch {
	case d < time.Millisecond:
		return number(v*1e6) + " µs"
	case d < time.Second:
		return number(v*1e3) + " ms"
	}
	return number(v) + " s"
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// amount writes a value in a bound's unit.
func amount(v float64, unit string) string {
	switch unit {
	case "%":
		return number(v*100) + " %"
	case "pp":
		return number(v*100) + " pp"
	case "s":
		return seconds(v)
	}
	return number(v)
}

func signed(v float64, unit string) string {
	if v < 0 {
		return "-" + amount(-v, unit)
	}
	return "+" + amount(v, unit)
}

// harmed names the harm that the bound forbids, safe its absence.
func (b bound) harmed() string { return b.beyond(true) }
func (b bound) safe() string   { return b.beyond(false) }

func (b bound) beyond(harm bool) string {
	than, value := "less than ", amount(b.q.Value, b.q.Unit)
	if harm == (b.change || b.increase) { // harm lies above, but for a minimum
		than = "more than "
	}
	switch {
	case b.change && b.increase:
		value = signed(b.q.Value, b.q.Unit)
	case b.change:
		than = "a drop of " + than
	}
	return than + value
}

// open says that nothing is proven yet, and what is.
func (b bound) open(provable *float64) string {
	s := "neither " + b.harmed() + " nor " + b.safe() + " is proven yet"
	if provable == nil {
		return s
	}
	c := b
	c.q.Value = *provable
	if c.change && !c.increase && c.q.Value < 0 {
		return s
	}
	return s + "; " + c.safe() + " is"
}

// proportion is the plain value of a rate.
func proportion(x, n int64) float64 {
	if n <= 0 {
		return 0
	}
	return float64(x) / float64(n)
}

func total(strata []stats.TwoRate) (t stats.TwoRate) {
	for _, s := range strata {
		t.Nc, t.Xc, t.Nb, t.Xb = t.Nc+s.Nc, t.Xc+s.Xc, t.Nb+s.Nb, t.Xb+s.Xb
	}
	return t
}
