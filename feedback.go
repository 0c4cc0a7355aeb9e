package fairlead

import (
	"encoding/json"
	"time"
)

// Feedback is a label, reward or business outcome that arrives later and is
// joined to the arm that answered by the request's id. Each metric counts once
// per request; a repetition changes nothing.
type Feedback struct {
	RequestID string             `json:"request_id" maxLength:"128" doc:"the id the answer carried (Fairlead-Request-Id, or id in the body)"`
	Label     json.RawMessage    `json:"label,omitempty" doc:"the truth: a string, number or boolean (or a list, one a row); compared with the endpoint's declared prediction"`
	Metrics   map[string]float64 `json:"metrics,omitempty" doc:"named outcomes, e.g. conversion: 1, revenue: 9.90"`
	At        time.Time          `json:"at,omitzero" doc:"when the outcome happened; now if absent"`
}
