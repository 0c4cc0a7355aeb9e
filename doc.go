// Package fairlead holds the nouns of the product: plain structs, one file a
// noun, that are at once the manifest people write, the document that is
// stored, the API's reply and the CLI's output.
//
// A noun is Meta + Spec + Status. People write Spec; only the noun's loop
// writes Status. Begin with model.go and follow a model's way to its callers:
// Model → Version → Endpoint → Release → Route.
//
// The package imports the standard library alone and does no I/O, so every
// other room of the house may import it.
package fairlead
