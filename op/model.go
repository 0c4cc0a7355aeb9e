package op

import (
	"fmt"
	"strings"

	"fairlead.dev"
)

// The verbs of models. A model is declared by apply, or by registering its
// first version.
var (
	ModelGet    = models.getOp(CanRead, nil)
	ModelList   = models.listOp(CanRead, nil)
	ModelDelete = models.deleteOp(CanWrite, "Delete a model that has no versions.", modelInUse)
)

func modelInUse(t *tx, m fairlead.Model) error {
	docs, err := t.d.Store.List(t.ctx, fairlead.KindVersion, m.Meta.Name+"@", "", 1)
	if err != nil || len(docs) == 0 {
		return err
	}
	return fairlead.Errorf(fairlead.Conflict, "the model %s has versions (%s, …); delete those first", m.Meta.Name, docs[0].Key)
}

// setModel creates or changes a model. Its declared tensors must be those of
// every version already there.
func setModel(t *tx, want fairlead.Model) (Applied, error) {
	have, ok, err := models.find(t, want.Meta.Name)
	if err != nil {
		return Applied{}, err
	}
	if ok {
		if same(have.Spec, want.Spec) && same(have.Meta.Labels, want.Meta.Labels) {
			return models.unchanged(have.Meta.Name), nil
		}
		if err := guard("the model "+want.Meta.Name, have.Meta, want.Meta.Revision, ""); err != nil {
			return Applied{}, err
		}
		existing, err := versions.all(t.ctx, t.d, want.Meta.Name+"@", "", 0)
		if err != nil {
			return Applied{}, err
		}
		var faults []fairlead.Fault
		for _, v := range existing {
			for _, f := range checkSignature(want.Spec, v.Spec.Inputs, v.Spec.Outputs) {
				f.Message = "the version " + v.Meta.Name + " differs: " + f.Message
				faults = append(faults, f)
			}
			if len(faults) > 0 {
				break // the others of the same shape would say the same
			}
		}
		if err := fairlead.Faulty("the model's declared tensors do not fit its versions", faults); err != nil {
			return Applied{}, err
		}
	}
	want.Meta.Created = have.Meta.Created
	return models.write(t, &want, ok)
}

// checkSignature compares what a model declares with what an artifact has.
func checkSignature(m fairlead.ModelSpec, inputs, outputs []fairlead.TensorSpec) []fairlead.Fault {
	var faults []fairlead.Fault
	compare := func(side string, want, got []fairlead.TensorSpec) {
		if len(want) == 0 {
			return
		}
		var names []string
		byName := map[string]fairlead.TensorSpec{}
		for _, g := range got {
			byName[g.Name] = g
			names = append(names, g.Name)
		}
		for i, w := range want {
			path := fmt.Sprintf("/spec/%s/%d", side, i)
			g, ok := byName[w.Name]
			switch {
			case !ok:
				faults = append(faults, fairlead.Fault{Path: path, Message: fmt.Sprintf("the artifact has no %s %q", strings.TrimSuffix(side, "s"), w.Name), Known: names})
			case g.Datatype != w.Datatype:
				faults = append(faults, fairlead.Fault{Path: path + "/datatype", Message: "another datatype in the artifact for " + w.Name, Want: w.Datatype, Got: g.Datatype})
			case !fits(w.Shape, g.Shape):
				faults = append(faults, fairlead.Fault{Path: path + "/shape", Message: "another shape in the artifact for " + w.Name, Want: fmt.Sprint(w.Shape), Got: fmt.Sprint(g.Shape)})
			}
			delete(byName, w.Name)
		}
		if side == "inputs" { // further outputs do no harm; a further input would be missing in every request
			for _, g := range got {
				if _, left := byName[g.Name]; left {
					faults = append(faults, fairlead.Fault{Path: "/spec/inputs", Message: fmt.Sprintf("the artifact has a further input %q", g.Name)})
				}
			}
		}
	}
	compare("inputs", m.Inputs, inputs)
	compare("outputs", m.Outputs, outputs)
	return faults
}

// fits compares shapes; a free dimension on either side fits anything, since
// many exporters leave open what is fixed in truth.
func fits(want, got []int64) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && want[i] >= 0 && got[i] >= 0 {
			return false
		}
	}
	return true
}

func checkModel(m fairlead.Model) []fairlead.Fault {
	faults := fairlead.CheckName("/metadata/name", m.Meta.Name)
	for side, list := range map[string][]fairlead.TensorSpec{"inputs": m.Spec.Inputs, "outputs": m.Spec.Outputs} {
		seen := map[string]bool{}
		for i, ts := range list {
			path := fmt.Sprintf("/spec/%s/%d", side, i)
			if ts.Name == "" || seen[ts.Name] {
				faults = append(faults, fairlead.Fault{Path: path + "/name", Message: "every tensor needs a name of its own", Got: fmt.Sprintf("%q", ts.Name)})
			}
			seen[ts.Name] = true
			for j, n := range ts.Shape {
				if n < -1 || n > 1<<31 {
					faults = append(faults, fairlead.Fault{Path: fmt.Sprintf("%s/shape/%d", path, j), Message: "not a dimension", Want: "-1 (free) or 0 and above", Got: fmt.Sprint(n)})
				}
			}
		}
	}
	return faults
}
