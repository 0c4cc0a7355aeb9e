package op

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev"
	"fairlead.dev/core/strategy"
	"fairlead.dev/internal/strict"
)

// ApplyIn is a set of manifests to make true.
type ApplyIn struct {
	Files  []Manifest `json:"files" minItems:"1" maxItems:"100" doc:"the manifests"`
	DryRun bool       `json:"dryRun,omitempty" doc:"only say what would change"`
}

// Manifest is the text of one file: YAML or JSON, one or more documents.
type Manifest struct {
	Name string `json:"name,omitempty" maxLength:"1024" doc:"the file's name, for messages"`
	Text string `json:"text" doc:"YAML or JSON, documents separated by ---"`
}

// ApplyOut says what became of each document, in their order.
type ApplyOut struct {
	Applied []Applied `json:"applied"`
	DryRun  bool      `json:"dryRun,omitempty"`
}

// Applied is what became of one document.
type Applied struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Outcome string `json:"outcome" enum:"created,changed,unchanged"`
}

// Outcomes of a document.
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
)

// Apply makes manifests true.
var Apply = Op[ApplyIn, ApplyOut]{Name: "apply", Method: http.MethodPost, Path: "/apply", Can: CanWrite,
	Doc: "Create or change what manifests describe.\nEvery document is checked before anything changes, and all changes are one commit: either all of them hold or none. Kinds: Model, Alias, Target, Endpoint, Release. Applying the same again changes nothing.",
	Do: func(ctx context.Context, d *Deps, in ApplyIn) (ApplyOut, error) {
		docs, faults := readAll(in.Files)
		if err := fairlead.Faulty(fmt.Sprintf("nothing was applied: %d faults", len(faults)), faults); err != nil {
			if len(faults) == 1 {
				err.(*fairlead.Error).Message = "nothing was applied: 1 fault"
			}
			return ApplyOut{}, err
		}
		if len(docs) == 0 {
			return ApplyOut{}, fairlead.Errorf(fairlead.Invalid, "the manifests hold no document")
		}
		out := ApplyOut{DryRun: in.DryRun}
		run := change
		if in.DryRun {
			run = look
		}
		err := run(ctx, d, func(t *tx) error {
			out.Applied = make([]Applied, len(docs))
			faults := make([][]fairlead.Fault, len(docs))
			var codes []fairlead.Code
			for _, i := range inOrder(docs) {
				a, err := docs[i].set(t)
				out.Applied[i] = a
				switch code := fairlead.CodeOf(err); code {
				case "":
				case fairlead.Internal, fairlead.Unavailable, fairlead.Timeout, fairlead.Corrupt:
					return err // no fault of the documents
				default:
					faults[i] = docs[i].faultsOf(err)
					codes = append(codes, code)
				}
			}
			if len(codes) == 0 {
				return nil
			}
			e := &fairlead.Error{Code: codes[0], Message: "nothing was applied: it does not fit what is there", Faults: slices.Concat(faults...)}
			if slices.ContainsFunc(codes, func(c fairlead.Code) bool { return c != codes[0] }) {
				e.Code = fairlead.Invalid
			}
			return e
		})
		return out, err
	}}

// inOrder gives the documents' indexes so that what is referred to comes before
// what refers to it, however the files are sorted.
func inOrder(docs []read) []int {
	order := make([]int, len(docs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return slices.Index(applyKinds, docs[a].kind) - slices.Index(applyKinds, docs[b].kind)
	})
	return order
}

// read is a checked document and how to make it true.
type read struct {
	doc  strict.Document
	set  func(*tx) (Applied, error)
	kind string
	name string
}

// faultsOf turns what went wrong with a document into faults with a place.
func (m read) faultsOf(err error) []fairlead.Fault {
	e, ok := err.(*fairlead.Error)
	if !ok || len(e.Faults) == 0 {
		msg := err.Error()
		return m.doc.Place([]fairlead.Fault{{Path: "/metadata/name", Message: m.kind + " " + m.name + ": " + msg}})
	}
	return m.doc.Place(slices.Clone(e.Faults))
}

// Lint gives every fault of the manifests that can be found without a server.
func Lint(files []Manifest) []fairlead.Fault {
	_, faults := readAll(files)
	return faults
}

// kinds of documents that apply knows, in the order of messages.
var applyKinds = []string{fairlead.KindModel, fairlead.KindAlias, fairlead.KindTarget, fairlead.KindEndpoint, fairlead.KindRelease}

// readAll decodes and checks manifests: everything that needs no store.
func readAll(files []Manifest) ([]read, []fairlead.Fault) {
	var all []read
	var faults []fairlead.Fault
	seen := map[string]string{}
	for _, f := range files {
		docs, bad := strict.Parse(f.Name, []byte(f.Text))
		faults = append(faults, bad...)
		for _, doc := range docs {
			m, bad := readOne(doc)
			faults = append(faults, bad...)
			if len(bad) > 0 {
				continue
			}
			line, col := doc.At("/metadata/name")
			id := m.kind + " " + m.name
			if first, twice := seen[id]; twice {
				faults = append(faults, fairlead.Fault{File: f.Name, Line: line, Column: col, Path: "/metadata/name", Message: id + " is given twice; first at " + first})
				continue
			}
			seen[id] = fmt.Sprintf("%s:%d", f.Name, line)
			all = append(all, m)
		}
	}
	return all, faults
}

