package op

import (
	"context"
	"fmt"
	"net/http"

	"fairlead.dev"
)

// The verbs of aliases.
var (
	AliasGet    = aliases.getOp(CanRead, nil)
	AliasList   = aliases.listOp(CanRead, nil)
	AliasDelete = aliases.deleteOp(CanWrite, "Delete an alias; the version stays.", nil)

	AliasSet = Op[AliasSetIn, Applied]{Name: "alias set", Method: http.MethodPut, Path: "/aliases/{name}", Can: CanWrite,
		Doc: "Point an alias at a version.\nThe alias is model@alias and the version model@version, both of one model. Releases resolve an alias once, when they are created; moving it later does not move them.",
		Do: func(ctx context.Context, d *Deps, in AliasSetIn) (out Applied, err error) {
			a := fairlead.Alias{Meta: fairlead.Meta{Name: in.Name, Revision: in.Revision}, Spec: fairlead.AliasSpec{Version: in.Version}}
			if err := fairlead.Faulty("the alias is wrong", checkAlias(a)); err != nil {
				return out, err
			}
			err = change(ctx, d, func(t *tx) error {
				if have, ok, err := aliases.find(t, in.Name); err != nil {
					return err
				} else if ok {
					a.Meta.Labels = have.Meta.Labels
				}
				out, err = setAlias(t, a)
				return err
			})
			return out, err
		}}
)

// AliasSetIn asks for an alias to point at a version.
type AliasSetIn struct {
	Name     string `json:"-" path:"name" maxLength:"127" doc:"the alias: model@alias"`
	Version  string `json:"version" maxLength:"127" doc:"the version to name: model@version"`
	Revision int64  `json:"revision,omitempty" minimum:"0" doc:"only if the alias is still at this revision"`
}

func checkAlias(a fairlead.Alias) []fairlead.Fault {
	faults := checkRef("/metadata/name", a.Meta.Name, "model@alias")
	faults = append(faults, checkRef("/spec/version", a.Spec.Version, "model@version")...)
	if len(faults) > 0 {
		return faults
	}
	m, _, _ := fairlead.SplitRef(a.Meta.Name)
	if vm, _, _ := fairlead.SplitRef(a.Spec.Version); vm != m {
		faults = append(faults, fairlead.Fault{Path: "/spec/version", Message: "of another model than the alias", Want: "a version of " + m, Got: a.Spec.Version})
	}
	return faults
}

func checkRef(path, ref, want string) []fairlead.Fault {
	if _, _, ok := fairlead.SplitRef(ref); ok {
		return nil
	}
	return []fairlead.Fault{{Path: path, Message: "not a reference", Want: want + ", both parts lower-case letters, digits, '.', '_' or '-'", Got: fmt.Sprintf("%.80q", ref)}}
}

// setAlias creates or moves an alias.
func setAlias(t *tx, want fairlead.Alias) (Applied, error) {
	if _, err := versions.get(t, want.Spec.Version); err != nil {
		return Applied{}, err
	}
	if _, taken, err := versions.find(t, want.Meta.Name); err != nil {
		return Applied{}, err
	} else if taken {
		return Applied{}, fairlead.Errorf(fairlead.Exists, "%s is the name of a version; an alias needs another", want.Meta.Name)
	}
	have, ok, err := aliases.find(t, want.Meta.Name)
	if err != nil {
		return Applied{}, err
	}
	if ok {
		if have.Spec == want.Spec && same(have.Meta.Labels, want.Meta.Labels) {
			return aliases.unchanged(have.Meta.Name), nil
		}
		if err := guard("the alias "+want.Meta.Name, have.Meta, want.Meta.Revision, "it names "+have.Spec.Version); err != nil {
			return Applied{}, err
		}
	}
	want.Meta.Created = have.Meta.Created
	return aliases.writeAs(t, &want, ok, fairlead.LedgerEntry{From: have.Spec.Version, To: want.Spec.Version})
}

// resolve gives the version that a reference (model@version or model@alias)
// names.
func resolve(t *tx, ref string) (fairlead.Version, error) {
	v, ok, err := versions.find(t, ref)
	if err != nil || ok {
		return v, err
	}
	a, ok, err := aliases.find(t, ref)
	if err != nil {
		return v, err
	}
	if ok {
		return versions.get(t, a.Spec.Version)
	}
	return v, versions.missing(t, ref)
}
