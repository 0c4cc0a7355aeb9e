// Package loop answers for turning judgement into effects. Every loop is one
// pass over one key: load, see, judge, do. A pass looks at what is, not at what
// woke it, and running it twice changes nothing the second time.
//
//	release  a release's name   release.Step, one commit a transition
//	effect   kind/key           what commits asked to be done: routes
//	window   an endpoint        gateways' reports become stored evidence and marks
//	endpoint an endpoint        wakes the release that moves it
//	outbox   ""                 finds effects still to do
//	tokens   ""                 publishes the tokens to gateways
//	routes   ""                 publishes all routes again (at start)
//	tidy     ""                 removes old windows and silent gateways
//
// Runner.Run drives the passes in the real world: store changes, gateways'
// reports and wake times put keys into a queue in which a key runs at most once
// at a time and backs off when it fails. The simulation drives the same passes
// itself, without goroutines: Report feeds a gateway's report, Settle runs
// whatever is due until nothing changes and says when to come again.
//
// A crash between any two commits resumes the same: all state is in the store,
// effects stay in its outbox until they are done, and gateways' counters are
// cumulative, so what was not stored is told again.
//
// Begin with Runner in loop.go, then release.go.
package loop
