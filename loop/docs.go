package loop

import (
	"context"
	"encoding/json"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/store"
)

// decode reads a stored noun; the error has code Corrupt.
func decode[T any](d store.Doc) (T, error) {
	var v T
	if err := json.Unmarshal(d.Data, &v); err != nil {
		return v, fairlead.Errorf(fairlead.Corrupt, "the stored %s %q cannot be read: %w", d.Kind, d.Key, err)
	}
	return v, nil
}

// get reads a noun and the document it came from.
func get[T any](ctx context.Context, docs store.Docs, kind, key string) (T, store.Doc, error) {
	d, err := docs.Get(ctx, kind, key)
	if err != nil {
		var none T
		return none, d, err
	}
	v, err := decode[T](d)
	return v, d, err
}

// encode writes a noun. All nouns can be written: an error is ours.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Internal, "cannot encode %T: %w", v, err)
	}
	return b, nil
}

// Windows gives the evidence of a release's present attempt: its strata in
// order, each merged over gateways, marks included. This is what the release's
// gates are judged on.
func Windows(ctx context.Context, docs store.Docs, r fairlead.Release) ([]fairlead.Window, error) {
	found, err := docs.List(ctx, fairlead.KindWindow, evidence.Prefix(r.Spec.Endpoint, r.Meta.Name, r.Status.Attempt), "", 0)
	if err != nil {
		return nil, err
	}
	return evidence.Merge(func(yield func(string, []byte) bool) {
		for _, d := range found {
			if !yield(d.Key, d.Data) {
				return
			}
		}
	})
}
