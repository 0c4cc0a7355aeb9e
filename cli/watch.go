package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen redraws a picture in place on a terminal. It uses the alternate
// screen, so that resizing never leaves torn lines behind, and prints the last
// picture to the normal one at the end.
type screen struct {
	out   io.Writer
	fd    int
	color bool
	last  string
	open  bool
}

// newScreen is nil when out is no terminal.
func newScreen(out io.Writer, getenv func(string) string) *screen {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || getenv("TERM") == "dumb" {
		return nil
	}
	return &screen{out: out, fd: int(f.Fd()), color: getenv("NO_COLOR") == ""}
}

// size of the terminal; 80 × 24 when it does not say.
func (s *screen) size() (width, height int) {
	w, h, err := term.GetSize(s.fd)
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return w, h
}

// show replaces the picture. The frame is one write, so it never flickers.
func (s *screen) show(draw func(width, height int, color bool) string) error {
	w, h := s.size()
	frame := draw(w, h-1, s.color)
	if frame == s.last {
		return nil
	}
	s.last = frame
	var b strings.Builder
	if !s.open {
		s.open = true
		b.WriteString("\x1b[?1049h\x1b[?25l") // alternate screen, no cursor
	}
	b.WriteString("\x1b[H" + strings.ReplaceAll(frame, "\n", "\x1b[K\r\n") + "\x1b[J")
	_, err := io.WriteString(s.out, b.String())
	return err
}

// close restores the terminal and leaves the whole last picture on it.
func (s *screen) close(draw func(width, height int, color bool) string) {
	if s.open {
		_, _ = io.WriteString(s.out, "\x1b[?25h\x1b[?1049l")
		s.open = false
	}
	w, _ := s.size()
	_, _ = io.WriteString(s.out, draw(w, 0, s.color))
}
