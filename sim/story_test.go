package sim

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStories plays every story of the examples in virtual time; cmd/fairlead
// plays the same ones against the real binary.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("../examples/stories/*.txtar")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d stories: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			var out strings.Builder
			if err := PlayFiles(t.Context(), []string{f}, &out); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if testing.Verbose() {
				t.Log(out.String())
			}
		})
	}
}

// TestWrongStories: a story that cannot be played is refused before it begins,
// with its line and what was expected.
func TestWrongStories(t *testing.T) {
	cases := []struct{ name, story, want string }{
		{"no script", "-- a.yaml --\n", "needs a file named story"},
		{"unknown word", "-- story --\nrun 1s\nfly away\n", `s/story:2:1: unknown word "fly"`},
		{"too few words", "-- story --\nwait r Healthy\n", "s/story:1:1: expected: wait RELEASE PHASE WITHIN"},
		{"missing file", "-- story --\napply x.yaml\n", `the story has no file "x.yaml"`},
		{"bad duration", "-- story --\nrun soon\n", "s/story:1: run soon"},
		{"endless duration", "-- story --\nrun 99999h\n", "expected a duration from 0s to 720h0m0s"},
		{"backwards", "-- story --\nrun -1s\n", "expected a duration from 0s"},
		{"no number of requests", "-- story --\ntraffic e NaN/s\n", "expected a rate from 0/s to 10000/s"},
		{"endless requests", "-- story --\ntraffic e Inf/s\n", "expected a rate from 0/s to 10000/s"},
		{"no share", "-- story --\noutcome accuracy m@1 90 1s\n", "expected a mean from 0 to 1"},
		{"a line without end", "-- story --\nrun 1s\n#" + strings.Repeat("x", 1<<17) + "\nfly away\n", "the story cannot be read"},
		{"bad rate", "-- story --\ntraffic e fast\n", "expected: traffic ENDPOINT RATE/s"},
		{"false expectation", "-- story --\nexpect lost 3\n", "got 0"},
		{"unknown release", "-- story --\nexpect phase r Healthy\n", "s/story:1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse("s", []byte(c.story))
			if err == nil {
				err = s.tell(io.Discard)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("expected %q, got %v", c.want, err)
			}
		})
	}
	if err := PlayFiles(t.Context(), []string{filepath.Join(t.TempDir(), "none.txtar")}, io.Discard); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// FuzzParse: whatever the bytes, Parse answers.
func FuzzParse(f *testing.F) {
	f.Add([]byte("-- story --\nrun 1s\n"))
	f.Add([]byte("-- story --\nexpect seen m@1 <= 3\ntraffic e 5/s users 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = Parse("fuzz", data) })
}
