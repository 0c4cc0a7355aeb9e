package fairlead

import "time"

// Token is a credential. Only the hash of its secret is stored.
type Token struct {
	TypeMeta
	Meta Meta      `json:"metadata"`
	Spec TokenSpec `json:"spec"`
}

// TokenSpec says what the bearer may do. Besides the built-in roles any name
// can serve as a role that an approve step asks for.
type TokenSpec struct {
	Roles   []string  `json:"roles" minItems:"1" maxItems:"32" doc:"admin, operator, viewer, caller, or free names used by approve steps"`
	Hash    string    `json:"hash,omitempty" readOnly:"true" doc:"sha-256 of the secret, hex"`
	Expires time.Time `json:"expires,omitzero"`
}

// Built-in roles, each including the ones after it, but for caller, which
// stands apart: it may infer and send feedback, as operators and admins may.
const (
	RoleAdmin    = "admin"    // everything, tokens included
	RoleOperator = "operator" // register, apply, release verbs, infer, feedback
	RoleViewer   = "viewer"   // read
	RoleCaller   = "caller"   // infer and send feedback, nothing else
)
