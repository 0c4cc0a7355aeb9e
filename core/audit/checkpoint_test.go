package audit_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"fairlead.dev"
	"fairlead.dev/core/audit"
)

// steady is a source of chance that is none.
type steady byte

func (s steady) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s)
	}
	return len(p), nil
}

func newKey(t testing.TB, origin string, s steady) (skey, vkey string) {
	t.Helper()
	skey, vkey, err := audit.NewKey(s, origin)
	if err != nil {
		t.Fatal(err)
	}
	// A server keeps skey alone.
	derived, err := audit.VerifierKey(skey)
	if err != nil || derived != vkey {
		t.Fatalf("the public half is %s (%v), was made as %s", derived, err, vkey)
	}
	return skey, vkey
}

func TestCheckpoint(t *testing.T) {
	skey, vkey := newKey(t, "fairlead.example", 1)
	_, otherKey := newKey(t, "fairlead.example", 2)
	otherSkey, _ := newKey(t, "other.example", 1)
	b := write(t, 5)
	root, err := audit.Root(5, b.read)
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Checkpoint{Origin: "fairlead.example", Size: 5, Root: root}
	msg, err := audit.Sign(c, skey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := audit.Open(msg, vkey); err != nil || got != c {
		t.Fatalf("got %+v (%v), want %+v", got, err, c)
	}
	if !strings.HasPrefix(string(msg), "fairlead.example\n5\n"+base64.StdEncoding.EncodeToString(root[:])+"\n\n") {
		t.Errorf("the text is not that of a checkpoint:\n%s", msg)
	}
	// Up to the last digits of the signature, whose spare bits mean nothing.
	for i := range msg[:len(msg)-4] {
		bad := bytes.Clone(msg)
		bad[i] ^= 1
		if got, err := audit.Open(bad, vkey); err == nil {
			t.Fatalf("byte %d changed, still accepted as %+v:\n%s", i, got, bad)
		}
	}
	for _, c := range []struct {
		msg  []byte
		vkey string
		says string
	}{
		{msg, otherKey, "is signed by fairlead.example+"},
		{bytes.Replace(msg, []byte("\n5\n"), []byte("\n6\n"), 1), vkey, "is not as fairlead.example+"},
		{[]byte("garbage"), vkey, "not a signed checkpoint"},
	} {
		if _, err := audit.Open(c.msg, c.vkey); fairlead.CodeOf(err) != fairlead.Corrupt || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want code corrupt and %q", err, c.says)
		}
	}
	for name, f := range map[string]func() error{
		"invalid: no public half":            func() error { _, err := audit.VerifierKey(vkey); return err },
		"corrupt: another key":               func() error { _, err := audit.Open(msg, otherKey); return err },
		"corrupt: cut off":                   func() error { _, err := audit.Open(msg[:len(msg)-10], vkey); return err },
		"corrupt: empty":                     func() error { _, err := audit.Open(nil, vkey); return err },
		"too_large: long":                    func() error { _, err := audit.Open(make([]byte, 1<<20), vkey); return err },
		"invalid: no key":                    func() error { _, err := audit.Open(msg, "x"); return err },
		"invalid: no signing key":            func() error { _, err := audit.Sign(c, vkey); return err },
		"invalid: another ledger's key":      func() error { _, err := audit.Sign(c, otherSkey); return err },
		"invalid: an origin with a space":    func() error { _, _, err := audit.NewKey(steady(1), "a b"); return err },
		"invalid: no origin":                 func() error { _, err := audit.Sign(audit.Checkpoint{Size: 1}, skey); return err },
		"invalid: less than nothing":         func() error { _, err := audit.Sign(audit.Checkpoint{Origin: c.Origin, Size: -1}, skey); return err },
		"corrupt: signed, but no checkpoint": func() error { return signed(t, skey, vkey, "fairlead.example\nfive\nx\n") },
		"corrupt: signed, another size form": func() error { return signed(t, skey, vkey, strings.Replace(c.String(), "\n5\n", "\n05\n", 1)) },
		"corrupt: signed, a short root":      func() error { return signed(t, skey, vkey, "fairlead.example\n5\nAAAA\n") },
		"corrupt: signed, another origin":    func() error { return signed(t, skey, vkey, strings.Replace(c.String(), "fairlead", "harbour", 1)) },
	} {
		want, _, _ := strings.Cut(name, ":")
		if err := f(); string(fairlead.CodeOf(err)) != want {
			t.Errorf("%s: got %v (%s)", name, err, fairlead.CodeOf(err))
		} else if strings.Contains(err.Error(), skey) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// signed signs any text with the key and opens it.
func signed(t *testing.T, skey, vkey, text string) error {
	t.Helper()
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		t.Fatal(err)
	}
	_, err = audit.Open(msg, vkey)
	return err
}

func FuzzOpen(f *testing.F) {
	skey, vkey := newKey(f, "o", 1)
	msg, err := audit.Sign(audit.Checkpoint{Origin: "o", Size: 1}, skey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Add([]byte("o\n1\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if c, err := audit.Open(msg, vkey); err == nil && !bytes.HasPrefix(msg, []byte(c.String())) {
			t.Errorf("%q was read as %+v", msg, c)
		}
	})
}
