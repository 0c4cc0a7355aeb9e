package cli

import (
	"fmt"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/op"
)

// view is everything that the picture of a release shows; drawing it is a pure
// function of it and the terminal's size.
type view struct {
	op.ReleaseReport
	Note string // about the watch itself, e.g. a lost connection
}

// draw renders v in at most width columns. With height > 0 it leaves out the
// least urgent sections until the rest fits, so that redrawing in place never
// scrolls.
func draw(v view, width, height int, color bool) string {
	width = max(width, 1)
	head, steps, gates, arms := drawHead(v, width), drawSteps(v, width, false), drawGates(v, width, true), drawArms(v, width)
	log := drawTransitions(v, 5)
	size := func() int {
		n := len(head) + len(v.noteRows())
		for _, s := range [][]line{steps, gates, arms, log} {
			if len(s) > 0 {
				n += 1 + len(s)
			}
		}
		return n
	}
	if height > 0 {
		for _, drop := range []func(){
			func() { log = drawTransitions(v, 2) },
			func() { gates = drawGates(v, width, false) },
			func() { steps = drawSteps(v, width, true) },
			func() { log = nil },
			func() { arms = nil },
			func() { gates = nil },
			func() { steps = nil },
		} {
			if size() > height {
				drop()
			}
		}
	}
	rows := head
	for _, s := range [][]line{steps, gates, arms, log} {
		if len(s) > 0 {
			rows = append(append(rows, nil), s...)
		}
	}
	rows = append(rows, v.noteRows()...)
	if height > 0 && len(rows) > height {
		rows = rows[:height]
	}
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.render(width, color))
		b.WriteByte('\n')
	}
	return b.String()
}

// noteRows is the note as rows: none or two.
func (v view) noteRows() []line {
	if v.Note == "" {
		return nil
	}
	return []line{nil, line{}.with(yellow, clean(v.Note))}
}

func phaseStyle(p fairlead.Phase) style {
	switch p {
	case fairlead.Healthy, fairlead.Guarding:
		return green
	case fairlead.Degraded, fairlead.RollingBack:
		return red
	case fairlead.Paused:
		return yellow
	}
	return cyan
}

// drawHead says which release moves what, how far it is, and what comes next.
func drawHead(v view, width int) []line {
	r, st := v.Release, v.Release.Status
	phase := st.Phase
	if phase == "" {
		phase = fairlead.Pending
	}
	first := line{}.with(bold, clean(r.Meta.Name)).with(plain, "  ").with(phaseStyle(phase), string(phase))
	if st.Reason != "" && st.Reason != fairlead.ReasonSteps {
		first = first.with(plain, " · "+clean(st.Reason))
	}
	right := clean(r.Spec.Strategy.Kind)
	if st.Attempt > 1 {
		right += fmt.Sprintf(" · attempt %d", st.Attempt)
	}
	if !st.Started.IsZero() {
		end := v.Now
		if !st.Ended.IsZero() {
			end = st.Ended
		}
		right += " · " + span2(end.Sub(st.Started))
		if st.Attempt > 1 {
			right += " in all"
		}
	}
	if gap := width - first.width() - textWidth(right); gap >= 2 {
		first = first.with(plain, strings.Repeat(" ", gap)).with(dim, right)
	}
	candidate := st.Candidate
	if candidate == "" {
		candidate = r.Spec.Candidate
	}
	from := st.Incumbent
	if from == "" {
		from = "?"
	}
	rows := []line{first, line{}.with(plain, "endpoint "+clean(r.Spec.Endpoint)+": "+clean(from)+" → ").with(bold, clean(candidate))}
	if st.Message != "" {
		for _, t := range wrap(clean(st.Message), width, 3) {
			rows = append(rows, line{}.with(dim, t))
		}
	}
	rows = append(rows, nil)

	next := nextText(v)
	label := st.Weight.String()
	if st.Mirror > 0 {
		label += " + mirror " + st.Mirror.String()
	}
	n := min(width-len("candidate  ")-textWidth(label)-textWidth(next)-4, 60)
	w := line{}.with(plain, "candidate  ")
	if n >= 8 {
		full, rest := bar(float64(st.Weight)/float64(fairlead.FullWeight), n)
		w = w.with(phaseStyle(phase), full).with(dim, rest).with(plain, " ")
	}
	w = w.with(bold, label)
	if next != "" {
		w = w.with(plain, "  ").with(dim, next)
	}
	rows = append(rows, w)
	can := handles(v)
	text := func() string { return strings.Join(can, " · ") }
	for len(can) > 1 && textWidth(text()) > width-11 {
		can = can[:len(can)-1] // half a command is no help
	}
	if len(can) > 0 {
		rows = append(rows, line{}.with(plain, "you can    ").with(dim, text()))
	}
	return rows
}

