package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"fairlead.dev"
)

// Checkpoint is a ledger's state as told to somebody outside: who rewrites the
// ledger afterwards cannot make it match again. Its text form is that of
// https://c2sp.org/tlog-checkpoint: three lines, origin, size and base64 root.
type Checkpoint struct {
	Origin string // names the ledger, e.g. the server's name; no spaces, no '+'
	Size   int64
	Root   Hash
}

// NewKey makes a key pair for an origin out of rand: skey signs (keep it
// secret), vkey checks.
func NewKey(rand io.Reader, origin string) (skey, vkey string, err error) {
	if err := checkOrigin(origin); err != nil {
		return "", "", err
	}
	skey, vkey, err = note.GenerateKey(rand, origin)
	if err != nil {
		return "", "", fairlead.Errorf(fairlead.Internal, "no signing key could be made: %w", err)
	}
	return skey, vkey, nil
}

// VerifierKey gives the public half of a signing key, the vkey of NewKey, so
// that only one of them has to be kept.
func VerifierKey(skey string) (string, error) {
	// The library's errors about keys do not quote the key.
	s, err := note.NewSigner(skey)
	if err != nil {
		return "", fairlead.Errorf(fairlead.Invalid, "the signing key is not usable: %w", err)
	}
	// NewSigner has just found five parts there, the last of them an algorithm's
	// number and a seed.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(skey, "+", 5)[4])
	if err == nil {
		var vkey string
		vkey, err = note.NewEd25519VerifierKey(s.Name(), ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
		if err == nil {
			return vkey, nil
		}
	}
	return "", fairlead.Errorf(fairlead.Internal, "the signing key of %s has no public half: %w", s.Name(), err)
}

// String is the text that is signed.
func (c Checkpoint) String() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// Sign gives the checkpoint's signed text. The key must be the origin's.
func Sign(c Checkpoint, skey string) ([]byte, error) {
	if err := checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	if c.Size < 0 {
		return nil, badSize(c.Size)
	}
	// The library's errors about keys do not quote the key.
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Invalid, "the signing key is not usable: %w", err)
	}
	if s.Name() != c.Origin {
		return nil, fairlead.Errorf(fairlead.Invalid, "the signing key is that of %q, the checkpoint of %q", s.Name(), c.Origin)
	}
	msg, err := note.Sign(&note.Note{Text: c.String()}, s)
	if err != nil {
		return nil, fairlead.Errorf(fairlead.Internal, "the checkpoint could not be signed: %w", err)
	}
	return msg, nil
}

// maxCheckpoint bounds a text from outside: three lines and some signatures.
const maxCheckpoint = 16 << 10

// Open checks a signed checkpoint against the key and reads it. It fails with
// code Corrupt when the text is not one that the key signed.
func Open(msg []byte, vkey string) (Checkpoint, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Checkpoint{}, fairlead.Errorf(fairlead.Invalid, "the verification key is not usable: %w", err)
	}
	if len(msg) > maxCheckpoint {
		return Checkpoint{}, fairlead.Errorf(fairlead.TooLarge, "a checkpoint has at most %d bytes, this has %d", maxCheckpoint, len(msg))
	}
	n, err := note.Open(msg, note.VerifierList(v))
	var changed *note.InvalidSignatureError
	var others *note.UnverifiedNoteError
	switch {
	case errors.As(err, &changed):
		return Checkpoint{}, corrupt("the checkpoint is not as %s signed it: %w", keyName(v.Name(), v.KeyHash()), err)
	case errors.As(err, &others):
		var by []string
		for _, s := range others.Note.UnverifiedSigs {
			by = append(by, keyName(s.Name, s.Hash))
		}
		return Checkpoint{}, corrupt("the checkpoint is signed by %s, the key given is %s", strings.Join(by, ", "), keyName(v.Name(), v.KeyHash()))
	case err != nil:
		return Checkpoint{}, corrupt("this is not a signed checkpoint: %w", err)
	}
	c, err := parse(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Name() {
		return Checkpoint{}, corrupt("the checkpoint is of %q, the key of %q", c.Origin, v.Name())
	}
	return c, nil
}

// keyName is a key without its key data, as far as people compare keys.
func keyName(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }

// parse reads the three lines; further lines are extensions and ignored, as
// the format says.
func parse(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" {
		return Checkpoint{}, corrupt("a checkpoint has three lines: origin, size and root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, corrupt("the checkpoint's size is not a plain number: %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(Hash{}) {
		return Checkpoint{}, corrupt("the checkpoint's root is not a base64 SHA-256: %q", lines[2])
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: Hash(root)}, nil
}

func checkOrigin(origin string) error {
	if origin == "" || len(origin) > 255 || strings.ContainsAny(origin, "+ \t\r\n") {
		return fairlead.Errorf(fairlead.Invalid, "a ledger's origin is 1 to 255 characters without spaces or '+', got %q", origin)
	}
	return nil
}
