package gateway

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"fairlead.dev"
)

// parser reads strict JSON (RFC 8259) from a body held in memory. It accepts a
// subset of what encoding/json accepts: text that is not UTF-8, lone
// surrogates and repeated keys of the protocol's objects are refused, since
// each would silently become something else. i stands at the next byte.
type parser struct {
	b     []byte
	i     int
	short [64]byte // where texts are put together before they become strings
}

// maxDepth bounds nesting, so that no body can exhaust the stack.
const maxDepth = 64

// fault is one thing wrong at a JSON path.
func (p *parser) fault(path, message, want string) error {
	return &fairlead.Error{Code: fairlead.Invalid, Message: "the request is not valid",
		Faults: []fairlead.Fault{{Path: path, Message: message, Want: want, Got: p.got()}}}
}

// got shows what stands at i: a short token, or a value's kind.
func (p *parser) got() string {
	p.space()
	if p.i >= len(p.b) {
		return "the end of the body"
	}
	switch p.b[p.i] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	end := p.i + 1
	quoted := p.b[p.i] == '"'
	for end < len(p.b) && end-p.i < 48 {
		c := p.b[end]
		if quoted && c == '"' {
			end++
			break
		}
		if !quoted && (c == ',' || c == ']' || c == '}' || c <= ' ') {
			break
		}
		end++
	}
	s := string(p.b[p.i:end])
	if !utf8.ValidString(s) {
		s = strconv.Quote(s)
	}
	return s
}

func (p *parser) syntax(path, want string) error {
	return p.fault(path, fmt.Sprintf("not JSON at byte %d", p.i), want)
}

func (p *parser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// peek gives the next byte that is not space; 0 at the end.
func (p *parser) peek() byte {
	p.space()
	if p.i >= len(p.b) {
		return 0
	}
	return p.b[p.i]
}

// accept takes c if it comes next.
func (p *parser) accept(c byte) bool {
	if p.peek() == c {
		p.i++
		return true
	}
	return false
}

// null takes the word null if it comes next.
func (p *parser) null() bool {
	if p.peek() == 'n' && p.i+4 <= len(p.b) && string(p.b[p.i:p.i+4]) == "null" {
		p.i += 4
		return true
	}
	return false
}

// object calls field for each member, standing at its value.
func (p *parser) object(path string, field func(key string) error) error {
	if !p.accept('{') {
		return p.fault(path, "wrong type", "an object")
	}
	if p.accept('}') {
		return nil
	}
	for {
		if p.peek() != '"' {
			return p.syntax(path, "a key in quotes")
		}
		key, err := p.text(path)
		if err != nil {
			return err
		}
		if !p.accept(':') {
			return p.syntax(path, "a colon after the key")
		}
		if err := field(key); err != nil {
			return err
		}
		if p.accept(',') {
			continue
		}
		if !p.accept('}') {
			return p.syntax(path, "a comma or the end of the object")
		}
		return nil
	}
}

// list calls item for each element, standing at it.
func (p *parser) list(path string, item func(i int) error) error {
	if !p.accept('[') {
		return p.fault(path, "wrong type", "a list")
	}
	if p.accept(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := item(i); err != nil {
			return err
		}
		if p.accept(',') {
			continue
		}
		if !p.accept(']') {
			return p.syntax(path, "a comma or the end of the list")
		}
		return nil
	}
}

// text reads a string value.
func (p *parser) text(path string) (string, error) {
	raw, err := p.bytes(p.short[:0], path)
	return word(raw), err
}

// word is a text as a string; the protocol's own words are not made anew.
func word(raw []byte) string {
	switch string(raw) {
	case "inputs":
		return "inputs"
	case "outputs":
		return "outputs"
	case "name":
		return "name"
	case "shape":
		return "shape"
	case "datatype":
		return "datatype"
	case "data":
		return "data"
	case "parameters":
		return "parameters"
	case "FP32":
		return "FP32"
	case "FP64":
		return "FP64"
	case "INT64":
		return "INT64"
	case "BYTES":
		return "BYTES"
	}
	return string(raw)
}

// bytes appends a string value's bytes to dst.
func (p *parser) bytes(dst []byte, path string) ([]byte, error) {
	if p.peek() != '"' {
		return dst, p.fault(path, "wrong type", "a string")
	}
	p.i++
	start := p.i
	for p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case c == '"':
			dst = append(dst, p.b[start:p.i]...)
			p.i++
			return dst, nil
		case c == '\\':
			dst = append(dst, p.b[start:p.i]...)
			var ok bool
			if dst, ok = p.escape(dst); !ok {
				return dst, p.syntax(path, "a valid escape of text")
			}
			start = p.i
		case c < ' ':
			return dst, p.syntax(path, "no control characters within a string")
		case c < utf8.RuneSelf:
			p.i++
		default:
			r, n := utf8.DecodeRune(p.b[p.i:])
			if r == utf8.RuneError && n == 1 {
				return dst, p.syntax(path, "text in UTF-8")
			}
			p.i += n
		}
	}
	return dst, p.syntax(path, "the end of the string")
}

// escape reads one \-escape at i.
func (p *parser) escape(dst []byte) ([]byte, bool) {
	if p.i+1 >= len(p.b) {
		return dst, false
	}
	c := p.b[p.i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, ok := p.hex4(p.i + 2)
		if !ok {
			return dst, false
		}
		n := 6
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), p.i+7 < len(p.b) && p.b[p.i+6] == '\\' && p.b[p.i+7] == 'u'
			if ok {
				low, ok = p.hex4(p.i + 8)
			}
			if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
				return dst, false
			}
			n = 12
		}
		p.i += n
		return utf8.AppendRune(dst, r), true
	default:
		return dst, false
	}
	p.i += 2
	return append(dst, c), true
}

