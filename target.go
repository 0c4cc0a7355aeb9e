package fairlead

// Target is a place where replicas can run. A target named "local" (this
// process) always exists.
type Target struct {
	TypeMeta
	Meta Meta       `json:"metadata"`
	Spec TargetSpec `json:"spec"`
}

// LocalTarget is the name of the built-in target.
const LocalTarget = "local"

// TargetSpec says how to reach the place. A remote target's host must be on
// the server's allow-list (serve --allow-target).
type TargetSpec struct {
	Runtime string   `json:"runtime" doc:"inproc, remote or fake"`
	URL     string   `json:"url,omitempty" format:"uri" maxLength:"2048" doc:"base address of an Open Inference Protocol server"`
	Timeout Duration `json:"timeout,omitempty" doc:"deadline of one call, 10s if absent"`
}
