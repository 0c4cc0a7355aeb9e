package loop_test

import (
	"context"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/store"
)

// evidenceOf is the evidence as any reader of the store finds it.
func evidenceOf(ctx context.Context, docs store.Docs, r fairlead.Release) ([]fairlead.Window, error) {
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
