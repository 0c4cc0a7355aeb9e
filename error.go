package fairlead

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure an Error is. The list is closed: faces
// (HTTP, CLI) map every code, and a new one is a decision.
type Code string

const (
	Invalid         Code = "invalid"         // the input is wrong; see Faults
	NotFound        Code = "not_found"       // the named thing does not exist
	Exists          Code = "exists"          // the name is taken
	Conflict        Code = "conflict"        // it changed meanwhile, or its state forbids the request
	Unauthenticated Code = "unauthenticated" // no or unknown credentials
	Denied          Code = "denied"          // known, but not allowed
	TooLarge        Code = "too_large"       // over a size limit
	Limited         Code = "limited"         // over a rate or concurrency limit
	Unsupported     Code = "unsupported"     // well-formed, but this build cannot do it
	Corrupt         Code = "corrupt"         // stored or sent bytes do not match their digest or form
	Unavailable     Code = "unavailable"     // try again later
	Timeout         Code = "timeout"         // a deadline passed
	Internal        Code = "internal"        // our fault
)

// Fault is one thing wrong with an input, precise enough to be mended without
// reading our code.
type Fault struct {
	File    string   `json:"file,omitempty"`
	Line    int      `json:"line,omitempty"`   // 1-based; 0 when the input has no lines
	Column  int      `json:"column,omitempty"` // 1-based
	Path    string   `json:"path,omitempty"`   // JSON pointer-like path, e.g. /spec/strategy/canary/steps/1/weight
	Message string   `json:"message"`          // what is wrong
	Want    string   `json:"want,omitempty"`   // what was expected
	Got     string   `json:"got,omitempty"`    // what was found
	Known   []string `json:"known,omitempty"`  // the names that would have been accepted
}

// String is the fault on one line: file:line:column: path: message (want …, got …; known: …).
func (f Fault) String() string {
	var b strings.Builder
	switch {
	case f.File != "" && f.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	case f.Line > 0:
		fmt.Fprintf(&b, "%d:%d: ", f.Line, f.Column)
	case f.File != "":
		fmt.Fprintf(&b, "%s: ", f.File)
	}
	if f.Path != "" {
		fmt.Fprintf(&b, "%s: ", f.Path)
	}
	b.WriteString(f.Message)
	var extra []string
	if f.Want != "" {
		extra = append(extra, "expected "+f.Want)
	}
	if f.Got != "" {
		extra = append(extra, "got "+f.Got)
	}
	if len(f.Known) > 0 {
		extra = append(extra, "known: "+strings.Join(f.Known, ", "))
	}
	if len(extra) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(extra, "; "))
	}
	return b.String()
}

// Error is the one error type that crosses a package's border on purpose.
// Message is a sentence a person can act on; Err is the detail for operators
// and is never shown to callers of the gateway.
type Error struct {
	Code    Code
	Message string
	Faults  []Fault
	Err     error
}

func (e *Error) Error() string {
	s := e.Message
	for _, f := range e.Faults {
		s += "\n  " + f.String()
	}
	if e.Err != nil {
		if d := e.Err.Error(); d != "" {
			s += ": " + d
		}
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error; a %w operand becomes its detail.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: unwrapQuiet(err)}
}

// unwrapQuiet keeps the wrapped error for errors.Is/As while Message already
// shows its text.
func unwrapQuiet(err error) error {
	if u := errors.Unwrap(err); u != nil {
		return quiet{u}
	}
	return nil
}

type quiet struct{ error }

func (q quiet) Error() string { return "" }
func (q quiet) Unwrap() error { return q.error }

// Faulty makes an Invalid error out of faults; nil when there are none.
func Faulty(message string, faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: message, Faults: faults}
}

// CodeOf is the code of the first Error in err's chain: Internal for any other
// error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// Unknown is the error for a name that is not in a closed list: it says which
// names there are.
func Unknown(what, name string, known []string) *Error {
	return &Error{Code: Invalid, Message: fmt.Sprintf("unknown %s %q; known: %s", what, name, strings.Join(known, ", "))}
}
