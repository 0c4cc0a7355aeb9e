package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"

	"fairlead.dev"
)

// digestPrefix opens every digest and names its algorithm.
const digestPrefix = "sha256:"

// Digest writes a SHA-256 as "sha256:<64 lower-case hex digits>".
func Digest(sum [sha256.Size]byte) string { return digestPrefix + hex.EncodeToString(sum[:]) }

// SplitDigest gives the hex digits of a digest, or fails with code Invalid
// when it is not in the one canonical form. Implementations rely on it to make
// a digest safe as a file name.
func SplitDigest(digest string) (string, error) {
	digits, ok := strings.CutPrefix(digest, digestPrefix)
	ok = ok && len(digits) == 2*sha256.Size
	for i := 0; ok && i < len(digits); i++ {
		c := digits[i]
		ok = '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
	}
	if !ok {
		if len(digest) > 100 {
			digest = digest[:100]
		}
		return "", fairlead.Errorf(fairlead.Invalid, "not a digest: %q (expected sha256: and 64 lower-case hex digits)", digest)
	}
	return digits, nil
}

// Receive copies r to w as Blobs.Put must: it counts, hashes, stops past max
// bytes with code TooLarge, compares with want when that is not empty, and
// ends with ctx. The caller keeps what w got only when err is nil.
func Receive(ctx context.Context, w io.Writer, r io.Reader, want string, max int64) (digest string, size int64, err error) {
	if want != "" {
		if _, err := SplitDigest(want); err != nil {
			return "", 0, err
		}
	}
	h := sha256.New()
	in := &input{ctx: ctx, r: r}
	size, err = io.Copy(io.MultiWriter(h, w), io.LimitReader(in, max))
	if err != nil {
		return "", 0, err
	}
	if size == max { // is there more?
		var b [1]byte
		switch _, err := io.ReadFull(in, b[:]); {
		case err == nil:
			return "", 0, fairlead.Errorf(fairlead.TooLarge, "the artifact is larger than %d bytes", max)
		case !errors.Is(err, io.EOF):
			return "", 0, err
		}
	}
	digest = Digest([sha256.Size]byte(h.Sum(nil)))
	if want != "" && digest != want {
		return "", 0, fairlead.Errorf(fairlead.Corrupt, "the bytes do not match their digest: expected %s, got %s", want, digest)
	}
	return digest, size, nil
}

// input ends a copy with its context.
type input struct {
	ctx context.Context
	r   io.Reader
}

func (in *input) Read(p []byte) (int, error) {
	if err := Ended(in.ctx); err != nil {
		return 0, err
	}
	return in.r.Read(p)
}

// Verified wraps a blob's stored bytes, size of them, so that they are checked
// against digest while they are read: the read that would give the last byte
// fails with code Corrupt instead when they do not match. Place says where the
// bytes are, for the error.
func Verified(rc io.ReadCloser, digest string, size int64, place string) io.ReadCloser {
	return &verified{rc: rc, digest: digest, left: size, place: place, h: sha256.New()}
}

type verified struct {
	rc            io.ReadCloser
	digest, place string
	left          int64 // bytes not yet read
	h             hash.Hash
	end           error // the answer to every further Read
}

func (v *verified) Read(p []byte) (int, error) {
	if v.end != nil {
		return 0, v.end
	}
	if v.left == 0 { // an empty blob, or all was given
		v.end = v.check()
		return 0, v.end
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > v.left {
		p = p[:v.left]
	}
	n, err := v.rc.Read(p)
	v.h.Write(p[:n])
	v.left -= int64(n)
	switch {
	case v.left == 0:
		// Also for a reader that stops at size and never asks for the end.
		if v.end = v.check(); v.end != io.EOF {
			return 0, v.end
		}
		return n, nil
	case errors.Is(err, io.EOF):
		v.end = v.corrupt("it was cut off while being read")
		return 0, v.end
	case err != nil:
		v.end = fairlead.Errorf(fairlead.Unavailable, "the artifact %s cannot be read (%s): %w", v.digest, v.place, err)
		return 0, v.end
	}
	return n, nil
}

// check is io.EOF when the bytes match.
func (v *verified) check() error {
	if got := Digest([sha256.Size]byte(v.h.Sum(nil))); got != v.digest {
		return v.corrupt("its bytes have the digest " + got)
	}
	return io.EOF
}

func (v *verified) corrupt(why string) error {
	return fairlead.Errorf(fairlead.Corrupt, "the artifact %s is damaged (%s): %s", v.digest, v.place, why)
}

func (v *verified) Close() error { return v.rc.Close() }
