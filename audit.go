package fairlead

import (
	"encoding/json"
	"time"
)

// LedgerEntry is the tamper-evident record of one decision: who, what, why, on
// what evidence. Every status change has exactly one.
type LedgerEntry struct {
	Seq      int64           `json:"seq" readOnly:"true"` // 0, 1, … given by the store, in commit order
	Time     time.Time       `json:"time"`
	Actor    string          `json:"actor"`            // a token's name, or loop/<name>
	Verb     string          `json:"verb"`             // e.g. release.step, model.register
	Kind     string          `json:"kind"`             // of the noun that changed
	Name     string          `json:"name"`             // of the noun that changed
	From     string          `json:"from,omitempty"`   // for a release: phase step weight
	To       string          `json:"to,omitempty"`     // likewise
	Reason   string          `json:"reason,omitempty"` // code
	Message  string          `json:"message,omitempty"`
	Evidence json.RawMessage `json:"evidence,omitempty"` // the inputs of the decision, enough to replay it
}
