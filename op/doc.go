// Package op holds the verbs: everything a person or a program can ask of the
// control plane, one value each. From that value follow the HTTP route, the
// OpenAPI description, the Go client, the command line, the permission check
// and the ledger entry.
//
// Begin with op.go (what a verb is) and all.go (the list). Each noun's verbs
// stand in the file of its name; tx.go is how they read and write: judge on a
// consistent read, then one commit, all or nothing.
package op
