// Package gateway is the hot path: it answers callers from compiled Routes and
// never waits for the control plane or a database.
//
//	caller → match → choose → send → record → reply        http.go, infer.go
//	              │               └→ mirror (off the path)  mirror.go
//	              └ Route: immutable, behind one atomic pointer   table.go, standin.go
//	record → stratum counters → Collect → GatewayReport    record.go, collect.go
//	       → tripwire: turns an arm off by itself          trip.go
//	       → decision (in memory, in the journal) ← feedback   decision.go, journal.go, journalindex.go, feedback.go
//
// Infer is the transport-free core; Handler puts the Open Inference Protocol v2
// over REST before it, and the simulation calls it directly. Nothing but New
// with a Dir (while it lasts), Run and the mirror workers makes goroutines, so a
// world that calls Apply, Infer, Feedback and Collect in order is deterministic.
//
// Locks, in the order they are taken: endpoint.applying (one Apply at a time),
// endpoint.disk, Gateway.feeding (one call of feedback), journal.io, journal.mu,
// Gateway.mu (table and endpoints), endpoint.mu (strata, trips), armStats.mu
// (feedback moments). No lock is taken on the way of an answer but those of the
// decision index and the journal's buffer, each held for less than a microsecond.
//
// Begin with gateway.go, then infer.go.
package gateway
