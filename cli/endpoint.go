package cli

import (
	"fmt"
	"io"
	"strings"

	"fairlead.dev"
	"fairlead.dev/op"
)

// endpointText shows an endpoint: what serves, the share of each arm by the
// plan, and whether the gateways follow it.
func (p *program) endpointText(w io.Writer, x op.EndpointReport) error {
	var b strings.Builder
	st := x.Endpoint.Status
	fmt.Fprintf(&b, "%s is served by %s", clean(x.Endpoint.Meta.Name), clean(or(st.Version, "nothing yet")))
	if n := len(st.History); n > 0 {
		fmt.Fprintf(&b, " since %s", st.History[n-1].Since.Format("2006-01-02 15:04:05"))
	}
	if st.Previous != "" {
		fmt.Fprintf(&b, ", before by %s", clean(st.Previous))
	}
	b.WriteByte('\n')
	if st.Release != "" {
		fmt.Fprintf(&b, "the release %s is moving it\n", clean(st.Release))
	}
	if x.Route == nil {
		b.WriteString("\nno route is made yet\n")
	} else {
		fmt.Fprintf(&b, "\nroute %d\n", x.Route.Revision)
		arms := &table{head: []string{"  ARM", "VERSION", "SHARE", "TARGET"}}
		for _, a := range x.Route.Arms {
			share := a.Weight.String()
			switch {
			case a.Mirror > 0:
				share = "copies of " + a.Mirror.String()
			case a.Weight == 0:
				share = "none, kept loaded"
			}
			arms.add("  "+a.Name, a.Version, share, or(a.Target, fairlead.LocalTarget))
		}
		if err := arms.write(&b, ""); err != nil {
			return err
		}
	}
	b.WriteString("\ngateways\n")
	gates := &table{head: []string{"  ID", "ROUTE", "SEEN", "STATE"}}
	for _, g := range x.Gateways {
		state := "follows the route"
		switch {
		case !g.Live:
			state = "silent"
		case g.Error != "":
			state = "cannot take the route: " + g.Error
		case !g.Current:
			state = "has yet to take the route"
		}
		for _, t := range g.Trips {
			state += "; turned " + t.Arm + " off: " + t.Reason
		}
		gates.add("  "+g.ID[:min(12, len(g.ID))], fmt.Sprint(g.Revision), p.age(g.Seen)+" ago", state)
	}
	if err := gates.write(&b, "  none has reported yet"); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}
