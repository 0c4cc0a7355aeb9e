//go:build !race

package inproc_test

const raceOn = false
