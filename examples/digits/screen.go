package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// screen narrates. Said lines stay; live lines are redrawn in place on a
// terminal and left out elsewhere, where the caller says what matters.
type screen struct {
	mu    sync.Mutex // guards all below
	out   io.Writer
	tty   bool // redraw in place
	color bool
	drawn int // live lines on the terminal now
}

// newScreen looks at where f leads and at the habits people state in the
// environment (NO_COLOR, TERM=dumb).
func newScreen(f *os.File, getenv func(string) string) *screen {
	info, err := f.Stat()
	tty := err == nil && info.Mode()&os.ModeCharDevice != 0 && getenv("TERM") != "dumb"
	return &screen{out: f, tty: tty, color: tty && getenv("NO_COLOR") == ""}
}

// Say prints a line that stays.
func (s *screen) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// Title opens a chapter.
func (s *screen) Title(format string, args ...any) {
	s.Say("\n%s", s.paint(bold, fmt.Sprintf(format, args...)))
}

// Live replaces the live lines.
func (s *screen) Live(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tty {
		return
	}
	s.erase()
	for _, l := range lines {
		fmt.Fprintln(s.out, l)
	}
	s.drawn = len(lines)
}

// erase takes the live lines away: up, to the line's start, clear to the end.
func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dF\x1b[J", s.drawn)
		s.drawn = 0
	}
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *screen) paint(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// bar draws a share of 1 in width cells.
func bar(share float64, width int) string {
	full := int(share*float64(width) + 0.5)
	if share > 0 && full == 0 {
		full = 1 // one request in a thousand is not none
	}
	full = min(max(full, 0), width)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}
