package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// Encode writes v as YAML with the keys, their order and the values that its
// JSON has, so what it prints can be decoded again by this package and any
// other YAML reader.
func Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // 64-bit integers keep every digit
	n, err := node(dec)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return yaml.Dump(n, yaml.WithIndent(2), yaml.WithLineWidth(1<<20))
}

var errEnd = errors.New("end of list or map")

// node reads the next JSON value; errEnd closes the list or map around it.
func node(dec *json.Decoder) (*yaml.Node, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if t == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		} else if t != '{' {
			return nil, errEnd
		}
		for {
			c, err := node(dec)
			if err == errEnd {
				break
			}
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		if len(n.Content) == 0 || t == '[' && short(n.Content) {
			n.Style = yaml.FlowStyle
		}
		return n, nil
	case string:
		return text(t), nil
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(t.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}

// plainRE are texts that every YAML reader, of 1.1 or 1.2, takes for a string
// without quotes: words, references, paths, quantities such as 5% or 10m.
var plainRE = regexp.MustCompile(`^([A-Za-z/]([A-Za-z0-9 _./@+-]*[A-Za-z0-9])?|[0-9.]+(%|pp|ms|s|m|h|d|KiB|MiB|GiB|B))$`)

// ambiguousRE are words that some YAML reader takes for something else.
var ambiguousRE = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`)

func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	switch {
	case strings.Contains(s, "\n") && !strings.ContainsAny(s, "\r\t\u0085\u2028\u2029") && strings.TrimSpace(s) == strings.TrimSuffix(s, "\n"):
		n.Style = yaml.LiteralStyle
	case !plainRE.MatchString(s) || ambiguousRE.MatchString(s):
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// short reports a list of a few plain values, which reads better on one line.
func short(items []*yaml.Node) bool {
	width := 0
	for _, c := range items {
		if c.Kind != yaml.ScalarNode || c.Style == yaml.LiteralStyle {
			return false
		}
		width += len(c.Value) + 4
	}
	return width <= 72
}
