// Package release answers for what a release does next. It is one pure
// function over a table:
//
//	Step(release, seen, now) → Next{release, endpoint, record, wake, why}
//
// Step makes at most one transition: the first row of the table (rows.go) whose
// condition holds. The caller commits it with its one ledger record, does the
// effects, looks at the world again and calls Step again until nothing changes.
// So a crash between any two transitions resumes the same, and calling Step
// once too often changes nothing.
//
// The order of the rows is the order of judgement: what a person commands to
// stop, tripwires, harm, then what would go forward, then deadlines. A failed
// effect, a gateway that cannot load the candidate or that is not heard of is
// something seen, and never keeps the rest from being judged.
//
// The package knows the few words of fairlead.Step and no strategy's name; it
// calls core/strategy only to compile the release's own. Begin with Step in
// step.go, then read rows.go; the page docs/reference/release-machine.md is
// printed from the rows.
package release
