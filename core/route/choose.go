package route

import (
	"math/bits"

	"fairlead.dev"
)

// Bucket places a unit in one of 10,000 buckets, uniformly and for ever: the
// same salt and unit give the same bucket on every gateway and in every build
// (a golden test keeps the values). It allocates nothing. The hash is quick and
// well mixed, but not a secret: who knows the salt can search for a unit in a
// wanted bucket.
func Bucket(salt, unit string) int32 { return place(hash(salt, unit, domainArm)) }

// Choose gives the index in rt.Arms of the arm that owns the bucket. Arms after
// the first own the lowest buckets, each next to the one before: with one
// candidate, [0, weight). So raising a weight moves units to the candidate and
// none back. The incumbent (index 0) owns the rest. A route has at least one
// arm. It allocates nothing.
func Choose(rt *fairlead.Route, bucket int32) int {
	var edge fairlead.Weight
	for i := 1; i < len(rt.Arms); i++ {
		edge += rt.Arms[i].Weight
		if fairlead.Weight(bucket) < edge {
			return i
		}
	}
	return 0
}

// Mirrored reports whether a copy of the unit's requests goes to an arm with
// this mirror share. Its chance is independent of Bucket's, so the copies are a
// fair sample of the requests whatever their arm, and it is monotone like
// Choose: a unit mirrored at 5 % is mirrored at 10 %.
func Mirrored(salt, unit string, mirror fairlead.Weight) bool {
	return mirror > 0 && fairlead.Weight(place(hash(salt, unit, domainMirror))) < mirror
}

// Domains keep the questions asked of one unit independent.
const (
	domainArm    = 0x9e3779b97f4a7c15
	domainMirror = 0xc2b2ae3d27d4eb4f
)

// Odd multipliers with about half of the bits set; any such do, but never change
// them: they are part of every assignment.
const (
	mulA = 0xbb67ae8584caa73b
	mulB = 0x9e3779f9b97f4a63
)

// place maps 64 uniform bits onto the buckets by the high half of a product: no
// division, and a bias below 10⁴/2⁶⁴.
func place(h uint64) int32 {
	hi, _ := bits.Mul64(h, uint64(fairlead.FullWeight))
	return int32(hi)
}

// hash folds both strings, eight bytes at a time, by the two halves of a
// 128-bit product (each input bit reaches all output bits in one step).
// Lengths go in, so ("ab","c") and ("a","bc") differ.
func hash(salt, unit string, domain uint64) uint64 {
	h := fold(domain^uint64(len(salt)), mulA)
	h = absorb(h, salt)
	h = fold(h^uint64(len(unit)), mulB)
	h = absorb(h, unit)
	return fold(h^domain, mulA)
}

func absorb(h uint64, s string) uint64 {
	for len(s) >= 8 {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		h = fold(h^w^mulB, mulA^bits.RotateLeft64(h, 23))
		s = s[8:]
	}
	if len(s) > 0 {
		var w uint64
		for i := range len(s) {
			w |= uint64(s[i]) << (8 * i)
		}
		h = fold(h^w^mulA, mulB^bits.RotateLeft64(h, 41))
	}
	return h
}

// fold multiplies to 128 bits and folds the halves; adding b keeps a zero
// operand from swallowing the rest.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a+b, b|1)
	return hi ^ lo ^ bits.RotateLeft64(a, 29)
}
