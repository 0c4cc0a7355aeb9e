// Package cli is the command line of Fairlead: the op table as commands, plus
// the few that are more than one request (apply, register, status --watch).
// It acts only through the api client, so whatever a person can do here a
// program can do over HTTP.
//
// Begin with root.go, which lists the commands; exit.go holds the exit codes
// and view.go the picture that `fairlead status` draws.
package cli
