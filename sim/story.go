package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/release"
	"golang.org/x/tools/txtar"
)

// Driver is what a story plays on: the virtual world or the real binary.
type Driver interface {
	// Register makes a version whose behaviour is a runtime/fake script.
	Register(ref string, script []byte) error
	// Apply applies a manifest.
	Apply(file string, manifest []byte) error
	// Request sends one inference as user; the answer names who answered.
	Request(endpoint, user string) Answer
	// Feedback sends outcomes.
	Feedback(fairlead.Feedback) error
	// Command gives a release verb: pause, resume, promote, promote-full, abort,
	// retry, undo, approve.
	Command(verb, release string) error
	Release(name string) (fairlead.Release, error)
	Endpoint(name string) (fairlead.Endpoint, error)
	// Crash kills the server without warning and starts it again.
	Crash() error
	// Advance lets d pass.
	Advance(d time.Duration) error
	Now() time.Time
	// Chance is uniform in [0, 1).
	Chance() float64
}

// Answer of one request. Err is empty for an answered one.
type Answer struct {
	ID, Version, Arm string
	Err              string
}

// Story is a parsed story file: manifests and a script.
type Story struct {
	Name     string
	Comment  string            // the first paragraph: what the story tells
	Files    map[string][]byte // manifests and fake scripts by name
	commands []command
}

type command struct {
	line int
	text string
	args []string
}

// tick is how finely a story's traffic is spread.
const tick = 50 * time.Millisecond

// What a story may ask for at most, so that a slip of the pen does not keep a
// machine busy for days.
const (
	maxLines = 10_000
	maxRate  = 10_000 // requests a second on one endpoint
	maxUsers = 10_000_000
	maxSpan  = 30 * 24 * time.Hour // of one run, wait or delay
)

// span reads how long something takes.
func span(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxSpan {
		return 0, fmt.Errorf("expected a duration from 0s to %v, got %q", maxSpan, s)
	}
	return d, nil
}

// verbs of a story line. A line that is none of these, or has
// the wrong number of words, is refused before anything plays.
var verbs = []word{
	{"register", 2, "register MODEL@VERSION FILE", "a version that behaves as the script in FILE says"},
	{"apply", 1, "apply FILE", "apply a manifest"},
	{"traffic", -1, "traffic ENDPOINT RATE/s [users N]", "from now on; 0/s stops it"},
	{"outcome", 4, "outcome METRIC VERSION MEAN DELAY", "feedback 0 or 1 with this mean, that much later"},
	{"run", 1, "run DURATION", "let time pass"},
	{"wait", 3, "wait RELEASE PHASE WITHIN", "let time pass until the phase is reached"},
	{"do", 2, "do VERB RELEASE", "pause, resume, promote, promote-full, abort, retry, undo, approve"},
	{"refuse", 2, "refuse VERB RELEASE", "as do, but it must be refused"},
	{"crash", 0, "crash", "kill -9 the server and start it again"},
	{"expect", -1, "expect phase RELEASE PHASE", "fail unless it is so"},
	{"expect", -1, "expect reason RELEASE REASON", ""},
	{"expect", -1, "expect weight RELEASE WEIGHT", "the candidate's share, such as 5%"},
	{"expect", -1, "expect serves ENDPOINT VERSION", ""},
	{"expect", -1, "expect lost N", "requests that got no answer though no model failed"},
	{"expect", -1, "expect seen VERSION <= N", "requests that met the version; also >="},
}

// word is a line of the language.
type word struct {
	name string
	args int // exact number of words after the verb; -1: at least one
	form string
	doc  string
}

// Usage lists the words a story knows.
func Usage() string {
	var b strings.Builder
	for _, v := range verbs {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-34s %s", v.form, v.doc), " ") + "\n")
	}
	return b.String()
}

