// Package runtime is the contract of the code that makes a version run on a
// target. One folder a kind; runtimetest examines them all; cmd/fairlead lists
// them.
package runtime

import (
	"context"
	"io"

	"fairlead.dev"
)

// Source opens the files of an artifact; the bytes are verified against their
// digests while they are read. Path "" is the file of a one-file artifact.
type Source interface {
	Artifact() fairlead.Artifact
	Open(ctx context.Context, path string) (io.ReadCloser, error)
}

// Runtime loads versions.
type Runtime interface {
	// Name as a target's spec.runtime gives it.
	Name() string
	// Formats it can load.
	Formats() []string
	// Check reads an artifact as Load would and gives its interface, without
	// keeping it. A model file is untrusted: whatever its bytes, Check answers
	// in bounded time and memory, with code Invalid or Corrupt and where, or
	// with Unsupported and the name of the operator it cannot run.
	Check(ctx context.Context, src Source) (Signature, error)
	// Load makes the version ready to answer.
	Load(ctx context.Context, src Source, place fairlead.TargetSpec) (Model, error)
}

// Signature is a model's interface.
type Signature struct {
	Platform        string // e.g. onnx, xgboost-json
	Inputs, Outputs []fairlead.TensorSpec
}

// Model is a loaded version. Infer may be called by many goroutines at once.
type Model interface {
	Signature() Signature
	// Infer answers a request or fails with code Invalid (the caller's mistake:
	// unknown input, wrong datatype or shape), Timeout, Unavailable or Internal.
	Infer(ctx context.Context, req *Request) (*Response, error)
	// Close frees the model once no call is running.
	Close() error
}

// Request is one inference.
type Request struct {
	ID      string
	Inputs  []Tensor
	Outputs []string // names wanted; all if empty
}

// Response is the answer.
type Response struct {
	Outputs []Tensor
}

// Tensor is a dense row-major tensor. Data is the slice that Datatype asks
// for, of as many elements as Shape's product:
//
//	BOOL []bool · INT8 []int8 · INT16 []int16 · INT32 []int32 · INT64 []int64
//	UINT8 []uint8 · UINT16 []uint16 · UINT32 []uint32 · UINT64 []uint64
//	FP32 []float32 · FP64 []float64 · BYTES [][]byte · FP16 []uint16 (bits)
type Tensor struct {
	Name     string
	Datatype string
	Shape    []int64
	Data     any
}

// Elements is the product of shape; -1 when it is negative anywhere or
// overflows.
func Elements(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || (d > 0 && n > (1<<62)/d) {
			return -1
		}
		n *= d
	}
	return n
}
