package fairlead

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Env is all that code may know of the world's clock and chance. Everything
// outside cmd gets it handed in, so a simulation can stand in for both.
type Env struct {
	Now   func() time.Time // wall clock, UTC, microsecond precision is enough
	Rand  func() uint64    // uniform 64 bits
	NewID func() string    // unique, sorts by time: 48-bit milliseconds + 80 random bits, 32 hex digits
}

// System is the real world's Env.
func System() Env {
	e := Env{
		Now: func() time.Time { return time.Now().UTC() },
		Rand: func() uint64 {
			var b [8]byte
			_, _ = rand.Read(b[:]) // never fails since Go 1.24
			return binary.LittleEndian.Uint64(b[:])
		},
	}
	e.NewID = func() string { return NewID(e.Now(), e.Rand) }
	return e
}

// NewID makes an id from a time and a source of chance.
func NewID(now time.Time, rnd func() uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	r := rnd()
	b[6], b[7] = byte(r), byte(r>>8)
	binary.BigEndian.PutUint64(b[8:], rnd())
	var id [2 * len(b)]byte
	hex.Encode(id[:], b[:])
	return string(id[:])
}
