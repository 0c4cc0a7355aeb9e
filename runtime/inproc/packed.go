package inproc

import (
	"math"
	"sync"
)

// packed is a forest in the form that is walked: 12 bytes a node (16 in
// float64), children side by side, every decision one "less than".
//
// All the comparisons and ways of missing that treeNode knows become v < cut by
// the choice of v: the feature itself, its negative, or the feature with
// missing values made NaN or zero. Which of these a forest needs is laid out
// once a row ("spread"), and a node's feature is an index into that. NaN is
// never less, so it goes to the first child, which is made the child that NaN
// goes to; x ≤ c is x < the next float after c. A leaf's feature is a place
// that always holds NaN and its child is itself, so a walk may go on past the
// end of a short tree; that lets four walks run side by side without asking,
// which hides the memory's latency.
type packed[T float] struct {
	nodes  []packedNode[T]
	roots  []int32
	voteAt []int32 // with votes: those of leaf n are votes[voteAt[n]:voteAt[n+1]]
	votes  []vote
	views  []view // a row's spread: one stretch of features each, then a NaN
	width  int    // of a row's spread
}

type packedNode[T float] struct {
	cut     T // of a leaf: its value
	feature uint32
	next    int32 // first child; the second follows it
}

// view is a way to read a feature.
type view uint8

const (
	plain        view = iota
	negated           // -x
	nanIsZero         // LightGBM without missing values
	zeroIsNaN         // LightGBM with zero as missing
	zeroIsNaNNeg      // the negative of that
	viewCount
)

// after is the next float above v; v is finite.
func after[T float](v T) T {
	switch x := any(v).(type) {
	case float32:
		return T(math.Nextafter32(x, float32(math.Inf(1))))
	case float64:
		return T(math.Nextafter(x, math.Inf(1)))
	}
	return v
}

// test is a node's decision as v < cut: the view, the cut, and whether the
// second child is the one for "yes". ok is false where there is no such form.
func (n *treeNode[T]) test() (v view, cut T, yesSecond, ok bool) {
	if math.IsInf(float64(n.cut), 0) || n.cut != n.cut {
		return 0, 0, false, false
	}
	lessEqual, missYes := n.cmp == cmpLE, n.miss != 0
	v, neg := plain, negated
	if n.cmp == cmpLightGBM {
		lessEqual, missYes = true, n.miss&2 != 0
		switch n.miss >> 2 & 3 {
		case 1:
			v, neg = zeroIsNaN, zeroIsNaNNeg
		case 2:
		default:
			return nanIsZero, after(n.cut), true, true
		}
	}
	switch {
	case lessEqual && missYes: // no is x > c
		return neg, -n.cut, false, true
	case lessEqual:
		return v, after(n.cut), true, true
	case n.cmp == cmpLT && missYes: // no is x ≥ c
		return neg, after(-n.cut), false, true
	case n.cmp == cmpLT:
		return v, n.cut, true, true
	case n.cmp == cmpGE && missYes: // no is x < c
		return v, n.cut, false, true
	case n.cmp == cmpGE:
		return neg, after(-n.cut), true, true
	case n.cmp == cmpGT && missYes: // no is x ≤ c
		return v, after(n.cut), false, true
	case n.cmp == cmpGT:
		return neg, -n.cut, true, true
	}
	return 0, 0, false, false
}

// pack makes the packed form of a verified forest; nil where a decision has
// none (equality, an infinite threshold), which the plain walk then serves.
func (f *forest[T]) pack() *packed[T] {
	p := &packed[T]{nodes: make([]packedNode[T], 0, len(f.nodes)), roots: make([]int32, len(f.roots))}
	many := false
	var place [viewCount]int
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.cmp == cmpLeaf {
			many = many || n.many
			continue
		}
		v, _, _, ok := n.test()
		if !ok {
			return nil
		}
		place[v] = 1
	}
	for v := range viewCount {
		if place[v] != 0 {
			place[v] = p.width
			p.width += f.features
			p.views = append(p.views, v)
		}
	}
	nan := uint32(p.width)
	if p.width++; p.width > maxElements/64 {
		return nil
	}
	if many {
		p.voteAt = []int32{0}
	}
	old := make([]int32, 0, len(f.nodes)) // the old index of each new node
	for i, root := range f.roots {
		p.roots[i] = int32(len(p.nodes))
		p.nodes, old = append(p.nodes, packedNode[T]{}), append(old, root)
		for at := int(p.roots[i]); at < len(p.nodes); at++ {
			n := &f.nodes[old[at]]
			if n.cmp == cmpLeaf {
				p.nodes[at] = packedNode[T]{cut: n.cut, feature: nan, next: int32(at)}
				if n.many {
					p.votes = append(p.votes, f.votes[n.yes:n.no]...)
				} else if many {
					p.votes = append(p.votes, vote{f.target[i], float64(n.cut)})
				}
			} else {
				v, cut, yesSecond, _ := n.test()
				p.nodes[at] = packedNode[T]{cut: cut, feature: uint32(place[v] + int(n.feature)), next: int32(len(p.nodes))}
				first, second := n.yes, n.no
				if yesSecond {
					first, second = second, first
				}
				p.nodes, old = append(p.nodes, packedNode[T]{}, packedNode[T]{}), append(old, first, second)
			}
			if many {
				p.voteAt = append(p.voteAt, int32(len(p.votes)))
			}
		}
	}
	return p
}

