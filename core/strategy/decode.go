package strategy

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"fairlead.dev"
)

// decode reads JSON into the struct that into points to, strictly, and says of
// every fault where it stands. encoding/json alone names neither the place of
// an unknown field nor more than the first fault.
func decode(path string, data []byte, into any) []fairlead.Fault {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	return decodeValue(path, data, reflect.ValueOf(into).Elem())
}

func decodeValue(path string, data []byte, v reflect.Value) []fairlead.Fault {
	fault := func(message, want string) []fairlead.Fault {
		return []fairlead.Fault{{Path: path, Message: message, Want: want, Got: clip(string(bytes.TrimSpace(data)))}}
	}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil // as absent
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		var s string
		if json.Unmarshal(data, &s) != nil {
			return fault("wrong type", "a string")
		}
		if err := t.UnmarshalText([]byte(s)); err != nil {
			return []fairlead.Fault{{Path: path, Message: err.Error()}}
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return decodeValue(path, data, v.Elem())
	case reflect.Slice:
		var items []json.RawMessage
		if json.Unmarshal(data, &items) != nil {
			return fault("wrong type", "a list")
		}
		if len(items) > MaxSteps {
			return []fairlead.Fault{{Path: path, Message: "too many items", Want: fmt.Sprintf("at most %d", MaxSteps), Got: strconv.Itoa(len(items))}}
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		var faults []fairlead.Fault
		for i, item := range items {
			faults = append(faults, decodeValue(path+"/"+strconv.Itoa(i), item, v.Index(i))...)
		}
		return faults
	case reflect.Struct:
		return decodeStruct(path, data, v, fault)
	}
	if err := json.Unmarshal(data, v.Addr().Interface()); err != nil {
		return fault("wrong type", kindWord(v.Kind()))
	}
	return nil
}

func decodeStruct(path string, data []byte, v reflect.Value, fault func(string, string) []fairlead.Fault) []fairlead.Fault {
	fields, err := object(data)
	if err != nil {
		return fault("wrong type", "an object")
	}
	byName := map[string]int{}
	var known []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		byName[name] = i
		known = append(known, name)
	}
	sort.Strings(known)
	var faults []fairlead.Fault
	seen := map[string]bool{}
	for _, f := range fields {
		at := path + "/" + escape(f.name)
		i, ok := byName[f.name]
		switch {
		case !ok:
			faults = append(faults, fairlead.Fault{Path: at, Message: "unknown field", Got: clip(f.name), Known: known})
		case seen[f.name]:
			faults = append(faults, fairlead.Fault{Path: at, Message: "given twice"})
		default:
			seen[f.name] = true
			faults = append(faults, decodeValue(at, f.value, v.Field(i))...)
		}
	}
	return faults
}

type field struct {
	name  string
	value json.RawMessage
}

// object splits a JSON object into its fields, in order, repeated ones too.
func object(data []byte) ([]field, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("not an object")
	}
	var fields []field
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		fields = append(fields, field{name.(string), value})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("text after the object")
	}
	return fields, nil
}

func kindWord(k reflect.Kind) string {
	switch k {
	case reflect.Int64, reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	}
	return "a string"
}

// escape makes a key part of a JSON pointer.
func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(clip(s))
}

// clip keeps what came from outside short in a message.
func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	n := 80
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
