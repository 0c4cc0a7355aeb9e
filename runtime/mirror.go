package runtime

import "context"

type mirrorKey struct{}

// WithMirror marks a call as a mirrored copy: its answer goes to no caller. A
// runtime that sends requests on says so there (Fairlead-Mirror: 1).
func WithMirror(ctx context.Context) context.Context {
	return context.WithValue(ctx, mirrorKey{}, true)
}

// IsMirror reports whether a call is a mirrored copy.
func IsMirror(ctx context.Context) bool {
	v, _ := ctx.Value(mirrorKey{}).(bool)
	return v
}
