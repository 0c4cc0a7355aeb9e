// Package sim is the deterministic world: the real core, op, loop and gateway
// over the in-memory store, the local bus and the fake runtime, in virtual
// time. Everything that happens follows from a seed.
//
// Begin with world.go. A story (story.go) is a page of text that says what
// people do and what must become of it; the same story plays in the world, in
// milliseconds, and against the real binary. The invariants (invariant.go) are
// the house's promises as sentences; they are checked after every event of
// every run, whatever faults and crashes (chaos.go) the seed brings.
package sim
