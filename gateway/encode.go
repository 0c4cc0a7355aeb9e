package gateway

import (
	"math"
	"strconv"
	"unicode/utf8"

	model "fairlead.dev/runtime"
)

// encodeInfer appends an answer as the protocol writes it. Numbers are written
// so that reading them gives the same bits; NaN and infinities, for which JSON
// has no word, become null.
func encodeInfer(b []byte, name, version, id string, r *model.Response) []byte {
	b = append(b, `{"model_name":`...)
	b = appendJSONString(b, name)
	if version != "" {
		b = append(b, `,"model_version":`...)
		b = appendJSONString(b, version)
	}
	b = append(b, `,"id":`...)
	b = appendJSONString(b, id)
	b = append(b, `,"outputs":[`...)
	for i := range r.Outputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTensor(b, &r.Outputs[i])
	}
	return append(b, "]}\n"...)
}

func appendTensor(b []byte, t *model.Tensor) []byte {
	b = append(b, `{"name":`...)
	b = appendJSONString(b, t.Name)
	b = append(b, `,"datatype":`...)
	b = appendJSONString(b, t.Datatype)
	b = append(b, `,"shape":[`...)
	for i, d := range t.Shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, d, 10)
	}
	b = append(b, `],"data":[`...)
	switch x := t.Data.(type) {
	case []float32:
		b = each(b, x, func(b []byte, v float32) []byte { return appendFloat(b, float64(v), 32) })
	case []float64:
		b = each(b, x, func(b []byte, v float64) []byte { return appendFloat(b, v, 64) })
	case []int64:
		b = each(b, x, appendSigned[int64])
	case []int32:
		b = each(b, x, appendSigned[int32])
	case []int16:
		b = each(b, x, appendSigned[int16])
	case []int8:
		b = each(b, x, appendSigned[int8])
	case []uint64:
		b = each(b, x, appendUnsigned[uint64])
	case []uint32:
		b = each(b, x, appendUnsigned[uint32])
	case []uint16:
		if t.Datatype == "FP16" {
			b = each(b, x, func(b []byte, v uint16) []byte { return appendFloat(b, float64(halfToFloat(v)), 32) })
		} else {
			b = each(b, x, appendUnsigned[uint16])
		}
	case []uint8:
		b = each(b, x, appendUnsigned[uint8])
	case []bool:
		b = each(b, x, strconv.AppendBool)
	case [][]byte:
		b = each(b, x, func(b []byte, v []byte) []byte { return appendJSONString(b, v) })
	}
	return append(b, "]}"...)
}

func each[T any](b []byte, x []T, f func([]byte, T) []byte) []byte {
	for i, v := range x {
		if i > 0 {
			b = append(b, ',')
		}
		b = f(b, v)
	}
	return b
}

func appendSigned[T int8 | int16 | int32 | int64](b []byte, v T) []byte {
	return strconv.AppendInt(b, int64(v), 10)
}

func appendUnsigned[T uint8 | uint16 | uint32 | uint64](b []byte, v T) []byte {
	return strconv.AppendUint(b, uint64(v), 10)
}

// appendFloat writes the shortest text that reads back as the same number,
// without an exponent where people would not use one.
func appendFloat(b []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, v, 'e', -1, bits)
	}
	return strconv.AppendFloat(b, v, 'f', -1, bits)
}

const hexDigits = "0123456789abcdef"

// appendJSONString writes s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD: JSON can carry text alone.
func appendJSONString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c >= ' ' && c < utf8.RuneSelf:
			b = append(b, c)
			i++
		case c == '\n':
			b = append(b, '\\', 'n')
			i++
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			i++
		default:
			end := min(i+utf8.UTFMax, len(s))
			r, n := utf8.DecodeRuneInString(string(s[i:end]))
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	return append(b, '"')
}

// halfToFloat widens an IEEE 754 half; every half is exactly a float32.
func halfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 31
	frac := uint32(h) & 1023
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp == 0: // zero or subnormal: frac · 2⁻²⁴
		v := float32(frac) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(v))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// floatToHalf rounds to the nearest half, ties to even; ok is false when the
// number is too large for one.
func floatToHalf(v float64) (h uint16, ok bool) {
	sign := uint16(math.Float64bits(v)>>63) << 15
	a := math.Abs(v)
	switch {
	case a >= 65520: // halfway from the largest half to the next power
		return 0, false
	case a < 1.0/(1<<14): // subnormal: units of 2⁻²⁴; 1024 of them are the smallest normal
		return sign | uint16(math.RoundToEven(a*(1<<24))), true
	}
	frac, exp := math.Frexp(a) // a = frac·2^exp, frac in [½, 1)
	m := math.RoundToEven(frac * (1 << 11))
	if m == 1<<11 {
		m, exp = 1<<10, exp+1
	}
	return sign | uint16(exp+14)<<10 | uint16(m)&1023, true
}