// Parse reads a story: a txtar archive with a file named "story".
func Parse(name string, data []byte) (*Story, error) {
	ar := txtar.Parse(data)
	s := &Story{Name: name, Comment: strings.TrimSpace(string(ar.Comment)), Files: map[string][]byte{}}
	var script []byte
	for _, f := range ar.Files {
		if f.Name == "story" {
			script = f.Data
			continue
		}
		s.Files[f.Name] = f.Data
	}
	if script == nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "%s: a story needs a file named story: a line \"-- story --\" and below it what happens", name)
	}
	var faults []fairlead.Fault
	sc := bufio.NewScanner(bytes.NewReader(script))
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		args := strings.Fields(text)
		if len(args) == 0 {
			continue
		}
		if n > maxLines {
			return nil, fairlead.Errorf(fairlead.TooLarge, "%s: a story has at most %d lines", name, maxLines)
		}
		c := command{line: n, text: strings.TrimSpace(text), args: args}
		if f := s.check(c); f != "" {
			faults = append(faults, fairlead.Fault{File: name + "/story", Line: n, Column: 1, Message: f, Got: c.text})
			continue
		}
		s.commands = append(s.commands, c)
	}
	if err := sc.Err(); err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "%s: the story cannot be read: %w", name, err)
	}
	if err := fairlead.Faulty("the story cannot be played. Its words are:\n"+Usage(), faults); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Story) check(c command) string {
	i := slices.IndexFunc(verbs, func(v word) bool { return v.name == c.args[0] })
	if i < 0 {
		return "unknown word " + strconv.Quote(c.args[0])
	}
	v, args := verbs[i], c.args[1:]
	if v.args >= 0 && len(args) != v.args || v.args < 0 && len(args) == 0 {
		return "expected: " + v.form
	}
	file := ""
	switch v.name {
	case "apply":
		file = args[0]
	case "register":
		file = args[1]
	}
	if file != "" && s.Files[file] == nil {
		return "the story has no file " + strconv.Quote(file)
	}
	return ""
}

// Player plays a story on a driver.
type Player struct {
	D   Driver
	Log func(format string, args ...any) // narration; may be nil

	flows    []flow
	outcomes []outcome
	due      []late
	Lost     int            // requests that got no answer though no model failed
	Seen     map[string]int // answers by version
	Errors   map[string]int // failed answers by version
}

type flow struct {
	endpoint string
	rate     float64 // requests a second
	users    int
	owed     float64
}

type outcome struct {
	metric, version string
	mean            float64
	delay           time.Duration
}

type late struct {
	at time.Time
	fb fairlead.Feedback
}

// NewPlayer makes a player.
func NewPlayer(d Driver) *Player {
	return &Player{D: d, Seen: map[string]int{}, Errors: map[string]int{}}
}

// Play plays the whole story; the error names the line that failed.
func (p *Player) Play(s *Story) error {
	for _, c := range s.commands {
		if p.Log != nil {
			p.Log("%s", c.text)
		}
		if err := p.play(s, c); err != nil {
			return fmt.Errorf("%s/story:%d: %s: %w", s.Name, c.line, c.text, err)
		}
	}
	return nil
}

func (p *Player) play(s *Story, c command) error {
	a := c.args[1:]
	switch c.args[0] {
	case "register":
		return p.D.Register(a[0], s.Files[a[1]])
	case "apply":
		return p.D.Apply(a[0], s.Files[a[0]])
	case "traffic":
		return p.Traffic(a)
	case "outcome":
		mean, err := strconv.ParseFloat(a[2], 64)
		if err != nil || !(mean >= 0 && mean <= 1) {
			return fmt.Errorf("expected a mean from 0 to 1, got %q", a[2])
		}
		delay, err := span(a[3])
		if err != nil {
			return err
		}
		o := outcome{a[0], a[1], mean, delay}
		p.outcomes = slices.DeleteFunc(p.outcomes, func(q outcome) bool { return q.metric == o.metric && q.version == o.version })
		p.outcomes = append(p.outcomes, o)
		return nil
	case "run":
		d, err := span(a[0])
		if err != nil {
			return err
		}
		return p.Run(d, func() (bool, error) { return false, nil })
	case "wait":
		return p.wait(a[0], fairlead.Phase(a[1]), a[2])
	case "do":
		return p.D.Command(a[0], a[1])
	case "refuse":
		if err := p.D.Command(a[0], a[1]); err == nil {
			return fmt.Errorf("it was accepted")
		}
		return nil
	case "crash":
		return p.D.Crash()
	case "expect":
		return p.expect(a)
	}
	return fmt.Errorf("unknown word") // Parse refuses it before
}

