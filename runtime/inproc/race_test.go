//go:build race

package inproc_test

// raceOn: under the race detector sync.Pool drops values at random, so
// allocations are not counted.
const raceOn = true
