package cli

import (
	"slices"
	"strings"

	"fairlead.dev"
	"github.com/spf13/cobra"
)

// ServeOptions are the flags of `fairlead serve`.
type ServeOptions struct {
	Listen       string
	Data         string
	AllowTargets []string
	LogFormat    string // text or json
	TokenFile    string
	NewToken     bool
	FakeRuntime  bool
	JournalSize  fairlead.Bytes // of the record of answers that feedback is joined to
	Decisions    int            // of these answers, how many are held in memory
}

// Bounds of ServeOptions.
const (
	minJournal, maxJournal     = 1 << 20, 64 << 30
	minDecisions, maxDecisions = 16, 16 << 20
)

var logFormats = []string{"text", "json"}

func (p *program) serveCmd() *cobra.Command {
	var o ServeOptions
	var journal string
	c := &cobra.Command{
		Use: "serve", Short: "Run a server: control plane, gateway and models in one process", Args: exactly(),
		Long: `Runs everything in this process: the control plane with its state, the gateway
that callers talk to, and the models.

The first start makes a token for the administrator and prints it once; only
its hash is kept. With --token-file it is written to a file instead.

One address serves all: /v2 and /v1/feedback for callers, /api/v1 and
/openapi.json for control, /metrics, and, open to everybody, /healthz and
/readyz. SIGTERM and Ctrl-C end it once the requests that are running have been
answered; a second one ends it at once. It may be killed at any moment: the next
start goes on where it was.`,
		Example: `  fairlead serve
  fairlead serve --data ./fairlead-data --token-file admin.token --listen 127.0.0.1:0
  fairlead serve --allow-target models.example.com:8000 --listen 127.0.0.1:0`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.Serve == nil {
				return fairlead.Errorf(fairlead.Unsupported, "this build holds no server")
			}
			if !slices.Contains(logFormats, o.LogFormat) {
				return usage{fairlead.Unknown("log format", o.LogFormat, logFormats)}
			}
			for _, t := range o.AllowTargets {
				if t == "" || strings.ContainsAny(t, "/ *") {
					return usagef("--allow-target %q: expected host:port or host, e.g. models.example.com:8000", t)
				}
			}
			if err := o.JournalSize.UnmarshalText([]byte(journal)); err != nil || o.JournalSize < minJournal || o.JournalSize > maxJournal {
				return usagef("--journal-size %q: expected a size from %s to %s, e.g. 512MiB", journal, fairlead.Bytes(minJournal), fairlead.Bytes(maxJournal))
			}
			if o.Decisions < minDecisions || o.Decisions > maxDecisions {
				return usagef("--decisions %d: expected a number from %d to %d", o.Decisions, minDecisions, maxDecisions)
			}
			if o.Data == "" {
				dir, err := DataDir(p.Getenv)
				if err != nil {
					return usage{err}
				}
				o.Data = dir
			}
			return p.Serve(cmd.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8080", "address to listen on, host:port; port 0 takes a free one")
	c.Flags().StringVar(&o.Data, "data", "", "folder for all state; $FAIRLEAD_DATA, else fairlead in the user's state folder ($XDG_STATE_HOME or ~/.local/state)")
	c.Flags().StringArrayVar(&o.AllowTargets, "allow-target", nil, "host or host:port that remote targets may name; may be repeated. Nothing else is ever contacted")
	c.Flags().StringVar(&o.LogFormat, "log-format", "text", "how to log: "+strings.Join(logFormats, ", "))
	c.Flags().StringVar(&o.TokenFile, "token-file", "", "first start: write the administrator's token to this file instead of printing it")
	c.Flags().StringVar(&journal, "journal-size", "1GiB", "disk for the record of answers that late feedback is joined to; the oldest make room. 1GiB holds about 9 million")
	c.Flags().IntVar(&o.Decisions, "decisions", 1<<18, "answers held in memory, where feedback finds them soonest")
	c.Flags().BoolVar(&o.FakeRuntime, "fake-runtime", false, "also run artifacts of the format fake, scripts of models that fail on cue: for rehearsals and tests")
	c.Flags().BoolVar(&o.NewToken, "new-token", false, "make another administrator's token, for when the first was lost")
	return c
}
