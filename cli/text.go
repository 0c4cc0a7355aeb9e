package cli

import (
	"strings"
	"unicode"
)

// style of a span on a terminal; plain output drops it.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

type span struct {
	text  string
	style style
}

// line is one row of the view. Its parts are laid out before colour is added,
// so colour never changes a width.
type line []span

func (l line) with(s style, text string) line { return append(l, span{text, s}) }

func (l line) width() int {
	n := 0
	for _, s := range l {
		n += textWidth(s.text)
	}
	return n
}

// pad fills up to column n; a line already there gets one space.
func (l line) pad(n int) line {
	return l.with(plain, strings.Repeat(" ", max(1, n-l.width())))
}

// render cuts the line to width columns, marking the cut with an ellipsis.
func (l line) render(width int, color bool) string {
	var b strings.Builder
	room, total := width, l.width()
	for _, s := range l {
		if room <= 0 {
			break
		}
		t := s.text
		if total > width && textWidth(t) >= room {
			t = cut(t, room)
			room = 0
		} else {
			room -= textWidth(t)
		}
		if color && s.style != plain && t != "" {
			b.WriteString("\x1b[" + string(s.style) + "m" + t + "\x1b[0m")
		} else {
			b.WriteString(t)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// cut shortens s to at most n columns, the last one an ellipsis.
func cut(s string, n int) string {
	if textWidth(s) <= n {
		return s
	}
	if n <= 0 {
		return ""
	}
	w := 0
	for i, r := range s {
		if w+runeWidth(r) > n-1 {
			return s[:i] + "…"
		}
		w += runeWidth(r)
	}
	return s
}

// clean makes foreign text safe to print: control characters, which could
// move the cursor or rewrite what was printed, become spaces.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is the number of terminal columns a rune takes: none for combining
// marks, two for East Asian wide characters and pictographs.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// bar draws fraction f of n columns in eighths, so slow progress is visible.
func bar(f float64, n int) (full, rest string) {
	if !(f > 0) { // NaN too
		f = 0
	}
	f = min(f, 1)
	eighths := int(f*float64(n)*8 + 0.5)
	if f > 0 && eighths == 0 {
		eighths = 1 // a weight of 0.01 % is not nothing
	}
	full = strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return full, strings.Repeat("░", n-textWidth(full))
}

// wrap breaks s at spaces into at most n rows of width columns; what does not
// fit ends in an ellipsis.
func wrap(s string, width, n int) []string {
	var rows []string
	row := ""
	for _, w := range strings.Fields(s) {
		switch {
		case row == "":
			row = w
		case textWidth(row)+1+textWidth(w) <= width || len(rows) == n-1:
			row += " " + w // the last row takes the rest and is cut below
		default:
			rows, row = append(rows, row), w
		}
	}
	if row != "" {
		rows = append(rows, row)
	}
	for i := range rows {
		rows[i] = cut(rows[i], max(1, width))
	}
	return rows
}
