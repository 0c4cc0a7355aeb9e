package fairlead

import (
	"fmt"
	"time"
)

// The arms' names within a release.
const (
	Incumbent = "incumbent"
	Candidate = "candidate"
)

// Stratum names a period of constant exposure: one step of one attempt of a
// release. Counts are never pooled over strata. The zero Stratum is an
// endpoint at rest.
type Stratum struct {
	Release string `json:"release,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Step    int    `json:"step,omitempty"`
}

func (s Stratum) String() string {
	if s.Release == "" {
		return "rest"
	}
	return fmt.Sprintf("%s/%d/%d", s.Release, s.Attempt, s.Step)
}

// Window is the evidence of one endpoint in one stratum: cumulative counters
// per arm. Windows of several gateways merge by addition, so a verdict is a
// pure function of monotone counters.
type Window struct {
	Endpoint string    `json:"endpoint"`
	Stratum  Stratum   `json:"stratum"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	// What the candidate was exposed to in this stratum.
	Weight Weight            `json:"weight"`
	Mirror Weight            `json:"mirror"`
	Arms   map[string]Counts `json:"arms"`
	// Marks are earlier states of the same counters, at times chosen without
	// looking at the data: the start points of tests for a late change, and the
	// intervals of threshold gates. Oldest first.
	Marks []Mark `json:"marks,omitempty"`
}

// Mark is a Window's counters at an earlier time.
type Mark struct {
	At   time.Time         `json:"at"`
	Arms map[string]Counts `json:"arms"`
}

// MaxMarks bounds a window's marks.
const MaxMarks = 64

// Counts are one arm's cumulative counters. A mirrored arm counts the copies.
type Counts struct {
	Requests int64              `json:"requests"`          // answered or failed; the caller's own mistakes (4xx) are not the arm's
	Errors   int64              `json:"errors,omitempty"`  // of Requests, those that failed or timed out
	Latency  Histogram          `json:"latency,omitempty"` // seconds, core/stats boundaries; failures included
	Metrics  map[string]Moments `json:"metrics,omitempty"` // feedback, by metric
	// Mirrored copies alone:
	Dropped  int64 `json:"dropped,omitempty"`  // copies not sent (queue full)
	Compared int64 `json:"compared,omitempty"` // answers compared with the incumbent's
	Differed int64 `json:"differed,omitempty"` // of Compared, those with another prediction
}

// Moments of a numeric metric.
type Moments struct {
	N    int64   `json:"n"`
	Sum  float64 `json:"sum"`
	Sum2 float64 `json:"sum2"`
}

// Histogram counts observations per bucket; the boundaries are fixed
// (core/stats), so histograms merge by addition without loss.
type Histogram map[int32]int64

// Add returns c + d; neither is changed.
func (c Counts) Add(d Counts) Counts {
	c.Requests += d.Requests
	c.Errors += d.Errors
	c.Dropped += d.Dropped
	c.Compared += d.Compared
	c.Differed += d.Differed
	c.Latency = c.Latency.Add(d.Latency)
	m := make(map[string]Moments, len(c.Metrics)+len(d.Metrics))
	for k, v := range c.Metrics {
		m[k] = v
	}
	for k, v := range d.Metrics {
		w := m[k]
		m[k] = Moments{w.N + v.N, w.Sum + v.Sum, w.Sum2 + v.Sum2}
	}
	c.Metrics = m
	return c
}

// Add returns h + g; neither is changed.
func (h Histogram) Add(g Histogram) Histogram {
	sum := make(Histogram, len(h)+len(g))
	for i, n := range h {
		sum[i] = n
	}
	for i, n := range g {
		sum[i] += n
	}
	return sum
}

// N is the number of observations.
func (h Histogram) N() int64 {
	var n int64
	for _, c := range h {
		n += c
	}
	return n
}
