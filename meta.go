package fairlead

import (
	"regexp"
	"time"
)

// APIVersion of every manifest.
const APIVersion = "fairlead/v1"

// The kinds of stored nouns, as manifests spell them.
const (
	KindModel    = "Model"
	KindVersion  = "Version"
	KindAlias    = "Alias"
	KindEndpoint = "Endpoint"
	KindTarget   = "Target"
	KindRelease  = "Release"
	KindToken    = "Token"
	// Written by loops and gateways alone:
	KindRoute   = "Route"
	KindWindow  = "Window"
	KindGateway = "Gateway"
)

// TypeMeta opens every document.
type TypeMeta struct {
	APIVersion string `json:"apiVersion" enum:"fairlead/v1" doc:"always fairlead/v1"`
	Kind       string `json:"kind" doc:"what the document describes"`
}

// Meta is what all nouns share. Name is the key within its kind.
type Meta struct {
	Name     string            `json:"name" doc:"unique within its kind: lower-case letters, digits, '.', '_', '-' (a version: model@version)"`
	Labels   map[string]string `json:"labels,omitempty" doc:"free labels"`
	Revision int64             `json:"revision,omitempty" readOnly:"true" doc:"counts the document's changes; send it back to guard against overwriting someone else's"`
	Created  time.Time         `json:"created,omitzero" readOnly:"true"`
	Updated  time.Time         `json:"updated,omitzero" readOnly:"true"`
}

// NamePattern is what names of nouns look like; MaxName bounds them.
const (
	NamePattern = `^[a-z0-9][a-z0-9._-]*$`
	MaxName     = 63
)

var nameRE = regexp.MustCompile(NamePattern)

// CheckName gives the fault of a name, if it has one.
func CheckName(path, name string) []Fault {
	if len(name) <= MaxName && nameRE.MatchString(name) {
		return nil
	}
	return []Fault{{Path: path, Message: "not a valid name",
		Want: "1 to 63 lower-case letters, digits, '.', '_' or '-', beginning with a letter or digit", Got: quote(name)}}
}
