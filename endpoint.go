package fairlead

import "time"

// Endpoint is the stable address that callers use.
type Endpoint struct {
	TypeMeta
	Meta   Meta           `json:"metadata"`
	Spec   EndpointSpec   `json:"spec"`
	Status EndpointStatus `json:"status,omitzero" readOnly:"true"`
}

// EndpointSpec is what a person declares. Initial is the version of the first
// deployment; afterwards releases move the endpoint and Initial may not change.
type EndpointSpec struct {
	Initial  string       `json:"initial" doc:"model@version to serve first; later versions arrive by releases"`
	Target   string       `json:"target,omitempty" doc:"where replicas run; local if absent"`
	Key      *Key         `json:"key,omitempty" doc:"what stays with one arm; each request by itself if absent"`
	Limits   Limits       `json:"limits,omitzero"`
	Feedback FeedbackSpec `json:"feedback,omitzero"`
}

// Key declares the unit of assignment: callers with the same key see the same
// arm. Exactly one field is set. A request without it is assigned by its id.
type Key struct {
	Header string `json:"header,omitempty" maxLength:"255" doc:"an HTTP header, e.g. X-User-Id"`
	Cookie string `json:"cookie,omitempty" maxLength:"255" doc:"a cookie, e.g. session"`
	JSON   string `json:"json,omitempty" maxLength:"255" doc:"a path in the request body, e.g. parameters.user"`
}

// Limits protect an endpoint; zero values mean the defaults.
type Limits struct {
	Body        Bytes    `json:"body,omitempty" doc:"largest request body; 4MiB if absent"`
	Timeout     Duration `json:"timeout,omitempty" doc:"an answer later than this is an error of its arm; 10s if absent"`
	Concurrency int      `json:"concurrency,omitempty" minimum:"0" maximum:"1000000" doc:"requests at once; 1024 if absent"`
}

// Defaults of Limits.
const (
	DefaultBody        Bytes = 4 << 20
	DefaultTimeout           = Duration(10 * time.Second)
	DefaultConcurrency       = 1024
)

// FeedbackSpec says what of an answer a later label is compared with.
type FeedbackSpec struct {
	Prediction string   `json:"prediction,omitempty" maxLength:"255" doc:"the output tensor that holds the prediction; a label sent as feedback is compared with it and becomes the metric accuracy"`
	Window     Duration `json:"window,omitempty" doc:"how long after the answer feedback is taken; 24h if absent"`
}

// EndpointStatus is written by the release loop alone.
type EndpointStatus struct {
	Version  string  `json:"version,omitempty" doc:"the version that serves: the incumbent"`
	Release  string  `json:"release,omitempty" doc:"the release that is moving the endpoint, if any"`
	Previous string  `json:"previous,omitempty" doc:"the version before; undo returns to it"`
	History  []Serve `json:"history,omitempty" doc:"every version that ever served, latest last"`
}

// Serve is one line of an endpoint's history.
type Serve struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Release string    `json:"release,omitempty"`
}
