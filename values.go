package fairlead

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Weight is a share of traffic in hundredths of a percent: 0 … FullWeight.
// Written "5%", "0.01%"; finer shares are refused rather than rounded.
type Weight int32

// FullWeight is 100 %.
const FullWeight Weight = 10000

func (w Weight) String() string {
	return strconv.FormatFloat(float64(w)/100, 'f', -1, 64) + "%"
}

func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

func (w *Weight) UnmarshalText(b []byte) error {
	s, ok := strings.CutSuffix(strings.TrimSpace(string(b)), "%")
	if !ok {
		return fmt.Errorf("expected a percentage such as 5%% or 0.01%%, got %s", quote(string(b)))
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 100 {
		return fmt.Errorf("expected a percentage from 0%% to 100%%, got %s", quote(string(b)))
	}
	v := math.Round(f * 100)
	if math.Abs(f*100-v) > 1e-6 {
		return fmt.Errorf("finer than 0.01%%: %s", quote(string(b)))
	}
	*w = Weight(v)
	return nil
}

// Duration is a time span written as people write it: 500ms, 10m, 24h, 2d.
type Duration time.Duration

func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MaxDuration bounds every duration a person may write.
const MaxDuration = 400 * 24 * time.Hour

func (d *Duration) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	var total time.Duration
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || math.IsNaN(n) || n < 0 || n > 400 {
			return fmt.Errorf("expected a duration such as 500ms, 10m, 24h or 2d, got %s", quote(s))
		}
		total, s = time.Duration(n*24*float64(time.Hour)), rest
	}
	if s != "" {
		v, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("expected a duration such as 500ms, 10m, 24h or 2d, got %s", quote(string(b)))
		}
		total += v
	}
	if total < 0 || total > MaxDuration || len(b) == 0 {
		return fmt.Errorf("expected a duration from 0s to 400d, got %s", quote(string(b)))
	}
	*d = Duration(total)
	return nil
}

// Bytes is a size written as people write it: 512KiB, 1MiB, 1000000.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

func (n Bytes) String() string {
	for _, u := range []struct {
		s string
		f Bytes
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.f && n%u.f == 0 {
			return strconv.FormatInt(int64(n/u.f), 10) + u.s
		}
	}
	return strconv.FormatInt(int64(n), 10) + "B"
}

func (n Bytes) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

func (n *Bytes) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || v < 0 || v > math.MaxInt64/u.factor {
			break
		}
		*n = Bytes(v * u.factor)
		return nil
	}
	return fmt.Errorf("expected a size such as 512KiB, 1MiB or 4096B, got %s", quote(s))
}

// Quantity is a bound in a gate. Unit "%" is relative (or, for a rate, the
// rate itself): Value 0.5 for "50%"; "pp" is percentage points of difference:
// Value 0.01 for "1pp"; "s" is seconds, however it was written; "" is a plain
// number.
type Quantity struct {
	Value float64
	Unit  string
}

func (q Quantity) String() string {
	f := func(v float64) string { return strconv.FormatFloat(math.Round(v*1e9)/1e9, 'f', -1, 64) }
	switch q.Unit {
	case "%", "pp":
		return f(q.Value*100) + q.Unit
	case "s":
		return Duration(math.Round(q.Value * 1e9)).String()
	}
	return f(q.Value)
}

func (q Quantity) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

func (q *Quantity) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	for _, u := range []string{"%", "pp"} {
		if digits, ok := strings.CutSuffix(s, u); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("expected a number before %q, got %s", u, quote(s))
			}
			*q = Quantity{f / 100, u}
			return nil
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		*q = Quantity{f, ""}
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(b); err != nil {
		return fmt.Errorf("expected a number, a percentage (5%%), percentage points (1pp) or a duration (50ms), got %s", quote(s))
	}
	*q = Quantity{d.Std().Seconds(), "s"}
	return nil
}

// quote shows user text in a message: quoted, cut at 80 bytes.
func quote(s string) string {
	if len(s) > 80 {
		return strconv.Quote(s[:80]) + "…"
	}
	return strconv.Quote(s)
}
