package op

import (
	"context"
	"net/http"
	"time"

	"fairlead.dev"
	"fairlead.dev/core/audit"
)

// ServerInfo says what this server is and can do.
var ServerInfo = Op[struct{}, Info]{Name: "server info", Method: http.MethodGet, Path: "/server", Can: CanAny,
	Doc: "Show the server's version and what it knows: strategies, runtimes, formats.",
	Do: func(ctx context.Context, d *Deps, _ struct{}) (Info, error) {
		c, _ := CallerOf(ctx)
		i := Info{Version: d.Version, API: fairlead.APIVersion, Time: d.Env.Now(), Caller: c.Name, Roles: c.Roles,
			Strategies: map[string]string{}, Formats: formatsOf(d)}
		for _, s := range Strategies() {
			i.Strategies[s.Name] = s.Doc
		}
		for _, r := range d.Runtimes {
			i.Runtimes = append(i.Runtimes, r.Name())
		}
		if d.LedgerKey != "" {
			var err error
			if i.LedgerKey, err = audit.VerifierKey(d.LedgerKey); err != nil {
				return i, err
			}
		}
		size, _, err := d.Store.Head(ctx)
		i.Ledger = size
		return i, err
	}}

// Info is what a server says of itself.
type Info struct {
	Version    string            `json:"version"`
	API        string            `json:"api"`
	Time       time.Time         `json:"time"`
	Caller     string            `json:"caller" doc:"the name of the token that asks"`
	Roles      []string          `json:"roles" doc:"and its roles"`
	Strategies map[string]string `json:"strategies" doc:"by name, what each is for"`
	Runtimes   []string          `json:"runtimes,omitempty"`
	Formats    []string          `json:"formats,omitempty" doc:"of artifacts"`
	Ledger     int64             `json:"ledger" doc:"entries so far"`
	LedgerKey  string            `json:"ledgerKey,omitempty" doc:"checks the signatures of the ledger's checkpoints"`
}