// spread lays out the views of a row.
func (p *packed[T]) spread(to, row []T) {
	const zero = 1e-35 // LightGBM's kZeroThreshold
	at := 0
	for _, v := range p.views {
		o := to[at : at+len(row)]
		at += len(row)
		switch v {
		case plain:
			copy(o, row)
		case negated:
			for i, x := range row {
				o[i] = -x
			}
		case nanIsZero:
			for i, x := range row {
				if x != x {
					x = 0
				}
				o[i] = x
			}
		default:
			for i, x := range row {
				if x >= -zero && x <= zero {
					x = T(math.NaN())
				}
				if v == zeroIsNaNNeg {
					x = -x
				}
				o[i] = x
			}
		}
	}
	to[at] = T(math.NaN())
}

func bit(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// walk4 goes from four nodes to their leaves; x holds the spreads of the rows
// they are asked about, from o0, o1, o2 and o3 on.
func walk4[T float](nodes []packedNode[T], x []T, n, o [4]int32) [4]int32 {
	n0, n1, n2, n3 := n[0], n[1], n[2], n[3]
	o0, o1, o2, o3 := uint32(o[0]), uint32(o[1]), uint32(o[2]), uint32(o[3])
	for {
		p0, p1, p2, p3 := &nodes[n0], &nodes[n1], &nodes[n2], &nodes[n3]
		m0 := p0.next + bit(x[o0+p0.feature] < p0.cut)
		m1 := p1.next + bit(x[o1+p1.feature] < p1.cut)
		m2 := p2.next + bit(x[o2+p2.feature] < p2.cut)
		m3 := p3.next + bit(x[o3+p3.feature] < p3.cut)
		if (m0^n0)|(m1^n1)|(m2^n2)|(m3^n3) == 0 {
			return [4]int32{n0, n1, n2, n3}
		}
		n0, n1, n2, n3 = m0, m1, m2, m3
	}
}

// block is how many rows go through the forest together: a tree is in the
// cache for all of them, and so are their features unless one row fills it.
func (f *forest[T]) block() int {
	const rows, elements = 32, 1 << 16
	if f.fast == nil {
		return rows
	}
	return max(1, min(rows, elements/f.fast.width))
}

// forestScratch is what summing over a block needs.
type forestScratch[T float] struct {
	x    []T
	acc  []float64 // rows × targets
	seen []bool
	two  [2]float64
}

func (s *forestScratch[T]) reset(n int) {
	grow(&s.acc, &s.acc, n)
	clear(s.acc)
	grow(&s.seen, &s.seen, n)
	clear(s.seen)
}

// scratchPool lends scratches to calls, which run concurrently.
type scratchPool[T float] struct{ pool sync.Pool }

func (p *scratchPool[T]) get() *forestScratch[T] {
	if s, ok := p.pool.Get().(*forestScratch[T]); ok {
		return s
	}
	return &forestScratch[T]{}
}

func (p *scratchPool[T]) put(s *forestScratch[T]) { p.pool.Put(s) }

// room is the bytes that a scratch for rows takes.
func (f *forest[T]) room(rows int) int {
	n := 9 * f.targets
	if f.fast != nil {
		n += 8 * f.fast.width
	}
	return rows * n
}

// sums gives each target of each row the sum of its votes, in s.acc, tree
// after tree whatever the number of rows, so that a row's answer does not
// depend on its company. x is at most f.block() rows of f.features and more.
func (f *forest[T]) sums(s *forestScratch[T], x []T, rows, cols int) {
	k := f.targets
	s.reset(rows * k)
	p := f.fast
	if p == nil {
		for r := range rows {
			f.sum(s.acc[r*k:r*k+k], x[r*cols:r*cols+cols], s.seen[r*k:r*k+k])
		}
		return
	}
	grow(&s.x, &s.x, rows*p.width)
	for r := range rows {
		p.spread(s.x[r*p.width:(r+1)*p.width], x[r*cols:r*cols+f.features])
	}
	if rows == 1 {
		t, n := 0, len(p.roots)
		for ; t+4 <= n; t += 4 {
			l := walk4(p.nodes, s.x, [4]int32(p.roots[t:t+4]), [4]int32{})
			f.cast(s, 0, t, l[0])
			f.cast(s, 0, t+1, l[1])
			f.cast(s, 0, t+2, l[2])
			f.cast(s, 0, t+3, l[3])
		}
		for ; t < n; t++ {
			root := p.roots[t]
			f.cast(s, 0, t, walk4(p.nodes, s.x, [4]int32{root, root, root, root}, [4]int32{})[0])
		}
		return
	}
	w, last := int32(p.width), int32(rows-1)
	for t, root := range p.roots {
		for r := int32(0); r <= last; r += 4 {
			o := [4]int32{r * w, min(r+1, last) * w, min(r+2, last) * w, min(r+3, last) * w}
			l := walk4(p.nodes, s.x, [4]int32{root, root, root, root}, o)
			for i := int32(0); i < 4 && r+i <= last; i++ {
				f.cast(s, int(r+i), t, l[i])
			}
		}
	}
}

// cast adds the votes of tree t's leaf to a row.
func (f *forest[T]) cast(s *forestScratch[T], row, t int, leaf int32) {
	p := f.fast
	if p.voteAt == nil {
		at := row*f.targets + int(f.target[t])
		s.acc[at] += float64(p.nodes[leaf].cut)
		s.seen[at] = true
		return
	}
	for _, v := range p.votes[p.voteAt[leaf]:p.voteAt[leaf+1]] {
		at := row*f.targets + int(v.target)
		s.acc[at] += v.weight
		s.seen[at] = true
	}
}
