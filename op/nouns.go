package op

import (
	"context"
	"net/http"

	"fairlead.dev"
)

// The stored nouns that people handle.
var (
	models = noun[fairlead.Model]{fairlead.KindModel, "model", "/models", "a model's name",
		func(v *fairlead.Model) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
	versions = noun[fairlead.Version]{fairlead.KindVersion, "version", "/versions", "model@version",
		func(v *fairlead.Version) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
	aliases = noun[fairlead.Alias]{fairlead.KindAlias, "alias", "/aliases", "model@alias",
		func(v *fairlead.Alias) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
	endpoints = noun[fairlead.Endpoint]{fairlead.KindEndpoint, "endpoint", "/endpoints", "an endpoint's name",
		func(v *fairlead.Endpoint) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
	targets = noun[fairlead.Target]{fairlead.KindTarget, "target", "/targets", "a target's name",
		func(v *fairlead.Target) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
	releases = noun[fairlead.Release]{fairlead.KindRelease, "release", "/releases", "a release's name",
		func(v *fairlead.Release) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
	tokens = noun[fairlead.Token]{fairlead.KindToken, "token", "/tokens", "a token's name",
		func(v *fairlead.Token) (*fairlead.TypeMeta, *fairlead.Meta) { return &v.TypeMeta, &v.Meta }}
)

// Named asks for one thing by its name.
type Named struct {
	Name string `json:"-" path:"name" maxLength:"127" doc:"its name (a version or alias: model@name)"`
}

// Page asks for a part of a list.
type Page struct {
	Prefix string `json:"-" query:"prefix" maxLength:"127" doc:"only names that begin so, e.g. digits@ for the versions of digits"`
	After  string `json:"-" query:"after" maxLength:"127" doc:"only names after this one: the next of the page before"`
	Limit  int    `json:"-" query:"limit" doc:"at most so many, 1 to 1000; 100 if absent"`
}

// List is a part of a list. Next is what to give as after for more; it is
// absent at the end.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Deletion asks for one thing to go.
type Deletion struct {
	Name     string `json:"-" path:"name" maxLength:"127" doc:"its name"`
	Revision int64  `json:"-" query:"revision" doc:"only if it is still at this revision"`
}

// Deleted says what is gone.
type Deleted struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

func (n noun[T]) getOp(can Permission, hide func(*T)) Op[Named, T] {
	return Op[Named, T]{Name: n.word + " get", Method: http.MethodGet, Path: n.path + "/{name}", Can: can,
		Doc: "Show one " + n.word + ".",
		Do: func(ctx context.Context, d *Deps, in Named) (v T, err error) {
			err = look(ctx, d, func(t *tx) error {
				v, err = n.get(t, in.Name)
				return err
			})
			if err == nil && hide != nil {
				hide(&v)
			}
			return v, err
		}}
}

func (n noun[T]) listOp(can Permission, hide func(*T)) Op[Page, List[T]] {
	return Op[Page, List[T]]{Name: n.word + " list", Method: http.MethodGet, Path: n.path, Can: can,
		Doc: "List the " + plural(n.word) + ", in order of their names.",
		Do: func(ctx context.Context, d *Deps, in Page) (List[T], error) {
			limit, err := pageSize(in.Limit)
			if err != nil {
				return List[T]{}, err
			}
			items, err := n.all(ctx, d, in.Prefix, in.After, limit+1)
			if err != nil {
				return List[T]{}, err
			}
			l := List[T]{Items: items}
			if len(items) > limit {
				l.Items = items[:limit]
				_, m := n.meta(&l.Items[limit-1])
				l.Next = m.Name
			}
			if hide != nil {
				for i := range l.Items {
					hide(&l.Items[i])
				}
			}
			return l, nil
		}}
}

func pageSize(limit int) (int, error) {
	switch {
	case limit == 0:
		return 100, nil
	case limit < 0 || limit > 1000:
		return 0, fairlead.Faulty("the parameter limit is wrong", []fairlead.Fault{{Path: "limit", Message: "out of range", Want: "1 to 1000"}})
	}
	return limit, nil
}

func plural(word string) string {
	if word == "alias" {
		return "aliases"
	}
	return word + "s"
}

// deleteOp deletes unless inUse says what stands against it.
func (n noun[T]) deleteOp(can Permission, doc string, inUse func(t *tx, v T) error) Op[Deletion, Deleted] {
	return Op[Deletion, Deleted]{Name: n.word + " delete", Method: http.MethodDelete, Path: n.path + "/{name}", Can: can, Doc: doc,
		Do: func(ctx context.Context, d *Deps, in Deletion) (Deleted, error) {
			err := change(ctx, d, func(t *tx) error {
				v, err := n.get(t, in.Name)
				if err != nil {
					return err
				}
				_, m := n.meta(&v)
				if err := guard("the "+n.word+" "+in.Name, *m, in.Revision, ""); err != nil {
					return err
				}
				if inUse != nil {
					if err := inUse(t, v); err != nil {
						return err
					}
				}
				t.record(fairlead.LedgerEntry{Kind: n.kind, Name: in.Name, Message: "deleted"})
				return n.remove(t, in.Name)
			})
			return Deleted{n.kind, in.Name}, err
		}}
}
