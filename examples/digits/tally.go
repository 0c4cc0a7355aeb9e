package main

import (
	"sync"
	"time"
)

// score is what callers saw of one version.
type score struct {
	Answers, Wrong int
	First, Last    time.Time // of its answers
	FirstWrong     time.Time
}

// Accuracy is the share of right answers.
func (s score) Accuracy() float64 {
	if s.Answers == 0 {
		return 0
	}
	return 1 - float64(s.Wrong)/float64(s.Answers)
}

// tally counts from the callers' side, by nothing but the answers and their
// headers: it knows nothing of what the server believes.
type tally struct {
	mu       sync.Mutex // guards all below
	versions map[string]score
	failed   int // requests without an answer
	lastErr  error
	labels   int // labels delivered
	lost     int // labels refused
}

func (t *tally) answer(version string, right bool, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.versions == nil {
		t.versions = map[string]score{}
	}
	s := t.versions[version]
	s.Answers++
	if s.First.IsZero() {
		s.First = at
	}
	if at.After(s.Last) {
		s.Last = at
	}
	if !right {
		s.Wrong++
		if s.FirstWrong.IsZero() || at.Before(s.FirstWrong) {
			s.FirstWrong = at
		}
	}
	t.versions[version] = s
}

func (t *tally) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.lastErr = err
}

func (t *tally) label(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.lost++
		t.lastErr = err
		return
	}
	t.labels++
}

// snapshot is the counts at one moment.
type snapshot struct {
	Versions             map[string]score
	Failed, Labels, Lost int
	LastErr              error
}

func (t *tally) snapshot() snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := snapshot{Versions: make(map[string]score, len(t.versions)), Failed: t.failed, Labels: t.labels, Lost: t.lost, LastErr: t.lastErr}
	for k, v := range t.versions {
		s.Versions[k] = v
	}
	return s
}

// Answers of all versions together.
func (s snapshot) Answers() int {
	n := 0
	for _, v := range s.Versions {
		n += v.Answers
	}
	return n
}
