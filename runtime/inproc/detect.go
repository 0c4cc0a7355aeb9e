package inproc

import (
	"bytes"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// HeadSize is how many bytes from a file's beginning Detect looks at.
const HeadSize = 4096

// Detect guesses the format of a model file from its first bytes; the name
// only breaks ties. It answers "" when it is none that inproc loads. A right
// guess is no promise that the file is sound: Check tells.
func Detect(name string, head []byte) (format string) {
	head = head[:min(len(head), HeadSize)]
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("tree\n")) || bytes.HasPrefix(head, []byte("tree\r\n")):
		return FormatLightGBM
	case len(text) > 0 && text[0] == '{':
		// XGBoost writes "learner" first or, in sorted form, after "version".
		if bytes.Contains(text, []byte(`"learner"`)) || bytes.Contains(text, []byte(`"gradient_booster"`)) {
			return FormatXGBoost
		}
	case looksONNX(head):
		return FormatONNX
	case strings.HasSuffix(strings.ToLower(name), ".onnx"):
		return FormatONNX // Check will say what is wrong with it
	}
	return ""
}

// looksONNX reads the first fields of a ModelProto: ONNX writers begin with
// ir_version (field 1, a small varint), and only known fields follow.
func looksONNX(b []byte) bool {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || num != 1 || typ != protowire.VarintType {
		return false
	}
	v, m := protowire.ConsumeVarint(b[n:])
	if m < 0 || v < 1 || v > 100 {
		return false
	}
	num, typ, k := protowire.ConsumeTag(b[n+m:])
	if k < 0 {
		return false
	}
	switch num {
	case 2, 3, 4, 6, 7, 8, 14, 20, 25:
		return typ == protowire.BytesType
	case 5:
		return typ == protowire.VarintType
	}
	return false
}
