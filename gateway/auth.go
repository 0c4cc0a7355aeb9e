package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fairlead.dev"
)

// principal is a known bearer.
type principal struct {
	name    string
	roles   []string
	expires time.Time
}

// SetTokens replaces the known tokens. Only their hashes are held, and kept on
// disk. A token without a usable hash is left out.
func (g *Gateway) SetTokens(tokens []fairlead.Token) {
	g.setTokens(tokens)
	if g.cfg.Dir == "" {
		return
	}
	if err := writeChecked(filepath.Join(g.cfg.Dir, "tokens"), tokens); err != nil {
		g.log.Error("the tokens could not be kept on disk; after a restart they must be sent again", "error", err)
	}
}

func (g *Gateway) setTokens(tokens []fairlead.Token) {
	m := make(map[[32]byte]principal, len(tokens))
	for _, t := range tokens {
		raw, err := hex.DecodeString(t.Spec.Hash)
		if err != nil || len(raw) != sha256.Size {
			g.log.Warn("a token without a valid hash is ignored", "token", t.Meta.Name)
			continue
		}
		m[[32]byte(raw)] = principal{name: t.Meta.Name, roles: t.Spec.Roles, expires: t.Spec.Expires}
	}
	g.tokens.Store(&m)
}

// Who may do what.
var (
	mayInfer = []string{fairlead.RoleCaller, fairlead.RoleOperator, fairlead.RoleAdmin}
	mayRead  = []string{fairlead.RoleViewer, fairlead.RoleCaller, fairlead.RoleOperator, fairlead.RoleAdmin}
)

// allow checks the bearer of a request. The map is keyed by the hash of a
// secret of 256 random bits, so how long a lookup takes tells nothing of use.
func (g *Gateway) allow(r *http.Request, roles []string) error {
	head := r.Header.Get("Authorization")
	if len(head) < 7 || !strings.EqualFold(head[:7], "Bearer ") {
		return fairlead.Errorf(fairlead.Unauthenticated, "this needs a token: send the header Authorization: Bearer <token>")
	}
	p, ok := (*g.tokens.Load())[sha256.Sum256([]byte(strings.TrimSpace(head[7:])))]
	if !ok {
		return fairlead.Errorf(fairlead.Unauthenticated, "the token is not known")
	}
	if !p.expires.IsZero() && !g.env.Now().Before(p.expires) {
		return fairlead.Errorf(fairlead.Unauthenticated, "the token %q has expired", p.name)
	}
	for _, r := range p.roles {
		if slices.Contains(roles, r) {
			return nil
		}
	}
	return fairlead.Errorf(fairlead.Denied, "the token %q may not do this; it needs one of the roles %s", p.name, strings.Join(roles, ", "))
}
