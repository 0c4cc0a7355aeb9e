package cli

import (
	"encoding/json"
	"io"
	"strings"

	"fairlead.dev/internal/strict"
)

// The formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

var formats = []string{formatTable, formatJSON, formatYAML}

// table is aligned text with a header.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table, columns two spaces apart. A table without rows says
// so on one line, as nothing at all looks like a mistake.
func (t *table) write(w io.Writer, none string) error {
	if len(t.rows) == 0 {
		_, err := io.WriteString(w, none+"\n")
		return err
	}
	width := make([]int, len(t.head))
	rows := append([][]string{t.head}, t.rows...)
	for _, r := range rows {
		for i, c := range r {
			r[i] = clean(c)
			width[i] = max(width[i], textWidth(r[i]))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		var l strings.Builder
		for i, c := range r {
			l.WriteString(c + strings.Repeat(" ", width[i]-textWidth(c)+2))
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print writes v in the format that was asked for; tabular says what the table
// looks like.
func (p *program) print(v any, tabular func(io.Writer) error) error {
	switch p.output {
	case formatJSON:
		enc := json.NewEncoder(p.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	case formatYAML:
		out, err := strict.Encode(v)
		if err == nil {
			_, err = p.Out.Write(out)
		}
		return err
	}
	return tabular(p.Out)
}

// row prints a table that grows over time: columns are at least as wide as the
// header's, and a header of empty cells is left out.
func (t *table) row(w io.Writer) error {
	var b strings.Builder
	if t.head[0] != "" {
		for i, h := range t.head {
			b.WriteString(h + strings.Repeat(" ", max(0, watchWidth(i)-textWidth(h))+2))
		}
		b.WriteByte('\n')
	}
	for _, r := range t.rows {
		for i, c := range r {
			c = clean(c)
			b.WriteString(c + strings.Repeat(" ", max(0, watchWidth(i)-textWidth(c))+2))
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// watchWidth is a column's width when the rows to come are not known yet.
func watchWidth(column int) int {
	if column == 0 {
		return 24
	}
	return 15
}
