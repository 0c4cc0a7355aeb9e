package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"fairlead.dev"
	"fairlead.dev/runtime"
)

// carried says whether a datatype can travel as JSON. FP16 cannot: the
// protocol gives its bits no text form.
func carried(datatype string) bool {
	return datatype != "FP16" && runtime.ElementSize(datatype) >= 0
}

type wireTensor struct {
	Name     string          `json:"name"`
	Datatype string          `json:"datatype"`
	Shape    []int64         `json:"shape"`
	Data     json.RawMessage `json:"data"`
}

type wireRequest struct {
	ID      string       `json:"id,omitempty"`
	Inputs  []wireTensor `json:"inputs"`
	Outputs []wireOutput `json:"outputs,omitempty"`
}

type wireOutput struct {
	Name string `json:"name"`
}

// encode writes a request that fits the signature.
func encode(req *runtime.Request) ([]byte, error) {
	w := wireRequest{ID: req.ID}
	for i := range req.Inputs {
		t := &req.Inputs[i]
		data, err := encodeData(t.Data)
		if err != nil {
			return nil, &fairlead.Error{Code: fairlead.Invalid, Message: "an input cannot be sent", Faults: []fairlead.Fault{{Path: "/inputs/" + strconv.Itoa(i) + "/data", Message: err.Error()}}}
		}
		w.Inputs = append(w.Inputs, wireTensor{t.Name, t.Datatype, t.Shape, data})
	}
	for _, o := range req.Outputs {
		w.Outputs = append(w.Outputs, wireOutput{o})
	}
	return json.Marshal(w)
}

func encodeData(data any) ([]byte, error) {
	switch d := data.(type) {
	case []float32:
		return floatList(d, 32)
	case []float64:
		return floatList(d, 64)
	case []uint8: // encoding/json would write base64
		return list(d, func(b []byte, v uint8) []byte { return strconv.AppendUint(b, uint64(v), 10) }), nil
	case []int64:
		return list(d, func(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }), nil
	case [][]byte:
		text := make([]string, len(d))
		for i := range d {
			text[i] = string(d[i])
		}
		return json.Marshal(text)
	}
	return json.Marshal(data)
}

func list[T any](d []T, put func([]byte, T) []byte) []byte {
	b := append(make([]byte, 0, 2+8*len(d)), '[')
	for i, v := range d {
		if i > 0 {
			b = append(b, ',')
		}
		b = put(b, v)
	}
	return append(b, ']')
}

func floatList[T float32 | float64](d []T, bits int) ([]byte, error) {
	for i, v := range d {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("element %d is %v, which JSON cannot carry", i, f)
		}
	}
	return list(d, func(b []byte, v T) []byte { return strconv.AppendFloat(b, float64(v), 'g', -1, bits) }), nil
}

// decode reads an answer and holds it against the signature: the gateway
// passes it on, so a server that errs must not reach the caller.
func decode(b []byte, sig *runtime.Signature, wanted []string) (*runtime.Response, error) {
	var w struct {
		Outputs []wireTensor `json:"outputs"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, fairlead.Errorf(fairlead.Internal, "the remote server's answer is not readable: %w", err)
	}
	specs := map[string]fairlead.TensorSpec{}
	for _, s := range sig.Outputs {
		specs[s.Name] = s
	}
	resp := &runtime.Response{}
	for _, o := range w.Outputs {
		spec, known := specs[o.Name]
		if !known {
			return nil, fairlead.Errorf(fairlead.Internal, "the remote server's answer has an output %q that its metadata lacks, or has it twice", cut(o.Name))
		}
		delete(specs, o.Name)
		t := runtime.Tensor{Name: o.Name, Datatype: o.Datatype, Shape: o.Shape}
		data, err := decodeData(spec.Datatype, o.Data)
		if err != nil {
			return nil, fairlead.Errorf(fairlead.Internal, "the remote server's answer: output %q: %w", o.Name, err)
		}
		t.Data = data
		if faults := runtime.CheckTensor("/outputs/"+o.Name, spec, &t); len(faults) > 0 {
			return nil, &fairlead.Error{Code: fairlead.Internal, Message: "the remote server's answer differs from its metadata", Err: fmt.Errorf("%s", faults[0])}
		}
		resp.Outputs = append(resp.Outputs, t)
	}
	for _, name := range wanted {
		if _, missing := specs[name]; missing {
			return nil, fairlead.Errorf(fairlead.Internal, "the remote server's answer lacks output %q", cut(name))
		}
	}
	if len(wanted) == 0 && len(specs) > 0 {
		return nil, fairlead.Errorf(fairlead.Internal, "the remote server's answer lacks %d of its outputs", len(specs))
	}
	return resp, nil
}

func decodeData(datatype string, raw json.RawMessage) (any, error) {
	switch datatype {
	case "BOOL":
		return decodeList[bool](raw)
	case "INT8":
		return decodeList[int8](raw)
	case "INT16":
		return decodeList[int16](raw)
	case "INT32":
		return decodeList[int32](raw)
	case "INT64":
		return decodeList[int64](raw)
	case "UINT8":
		v, err := decodeList[uint16](raw) // a JSON list of bytes, not base64
		if err != nil {
			return nil, err
		}
		out := make([]uint8, len(v))
		for i, x := range v {
			if x > 255 {
				return nil, fmt.Errorf("%d is no UINT8", x)
			}
			out[i] = uint8(x)
		}
		return out, nil
	case "UINT16":
		return decodeList[uint16](raw)
	case "UINT32":
		return decodeList[uint32](raw)
	case "UINT64":
		return decodeList[uint64](raw)
	case "FP32":
		return decodeList[float32](raw)
	case "FP64":
		return decodeList[float64](raw)
	case "BYTES":
		v, err := decodeList[string](raw)
		if err != nil {
			return nil, err
		}
		out := make([][]byte, len(v))
		for i := range v {
			out[i] = []byte(v[i])
		}
		return out, nil
	}
	return nil, fmt.Errorf("datatype %q", cut(datatype))
}

// decodeList reads a flat list; a nested one, which the protocol also allows,
// is flattened first. A null among the elements is refused, not read as zero.
func decodeList[T any](raw json.RawMessage) ([]T, error) {
	if flat := bytes.TrimLeft(raw, " \t\r\n"); len(flat) < 2 || flat[0] != '[' {
		return nil, fmt.Errorf("data is not a list")
	} else if rest := bytes.TrimLeft(flat[1:], " \t\r\n"); len(rest) > 0 && rest[0] == '[' {
		return flatten[T](raw, 0)
	}
	var items []*T
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	out := make([]T, len(items))
	for i, p := range items {
		if p == nil {
			return nil, fmt.Errorf("element %d is null", i)
		}
		out[i] = *p
	}
	return out, nil
}

func flatten[T any](raw json.RawMessage, depth int) ([]T, error) {
	if depth > 16 {
		return nil, fmt.Errorf("lists nested more than 16 deep")
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, err
	}
	var out []T
	for _, row := range rows {
		nested := len(row) > 0 && row[0] == '['
		var part []T
		var err error
		if inner := bytes.TrimLeft(row[min(1, len(row)):], " \t\r\n"); nested && len(inner) > 0 && inner[0] == '[' {
			part, err = flatten[T](row, depth+1)
		} else {
			part, err = decodeList[T](row)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}
