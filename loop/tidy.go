package loop

import (
	"context"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/evidence"
	"fairlead.dev/store"
)

const (
	tidyEach    = 10 * time.Minute
	silentAfter = time.Hour // a gateway not heard of for so long will not return under its id
	page        = 200       // documents read and deleted at once
)

// passTidy removes the windows of releases that ended longer than the retention
// ago (what decided them stays in the ledger) or do not exist, and the documents
// of gateways long silent.
func (r *Runner) passTidy(ctx context.Context, _ string) (time.Time, error) {
	now := r.cfg.Env.Now()
	old := map[string]bool{} // by release
	err := r.sweep(ctx, fairlead.KindWindow, func(d store.Doc) (bool, error) {
		_, s, _, ok := evidence.Split(d.Key)
		if !ok {
			return false, nil // not ours to judge
		}
		gone, known := old[s.Release]
		if !known {
			rel, _, err := get[fairlead.Release](ctx, r, fairlead.KindRelease, s.Release)
			if err != nil && fairlead.CodeOf(err) != fairlead.NotFound {
				return false, err
			}
			st := rel.Status
			gone = err != nil || st.Phase.Terminal() && !st.Ended.IsZero() && now.Sub(st.Ended) > r.cfg.Retention
			old[s.Release] = gone
		}
		return gone, nil
	})
	if err != nil {
		return time.Time{}, err
	}
	err = r.sweep(ctx, fairlead.KindGateway, func(d store.Doc) (bool, error) {
		g, err := decode[evidence.Gateway](&r.memory, d)
		return err == nil && now.Sub(g.Seen) > silentAfter, err
	})
	return now.Add(tidyEach), err
}

// sweep deletes the documents of a kind that gone picks, a page at a time. A
// document that changed meanwhile is kept: the next sweep looks at it again.
func (r *Runner) sweep(ctx context.Context, kind string, gone func(store.Doc) (bool, error)) error {
	for after := ""; ; {
		docs, err := r.cfg.Store.List(ctx, kind, "", after, page)
		if err != nil || len(docs) == 0 {
			return err
		}
		after = docs[len(docs)-1].Key
		var c store.Commit
		for _, d := range docs {
			yes, err := gone(d)
			if err != nil {
				return err
			}
			if yes {
				c.Put = append(c.Put, store.Put{Kind: kind, Key: d.Key, IfRev: d.Rev, Delete: true})
			}
		}
		if len(c.Put) > 0 {
			if err := r.commit(ctx, c); err != nil && fairlead.CodeOf(err) != fairlead.Conflict {
				return err
			}
		}
	}
}