// handles are the commands that make sense now, where the release waits for a
// person or has ended.
func handles(v view) []string {
	r := v.Release
	var verbs []string
	switch r.Status.Phase {
	case fairlead.Paused:
		switch r.Status.Reason {
		case fairlead.ReasonApproval:
			verbs = []string{"approve", "abort"}
		case fairlead.ReasonUndecided:
			verbs = []string{"promote", "resume", "abort"}
		default:
			verbs = []string{"resume", "abort"}
		}
	case fairlead.Guarding:
		verbs = []string{"undo"}
	case fairlead.Degraded:
		verbs = []string{"explain", "retry"}
	}
	for i, verb := range verbs {
		verbs[i] = "fairlead " + verb + " " + clean(r.Meta.Name)
	}
	return verbs
}

// nextText says what the release waits for.
func nextText(v view) string {
	st := v.Release.Status
	switch st.Phase {
	case fairlead.Guarding:
		if !st.Entered.IsZero() {
			if left := v.Release.Spec.Guard.Hold.Std() - v.Now.Sub(st.Entered); left > 0 {
				return "guard ends in " + span2(left)
			}
		}
		return "guard ends"
	case fairlead.Progressing, fairlead.Paused:
	default:
		return ""
	}
	if st.Step >= len(st.Steps) {
		return ""
	}
	step := st.Steps[st.Step]
	if st.Phase == fairlead.Paused {
		switch st.Reason {
		case fairlead.ReasonApproval:
			if step.Approve != nil && step.Approve.By != "" {
				return "waits for approval by " + clean(step.Approve.By)
			}
			return "waits for approval"
		case fairlead.ReasonUndecided:
			return "undecided: a person must say"
		}
		return "paused for " + span2(v.Now.Sub(st.PausedSince))
	}
	if st.StepSince.IsZero() {
		return "waits for the gateways to take the route"
	}
	then := "next: " + stepTitle(st.Steps, st.Step+1)
	if left := step.Hold.Std() - held(v); left > 0 {
		return then + " in " + span2(left)
	}
	if step.Samples > v.Samples {
		return fmt.Sprintf("%s after %s more answers", then, count(step.Samples-v.Samples))
	}
	if step.Check {
		return then + " when every gate passes"
	}
	return then
}

// held is how long the present step has counted: the time since its exposure
// was in force, less the time spent waiting for people.
func held(v view) time.Duration {
	st := v.Release.Status
	if st.StepSince.IsZero() {
		return 0
	}
	d := v.Now.Sub(st.StepSince) - st.Waited.Std()
	if !st.PausedSince.IsZero() {
		d -= v.Now.Sub(st.PausedSince)
	}
	return max(0, d)
}

func stepTitle(steps []fairlead.Step, i int) string {
	if i >= len(steps) {
		return "done"
	}
	s := steps[i]
	var t []string
	if s.Weight != nil && (*s.Weight > 0 || s.Mirror == nil || *s.Mirror == 0) { // copies go without a share
		t = append(t, "weight "+s.Weight.String())
	}
	if s.Mirror != nil && (*s.Mirror > 0 || s.Weight == nil) { // "no copies" goes without saying
		t = append(t, "mirror "+s.Mirror.String())
	}
	if s.Approve != nil {
		by := "approval"
		if s.Approve.By != "" {
			by += " by " + clean(s.Approve.By)
		}
		t = append(t, by)
	}
	if s.Check {
		t = append(t, "check gates")
	}
	if s.Promote {
		t = append(t, "promote")
	}
	if len(t) == 0 {
		t = append(t, "wait")
	}
	return strings.Join(t, ", ")
}

