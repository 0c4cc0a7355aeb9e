package strategy_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fairlead.dev"
	"fairlead.dev/core/strategy"
)

// text shows steps on one line each, so a table can hold them.
func text(steps []fairlead.Step) string {
	var out []string
	for _, s := range steps {
		b, _ := json.Marshal(s)
		out = append(out, string(b))
	}
	return strings.Join(out, " ")
}

func compile(kind, spec string) ([]fairlead.Step, []fairlead.Fault) {
	return strategy.Compile("/spec/strategy", fairlead.Strategy{Kind: kind, Spec: json.RawMessage(spec)})
}

func TestCompile(t *testing.T) {
	for _, c := range []struct{ kind, spec, want string }{
		{"canary", `{"steps":[{"mirror":"100%","hold":"10m"},{"weight":"1%","hold":"10m"},{"weight":"5%","samples":2000},{"approve":{"by":"release-managers"}},{"weight":"50%","hold":"1h","samples":10}]}`,
			`{"mirror":"100%","hold":"10m"} {"weight":"1%","mirror":"0%","hold":"10m"} {"weight":"5%","mirror":"0%","samples":2000} {"approve":{"by":"release-managers"}} {"weight":"50%","mirror":"0%","hold":"1h","samples":10} {"check":true} {"promote":true}`},
		{"canary", `{"steps":[{"approve":{}},{"weight":"0.01%","hold":"1s"},{"hold":"1s"}]}`,
			`{"approve":{}} {"weight":"0.01%","mirror":"0%","hold":"1s"} {"hold":"1s"} {"check":true} {"promote":true}`},
		{"shadow", `{"hold":"1h"}`, `{"weight":"0%","mirror":"100%","hold":"1h"} {"check":true}`},
		{"shadow", `{"mirror":"10%","samples":50,"then":"stop"}`, `{"weight":"0%","mirror":"10%","samples":50} {"check":true}`},
		{"shadow", `{"samples":50,"then":"promote","approve":{"by":"ann"}}`, `{"weight":"0%","mirror":"100%","samples":50} {"check":true} {"approve":{"by":"ann"}} {"promote":true}`},
		{"bluegreen", ``, `{"weight":"0%","mirror":"0%"} {"promote":true}`},
		{"bluegreen", `null`, `{"weight":"0%","mirror":"0%"} {"promote":true}`},
		{"bluegreen", `{"mirror":"5%","samples":100,"approve":{}}`, `{"weight":"0%","mirror":"5%","samples":100} {"check":true} {"approve":{}} {"promote":true}`},
		{"bluegreen", `{"hold":"5m"}`, `{"weight":"0%","mirror":"0%","hold":"5m"} {"promote":true}`},
	} {
		steps, faults := compile(c.kind, c.spec)
		if got := text(steps); got != c.want || len(faults) > 0 {
			t.Errorf("%s %s:\n got %s %v\nwant %s", c.kind, c.spec, got, faults, c.want)
		}
	}
}

