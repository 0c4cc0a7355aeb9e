package stats

import (
	"math"
	"slices"
)

// The histogram's buckets are log-linear: 128 equal parts of each octave, cut
// by shifting a float's bits. A value differs from its bucket's middle by less
// than 0.4 %. The range is 2^-20 s (0.95 µs) to 2^10 s (1024 s); what lies
// outside falls in the first or last bucket.
const (
	perOctaveBits = 7
	shift         = 52 - perOctaveBits
	lowestExp     = -20
	highestExp    = 10
	base          = (1023 + lowestExp) << perOctaveBits
	buckets       = (highestExp - lowestExp) << perOctaveBits
)

// Bucket is the index of the bucket that holds a duration in seconds. Negative
// values and NaN fall in the first. It allocates nothing.
func Bucket(seconds float64) int32 {
	if !(seconds > 0) {
		return 0
	}
	i := int64(math.Float64bits(seconds)>>shift) - base
	return int32(min(max(i, 0), buckets-1))
}

// BucketLow is the lower boundary of bucket i in seconds: Bucket(BucketLow(i))
// == i for every bucket, and BucketLow(BucketCount()) is the range's end.
func BucketLow(i int32) float64 {
	n := min(max(int64(i), 0), buckets)
	return math.Float64frombits(uint64(n+base) << shift)
}

// BucketMid is the middle of bucket i in seconds, the value that stands for it.
func BucketMid(i int32) float64 { return (BucketLow(i) + BucketLow(i+1)) / 2 }

// BucketCount is the number of buckets, for a dense array.
func BucketCount() int { return buckets }

// Quantile is the q-quantile (0 … 1) of a histogram of buckets, as the middle
// of the bucket it falls in; 0 when the histogram is empty.
func Quantile(h map[int32]int64, q float64) float64 { return NewDist(h).Quantile(q) }

// Dist is a histogram made ready for questions: cumulative counts by bucket.
type Dist struct {
	low int32   // the first bucket with an observation
	cum []int64 // cum[k] counts buckets low … low+k
}

// NewDist reads a histogram; counts below zero and buckets outside the range
// are taken for what they can only be, damage, and left out.
func NewDist(h map[int32]int64) Dist {
	lo, hi := int32(math.MaxInt32), int32(-1)
	for i, n := range h {
		if n > 0 && i >= 0 && i < buckets {
			lo, hi = min(lo, i), max(hi, i)
		}
	}
	if hi < 0 {
		return Dist{}
	}
	d := Dist{low: lo, cum: make([]int64, hi-lo+1)}
	for i, n := range h {
		if n > 0 && i >= lo && i <= hi {
			d.cum[i-lo] = n
		}
	}
	for k := 1; k < len(d.cum); k++ {
		d.cum[k] += d.cum[k-1]
	}
	return d
}

// N is the number of observations.
func (d Dist) N() int64 {
	if len(d.cum) == 0 {
		return 0
	}
	return d.cum[len(d.cum)-1]
}

// Below counts the observations in buckets before i: exactly those smaller
// than BucketLow(i).
func (d Dist) Below(i int32) int64 {
	k := int(i) - int(d.low) - 1
	if k < 0 || len(d.cum) == 0 {
		return 0
	}
	return d.cum[min(k, len(d.cum)-1)]
}

// Range gives the first bucket with an observation and the one after the last.
func (d Dist) Range() (from, to int32) { return d.low, d.low + int32(len(d.cum)) }

// QuantileBucket is the bucket that holds the q-quantile, 0 when empty.
func (d Dist) QuantileBucket(q float64) int32 {
	n := d.N()
	if n == 0 {
		return 0
	}
	rank := max(int64(math.Ceil(q*float64(n))), 1)
	k, _ := slices.BinarySearch(d.cum, rank)
	return d.low + int32(min(k, len(d.cum)-1))
}

// Quantile is the middle of QuantileBucket, in seconds; 0 when empty.
func (d Dist) Quantile(q float64) float64 {
	if d.N() == 0 {
		return 0
	}
	return BucketMid(d.QuantileBucket(q))
}

// Moments gives count, sum and sum of squares as far as the buckets tell them:
// each observation stands at its bucket's middle, and the spread within the
// bucket is added to the squares.
func (d Dist) Moments() (n int64, sum, sum2 float64) {
	var before int64
	for k, c := range d.cum {
		if c == before {
			continue
		}
		m, f := BucketMid(d.low+int32(k)), float64(c-before)
		w := BucketLow(d.low+int32(k)+1) - BucketLow(d.low+int32(k))
		sum += float64(f * m)
		sum2 += float64(f * (float64(m*m) + float64(w*w)/12))
		before = c
	}
	return before, sum, sum2
}

// CountBelow counts a histogram's observations in buckets before i without
// preparing it; cheaper than NewDist for a single question.
func CountBelow(h map[int32]int64, i int32) (below, n int64) {
	for k, c := range h {
		n += c
		if k < i {
			below += c
		}
	}
	return below, n
}

// NewDistSince is NewDist of what a histogram gained since an earlier state.
func NewDistSince(now, past map[int32]int64) Dist {
	diff := make(map[int32]int64, len(now))
	for i, n := range now {
		if n -= past[i]; n > 0 {
			diff[i] = n
		}
	}
	return NewDist(diff)
}
