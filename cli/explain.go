package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/op"
)

// explainText tells a release's history: each change with who, why, the
// verdicts it stood on, and whether judging the evidence again agrees.
func explainText(w io.Writer, x op.Explanation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: endpoint %s from %s to %s is %s", clean(x.Release), clean(x.Endpoint), clean(x.Incumbent), clean(x.Candidate), x.Phase)
	if x.Reason != "" {
		fmt.Fprintf(&b, " (%s)", clean(x.Reason))
	}
	b.WriteString("\n")
	if x.Message != "" {
		fmt.Fprintf(&b, "%s\n", clean(x.Message))
	}
	for _, t := range x.Transitions {
		e := t.Entry
		asked := ""
		if e.To == "" {
			asked = " asked"
		}
		fmt.Fprintf(&b, "\n%s  #%d %s%s by %s", e.Time.Format(time.DateTime), e.Seq, e.Verb, asked, clean(e.Actor))
		if e.From != "" || e.To != "" {
			fmt.Fprintf(&b, ": %s", clean(change(e)))
		}
		if e.Reason != "" && e.Reason != fairlead.ReasonSteps && e.To != "" {
			fmt.Fprintf(&b, " (%s)", clean(e.Reason))
		}
		b.WriteString("\n")
		if e.Message != "" {
			fmt.Fprintf(&b, "  %s\n", clean(e.Message))
		}
		for _, d := range t.Verdicts {
			fmt.Fprintf(&b, "  %-9s %s %s: %s\n            %s\n", d.Outcome, clean(d.Gate.Metric), boundText(d.Gate), clean(d.Reason), evidenceText(d))
		}
		switch t.Replay {
		case op.ReplaySame:
			fmt.Fprintf(&b, "  judged again from the evidence (%s incumbent, %s candidate requests): the same\n",
				count(t.Exposed[fairlead.Incumbent]), count(t.Exposed[fairlead.Candidate]))
		case op.ReplayDifferent:
			b.WriteString("  JUDGED AGAIN, THE ANSWER DIFFERS:\n")
			for _, d := range t.Differs {
				fmt.Fprintf(&b, "    %s\n", clean(d))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// evidenceText is the numbers behind a verdict.
func evidenceText(d fairlead.Verdict) string {
	t := "estimate " + estimateText(d)
	if d.Test != "" {
		t += " by " + clean(d.Test)
	}
	if d.HarmLine > 0 {
		t += fmt.Sprintf("; harm %s of %s nats", digits(d.HarmLogE), digits(d.HarmLine))
	}
	if d.SafeLine > 0 {
		t += fmt.Sprintf("; safety %s of %s", digits(d.SafeLogE), digits(d.SafeLine))
	}
	return t
}
