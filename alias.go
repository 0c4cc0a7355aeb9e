package fairlead

// Alias is a movable name of a version: "digits@champion" → "digits@2". Its
// name is "model@alias" and may not be that of a version.
type Alias struct {
	TypeMeta
	Meta Meta      `json:"metadata"`
	Spec AliasSpec `json:"spec"`
}

// AliasSpec says which version the alias names.
type AliasSpec struct {
	Version string `json:"version" doc:"model@version"`
}
