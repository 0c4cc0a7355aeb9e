package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fairlead.dev"
	"fairlead.dev/op"
)

// Change tells that a document was written or deleted; what it is now has to
// be asked. Index grows with every commit.
type Change struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Index int64  `json:"index"`
}

const (
	maxWatchers = 256
	heartbeat   = 15 * time.Second // shorter than the patience of proxies
)

// changes mounts the stream of changes.
func (h *handler) changes(oapi *huma.OpenAPI, adapter huma.Adapter) {
	text := &huma.Schema{Type: huma.TypeString}
	o := &huma.Operation{OperationID: "watch", Method: http.MethodGet, Path: Prefix + "/watch", Tags: []string{"watch"},
		Summary:     "Follow what changes, as server-sent events.",
		Description: "Begins with one event for every document there is, then tells of each change; changes of one document may be folded into the latest. A lost connection goes on where it was with Last-Event-ID.\n\nPermission: read.",
		Parameters: []*huma.Param{
			{Name: "kind", In: "query", Description: "only documents of this kind, e.g. Release", Schema: text},
			{Name: "name", In: "query", Description: "only the document of this name", Schema: text},
			{Name: "Last-Event-ID", In: "header", Description: "only what changed after this event", Schema: text},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "events named change, each a Change; the id is its index", Content: map[string]*huma.MediaType{
				"text/event-stream": {Schema: oapi.Components.Schemas.Schema(reflect.TypeFor[Change](), true, "")}}},
			"default": problemResponse(oapi.Components.Schemas),
		}}
	oapi.Tags = append(oapi.Tags, &huma.Tag{Name: "watch"})
	oapi.AddOperation(o)
	adapter.Handle(o, func(c huma.Context) {
		r, w := humago.Unwrap(c)
		if err := h.watch(w, r); err != nil {
			h.fail(w, r, err)
		}
	})
}

// watchFaults are what is wrong with the parameters of a watch.
func watchFaults(q url.Values) (faults []fairlead.Fault) {
	kinds := []string{fairlead.KindModel, fairlead.KindVersion, fairlead.KindAlias, fairlead.KindTarget, fairlead.KindEndpoint,
		fairlead.KindRelease, fairlead.KindToken, fairlead.KindRoute, fairlead.KindWindow, fairlead.KindGateway}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case name != "kind" && name != "name":
			faults = append(faults, fairlead.Fault{Path: name, Message: "unknown parameter", Known: []string{"kind", "name"}})
		case len(q[name]) > 1:
			faults = append(faults, fairlead.Fault{Path: name, Message: "given more than once"})
		case name == "kind" && !slices.Contains(kinds, q.Get(name)):
			faults = append(faults, fairlead.Fault{Path: name, Message: "unknown kind", Got: fmt.Sprintf("%.40q", q.Get(name)), Known: kinds})
		}
	}
	return faults
}

func (h *handler) watch(w http.ResponseWriter, r *http.Request) error {
	who, _ := op.CallerOf(r.Context())
	if !who.May(op.CanRead) {
		return fairlead.Errorf(fairlead.Denied, "%s may not watch: it needs the role viewer, operator or admin", who.Name)
	}
	if faults := watchFaults(r.URL.Query()); faults != nil {
		return fairlead.Faulty("the request is wrong", faults)
	}
	after := int64(0)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		var err error
		if after, err = strconv.ParseInt(id, 10, 64); err != nil || after < 0 {
			return fairlead.Errorf(fairlead.Invalid, "Last-Event-ID %.40q is not an event's id", id)
		}
	}
	select {
	case h.watchers <- struct{}{}:
		defer func() { <-h.watchers }()
	default:
		return fairlead.Errorf(fairlead.Limited, "%d watch already; the server allows no more", maxWatchers)
	}
	kind, name := r.URL.Query().Get("kind"), r.URL.Query().Get("name")
	changes, err := h.deps.Store.Watch(r.Context(), after)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	send := func(format string, args ...any) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(writeGrace))
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil && rc.Flush() == nil
	}
	if !send(": following\n\n") {
		return nil
	}
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return nil // the reader left, or the server ends
			}
			// Whose tokens exist is for administrators.
			if (kind != "" && c.Kind != kind) || (name != "" && c.Key != name) || (c.Kind == fairlead.KindToken && !who.May(op.CanAdmin)) {
				continue
			}
			data, err := json.Marshal(Change{c.Kind, c.Key, c.Index})
			if err != nil || !send("id: %d\nevent: change\ndata: %s\n\n", c.Index, data) {
				return nil
			}
		case <-tick.C:
			if !send(": still here\n\n") {
				return nil
			}
		}
	}
}
