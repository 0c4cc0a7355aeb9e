// Package docs answers for the pages in this folder being true: its tests read
// every manifest, YAML block, link and command in docs, examples and README, and
// write the reference pages that follow from the code (go test ./docs -update).
// Begin with pages_test.go.
package docs
