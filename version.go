package fairlead

import (
	"strings"
	"time"
)

// Version is an immutable, content-addressed build of a model. Its name is
// "model@version".
type Version struct {
	TypeMeta
	Meta Meta        `json:"metadata"`
	Spec VersionSpec `json:"spec"`
}

// VersionSpec never changes after registration.
type VersionSpec struct {
	Artifact Artifact           `json:"artifact"`
	Inputs   []TensorSpec       `json:"inputs,omitempty" readOnly:"true" doc:"read from the artifact"`
	Outputs  []TensorSpec       `json:"outputs,omitempty" readOnly:"true" doc:"read from the artifact"`
	Lineage  Lineage            `json:"lineage,omitzero"`
	Metrics  map[string]float64 `json:"metrics,omitempty" doc:"offline metrics, e.g. accuracy: 0.97"`
	Card     Card               `json:"card,omitzero"`
}

// Artifact names the bytes of a version. One file: Digest is that file's. A
// folder: Files lists its files and Digest is that of the canonical JSON of
// Files, itself stored as a blob.
type Artifact struct {
	Digest string         `json:"digest" doc:"sha256:<64 hex digits>"`
	Format string         `json:"format" doc:"which runtime can load it, e.g. onnx, xgboost-json, lightgbm-text, remote"`
	Size   int64          `json:"size" doc:"bytes in all"`
	Files  []ArtifactFile `json:"files,omitempty" maxItems:"10000"`
}

// ArtifactFile is one file of a folder artifact; Path is slash-separated and
// relative.
type ArtifactFile struct {
	Path   string `json:"path" maxLength:"1024"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Lineage says where a version came from.
type Lineage struct {
	Data        []string          `json:"data,omitempty" maxItems:"100" doc:"data sets, by URI or digest"`
	Code        string            `json:"code,omitempty" maxLength:"1024" doc:"repository and commit"`
	Parameters  map[string]string `json:"parameters,omitempty" doc:"hyper-parameters"`
	Environment string            `json:"environment,omitempty" maxLength:"4096" doc:"image, lock file or package list"`
	Parent      string            `json:"parent,omitempty" doc:"the version it was derived from"`
	Trained     time.Time         `json:"trained,omitzero"`
}

// Card is a short model card (Mitchell et al., 2019).
type Card struct {
	Summary     string `json:"summary,omitempty" maxLength:"8192"`
	IntendedUse string `json:"intendedUse,omitempty" maxLength:"8192"`
	Limitations string `json:"limitations,omitempty" maxLength:"8192"`
	Ethics      string `json:"ethics,omitempty" maxLength:"8192"`
	License     string `json:"license,omitempty" maxLength:"255"`
}

// SplitRef cuts "model@version" (or "model@alias"); ok is false when either
// part is missing or malformed.
func SplitRef(ref string) (model, version string, ok bool) {
	model, version, ok = strings.Cut(ref, "@")
	ok = ok && len(CheckName("", model)) == 0 && len(CheckName("", version)) == 0
	return model, version, ok
}