// Traffic sets an endpoint's flow: ENDPOINT RATE/s [users N].
func (p *Player) Traffic(a []string) error {
	usage := fmt.Errorf("expected: traffic ENDPOINT RATE/s [users N]")
	f := flow{endpoint: a[0], users: 1000}
	if len(a) != 2 && !(len(a) == 4 && a[2] == "users") {
		return usage
	}
	rate, err := strconv.ParseFloat(strings.TrimSuffix(a[1], "/s"), 64)
	if err != nil {
		return usage
	}
	if !(rate >= 0 && rate <= maxRate) { // NaN neither
		return fmt.Errorf("expected a rate from 0/s to %d/s, got %q", maxRate, a[1])
	}
	f.rate = rate
	if len(a) == 4 {
		if f.users, err = strconv.Atoi(a[3]); err != nil || f.users < 1 || f.users > maxUsers {
			return usage
		}
	}
	p.flows = slices.DeleteFunc(p.flows, func(g flow) bool { return g.endpoint == f.endpoint })
	p.flows = append(p.flows, f)
	return nil
}

// Run lets d pass, with traffic and feedback, until done says so.
func (p *Player) Run(d time.Duration, done func() (bool, error)) error {
	for end := p.D.Now().Add(d); p.D.Now().Before(end); {
		if ok, err := done(); ok || err != nil {
			return err
		}
		for i := range p.flows {
			f := &p.flows[i]
			for f.owed += f.rate * tick.Seconds(); f.owed >= 1; f.owed-- {
				p.request(f.endpoint, "user-"+strconv.Itoa(int(p.D.Chance()*float64(f.users))))
			}
		}
		if err := p.deliver(); err != nil {
			return err
		}
		if err := p.D.Advance(tick); err != nil {
			return err
		}
	}
	return nil
}

func (p *Player) request(endpoint, user string) {
	a := p.D.Request(endpoint, user)
	if a.Version == "" {
		p.Lost++
		return
	}
	p.Seen[a.Version]++
	if a.Err != "" {
		p.Errors[a.Version]++
		return
	}
	for _, o := range p.outcomes {
		if o.version != a.Version {
			continue
		}
		v := 0.0
		if p.D.Chance() < o.mean {
			v = 1
		}
		p.due = append(p.due, late{p.D.Now().Add(o.delay), fairlead.Feedback{RequestID: a.ID, Metrics: map[string]float64{o.metric: v}}})
	}
}

func (p *Player) deliver() error {
	now := p.D.Now()
	rest := p.due[:0]
	for _, l := range p.due {
		if l.at.After(now) {
			rest = append(rest, l)
			continue
		}
		if err := p.D.Feedback(l.fb); err != nil {
			return err
		}
	}
	p.due = rest
	return nil
}

func (p *Player) wait(name string, phase fairlead.Phase, within string) error {
	d, err := span(within)
	if err != nil {
		return err
	}
	var last fairlead.Release
	reached := false
	err = p.Run(d, func() (bool, error) {
		last, err = p.D.Release(name)
		reached = err == nil && last.Status.Phase == phase
		if err == nil && !reached && last.Status.Phase.Terminal() {
			return false, fmt.Errorf("it ended %s (%s): %s", last.Status.Phase, last.Status.Reason, last.Status.Message)
		}
		return reached, err
	})
	if err == nil && !reached {
		return fmt.Errorf("still %s (%s) after %s: %s", release.Word(last.Status), last.Status.Reason, within, last.Status.Message)
	}
	return err
}

func (p *Player) expect(a []string) error {
	usage := fmt.Errorf("expected one of: phase RELEASE PHASE; reason RELEASE REASON; serves ENDPOINT VERSION; weight RELEASE WEIGHT; lost N; seen VERSION <=|>= N")
	got, want := "", a[len(a)-1]
	switch {
	case len(a) == 3 && slices.Contains([]string{"phase", "reason", "weight"}, a[0]):
		r, err := p.D.Release(a[1])
		if err != nil {
			return err
		}
		switch a[0] {
		case "phase":
			got = string(r.Status.Phase)
		case "reason":
			got = r.Status.Reason
		case "weight":
			got = r.Status.Weight.String()
		}
	case len(a) == 3 && a[0] == "serves":
		e, err := p.D.Endpoint(a[1])
		if err != nil {
			return err
		}
		got = e.Status.Version
	case len(a) == 2 && a[0] == "lost":
		got = strconv.Itoa(p.Lost)
	case len(a) == 4 && a[0] == "seen":
		n, err := strconv.Atoi(a[3])
		if err != nil {
			return usage
		}
		if seen := p.Seen[a[1]]; (a[2] == "<=" && seen <= n) || (a[2] == ">=" && seen >= n) {
			return nil
		}
		return fmt.Errorf("%d requests saw %s", p.Seen[a[1]], a[1])
	default:
		return usage
	}
	if got != want {
		return fmt.Errorf("got %s", got)
	}
	return nil
}
