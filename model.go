package fairlead

// Model is a named thing with a declared interface.
type Model struct {
	TypeMeta
	Meta Meta      `json:"metadata"`
	Spec ModelSpec `json:"spec"`
}

// ModelSpec is what a person declares of a model. Inputs and Outputs, where
// given, bind every version: one whose artifact differs is refused.
type ModelSpec struct {
	Description string       `json:"description,omitempty" maxLength:"4096" doc:"what the model is for"`
	Task        string       `json:"task,omitempty" maxLength:"63" doc:"e.g. classification, regression, ranking"`
	Inputs      []TensorSpec `json:"inputs,omitempty" maxItems:"256" doc:"tensors every version must accept"`
	Outputs     []TensorSpec `json:"outputs,omitempty" maxItems:"256" doc:"tensors every version must answer"`
}

// TensorSpec declares a tensor. Datatype is an Open Inference Protocol name;
// a dimension of -1 is free.
type TensorSpec struct {
	Name     string  `json:"name" maxLength:"255"`
	Datatype string  `json:"datatype" enum:"BOOL,INT8,INT16,INT32,INT64,UINT8,UINT16,UINT32,UINT64,FP16,FP32,FP64,BYTES"`
	Shape    []int64 `json:"shape" maxItems:"16"`
}
