// Package api is the HTTP face of the verbs and their Go client. Both derive
// from op's table: a verb added there has a route, a place in the OpenAPI
// description and a client call.
//
// Begin with handler.go (credentials, routes, errors) and client.go. Blobs and
// the stream of changes are written by hand: they are not one question with
// one answer.
package api
