package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"fairlead.dev"
)

// serveFeedback takes one object, a list of them, or one object a line.
func (g *Gateway) serveFeedback(w http.ResponseWriter, r *http.Request) error {
	if err := g.allow(r, mayInfer); err != nil {
		return err
	}
	if err := method(r, http.MethodPost); err != nil {
		return err
	}
	body, err := readBody(r, nil, maxFeedbackBody)
	if err != nil {
		return err
	}
	list, many, err := parseFeedback(body)
	if err != nil {
		return err
	}
	out, err := g.feedbacks(list, many)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, out)
}

func parseFeedback(body []byte) (list []fairlead.Feedback, many bool, err error) {
	invalid := func(path, format string, args ...any) error {
		return &fairlead.Error{Code: fairlead.Invalid, Message: "the feedback is not valid; nothing of it was taken",
			Faults: []fairlead.Fault{{Path: path, Message: fmt.Sprintf(format, args...)}}}
	}
	var items []json.RawMessage
	if t := bytes.TrimLeft(body, " \t\r\n"); len(t) > 0 && t[0] == '[' {
		many = true
		if err := json.Unmarshal(body, &items); err != nil {
			return nil, many, invalid("", "not JSON: %v", err)
		}
	} else {
		dec := json.NewDecoder(bytes.NewReader(body))
		for {
			var one json.RawMessage
			err := dec.Decode(&one)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, many, invalid(at(len(items), len(items) > 0), "not JSON, at byte %d: %v", dec.InputOffset(), err)
			}
			if items = append(items, one); len(items) > maxFeedback {
				break
			}
		}
		many = len(items) > 1
	}
	if len(items) == 0 {
		return nil, many, invalid("", "empty; expected an object with request_id and label or metrics, a list of them, or one a line")
	}
	if len(items) > maxFeedback {
		return nil, many, fairlead.Errorf(fairlead.TooLarge, "more than %d feedback objects in one request", maxFeedback)
	}
	list = make([]fairlead.Feedback, len(items))
	for i, raw := range items {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&list[i]); err != nil {
			path := at(i, many)
			var te *json.UnmarshalTypeError
			if errors.As(err, &te) {
				if te.Field != "" {
					if path != "" {
						path += "."
					}
					path += te.Field
				}
				return nil, many, invalid(path, "expected %s, got %s", jsonKind(te.Type.String()), te.Value)
			}
			return nil, many, invalid(path, "%v (known: request_id, label, metrics, at)", err)
		}
	}
	return list, many, nil
}

func at(i int, many bool) string {
	if !many {
		return ""
	}
	return fmt.Sprintf("[%d]", i)
}

// jsonKind says a Go type as JSON people know it.
func jsonKind(t string) string {
	switch t {
	case "string":
		return "a string"
	case "float64":
		return "a number"
	case "time.Time":
		return "a time such as 2026-01-02T15:04:05Z"
	}
	return "an object"
}