func readOne(doc strict.Document) (read, []fairlead.Fault) {
	switch kind := doc.Text("kind"); kind {
	case fairlead.KindModel:
		return readAs(doc, models, checkModel, setModel)
	case fairlead.KindAlias:
		return readAs(doc, aliases, checkAlias, setAlias)
	case fairlead.KindTarget:
		return readAs(doc, targets, checkTarget, setTarget)
	case fairlead.KindEndpoint:
		return readAs(doc, endpoints, checkEndpoint, setEndpoint)
	case fairlead.KindRelease:
		return readAs(doc, releases, checkRelease, setRelease)
	case fairlead.KindVersion, fairlead.KindToken:
		verb := map[string]string{fairlead.KindVersion: "version register", fairlead.KindToken: "token create"}[kind]
		return read{}, doc.Place([]fairlead.Fault{{Path: "/kind", Message: "a " + kind + " is not applied; use " + verb, Got: kind, Known: applyKinds}})
	case "":
		return read{}, doc.Place([]fairlead.Fault{{Path: "/kind", Message: "missing", Want: "what the document describes", Known: applyKinds}})
	default:
		return read{}, doc.Place([]fairlead.Fault{{Path: "/kind", Message: "unknown kind", Got: fmt.Sprintf("%.60q", kind), Known: applyKinds}})
	}
}

func readAs[T any](doc strict.Document, n noun[T], check func(T) []fairlead.Fault, set func(*tx, T) (Applied, error)) (read, []fairlead.Fault) {
	var v T
	faults := doc.Decode(&v, unions())
	_, m := n.meta(&v)
	// What stands in the right form is checked even when other parts do not.
	further := check(v)
	for k, s := range m.Labels {
		if len(k) > 63 || len(s) > 255 {
			further = append(further, fairlead.Fault{Path: "/metadata/labels/" + k, Message: "too long", Want: "a key of at most 63 bytes and a value of at most 255"})
		}
	}
	// The revision is the server's to write, but a document that was read and
	// is sent back with it is meant for the state that was read.
	if text := doc.Text("metadata", "revision"); text != "" {
		rev, err := strconv.ParseInt(text, 10, 64)
		if err != nil || rev < 0 {
			further = append(further, fairlead.Fault{Path: "/metadata/revision", Message: "not a revision", Want: "the whole number that was read, or none"})
		}
		m.Revision = rev
	}
	decoded := len(faults)
	for _, f := range doc.Place(further) {
		if !slices.ContainsFunc(faults[:decoded], func(g fairlead.Fault) bool { return within(f.Path, g.Path) || within(g.Path, f.Path) }) {
			faults = append(faults, f)
		}
	}
	slices.SortStableFunc(faults, func(a, b fairlead.Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return read{doc: doc, kind: n.kind, name: m.Name, set: func(t *tx) (Applied, error) { return set(t, v) }}, faults
}

// within reports whether path is outer or inside it.
func within(path, outer string) bool {
	return path == outer || strings.HasPrefix(path, outer+"/")
}

// unions tells the decoder how a strategy is written.
func unions() strict.Unions {
	var names []string
	byName := map[string]strategy.Kind{}
	for _, k := range strategy.Kinds() {
		names = append(names, k.Name)
		byName[k.Name] = k
	}
	return strict.Unions{reflect.TypeFor[fairlead.Strategy](): {
		What: "strategy", Known: names,
		New: func(kind string) any { return byName[kind].New() },
		Set: func(into any, kind string, spec json.RawMessage) {
			*into.(*fairlead.Strategy) = fairlead.Strategy{Kind: kind, Spec: spec}
		},
	}}
}

// same compares specs as they are stored, so nil and empty are alike.
func same(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	blank := func(s string) string {
		if s == "{}" || s == "[]" {
			return "null"
		}
		return s
	}
	return err1 == nil && err2 == nil && blank(string(x)) == blank(string(y))
}

func (n noun[T]) unchanged(name string) Applied { return Applied{n.kind, name, Unchanged} }

// write puts the noun and says so in the ledger.
func (n noun[T]) write(t *tx, v *T, existed bool) (Applied, error) {
	return n.writeAs(t, v, existed, fairlead.LedgerEntry{})
}

// writeAs is write with more to say in the ledger entry.
func (n noun[T]) writeAs(t *tx, v *T, existed bool, e fairlead.LedgerEntry) (Applied, error) {
	_, m := n.meta(v)
	a := Applied{n.kind, m.Name, Created}
	if existed {
		a.Outcome = Changed
	}
	e.Kind, e.Name = n.kind, m.Name
	if e.Message == "" {
		e.Message = a.Outcome
	}
	if len(e.Evidence) == 0 {
		if spec := reflect.ValueOf(v).Elem().FieldByName("Spec"); spec.IsValid() && n.kind != fairlead.KindToken {
			raw, err := json.Marshal(map[string]any{"spec": spec.Interface()})
			if err != nil {
				return a, err
			}
			e.Evidence = raw
		}
	}
	t.record(e)
	return a, n.put(t, v)
}

// Strategy describes one of the known strategies, for faces that list them.
type Strategy struct {
	Name string
	Doc  string
	Type reflect.Type // of its settings
}

// Strategies lists the known strategies.
func Strategies() []Strategy {
	var all []Strategy
	for _, k := range strategy.Kinds() {
		all = append(all, Strategy{k.Name, k.Doc, reflect.TypeOf(k.New()).Elem()})
	}
	return all
}