func (p *parser) hex4(at int) (rune, bool) {
	if at+4 > len(p.b) {
		return 0, false
	}
	var r rune
	for _, c := range p.b[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skip reads any value and checks its form.
func (p *parser) skip(path string, depth int) error {
	if depth > maxDepth {
		return p.fault(path, "nested too deeply", fmt.Sprintf("at most %d levels", maxDepth))
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(path, func(string) error { return p.skip(path, depth+1) })
	case c == '[':
		return p.list(path, func(int) error { return p.skip(path, depth+1) })
	case c == '"':
		_, err := p.bytes(nil, path)
		return err
	case c == '-' || c >= '0' && c <= '9':
		if _, ok := p.number(); !ok {
			return p.syntax(path, "a number")
		}
		return nil
	case c == 't' || c == 'f':
		if _, ok := p.bool(); ok {
			return nil
		}
	case p.null():
		return nil
	}
	return p.syntax(path, "a value")
}

func (p *parser) bool() (v, ok bool) {
	p.space()
	for _, w := range [2]string{"true", "false"} {
		if len(p.b)-p.i >= len(w) && string(p.b[p.i:p.i+len(w)]) == w {
			p.i += len(w)
			return w == "true", true
		}
	}
	return false, false
}

// num is a number's text, cut up: whole when it has neither fraction nor
// exponent; mant·10^exp is its value if exact.
type num struct {
	text  []byte
	whole bool
	neg   bool
	mant  uint64
	exp   int
	exact bool // mant holds all digits
}

// number reads a JSON number; on failure i stays before it.
func (p *parser) number() (n num, ok bool) {
	p.space()
	b, i := p.b, p.i
	if i < len(b) && b[i] == '-' {
		n.neg = true
		i++
	}
	digits, lead := 0, i
	for i < len(b) && b[i]-'0' <= 9 {
		n.mant = n.mant*10 + uint64(b[i]-'0')
		i++
		digits++
	}
	if digits == 0 || digits > 1 && b[lead] == '0' {
		return num{}, false
	}
	n.whole = true
	if i < len(b) && b[i] == '.' {
		n.whole = false
		i++
		frac := i
		for i < len(b) && b[i]-'0' <= 9 {
			n.mant = n.mant*10 + uint64(b[i]-'0')
			i++
			digits++
		}
		if i == frac {
			return num{}, false
		}
		n.exp = frac - i
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		n.whole = false
		i++
		eneg := false
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			eneg = b[i] == '-'
			i++
		}
		e, first := 0, i
		for i < len(b) && b[i]-'0' <= 9 {
			if e < 100000 {
				e = e*10 + int(b[i]-'0')
			}
			i++
		}
		if i == first {
			return num{}, false
		}
		if eneg {
			e = -e
		}
		n.exp += e
	}
	n.exact = digits <= 19 // 10¹⁹−1 < 2⁶⁴
	n.text = b[p.i:i]
	p.i = i
	return n, true
}

// str is the text without a copy; strconv does not keep it.
func (n *num) str() string { return unsafe.String(unsafe.SliceData(n.text), len(n.text)) }

// int gives the value if it is a whole number that fits the bits.
func (n *num) int(bits int) (int64, bool) {
	if !n.whole {
		return 0, false
	}
	limit := uint64(1) << (bits - 1)
	switch {
	case !n.exact:
		v, err := strconv.ParseInt(n.str(), 10, bits)
		return v, err == nil
	case n.neg && n.mant <= limit:
		return -int64(n.mant), true
	case !n.neg && n.mant < limit:
		return int64(n.mant), true
	}
	return 0, false
}

func (n *num) uint(bits int) (uint64, bool) {
	if !n.whole || n.neg && n.mant != 0 {
		return 0, false
	}
	if !n.exact || n.neg {
		s := n.str()
		if n.neg {
			s = s[1:]
		}
		v, err := strconv.ParseUint(s, 10, bits)
		return v, err == nil
	}
	return n.mant, bits == 64 || n.mant < 1<<bits
}

// Powers of ten that are exact in each precision.
var (
	pow64 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}
	pow32 = [...]float32{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}
)

// float64 rounds correctly: when mantissa and power of ten are both exact, one
// IEEE operation is (Clinger 1990); otherwise strconv does it. False: too large.
func (n *num) float64() (float64, bool) {
	if n.exact && n.mant < 1<<53 && n.exp >= -22 && n.exp <= 22 {
		v := float64(n.mant)
		if n.neg {
			v = math.Copysign(v, -1)
		}
		if n.exp < 0 {
			return v / pow64[-n.exp], true
		}
		return v * pow64[n.exp], true
	}
	v, err := strconv.ParseFloat(n.str(), 64)
	return v, err == nil
}

func (n *num) float32() (float32, bool) {
	if n.exact && n.mant < 1<<24 && n.exp >= -10 && n.exp <= 10 {
		v := float32(n.mant)
		if n.neg {
			v = float32(math.Copysign(float64(v), -1))
		}
		if n.exp < 0 {
			return v / pow32[-n.exp], true
		}
		return v * pow32[n.exp], true
	}
	v, err := strconv.ParseFloat(n.str(), 32)
	return float32(v), err == nil
}