func TestFaults(t *testing.T) {
	step := func(s string) string { return `{"steps":[{"weight":"10%","hold":"1m"},` + s + `]}` }
	for _, c := range []struct{ kind, spec, path, has string }{
		{"", ``, "/spec/strategy", "known: canary, shadow, bluegreen"},
		{"canray", `{}`, "/spec/strategy/canray", "known: canary, shadow, bluegreen"},
		{"canary", `{}`, "/spec/strategy/canary/steps", "1 to 100 steps"},
		{"canary", `[]`, "/spec/strategy/canary", "an object"},
		{"canary", `{"steps":{}}`, "/spec/strategy/canary/steps", "a list"},
		{"canary", `{"step":[]}`, "/spec/strategy/canary/step", "known: steps"},
		{"canary", step(`{"weight":"5%","hold":"1m"}`), "/spec/strategy/canary/steps/1/weight", "at least 10%; got 5%"},
		{"canary", step(`{"weight":"20%"}`), "/spec/strategy/canary/steps/1", "at least one of hold, samples, approve"},
		{"canary", step(`{"wieght":"20%","hold":"1m"}`), "/spec/strategy/canary/steps/1/wieght", "known: approve, hold, mirror, samples, weight"},
		{"canary", step(`{"weight":"120%","hold":"1m"}`), "/spec/strategy/canary/steps/1/weight", "from 0% to 100%"},
		{"canary", step(`{"weight":20,"hold":"1m"}`), "/spec/strategy/canary/steps/1/weight", "a string"},
		{"canary", step(`{"weight":"20%","hold":"soon"}`), "/spec/strategy/canary/steps/1/hold", "10m"},
		{"canary", step(`{"weight":"20%","hold":"1m","hold":"2m"}`), "/spec/strategy/canary/steps/1/hold", "twice"},
		{"canary", step(`{"weight":"20%","samples":-1}`), "/spec/strategy/canary/steps/1/samples", "0 to 10¹²"},
		{"canary", step(`{"weight":"20%","samples":1.5}`), "/spec/strategy/canary/steps/1/samples", "a whole number"},
		{"canary", step(`{"mirror":"20%","hold":"1m"}`), "/spec/strategy/canary/steps/1/mirror", "already answers"},
		{"canary", step(`{"mirror":"20%","weight":"20%","hold":"1m"}`), "/spec/strategy/canary/steps/1/mirror", "not by both"},
		{"canary", step(`{"approve":{"by":"Release Managers"}}`), "/spec/strategy/canary/steps/1/approve/by", "lower-case"},
		{"canary", step(`{"approve":{"who":"ann"}}`), "/spec/strategy/canary/steps/1/approve/who", "known: by"},
		{"canary", `{"steps":[{"weight":"0%","hold":"1m"}]}`, "/spec/strategy/canary/steps/0/weight", "0.01% to 100%"},
		{"canary", `{"steps":[{"samples":5}]}`, "/spec/strategy/canary/steps/0/samples", "never end"},
		{"canary", `{"steps":[{"mirror":"5%","hold":"1m"}]}`, "/spec/strategy/canary/steps", "no step gives"},
		{"canary", `{"steps":[` + strings.Repeat(`{"hold":"1s"},`, 100) + `{"weight":"1%","hold":"1s"}]}`, "/spec/strategy/canary/steps", "at most 100"},
		{"shadow", `{}`, "/spec/strategy/shadow", "hold, samples"},
		{"shadow", `{"hold":"1m","then":"wait"}`, "/spec/strategy/shadow/then", "known: promote, stop"},
		{"shadow", `{"hold":"1m","mirror":"0%"}`, "/spec/strategy/shadow/mirror", "0.01%"},
		{"shadow", `{"hold":"1m","approve":{}}`, "/spec/strategy/shadow/approve", "then: promote"},
		{"bluegreen", `{"samples":5}`, "/spec/strategy/bluegreen/samples", "mirror as well"},
		{"bluegreen", `{"mirror":"5%"}`, "/spec/strategy/bluegreen/mirror", "hold, samples"},
		{"bluegreen", `{"a/b":1}`, "/spec/strategy/bluegreen/a~1b", "known: approve, hold, mirror, samples"},
	} {
		steps, faults := compile(c.kind, c.spec)
		if len(faults) != 1 || steps != nil {
			t.Errorf("%s %s: steps %v, faults %v", c.kind, c.spec, steps, faults)
			continue
		}
		if f := faults[0]; f.Path != c.path || !strings.Contains(f.String(), c.has) {
			t.Errorf("%s %s:\n got %s\nwant %s … %s", c.kind, c.spec, f, c.path, c.has)
		}
	}
}

// All faults of a strategy come at once.
func TestAllFaultsAtOnce(t *testing.T) {
	_, faults := compile("canary", `{"steps":[{"weight":"x","hold":"y"},{"nope":1,"samples":"z"}]}`)
	if len(faults) != 4 {
		t.Errorf("want 4 faults, got %v", faults)
	}
}

// Every field of every kind documents itself, and its name is its own.
func TestKindsDescribeThemselves(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range strategy.Kinds() {
		if seen[k.Name] || len(fairlead.CheckName("", k.Name)) > 0 || k.Doc == "" {
			t.Errorf("kind %q: doc %q", k.Name, k.Doc)
		}
		seen[k.Name] = true
		spec := reflect.TypeOf(k.New()).Elem()
		for i := range spec.NumField() {
			if f := spec.Field(i); f.Tag.Get("doc") == "" || f.Tag.Get("json") == "" {
				t.Errorf("%s: field %s has no doc or json tag", k.Name, f.Name)
			}
		}
	}
}

// Whatever the bytes: no panic, and steps or faults but not both. Steps that
// come out keep the promises the release machine builds on.
func FuzzCompile(f *testing.F) {
	f.Add("canary", `{"steps":[{"mirror":"1%","hold":"1m"},{"weight":"1%","hold":"1m"},{"weight":"5%","samples":20,"approve":{"by":"x"}}]}`)
	f.Add("shadow", `{"hold":"1m","then":"promote"}`)
	f.Add("bluegreen", `{"mirror":"5%","samples":10}`)
	f.Fuzz(func(t *testing.T, kind, spec string) {
		steps, faults := compile(kind, spec)
		if (len(steps) == 0) == (len(faults) == 0) {
			t.Fatalf("%d steps and %d faults", len(steps), len(faults))
		}
		if err := promises(steps); err != nil {
			t.Fatal(err)
		}
	})
}

func promises(steps []fairlead.Step) error {
	var weight, mirror fairlead.Weight
	for i, s := range steps {
		if s.Weight != nil {
			if *s.Weight < weight || *s.Weight > fairlead.FullWeight {
				return fmt.Errorf("step %d: weight %v after %v", i, *s.Weight, weight)
			}
			weight = *s.Weight
		}
		if s.Mirror != nil {
			mirror = *s.Mirror
		}
		if weight > 0 && mirror > 0 {
			return fmt.Errorf("step %d: weight %v and mirror %v at once", i, weight, mirror)
		}
		if s.Promote && i != len(steps)-1 {
			return fmt.Errorf("promote at step %d of %d", i, len(steps))
		}
	}
	return nil
}