// drawSteps lists the steps with what is done, current and to come. The short
// form keeps the neighbours of the current one.
func drawSteps(v view, width int, short bool) []line {
	st := v.Release.Status
	rows := []line{line{}.with(dim, "steps")}
	from, to := 0, len(st.Steps)
	if short {
		from, to = max(0, st.Step-1), min(len(st.Steps), st.Step+2)
	}
	if to == from {
		return nil
	}
	title := 16
	for i := range st.Steps {
		title = max(title, textWidth(stepTitle(st.Steps, i)))
	}
	title = min(title, max(10, width*2/5))
	for i := from; i < to; i++ {
		s := st.Steps[i]
		mark, look := "·", dim
		switch {
		case i < st.Step || st.Phase == fairlead.Healthy:
			mark, look = "✓", green
		case i == st.Step && (st.Phase == fairlead.Degraded || st.Phase == fairlead.RollingBack):
			mark, look = "✗", red
		case i == st.Step && st.Phase == fairlead.Paused:
			mark, look = "‖", yellow
		case i == st.Step:
			mark, look = "▶", bold
		}
		l := line{}.with(look, "  "+mark+" ").with(look, cut(stepTitle(st.Steps, i), title)).pad(5 + title)
		current := i == st.Step && !st.Phase.Terminal() && st.Phase != fairlead.RollingBack
		bars := width >= 100 || s.Hold == 0 || s.Samples == 0 // room for two only there
		if s.Hold > 0 {
			if current {
				l = progress(l, bars, "hold", float64(held(v))/float64(s.Hold.Std()),
					span2(min(held(v), s.Hold.Std()))+" of "+s.Hold.String(), width)
			} else {
				l = l.with(dim, "hold "+s.Hold.String()+"  ")
			}
		}
		if s.Samples > 0 {
			if current {
				l = progress(l, bars, "samples", float64(v.Samples)/float64(s.Samples),
					count(min(v.Samples, s.Samples))+" of "+count(s.Samples), width)
			} else {
				l = l.with(dim, count(s.Samples)+" samples  ")
			}
		}
		rows = append(rows, l)
	}
	return rows
}

// progress appends "word ███░░ text" where there is room for a bar.
func progress(l line, bars bool, word string, f float64, text string, width int) line {
	l = l.with(plain, word+" ")
	if n := min(12, width-l.width()-textWidth(text)-3); bars && n >= 5 {
		full, rest := bar(f, n)
		l = l.with(cyan, full).with(dim, rest).with(plain, " ")
	}
	return l.with(plain, text+"  ")
}

func drawArms(v view, width int) []line {
	if len(v.Arms) == 0 {
		return nil
	}
	name := 9
	for _, a := range v.Arms {
		name = max(name, textWidth(a.Name)+2+textWidth(a.Version))
	}
	name = min(name, max(9, width-2-51))
	cells := func(s style, cols ...string) line {
		l := line{}
		for i, c := range cols {
			if i == 0 {
				l = l.with(s, "  "+cut(c, name)).with(plain, strings.Repeat(" ", max(0, name-textWidth(c))))
				continue
			}
			l = l.with(s, fmt.Sprintf("%*s", []int{0, 11, 10, 9, 9, 9, 10}[i], c))
		}
		return l
	}
	rows := []line{cells(dim, "arms", "share", "requests", "errors", "p50", "p99", "accuracy")}
	rows[0][0].text = "arms  " // section titles stand at the margin
	for _, a := range v.Arms {
		share := a.Weight.String()
		if a.Mirror > 0 {
			share = "copy " + a.Mirror.String()
		}
		l := cells(plain, clean(a.Name)+"  "+clean(a.Version), share, count(a.Requests), rate(a.Errors, a.Requests),
			seconds(a.P50), seconds(a.P99), percent(a.Accuracy))
		if a.Errors > 0 {
			l[4].style = yellow
		}
		rows = append(rows, l)
		if a.Dropped > 0 {
			rows = append(rows, line{}.with(dim, fmt.Sprintf("    %s copies were dropped: the queue was full", count(a.Dropped))))
		}
	}
	return rows
}

// drawTransitions shows the latest n, oldest first.
func drawTransitions(v view, n int) []line {
	if len(v.Transitions) == 0 {
		return nil
	}
	rows := []line{line{}.with(dim, "last changes")}
	for _, e := range v.Transitions[max(0, len(v.Transitions)-n):] {
		l := line{}.with(dim, "  "+e.Time.In(v.Now.Location()).Format("15:04:05")+"  ")
		if e.To == "" { // what a person asked for; what became of it is an entry of its own
			l = l.with(plain, clean(e.Actor)+" asked to "+clean(strings.TrimPrefix(e.Verb, "release.")))
		} else if l = l.with(bold, clean(e.To)); e.Reason != "" && e.Reason != fairlead.ReasonSteps {
			l = l.with(plain, " "+clean(e.Reason))
		}
		if e.Message != "" {
			l = l.with(plain, "  ").with(dim, clean(e.Message))
		}
		rows = append(rows, l)
	}
	return rows
}
