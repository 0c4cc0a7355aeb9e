package op

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"fairlead.dev"
)

// The verbs of tokens. A secret is shown once, when its token is made; only
// its hash is stored, and not even that is shown.
var (
	TokenGet    = tokens.getOp(CanAdmin, hideHash)
	TokenList   = tokens.listOp(CanAdmin, hideHash)
	TokenRevoke = func() Op[Deletion, Deleted] {
		o := tokens.deleteOp(CanAdmin, "Revoke a token: from now on it opens nothing.\nThe last token of an administrator cannot be revoked.", lastAdmin)
		o.Name = "token revoke"
		return o
	}()
	TokenCreate = Op[TokenIn, TokenOut]{Name: "token create", Method: http.MethodPost, Path: "/tokens", Can: CanAdmin,
		Doc: "Make a token and show its secret, once.\nRoles: viewer reads; operator also registers, applies and steers releases; admin also handles tokens; caller infers and sends feedback, nothing else (operator and admin may too). Any other name can be a role that an approve step asks for.",
		Do:  createToken}
)

// TokenIn asks for a token.
type TokenIn struct {
	Name    string            `json:"name" maxLength:"63" doc:"whose it is; the ledger names it"`
	Roles   []string          `json:"roles" minItems:"1" maxItems:"32" doc:"viewer, operator, admin, caller, or a free name that approve steps ask for"`
	Expires fairlead.Duration `json:"expires,omitempty" doc:"how long it is good for; without end if absent"`
}

// TokenOut is a new token. Secret is nowhere else.
type TokenOut struct {
	Name    string    `json:"name"`
	Secret  string    `json:"secret" doc:"shown once"`
	Roles   []string  `json:"roles"`
	Expires time.Time `json:"expires,omitzero"`
}

const secretLen = 43 // base64url of 32 bytes

func createToken(ctx context.Context, d *Deps, in TokenIn) (TokenOut, error) {
	faults := fairlead.CheckName("/name", in.Name)
	if len(in.Roles) == 0 {
		faults = append(faults, fairlead.Fault{Path: "/roles", Message: "missing", Want: "at least one role"})
	}
	for i, r := range in.Roles {
		faults = append(faults, fairlead.CheckName(fmt.Sprintf("/roles/%d", i), r)...)
		if slices.Contains(in.Roles[:i], r) {
			faults = append(faults, fairlead.Fault{Path: fmt.Sprintf("/roles/%d", i), Message: "given twice", Got: r})
		}
	}
	if err := fairlead.Faulty("the token is wrong", faults); err != nil {
		return TokenOut{}, err
	}
	var raw [32]byte
	for i := 0; i < len(raw); i += 8 {
		binary.LittleEndian.PutUint64(raw[i:], d.Env.Rand())
	}
	out := TokenOut{Name: in.Name, Roles: in.Roles, Secret: "flt_" + in.Name + "_" + base64.RawURLEncoding.EncodeToString(raw[:])}
	if in.Expires > 0 {
		out.Expires = d.Env.Now().Add(in.Expires.Std())
	}
	err := change(ctx, d, func(t *tx) error {
		if have, ok, err := tokens.find(t, in.Name); err != nil {
			return err
		} else if ok {
			return fairlead.Errorf(fairlead.Exists, "there is a token %s since %s; revoke it first or choose another name", in.Name, have.Meta.Created.UTC().Format("2006-01-02 15:04"))
		}
		tok := fairlead.Token{Meta: fairlead.Meta{Name: in.Name}, Spec: fairlead.TokenSpec{Roles: in.Roles, Hash: HashToken(out.Secret), Expires: out.Expires}}
		_, err := tokens.writeAs(t, &tok, false, fairlead.LedgerEntry{To: strings.Join(in.Roles, " ")})
		return err
	})
	if err != nil {
		return TokenOut{}, err
	}
	return out, nil
}

// HashToken is what is stored of a token. Its secret has 256 random bits, so a
// plain hash is as good as a slow one.
func HashToken(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

func hideHash(t *fairlead.Token) { t.Spec.Hash = "" }

func lastAdmin(t *tx, v fairlead.Token) error {
	if !slices.Contains(v.Spec.Roles, fairlead.RoleAdmin) {
		return nil
	}
	all, err := tokens.all(t.ctx, t.d, "", "", 0)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Meta.Name == v.Meta.Name || !liveAdmin(o, t.d.Env.Now()) {
			continue
		}
		// Two last administrators revoking each other at once must not both
		// succeed, so the other one becomes a guard of this commit.
		if _, ok, err := tokens.find(t, o.Meta.Name); err != nil || ok {
			return err
		}
	}
	return fairlead.Errorf(fairlead.Conflict, "%s is the last token of an administrator; create another first", v.Meta.Name)
}

func liveAdmin(t fairlead.Token, now time.Time) bool {
	return slices.Contains(t.Spec.Roles, fairlead.RoleAdmin) && (t.Spec.Expires.IsZero() || now.Before(t.Spec.Expires))
}

// Authenticate finds who a secret belongs to. The name inside the secret only
// says where to look; the hash decides. Revocation therefore holds at once.
func Authenticate(ctx context.Context, d *Deps, secret string) (Caller, error) {
	refused := fairlead.Errorf(fairlead.Unauthenticated, "the token is unknown, revoked or expired")
	rest, ok := strings.CutPrefix(secret, "flt_")
	if !ok || len(rest) < secretLen+2 || len(rest) > fairlead.MaxName+secretLen+1 || rest[len(rest)-secretLen-1] != '_' {
		return Caller{}, refused
	}
	name := rest[:len(rest)-secretLen-1]
	if len(fairlead.CheckName("", name)) > 0 {
		return Caller{}, refused
	}
	doc, err := d.Store.Get(ctx, fairlead.KindToken, name)
	if fairlead.CodeOf(err) == fairlead.NotFound {
		return Caller{}, refused
	}
	if err != nil {
		return Caller{}, err
	}
	t, err := tokens.decode(doc.Data, doc.Key, doc.Rev)
	if err != nil {
		return Caller{}, err
	}
	if subtle.ConstantTimeCompare([]byte(t.Spec.Hash), []byte(HashToken(secret))) != 1 {
		return Caller{}, refused
	}
	if !t.Spec.Expires.IsZero() && !d.Env.Now().Before(t.Spec.Expires) {
		return Caller{}, refused
	}
	return Caller{Name: name, Roles: t.Spec.Roles}, nil
}

// EnsureAdmin makes an administrator's token when there is none that is good:
// at the first start, or when the last one has expired. The secret is for the
// operator's eyes, once.
func EnsureAdmin(ctx context.Context, d *Deps) (secret string, created bool, err error) {
	all, err := tokens.all(ctx, d, "", "", 0)
	if err != nil {
		return "", false, err
	}
	names := map[string]bool{}
	for _, t := range all {
		if liveAdmin(t, d.Env.Now()) {
			return "", false, nil
		}
		names[t.Meta.Name] = true
	}
	name := "admin"
	for i := 2; names[name]; i++ {
		name = fmt.Sprintf("admin-%d", i)
	}
	ctx = WithCaller(ctx, Caller{Name: "fairlead", Roles: []string{fairlead.RoleAdmin}})
	out, err := TokenCreate.Call(ctx, d, TokenIn{Name: name, Roles: []string{fairlead.RoleAdmin}})
	return out.Secret, err == nil, err
}
