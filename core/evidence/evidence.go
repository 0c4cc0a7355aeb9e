// Package evidence answers for how evidence is laid out and put together: the
// keys under which each gateway's cumulative counters are kept, and their merge
// into one fairlead.Window per stratum, which is what gates judge.
//
// Who has the documents (the loops, and the verbs that show verdicts) lists
// those of kind fairlead.KindWindow under Prefix and hands them to Merge.
package evidence

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"fairlead.dev"
)

// MarksPart stands in a key where a gateway's id would: the document holds the
// marks of the stratum, merged over gateways. No gateway may have it as its id.
const MarksPart = "marks"

// Prefix of the keys of all windows of an attempt of a release.
func Prefix(endpoint, release string, attempt int) string {
	return fmt.Sprintf("%s/%s/%04d/", endpoint, release, attempt)
}

// Key of one gateway's window of a stratum, or with MarksPart of its marks.
// Steps sort in order.
func Key(endpoint string, s fairlead.Stratum, gateway string) string {
	return StratumPrefix(endpoint, s) + gateway
}

// StratumPrefix of the keys of all windows of one stratum.
func StratumPrefix(endpoint string, s fairlead.Stratum) string {
	return Prefix(endpoint, s.Release, s.Attempt) + fmt.Sprintf("%04d/", s.Step)
}

// Split takes a window's key apart; ok is false when it is none.
func Split(key string) (endpoint string, s fairlead.Stratum, gateway string, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 5 {
		return "", fairlead.Stratum{}, "", false
	}
	attempt, err := strconv.Atoi(parts[2])
	step, err2 := strconv.Atoi(parts[3])
	s = fairlead.Stratum{Release: parts[1], Attempt: attempt, Step: step}
	return parts[0], s, parts[4], err == nil && err2 == nil
}

// Gateway is what is kept of a gateway's latest report: all but its windows,
// and when it came. The document's key is GatewayKey.
type Gateway struct {
	fairlead.GatewayReport
	Seen time.Time `json:"seen"`
}

// GatewayKey is the key of a gateway's document for an endpoint.
func GatewayKey(endpoint, gateway string) string { return endpoint + "/" + gateway }

// Current leaves out gateways that have started again under another id since: a
// later self at the same home has replaced them, and they will never confirm
// anything.
func Current(all []Gateway) []Gateway {
	current := make([]Gateway, 0, len(all))
	for _, g := range all {
		if !slices.ContainsFunc(all, func(o Gateway) bool { return replaces(o, g) }) {
			current = append(current, g)
		}
	}
	return current
}

func replaces(later, g Gateway) bool {
	return g.Home != "" && later.Home == g.Home && later.Gateway != g.Gateway &&
		(later.Seen.After(g.Seen) || later.Seen.Equal(g.Seen) && later.Gateway > g.Gateway)
}

// Merge gives one window a stratum, in the order of the strata: the gateways'
// counters added, the marks attached. Docs are keys and stored JSON of kind
// fairlead.KindWindow, in any order. The error has code Corrupt.
func Merge(docs iter.Seq2[string, []byte]) ([]fairlead.Window, error) {
	parts := map[string]fairlead.Window{}
	for key, data := range docs {
		var w fairlead.Window
		if err := json.Unmarshal(data, &w); err != nil {
			return nil, fairlead.Errorf(fairlead.Corrupt, "window %s cannot be read: %w", key, err)
		}
		parts[key] = w
	}
	return MergeWindows(parts)
}

// MergeWindows is Merge of windows by their keys. It changes none of them.
func MergeWindows(parts map[string]fairlead.Window) ([]fairlead.Window, error) {
	merged := map[fairlead.Stratum]*fairlead.Window{}
	marks := map[fairlead.Stratum][]fairlead.Mark{}
	for key, w := range parts {
		_, stratum, part, ok := Split(key)
		if !ok {
			return nil, fairlead.Errorf(fairlead.Corrupt, "%q is not the key of a window", key)
		}
		if part == MarksPart {
			marks[stratum] = w.Marks
			continue
		}
		if m := merged[stratum]; m != nil {
			Add(m, w)
			continue
		}
		w.Stratum, w.Marks = stratum, nil
		merged[stratum] = &w
	}
	out := make([]fairlead.Window, 0, len(merged))
	for s, w := range merged {
		w.Marks = marks[s]
		out = append(out, *w)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i].Stratum, out[j].Stratum
		if a.Attempt != b.Attempt {
			return a.Attempt < b.Attempt
		}
		return a.Step < b.Step
	})
	return out, nil
}

// Add adds another gateway's counters of the same stratum to w.
func Add(w *fairlead.Window, o fairlead.Window) {
	if w.Start.IsZero() || !o.Start.IsZero() && o.Start.Before(w.Start) {
		w.Start = o.Start
	}
	if o.End.After(w.End) {
		w.End = o.End
	}
	arms := make(map[string]fairlead.Counts, len(w.Arms))
	for name, c := range w.Arms {
		arms[name] = c
	}
	for name, c := range o.Arms {
		arms[name] = arms[name].Add(c)
	}
	w.Arms = arms
}

// Samples is how many requests the candidate answered in a stratum.
func Samples(windows []fairlead.Window, s fairlead.Stratum) int64 {
	var n int64
	for _, w := range windows {
		if w.Stratum == s {
			n += w.Arms[fairlead.Candidate].Requests
		}
	}
	return n
}
