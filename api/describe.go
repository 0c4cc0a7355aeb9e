package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fairlead.dev"
	"fairlead.dev/op"
)

// describe mounts every verb and adds it to the OpenAPI description.
func describe(oapi *huma.OpenAPI, adapter huma.Adapter, h *handler) {
	reg := oapi.Components.Schemas
	reg.RegisterTypeAlias(reflect.TypeFor[fairlead.Strategy](), reflect.TypeFor[strategySchema]())
	reg.RegisterTypeAlias(reflect.TypeFor[fairlead.Quantity](), reflect.TypeFor[quantitySchema]())
	nouns := map[string]bool{}
	for _, v := range op.All() {
		noun, _, more := strings.Cut(v.Name, " ")
		if !more {
			noun = "manifest"
		}
		if !nouns[noun] {
			nouns[noun] = true
			oapi.Tags = append(oapi.Tags, &huma.Tag{Name: noun})
		}
		o := &huma.Operation{
			OperationID: OperationID(v),
			Method:      v.Method,
			Path:        Prefix + v.Path,
			Summary:     v.Short(),
			Description: v.Doc + "\n\nPermission: " + string(v.Can) + ".",
			Tags:        []string{noun},
			Responses: map[string]*huma.Response{
				"200":     {Description: "done", Content: map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(v.Out, true, "")}}},
				"default": problemResponse(reg),
			},
		}
		for _, p := range v.Params {
			if p.In == op.InBody {
				continue
			}
			s := reg.Schema(p.Type, true, p.Name)
			for _, e := range p.Enum {
				s.Enum = append(s.Enum, e)
			}
			o.Parameters = append(o.Parameters, &huma.Param{Name: p.Name, In: p.In, Description: p.Doc, Required: p.Required, Schema: s})
		}
		if v.HasBody() {
			o.RequestBody = &huma.RequestBody{Required: true,
				Content: map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(v.In, true, "")}}}
		}
		oapi.AddOperation(o)
		adapter.Handle(o, h.verb(v))
	}
}

// OperationID is a verb's name in the OpenAPI description: "release-pause".
func OperationID(v op.Verb) string { return strings.ReplaceAll(v.Name, " ", "-") }

func problemResponse(reg huma.Registry) *huma.Response {
	return &huma.Response{Description: "what is wrong, every fault at once",
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: reg.Schema(reflect.TypeFor[Problem](), true, "")}}}
}

// strategySchema describes fairlead.Strategy: one key, the kind, over that
// kind's own settings.
type strategySchema struct{}

func (strategySchema) Schema(reg huma.Registry) *huma.Schema {
	one := 1
	s := &huma.Schema{Type: huma.TypeObject, Description: "exactly one strategy, as the key of its settings", MinProperties: &one, MaxProperties: &one,
		AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for _, k := range op.Strategies() {
		p := reg.Schema(k.Type, true, k.Name)
		if p.Ref == "" {
			p.Description = k.Doc
		}
		s.Properties[k.Name] = p
	}
	return s
}

// quantitySchema describes fairlead.Quantity, which is written as text or as a
// plain number.
type quantitySchema struct{}

func (quantitySchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "a number, a percentage (5%), percentage points (1pp) or a duration (50ms)",
		OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}}
}
