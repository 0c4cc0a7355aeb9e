package runtime

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fairlead.dev"
)

// Datatypes are the Open Inference Protocol's names, in its order.
func Datatypes() []string {
	return []string{"BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64", "BYTES"}
}

// ElementSize is the bytes of one element; 0 for BYTES, whose elements vary,
// and -1 for an unknown datatype.
func ElementSize(datatype string) int {
	switch datatype {
	case "BOOL", "INT8", "UINT8":
		return 1
	case "INT16", "UINT16", "FP16":
		return 2
	case "INT32", "UINT32", "FP32":
		return 4
	case "INT64", "UINT64", "FP64":
		return 8
	case "BYTES":
		return 0
	}
	return -1
}

// NewData makes the slice that a datatype asks for, n elements long; nil for
// an unknown datatype. The caller bounds n.
func NewData(datatype string, n int) any {
	switch datatype {
	case "BOOL":
		return make([]bool, n)
	case "INT8":
		return make([]int8, n)
	case "INT16":
		return make([]int16, n)
	case "INT32":
		return make([]int32, n)
	case "INT64":
		return make([]int64, n)
	case "UINT8":
		return make([]uint8, n)
	case "UINT16", "FP16":
		return make([]uint16, n)
	case "UINT32":
		return make([]uint32, n)
	case "UINT64":
		return make([]uint64, n)
	case "FP32":
		return make([]float32, n)
	case "FP64":
		return make([]float64, n)
	case "BYTES":
		return make([][]byte, n)
	}
	return nil
}

// DataLen is the number of elements in data and whether data is the kind of
// slice that datatype asks for.
func DataLen(datatype string, data any) (n int, ok bool) {
	switch d := data.(type) {
	case []bool:
		return len(d), datatype == "BOOL"
	case []int8:
		return len(d), datatype == "INT8"
	case []int16:
		return len(d), datatype == "INT16"
	case []int32:
		return len(d), datatype == "INT32"
	case []int64:
		return len(d), datatype == "INT64"
	case []uint8:
		return len(d), datatype == "UINT8"
	case []uint16:
		return len(d), datatype == "UINT16" || datatype == "FP16"
	case []uint32:
		return len(d), datatype == "UINT32"
	case []uint64:
		return len(d), datatype == "UINT64"
	case []float32:
		return len(d), datatype == "FP32"
	case []float64:
		return len(d), datatype == "FP64"
	case [][]byte:
		return len(d), datatype == "BYTES"
	}
	return 0, false
}

// ShapeText writes a shape as people read it: [-1, 64].
func ShapeText(shape []int64) string {
	b := make([]byte, 0, 32)
	b = append(b, '[')
	for i, d := range shape {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, d, 10)
	}
	return string(append(b, ']'))
}

// FitsShape says whether a concrete shape is one that spec allows: as many
// dimensions, each at least 1 and equal to the declared one unless that is -1.
func FitsShape(spec, shape []int64) bool {
	if len(spec) != len(shape) {
		return false
	}
	for i, d := range shape {
		if d < 1 || (spec[i] >= 0 && spec[i] != d) {
			return false
		}
	}
	return true
}

// CheckTensor compares a tensor with its declaration; path names it in the
// faults. A tensor that passes is safe to index by its shape.
func CheckTensor(path string, spec fairlead.TensorSpec, t *Tensor) []fairlead.Fault {
	if t.Datatype != spec.Datatype {
		return []fairlead.Fault{{Path: path + "/datatype", Message: "wrong datatype for " + strconv.Quote(spec.Name), Want: spec.Datatype, Got: cut(t.Datatype)}}
	}
	if !FitsShape(spec.Shape, t.Shape) {
		got := ShapeText(t.Shape)
		if len(t.Shape) > 16 {
			got = fmt.Sprintf("%d dimensions", len(t.Shape))
		}
		return []fairlead.Fault{{Path: path + "/shape", Message: "wrong shape for " + strconv.Quote(spec.Name), Want: ShapeText(spec.Shape) + " (-1: any size from 1)", Got: got}}
	}
	n, ok := DataLen(t.Datatype, t.Data)
	if !ok {
		return []fairlead.Fault{{Path: path + "/data", Message: "wrong kind of data for " + strconv.Quote(spec.Name), Want: spec.Datatype + " elements", Got: fmt.Sprintf("%T", t.Data)}}
	}
	if want := Elements(t.Shape); int64(n) != want {
		return []fairlead.Fault{{Path: path + "/data", Message: "wrong number of elements for " + strconv.Quote(spec.Name), Want: fmt.Sprintf("%d (shape %s)", want, ShapeText(t.Shape)), Got: strconv.Itoa(n)}}
	}
	return nil
}

// Admit says whether a call may begin: the model is not closed, the call is not
// over already, and the request fits the model.
func Admit(ctx context.Context, closed bool, sig *Signature, req *Request) error {
	if closed {
		return fairlead.Errorf(fairlead.Unavailable, "the model is closed")
	}
	if err := ctx.Err(); err != nil {
		return fairlead.Errorf(fairlead.Timeout, "the call was ended before it began: %w", err)
	}
	return CheckRequest(sig, req)
}

// CheckRequest compares a request with a signature: every declared input once
// and none else, each as declared, and only declared outputs. The error has
// code Invalid and every fault.
func CheckRequest(sig *Signature, req *Request) error {
	// The usual case first: inputs in declared order, nothing wrong.
	if len(req.Inputs) == len(sig.Inputs) && len(req.Outputs) == 0 {
		fine := true
		for i := range sig.Inputs {
			if t := &req.Inputs[i]; t.Name != sig.Inputs[i].Name || CheckTensor("", sig.Inputs[i], t) != nil {
				fine = false
				break
			}
		}
		if fine {
			return nil
		}
	}
	var faults []fairlead.Fault
	seen := make(map[string]bool, len(req.Inputs))
	for i := range req.Inputs {
		t := &req.Inputs[i]
		path := "/inputs/" + strconv.Itoa(i)
		spec := findSpec(sig.Inputs, t.Name)
		switch {
		case spec == nil:
			faults = append(faults, fairlead.Fault{Path: path + "/name", Message: "unknown input " + strconv.Quote(cut(t.Name)), Known: Names(sig.Inputs)})
		case seen[t.Name]:
			faults = append(faults, fairlead.Fault{Path: path + "/name", Message: "input " + strconv.Quote(t.Name) + " is given twice"})
		default:
			faults = append(faults, CheckTensor(path, *spec, t)...)
		}
		seen[t.Name] = true
		if len(faults) > 32 {
			break // enough to mend; a request may hold any number of inputs
		}
	}
	for _, spec := range sig.Inputs {
		if !seen[spec.Name] {
			faults = append(faults, fairlead.Fault{Path: "/inputs", Message: "missing input " + strconv.Quote(spec.Name), Want: spec.Datatype + " " + ShapeText(spec.Shape)})
		}
	}
	for i, name := range req.Outputs {
		if findSpec(sig.Outputs, name) == nil {
			faults = append(faults, fairlead.Fault{Path: "/outputs/" + strconv.Itoa(i) + "/name", Message: "unknown output " + strconv.Quote(cut(name)), Known: Names(sig.Outputs)})
		}
		if len(faults) > 64 {
			break
		}
	}
	return fairlead.Faulty("the request does not fit the model's inputs", faults)
}

// Names are the specs' names in order.
func Names(specs []fairlead.TensorSpec) []string {
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	return names
}

func findSpec(specs []fairlead.TensorSpec, name string) *fairlead.TensorSpec {
	for i := range specs {
		if specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

// cut keeps text from outside short in a message.
func cut(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
