package release

import (
	"fmt"
	"strings"

	"fairlead.dev"
)

// Page is the reference page of the machine, printed from its rows: a diagram
// (Mermaid) and a table.
func Page() string {
	var b strings.Builder
	b.WriteString(`# The release machine

<!-- Printed from core/release/rows.go by "go test ./core/release -update"; do not edit. -->

A release moves by the first row of this table that applies; then it is looked at again. Each transition is committed with
exactly one ledger entry, whose verb is ` + "`release.<row>`" + `. Rows marked ⚖ stand on the gates' verdicts: the evidence goes into the entry.

` + "```mermaid\nstateDiagram-v2\n    [*] --> Pending\n")
	type edge struct{ from, to fairlead.Phase }
	names, order := map[edge][]string{}, []edge{}
	for _, r := range Rows() {
		for _, from := range r.From {
			e := edge{from, r.To}
			if r.To == "" || r.To == from && r.Name != "step" {
				continue // stays: drawn in the table alone
			}
			if names[e] == nil {
				order = append(order, e)
			}
			names[e] = append(names[e], r.Name)
		}
	}
	for _, e := range order {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", e.from, e.to, strings.Join(names[e], ", "))
	}
	for _, p := range every() {
		if p.Terminal() {
			fmt.Fprintf(&b, "    %s --> [*]\n", p)
		}
	}
	b.WriteString("```\n\n| # | row | from | to | when | what | why |\n|---|---|---|---|---|---|---|\n")
	for i, r := range Rows() {
		var from []string
		for _, p := range r.From {
			from = append(from, string(p))
		}
		phases := strings.Join(from, ", ")
		if len(r.From) == len(every()) {
			phases = "any"
		}
		to, name := string(r.To), r.Name
		if to == "" {
			to = "stays"
		}
		if r.Judged {
			name += " ⚖"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s |\n", i+1, name, phases, to, r.When, r.What, r.Why)
	}
	fmt.Fprintf(&b, `
## Clocks

- A step's clock starts when every live gateway serves its exposure (row in-force). A gateway is live for %v after its last report.
- While a release is paused its exposure stays, and its hold and deadline stand still.
- The progress deadline runs from entering a step until its exposure is in force; from then on it runs beyond the step's hold.
- A candidate that a gateway cannot load is given %v.
`, fairlead.Duration(GatewayTTL), fairlead.Duration(LoadGrace))
	return b.String()
}
