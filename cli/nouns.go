package cli

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/internal/strict"
	"fairlead.dev/op"
)

// printAnswer prints what a verb answered: lists and nouns as tables, the rest
// as YAML, which reads well for small answers.
func (p *program) printAnswer(out any) error {
	return p.print(out, func(w io.Writer) error {
		if items, ok := itemsOf(out); ok {
			return p.nounTable(items).write(w, "none")
		}
		if x, ok := out.(op.Deleted); ok {
			_, err := fmt.Fprintf(w, "%s %s deleted\n", strings.ToLower(x.Kind), clean(x.Name))
			return err
		}
		if x, ok := out.(op.EndpointReport); ok {
			return p.endpointText(w, x)
		}
		if x, ok := out.(op.Explanation); ok {
			return explainText(w, x)
		}
		if c, ok := out.(op.SignedCheckpoint); ok { // as it is checked, so that it can be kept in a file
			_, err := io.WriteString(w, clean1(c.Text))
			return err
		}
		if t := p.nounTable([]any{out}); len(t.rows) == 1 {
			return t.write(w, "none")
		}
		data, err := strict.Encode(out)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
}

// itemsOf are the items of a list answer: a struct with a field Items or
// Entries.
func itemsOf(out any) ([]any, bool) {
	v := reflect.Indirect(reflect.ValueOf(out))
	if v.Kind() == reflect.Struct {
		list := v.FieldByName("Items")
		if !list.IsValid() {
			list = v.FieldByName("Entries")
		}
		v = list
	}
	if !v.IsValid() || v.Kind() != reflect.Slice {
		return nil, false
	}
	items := make([]any, v.Len())
	for i := range items {
		items[i] = v.Index(i).Interface()
	}
	return items, true
}

// nounTable shows nouns of one kind, a row each; what is no noun has no row.
func (p *program) nounTable(items []any) *table {
	t := &table{}
	row := func(head string, cells ...string) {
		t.head = strings.Fields(head)
		t.add(cells...)
	}
	for _, item := range items {
		switch n := item.(type) {
		case fairlead.Model:
			row("NAME TASK DESCRIPTION AGE", n.Meta.Name, or(n.Spec.Task), cut(or(n.Spec.Description), 50), p.age(n.Meta.Created))
		case fairlead.Version:
			row("NAME FORMAT SIZE DIGEST METRICS AGE", n.Meta.Name, n.Spec.Artifact.Format, size(n.Spec.Artifact.Size),
				shortDigest(n.Spec.Artifact.Digest), metrics(n.Spec.Metrics), p.age(n.Meta.Created))
		case fairlead.Alias:
			row("NAME VERSION AGE", n.Meta.Name, n.Spec.Version, p.age(n.Meta.Updated))
		case fairlead.Endpoint:
			row("NAME VERSION RELEASE PREVIOUS TARGET AGE", n.Meta.Name, or(n.Status.Version), or(n.Status.Release),
				or(n.Status.Previous), or(n.Spec.Target, fairlead.LocalTarget), p.age(n.Meta.Created))
		case fairlead.Target:
			row("NAME RUNTIME URL AGE", n.Meta.Name, n.Spec.Runtime, or(n.Spec.URL), p.age(n.Meta.Created))
		case fairlead.Release:
			st := n.Status
			step := "-"
			if len(st.Steps) > 0 {
				step = fmt.Sprintf("%d/%d", min(st.Step+1, len(st.Steps)), len(st.Steps))
			}
			row("NAME ENDPOINT CANDIDATE PHASE REASON STEP WEIGHT AGE", n.Meta.Name, n.Spec.Endpoint, or(st.Candidate, n.Spec.Candidate),
				or(string(st.Phase), string(fairlead.Pending)), or(st.Reason), step, st.Weight.String(), p.age(n.Meta.Created))
		case fairlead.Token:
			expires := "never"
			if !n.Spec.Expires.IsZero() {
				if expires = n.Spec.Expires.Format(time.DateOnly); !p.Env.Now().Before(n.Spec.Expires) {
					expires = "expired"
				}
			}
			row("NAME ROLES EXPIRES AGE", n.Meta.Name, strings.Join(n.Spec.Roles, ","), expires, p.age(n.Meta.Created))
		case fairlead.LedgerEntry:
			row("SEQ TIME ACTOR VERB KIND NAME CHANGE REASON", fmt.Sprint(n.Seq), n.Time.Format(time.DateTime), n.Actor, n.Verb, n.Kind, n.Name,
				cut(change(n), 60), or(n.Reason))
		}
	}
	return t
}

func change(e fairlead.LedgerEntry) string {
	switch {
	case e.From != "" && e.To != "":
		return e.From + " → " + e.To
	case e.To != "":
		return e.To
	}
	return or(e.Message)
}

// or gives the first text that is not empty, "-" if none is.
func or(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return "-"
}

// age is a time span's largest unit, as people know it from kubectl.
func (p *program) age(since time.Time) string {
	if since.IsZero() {
		return "-"
	}
	d := max(0, p.Env.Now().Sub(since))
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func shortDigest(d string) string {
	_, hex, _ := strings.Cut(d, ":")
	return or(hex[:min(12, len(hex))])
}

func metrics(m map[string]float64) string {
	var t []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		t = append(t, k+"="+digits(m[k]))
	}
	return cut(or(strings.Join(t, " ")), 40)
}
