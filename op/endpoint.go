package op

import (
	"fmt"
	"strings"
	"time"

	"fairlead.dev"
)

// The verbs of endpoints; apply creates and changes them, releases move them.
var (
	EndpointGet    = endpoints.getOp(CanRead, nil)
	EndpointList   = endpoints.listOp(CanRead, nil)
	EndpointDelete = endpoints.deleteOp(CanWrite, "Delete an endpoint: its address stops answering.\nRefused while a release moves it.", func(t *tx, e fairlead.Endpoint) error {
		if e.Status.Release != "" {
			return fairlead.Errorf(fairlead.Conflict, "the release %s is moving the endpoint %s; abort it first", e.Status.Release, e.Meta.Name)
		}
		t.effect(EffectRoute, e.Meta.Name)
		return nil
	})
)

// setEndpoint creates or changes an endpoint. Which version serves is not for
// apply to change: releases do that.
func setEndpoint(t *tx, want fairlead.Endpoint) (Applied, error) {
	if want.Spec.Target != "" && want.Spec.Target != fairlead.LocalTarget {
		if _, err := targets.get(t, want.Spec.Target); err != nil {
			return Applied{}, err
		}
	}
	have, ok, err := endpoints.find(t, want.Meta.Name)
	if err != nil {
		return Applied{}, err
	}
	if !ok {
		v, err := resolve(t, want.Spec.Initial)
		if err != nil {
			return Applied{}, err
		}
		want.Spec.Initial = v.Meta.Name // an alias is resolved once
		want.Status = fairlead.EndpointStatus{Version: v.Meta.Name,
			History: []fairlead.Serve{{Version: v.Meta.Name, Since: t.d.Env.Now()}}}
		t.effect(EffectRoute, want.Meta.Name)
		return endpoints.writeAs(t, &want, false, fairlead.LedgerEntry{To: v.Meta.Name})
	}
	if want.Spec.Initial != have.Spec.Initial {
		v, err := resolve(t, want.Spec.Initial)
		if err != nil {
			return Applied{}, err
		}
		if v.Meta.Name != have.Spec.Initial {
			return Applied{}, &fairlead.Error{Code: fairlead.Conflict, Message: "the endpoint " + want.Meta.Name + " was first deployed with " + have.Spec.Initial + " and that is history; a release moves it to another version",
				Faults: []fairlead.Fault{{Path: "/spec/initial", Message: "may not change", Want: have.Spec.Initial, Got: want.Spec.Initial}}}
		}
		want.Spec.Initial = have.Spec.Initial
	}
	if same(have.Spec, want.Spec) && same(have.Meta.Labels, want.Meta.Labels) {
		return endpoints.unchanged(have.Meta.Name), nil
	}
	if err := guard("the endpoint "+want.Meta.Name, have.Meta, want.Meta.Revision, ""); err != nil {
		return Applied{}, err
	}
	// A key decides who belongs to which arm, a target where both run: changing
	// either under a running release would spoil its evidence.
	if have.Status.Release != "" && (!same(have.Spec.Key, want.Spec.Key) || have.Spec.Target != want.Spec.Target || !same(have.Spec.Feedback, want.Spec.Feedback)) {
		return Applied{}, fairlead.Errorf(fairlead.Conflict, "the release %s is moving the endpoint %s; its key, target and feedback stay until that has ended", have.Status.Release, want.Meta.Name)
	}
	want.Status, want.Meta.Created = have.Status, have.Meta.Created
	t.effect(EffectRoute, want.Meta.Name)
	return endpoints.write(t, &want, true)
}

func checkEndpoint(e fairlead.Endpoint) []fairlead.Fault {
	faults := fairlead.CheckName("/metadata/name", e.Meta.Name)
	faults = append(faults, checkRef("/spec/initial", e.Spec.Initial, "model@version")...)
	if e.Spec.Target != "" {
		faults = append(faults, fairlead.CheckName("/spec/target", e.Spec.Target)...)
	}
	if k := e.Spec.Key; k != nil {
		n := 0
		for _, s := range []string{k.Header, k.Cookie, k.JSON} {
			if s != "" {
				n++
			}
		}
		if n != 1 {
			faults = append(faults, fairlead.Fault{Path: "/spec/key", Message: "not a key", Want: "exactly one of header, cookie, json", Got: fmt.Sprintf("%d of them", n)})
		}
		for path, s := range map[string]string{"/spec/key/header": k.Header, "/spec/key/cookie": k.Cookie} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) {
				faults = append(faults, fairlead.Fault{Path: path, Message: "not a valid name", Want: "letters, digits and '-'", Got: fmt.Sprintf("%q", s)})
			}
		}
	}
	if b := e.Spec.Limits.Body; b > 1<<30 {
		faults = append(faults, fairlead.Fault{Path: "/spec/limits/body", Message: "too large", Want: "at most 1GiB", Got: b.String()})
	}
	return faults
}

// EndpointReport is an endpoint with what its gateways say.
type EndpointReport struct {
	Endpoint fairlead.Endpoint `json:"endpoint"`
	Route    *fairlead.Route   `json:"route,omitempty" doc:"the plan that gateways are to follow"`
	Gateways []GatewayView     `json:"gateways" doc:"what each gateway has in force"`
}

// GatewayView is what one gateway last said of an endpoint.
type GatewayView struct {
	ID       string          `json:"id"`
	Revision int64           `json:"revision" doc:"of the route in force"`
	Current  bool            `json:"current" doc:"whether that is the newest route"`
	Seen     time.Time       `json:"seen" doc:"when it last reported"`
	Live     bool            `json:"live" doc:"whether that is recent"`
	Error    string          `json:"error,omitempty" doc:"why the newest route could not be taken"`
	Trips    []fairlead.Trip `json:"trips,omitempty" doc:"arms it turned off by itself"`
}

// EndpointStatus answers which version serves and whether every gateway agrees.
var EndpointStatus = Op[Named, EndpointReport]{Name: "endpoint status", Method: "GET", Path: "/endpoints/{name}/status", Can: CanRead,
	Doc: "Show which version an endpoint serves, its route and what each gateway has in force.",
	Do:  endpointStatus}
