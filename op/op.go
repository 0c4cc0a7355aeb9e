package op

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"fairlead.dev"
	"fairlead.dev/bus"
	"fairlead.dev/internal/strict"
	"fairlead.dev/runtime"
	"fairlead.dev/store"
)

// Op is one verb. In's fields carry tags that say where each comes from:
//
//	path:"name"    a part of Path; a positional argument of the command, in Path's order
//	query:"limit"  the URL's query; a flag
//	json:"comment" the JSON body; a flag when it is a scalar
//
// and what it must look like, as on the nouns (doc, enum, minimum, maxLength …).
// Fields that are not in the body say json:"-".
type Op[In, Out any] struct {
	Name   string     // words, noun first: "release pause"
	Method string     // of HTTP; anything but GET changes state
	Path   string     // below /api/v1, e.g. /releases/{name}/pause
	Can    Permission // what the caller needs
	Doc    string     // first line: a short sentence; then details
	Do     func(ctx context.Context, d *Deps, in In) (Out, error)
}

// Deps is what the verbs work on.
type Deps struct {
	Store store.Store
	Blobs store.Blobs
	Bus   bus.Bus
	Env   fairlead.Env
	// Runtimes examine artifacts at registration; the first that knows an
	// artifact's format is asked.
	Runtimes []runtime.Runtime
	// AllowTargets are the hosts (host or host:port) that a remote target may
	// name. Nothing else is ever contacted.
	AllowTargets []string
	// MaxBlob is the most bytes that an uploaded file may have; 0 means
	// DefaultMaxBlob.
	MaxBlob int64
	// LedgerKey signs the ledger's checkpoints: a secret of audit.NewKey. ""
	// means that this server gives none.
	LedgerKey string
	// Version of this build, for "server info".
	Version string
}

// DefaultMaxBlob is large enough for the models that run in this process.
const DefaultMaxBlob = 512 << 20

// Permission is what a verb asks of its caller.
type Permission string

const (
	// CanAny: any known caller; the verb itself looks closer (approvals).
	CanAny Permission = "any"
	// CanRead: viewer and above.
	CanRead Permission = "read"
	// CanWrite: operator and above.
	CanWrite Permission = "write"
	// CanAdmin: admin.
	CanAdmin Permission = "admin"
)

// Caller is who asks: a token's name and roles.
type Caller struct {
	Name  string
	Roles []string
}

// Has reports whether the caller holds the role itself.
func (c Caller) Has(role string) bool {
	for _, r := range c.Roles {
		if r == role {
			return true
		}
	}
	return false
}

// May reports whether the caller's roles grant p.
func (c Caller) May(p Permission) bool {
	switch p {
	case CanAny:
		return true
	case CanRead:
		return c.Has(fairlead.RoleViewer) || c.May(CanWrite)
	case CanWrite:
		return c.Has(fairlead.RoleOperator) || c.May(CanAdmin)
	case CanAdmin:
		return c.Has(fairlead.RoleAdmin)
	}
	return false
}

type callerKey struct{}
type verbKey struct{}

// WithCaller hands the caller down to the verbs.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is the caller that WithCaller put there.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// verbOf is the name of the verb that is running, as the ledger spells it.
func verbOf(ctx context.Context) string {
	name, _ := ctx.Value(verbKey{}).(string)
	return strings.ReplaceAll(name, " ", ".")
}

// Verb is an Op without its types, for the faces that walk the whole table.
type Verb struct {
	Name, Method, Path, Doc string
	Can                     Permission
	In, Out                 reflect.Type // struct types; Out may be any JSON type
	Params                  []Param      // In's fields, path parameters first in Path's order
	call                    func(ctx context.Context, d *Deps, in any) (any, error)
}

// Verb erases the types.
func (o Op[In, Out]) Verb() Verb {
	in := reflect.TypeFor[In]()
	return Verb{Name: o.Name, Method: o.Method, Path: o.Path, Doc: o.Doc, Can: o.Can,
		In: in, Out: reflect.TypeFor[Out](), Params: params(in, o.Path),
		call: func(ctx context.Context, d *Deps, in any) (any, error) { return o.Do(ctx, d, *in.(*In)) }}
}

// Call runs the verb with all checks, in process: the caller comes from ctx.
func (o Op[In, Out]) Call(ctx context.Context, d *Deps, in In) (Out, error) {
	out, err := o.Verb().Call(ctx, d, &in)
	if err != nil {
		var none Out
		return none, err
	}
	return out.(Out), nil
}

// New makes an empty In; the result is a pointer to it.
func (v Verb) New() any { return reflect.New(v.In).Interface() }

// Mutates reports whether the verb may change state.
func (v Verb) Mutates() bool { return v.Method != http.MethodGet }

// HasBody reports whether In has fields that travel in a JSON body.
func (v Verb) HasBody() bool {
	for _, p := range v.Params {
		if p.In == InBody {
			return true
		}
	}
	return false
}

// DecodeBody reads a JSON body into in, a pointer to the verb's In, strictly:
// it gives every fault at once, with its path.
func (v Verb) DecodeBody(body []byte, in any) []fairlead.Fault {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	doc, faults := strict.JSON(body)
	if len(faults) > 0 {
		return faults
	}
	return doc.Decode(in, unions())
}

// Short is the first line of Doc.
func (v Verb) Short() string {
	s, _, _ := strings.Cut(v.Doc, "\n")
	return s
}

// Call checks the caller's permission and runs the verb. in is a pointer to
// In; the answer is an Out. Every error it gives is a *fairlead.Error.
func (v Verb) Call(ctx context.Context, d *Deps, in any) (any, error) {
	c, ok := CallerOf(ctx)
	if !ok {
		return nil, fairlead.Errorf(fairlead.Unauthenticated, "no credentials; send Authorization: Bearer <token>")
	}
	if !c.May(v.Can) {
		return nil, fairlead.Errorf(fairlead.Denied, "%s may not use %s: that needs %s, and the token has %s",
			c.Name, v.Name, needs(v.Can), list(c.Roles, "no role"))
	}
	out, err := v.call(context.WithValue(ctx, verbKey{}, v.Name), d, in)
	if err == nil {
		return out, nil
	}
	var e *fairlead.Error
	if errors.As(err, &e) {
		return nil, err
	}
	code, msg := fairlead.Internal, v.Name+" failed for a reason of our own; the server's log has it"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code, msg = fairlead.Timeout, v.Name+" took too long"
	case errors.Is(err, context.Canceled):
		code, msg = fairlead.Unavailable, v.Name+" was cancelled"
	}
	return nil, &fairlead.Error{Code: code, Message: msg, Err: err}
}

func needs(p Permission) string {
	switch p {
	case CanRead:
		return "the role viewer, operator or admin"
	case CanWrite:
		return "the role operator or admin"
	}
	return "the role admin"
}

func list(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}
