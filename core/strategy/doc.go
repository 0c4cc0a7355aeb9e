// Package strategy answers for the recipes by which a release may move: each
// kind compiles its own short spec to the few words of fairlead.Step, which is
// all that the release machine knows. A new strategy is one file beside this
// one and one line in all.go; nothing else in the house learns its name.
//
// Begin with Compile in compile.go, then canary.go.
package strategy
