package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScreenRedrawsInPlaceOnATerminalOnly(t *testing.T) {
	var b strings.Builder
	s := &screen{out: &b, tty: true, color: true}
	s.Live("one", "two")
	s.Live("three")
	s.Say("%s", s.paint(green, "done"))
	want := "one\ntwo\n" + "\x1b[2F\x1b[J" + "three\n" + "\x1b[1F\x1b[J" + "\x1b[32mdone\x1b[0m\n"
	if got := b.String(); got != want {
		t.Errorf("terminal:\n got %q\nwant %q", got, want)
	}

	b.Reset()
	s = &screen{out: &b}
	s.Live("one", "two")
	s.Say("%s", s.paint(green, "done"))
	if got := b.String(); got != "done\n" {
		t.Errorf("file: got %q, want the said line alone, without colour", got)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if s := newScreen(f, func(string) string { return "" }); s.tty || s.color {
		t.Errorf("got %+v", s)
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{-1: "░░░░", 0: "░░░░", 0.001: "█░░░", 0.5: "██░░", 1: "████", 7: "████"} {
		if got := bar(share, 4); got != want {
			t.Errorf("bar(%v) = %s, want %s", share, got, want)
		}
	}
}
