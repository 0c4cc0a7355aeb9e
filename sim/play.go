package sim

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// PlayFiles plays story files in virtual time and tells what happens. The error
// names the story and the line that failed; all files are read before the first
// one plays.
func PlayFiles(ctx context.Context, files []string, out io.Writer) error {
	var stories []*Story
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		s, err := Parse(filepath.Base(f), data)
		if err != nil {
			return err
		}
		stories = append(stories, s)
	}
	for _, s := range stories {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.tell(out); err != nil {
			return err
		}
	}
	return nil
}

// tell plays one story in a world of its own.
func (s *Story) tell(out io.Writer) error {
	w, err := NewWorld(Config{Seed: 1})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", s.Name)
	if s.Comment != "" {
		fmt.Fprintf(out, "  %s\n", strings.ReplaceAll(s.Comment, "\n", "\n  "))
	}
	p := NewPlayer(w)
	told := 0
	transitions := func() {
		for ; told < len(w.Trace); told++ {
			fmt.Fprintf(out, "            %s\n", w.Trace[told])
		}
	}
	p.Log = func(format string, args ...any) {
		transitions()
		fmt.Fprintf(out, "  %8s  %s\n", w.Now().Sub(epoch).Round(10*time.Millisecond), fmt.Sprintf(format, args...))
	}
	err = p.Play(s)
	transitions()
	if err != nil {
		return err
	}
	for _, v := range w.Violations {
		return fmt.Errorf("%s: broken promise: %s", s.Name, v)
	}
	fmt.Fprintf(out, "  %8s  it went as told (%d requests, %d lost)\n\n", w.Now().Sub(epoch).Round(10*time.Millisecond), w.requests, p.Lost)
	return nil
}
