package main

import (
	"embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Everything the demo needs travels inside it, so it runs from any folder.
//
//go:embed heldout.csv metrics.json model.yaml endpoint.yaml release-v2.yaml release-v3.yaml v1.onnx v2.onnx v3.onnx
var files embed.FS

// pixels of one image: 8×8, ink from 0 to 16.
const pixels = 64

// image is one held-out digit, ready to be asked about.
type image struct {
	label int
	body  []byte // an Open Inference Protocol request
}

// images reads the held-out digits. The last column is the truth; it never
// travels with the request.
func images() ([]image, error) {
	f, err := files.Open("heldout.csv")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	rows.FieldsPerRecord = pixels + 1
	all, err := rows.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("heldout.csv: %w", err)
	}
	out := make([]image, len(all))
	for i, row := range all {
		if out[i], err = parse(row); err != nil {
			return nil, fmt.Errorf("heldout.csv:%d: %w", i+1, err)
		}
	}
	return out, nil
}

func parse(row []string) (image, error) {
	for _, cell := range row[:pixels] {
		if n, err := strconv.Atoi(cell); err != nil || n < 0 || n > 16 {
			return image{}, fmt.Errorf("a pixel is a whole number from 0 to 16, got %q", cell)
		}
	}
	label, err := strconv.Atoi(row[pixels])
	if err != nil || label < 0 || label > 9 {
		return image{}, fmt.Errorf("a label is a digit, got %q", row[pixels])
	}
	body := fmt.Sprintf(`{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,%d],"data":[%s]}]}`,
		pixels, strings.Join(row[:pixels], ","))
	return image{label, []byte(body)}, nil
}

// metrics are what train.py measured offline, by version ("v1" …).
func metrics() (environment string, byVersion map[string]map[string]float64, err error) {
	b, err := files.ReadFile("metrics.json")
	if err != nil {
		return "", nil, err
	}
	var m struct {
		Environment string                        `json:"environment"`
		Versions    map[string]map[string]float64 `json:"versions"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return "", nil, fmt.Errorf("metrics.json: %w", err)
	}
	return m.Environment, m.Versions, nil
}
