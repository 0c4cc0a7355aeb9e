package op

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"fairlead.dev"
	"fairlead.dev/store"
)

// EffectRoute asks the loop to bring an endpoint's Route up to date; its key
// is the endpoint.
const EffectRoute = "route"

// maxTries bounds how often a change is judged anew because somebody else's
// commit came first.
const maxTries = 8

// change runs f on a consistent view of the store and commits what it put,
// all or nothing. When another commit came between, f is run again on the new
// state; whatever it judged is therefore true at the moment of the commit.
func change(ctx context.Context, d *Deps, f func(t *tx) error) error {
	for try := 1; ; try++ {
		t := &tx{ctx: ctx, d: d, docs: map[docID]*doc{}}
		if err := f(t); err != nil {
			return err
		}
		err := t.commit()
		if err == nil || fairlead.CodeOf(err) != fairlead.Conflict || try == maxTries {
			return err
		}
	}
}

// look runs f on a view that is thrown away: for verbs that only read, and for
// dry runs, which thereby are the same code.
func look(ctx context.Context, d *Deps, f func(t *tx) error) error {
	return f(&tx{ctx: ctx, d: d, docs: map[docID]*doc{}})
}

type docID struct{ kind, key string }

type doc struct {
	rev     int64  // as read; 0: there was none
	data    []byte // as read or put; nil: there is none
	changed bool
}

// tx collects what a verb read and wants to write.
type tx struct {
	ctx     context.Context
	d       *Deps
	docs    map[docID]*doc
	order   []docID // of the first reading, so commits are the same each time
	ledger  []fairlead.LedgerEntry
	effects []store.Effect
}

// read gives the document as this tx sees it; data is nil when there is none.
func (t *tx) read(kind, key string) (*doc, error) {
	id := docID{kind, key}
	if d := t.docs[id]; d != nil {
		return d, nil
	}
	got, err := t.d.Store.Get(t.ctx, kind, key)
	d := &doc{rev: got.Rev, data: got.Data}
	if fairlead.CodeOf(err) == fairlead.NotFound {
		d = &doc{}
	} else if err != nil {
		return nil, err
	}
	t.docs[id] = d
	t.order = append(t.order, id)
	return d, nil
}

// record adds a ledger entry; who, when and which verb are filled in.
func (t *tx) record(e fairlead.LedgerEntry) { t.ledger = append(t.ledger, e) }

// effect asks for something to be done after the commit.
func (t *tx) effect(kind, key string) {
	e := store.Effect{Kind: kind, Key: key}
	if !slices.Contains(t.effects, e) {
		t.effects = append(t.effects, e)
	}
}

func (t *tx) commit() error {
	var c store.Commit
	for _, id := range t.order {
		d := t.docs[id]
		switch {
		case !d.changed:
			c.Require = append(c.Require, store.Require{Kind: id.kind, Key: id.key, Rev: d.rev})
		case d.data == nil:
			if d.rev > 0 {
				c.Put = append(c.Put, store.Put{Kind: id.kind, Key: id.key, IfRev: d.rev, Delete: true})
			}
		default:
			c.Put = append(c.Put, store.Put{Kind: id.kind, Key: id.key, IfRev: d.rev, Data: d.data})
		}
	}
	if len(c.Put) == 0 {
		return nil
	}
	if len(t.ledger) == 0 {
		return fmt.Errorf("%s would change %d documents without a ledger entry", verbOf(t.ctx), len(c.Put))
	}
	caller, _ := CallerOf(t.ctx)
	now := t.d.Env.Now()
	for _, e := range t.ledger {
		e.Time, e.Actor, e.Verb = now, caller.Name, verbOf(t.ctx)
		c.Ledger = append(c.Ledger, e)
	}
	c.Effects = t.effects
	_, err := t.d.Store.Commit(t.ctx, c)
	return err
}

// noun is what the machinery needs to know of a stored kind.
type noun[T any] struct {
	kind string // fairlead.KindX
	word string // as verbs and messages spell it: "endpoint"
	path string // of its collection: "/endpoints"
	key  string // how a key looks, for the reference page
	meta func(*T) (*fairlead.TypeMeta, *fairlead.Meta)
}

// decode reads a stored document into the noun.
func (n noun[T]) decode(data []byte, key string, rev int64) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return v, &fairlead.Error{Code: fairlead.Corrupt, Message: fmt.Sprintf("the stored %s %q cannot be read", n.word, key), Err: err}
	}
	tm, m := n.meta(&v)
	tm.APIVersion, tm.Kind = fairlead.APIVersion, n.kind
	m.Name, m.Revision = key, rev
	return v, nil
}

// find gives the noun and whether there is one.
func (n noun[T]) find(t *tx, key string) (T, bool, error) {
	var none T
	d, err := t.read(n.kind, key)
	if err != nil || d.data == nil {
		return none, false, err
	}
	v, err := n.decode(d.data, key, d.rev)
	return v, err == nil, err
}

// get is find, with an error when there is none.
func (n noun[T]) get(t *tx, key string) (T, error) {
	v, ok, err := n.find(t, key)
	if err == nil && !ok {
		err = n.missing(t, key)
	}
	return v, err
}

// missing is the error for a name that is not there; it lists some that are.
func (n noun[T]) missing(t *tx, key string) error {
	e := fairlead.Errorf(fairlead.NotFound, "there is no %s %q", n.word, key)
	docs, err := t.d.Store.List(t.ctx, n.kind, "", "", 11)
	if err != nil || n.kind == fairlead.KindToken {
		return e
	}
	if len(docs) == 0 {
		e.Message += "; there are no " + plural(n.word) + " yet"
		return e
	}
	e.Message += "; known: "
	for i, d := range docs {
		switch {
		case i == 10:
			e.Message += ", …"
		case i > 0:
			e.Message += ", " + d.Key
		default:
			e.Message += d.Key
		}
	}
	return e
}

// put writes the noun under its name. Created and Updated are filled in.
func (n noun[T]) put(t *tx, v *T) error {
	tm, m := n.meta(v)
	d, err := t.read(n.kind, m.Name)
	if err != nil {
		return err
	}
	now := t.d.Env.Now()
	tm.APIVersion, tm.Kind = fairlead.APIVersion, n.kind
	if m.Created.IsZero() {
		m.Created = now
	}
	m.Updated = now
	rev := m.Revision
	m.Revision = 0 // the store counts
	data, err := json.Marshal(v)
	m.Revision = rev
	if err != nil {
		return err
	}
	d.data, d.changed = data, true
	return nil
}

// remove deletes the noun.
func (n noun[T]) remove(t *tx, key string) error {
	d, err := t.read(n.kind, key)
	if err != nil {
		return err
	}
	d.data, d.changed = nil, true
	return nil
}

// all lists the nouns whose key begins with prefix, in order of their keys.
// What it lists is not part of the commit's guards.
func (n noun[T]) all(ctx context.Context, d *Deps, prefix, after string, limit int) ([]T, error) {
	docs, err := d.Store.List(ctx, n.kind, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]T, 0, len(docs))
	for _, doc := range docs {
		v, err := n.decode(doc.Data, doc.Key, doc.Rev)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// guard refuses a change that was made looking at an older revision.
func guard(what string, m fairlead.Meta, revision int64, last string) error {
	if revision == 0 || revision == m.Revision {
		return nil
	}
	msg := fmt.Sprintf("%s changed meanwhile: it is at revision %d, not %d", what, m.Revision, revision)
	if last != "" {
		msg += " (" + last + ")"
	}
	return &fairlead.Error{Code: fairlead.Conflict, Message: msg + "; look again before you decide"}
}
