package fairlead

// Route is the compiled, immutable traffic plan of an endpoint: all that a
// gateway and a runtime know. It arrives whole or not at all.
type Route struct {
	Endpoint string       `json:"endpoint"`
	Revision int64        `json:"revision"` // grows by one with each change; a gateway never goes back
	Stratum  Stratum      `json:"stratum"`  // what evidence gathered under this route belongs to
	Salt     string       `json:"salt"`     // of the hash that assigns units to arms
	Key      *Key         `json:"key,omitempty"`
	Limits   Limits       `json:"limits"` // defaults filled in
	Feedback FeedbackSpec `json:"feedback,omitzero"`
	// Arms: the incumbent first, then the candidate if there is one. Weights
	// of all arms sum to FullWeight. The candidate owns the lowest buckets, so
	// raising its weight moves nobody back.
	Arms      []Arm      `json:"arms"`
	Tripwires []Tripwire `json:"tripwires,omitempty"`
}

// Arm is a version that can receive the endpoint's traffic. An arm with
// neither weight nor mirror is kept loaded (warm).
type Arm struct {
	Name     string     `json:"name"` // Incumbent or Candidate
	Version  string     `json:"version"`
	Artifact Artifact   `json:"artifact"`
	Target   string     `json:"target"`
	Place    TargetSpec `json:"place"`
	Weight   Weight     `json:"weight"`
	Mirror   Weight     `json:"mirror,omitempty"`
}

// Tripwire is a gate so simple that the gateway judges it by itself, on every
// error of Arm within the route's stratum: the ratio e-process of error counts
// (core/stats) against the incumbent. When the evidence reaches LogLine nats
// the arm loses its traffic at once, with no word from the control plane.
type Tripwire struct {
	Arm     string  `json:"arm"`
	Ratio   float64 `json:"ratio"`   // tolerated ratio of error rates, 1 + margin
	LogLine float64 `json:"logLine"` // ln(1/alpha)
}

// GatewayReport is what a gateway says of one endpoint, at least once a second
// and at once when an arm trips. Counters are cumulative since Gateway (an id
// made at each start), so a lost or repeated report does no harm.
type GatewayReport struct {
	Gateway string `json:"gateway"`
	// Home stays the same over restarts of a gateway on its folder: the latest
	// Gateway of a Home has replaced the earlier ones, which need not be waited for.
	Home     string   `json:"home,omitempty"`
	Endpoint string   `json:"endpoint"`
	Seq      int64    `json:"seq"`
	Revision int64    `json:"revision"`          // of the route in force
	Stratum  Stratum  `json:"stratum"`           // of the route in force
	Error    string   `json:"error,omitempty"`   // why the newest route could not be taken, if so
	Failed   int64    `json:"failed,omitempty"`  // revision of the route that could not be taken
	Windows  []Window `json:"windows,omitempty"` // strata that changed lately; all of them once in a while
	Trips    []Trip   `json:"trips,omitempty"`   // arms turned off in the stratum in force
}

// Trip is a fired tripwire.
type Trip struct {
	Stratum Stratum `json:"stratum"`
	Arm     string  `json:"arm"`
	LogE    float64 `json:"logE"`
	Reason  string  `json:"reason"`
}
