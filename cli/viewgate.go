package cli

import (
	"math"
	"strconv"
	"strings"
	"time"

	"fairlead.dev"
)

// drawGates shows each gate's verdict: the estimate with its interval, the
// bound it is held against, and how near the evidence is to a decision.
// With reasons, a gate that has not passed says why.
func drawGates(v view, width int, reasons bool) []line {
	if len(v.Verdicts) == 0 {
		return nil
	}
	metric, est, bound := 10, 10, 5
	for _, d := range v.Verdicts {
		metric = max(metric, textWidth(d.Gate.Metric))
		est = max(est, textWidth(estimateText(d)))
		bound = max(bound, textWidth(boundText(d.Gate)))
	}
	metric, bound = min(metric, max(10, width/5)), min(bound, 24)
	est = min(est, 34)
	// What is left is the meter: two halves around a middle mark.
	half := min((width-4-metric-2-est-2-bound-3-1)/2, 12)
	head := line{}.with(dim, "gates").pad(6+metric).with(dim, "estimate").pad(8+metric+est).with(dim, "bound")
	if half >= 5 {
		head = head.pad(10+metric+est+bound+half-5).with(dim, "fail ◂").with(dim, "│").with(dim, "▸ pass")
	}
	rows := []line{head}
	for _, d := range v.Verdicts {
		mark, look := "?", yellow
		switch d.Outcome {
		case fairlead.Pass:
			mark, look = "✓", green
		case fairlead.Fail:
			mark, look = "✗", red
		}
		l := line{}.with(look, "  "+mark+" ").with(plain, cut(clean(d.Gate.Metric), metric)).pad(6+metric).
			with(plain, cut(estimateText(d), est)).pad(8+metric+est).with(dim, cut(boundText(d.Gate), bound)).pad(11 + metric + est + bound)
		if half >= 5 && (d.HarmLine > 0 || d.SafeLine > 0) {
			l = meter(l, share(d.HarmLogE, d.HarmLine), share(d.SafeLogE, d.SafeLine), half)
		}
		rows = append(rows, l)
		if reasons && d.Outcome != fairlead.Pass && d.Reason != "" {
			for _, t := range wrap(clean(d.Reason), width-4, 3) {
				rows = append(rows, line{}.with(dim, "    "+t))
			}
		}
	}
	return rows
}

// meter fills from the middle: to the left towards fail, to the right towards
// pass. A half that is full has been decided.
func meter(l line, harm, safe float64, half int) line {
	hf, hr := int(math.Round(harm*float64(half))), 0
	hr = half - hf
	sf := int(math.Round(safe * float64(half)))
	return l.with(dim, strings.Repeat("·", hr)).with(red, strings.Repeat("◀", hf)).with(dim, "│").
		with(green, strings.Repeat("▶", sf)).with(dim, strings.Repeat("·", half-sf))
}

// share of the way to the line, 0 to 1; evidence that points the other way is
// negative and shows as none.
func share(e, line float64) float64 {
	if !(line > 0) || !(e > 0) || math.IsInf(line, 1) {
		return 0
	}
	return min(1, e/line)
}

func estimateText(d fairlead.Verdict) string {
	if d.Estimate == nil {
		return "no data yet"
	}
	g, from, to := d.Gate, d.Low, d.High
	signed := g.MaxIncrease != nil || g.MaxDecrease != nil
	// A verdict on a decrease counts it upwards. A person reads a change from
	// the incumbent to the candidate: what fell is negative.
	fall := g.MaxDecrease != nil && d.Bound == g.MaxDecrease.Value && (g.MaxIncrease == nil || d.Bound != g.MaxIncrease.Value)
	if fall {
		from, to = to, from
	}
	text := func(v *float64) string {
		switch {
		case v == nil:
			return "…"
		case fall:
			return quantity(0-*v, d.Unit, signed)
		}
		return quantity(*v, d.Unit, signed)
	}
	if from == nil && to == nil {
		return text(d.Estimate)
	}
	return text(d.Estimate) + " [" + text(from) + ", " + text(to) + "]"
}

func boundText(g fairlead.Gate) string {
	var t []string
	for _, b := range []struct {
		q    *fairlead.Quantity
		text string
	}{{g.Max, "< "}, {g.Min, "> "}, {g.MaxIncrease, "rise ≤ "}, {g.MaxDecrease, "drop ≤ "}} {
		if b.q != nil {
			t = append(t, b.text+b.q.String())
		}
	}
	return strings.Join(t, ", ")
}

// quantity writes a value with three significant digits in the unit of a gate.
func quantity(v float64, unit string, signed bool) string {
	sign := ""
	if signed && v >= 0 {
		sign = "+"
	}
	switch unit {
	case "%", "pp":
		return sign + digits(v*100) + unit
	case "s":
		if v < 0 {
			sign, v = "-", -v
		}
		return sign + duration(v)
	}
	return sign + digits(v)
}

// digits writes three significant digits without an exponent where a person
// would not use one.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "-∞"
	case a >= 1e7 || (a > 0 && a < 1e-4):
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1 || a == 0:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 2-int(math.Floor(math.Log10(math.Abs(v)))), 64)
}

// duration writes seconds as 850µs, 2.1ms, 1.25s.
func duration(s float64) string {
	switch {
	case s == 0:
		return "0s"
	case s < 1e-3:
		return digits(s*1e6) + "µs"
	case s < 1:
		return digits(s*1e3) + "ms"
	}
	return digits(s) + "s"
}

func seconds(v *float64) string {
	if v == nil {
		return "–"
	}
	return duration(*v)
}

func percent(v *float64) string {
	if v == nil {
		return "–"
	}
	return digits(*v*100) + "%"
}

func rate(x, n int64) string {
	if n == 0 {
		return "–"
	}
	if x == 0 {
		return "0%"
	}
	return digits(100*float64(x)/float64(n)) + "%"
}

// count groups thousands: 12,345.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span2 writes a time span by its two largest units: 1h05m, 4m12s, 3.2s.
func span2(d time.Duration) string {
	d = max(0, d)
	pair := func(a time.Duration, as string, b time.Duration, bs string) string {
		s := strconv.FormatInt(int64(d/a), 10) + as
		if r := int64(d % a / b); r < 10 {
			return s + "0" + strconv.FormatInt(r, 10) + bs
		} else {
			return s + strconv.FormatInt(r, 10) + bs
		}
	}
	switch {
	case d >= 24*time.Hour:
		return pair(24*time.Hour, "d", time.Hour, "h")
	case d >= time.Hour:
		return pair(time.Hour, "h", time.Minute, "m")
	case d >= time.Minute:
		return pair(time.Minute, "m", time.Second, "s")
	}
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
}
