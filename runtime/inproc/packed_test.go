package inproc

import (
	"math"
	"math/rand/v2"
	"testing"
)

// grown is a forest of random shapes and decisions over thresholds that rows
// hit exactly.
func grown[T float](r *rand.Rand, kinds []uint8, values []T, many bool) *forest[T] {
	f := &forest[T]{features: 3, targets: 2}
	var grow func(depth int) int32
	grow = func(depth int) int32 {
		at := int32(len(f.nodes))
		f.nodes = append(f.nodes, treeNode[T]{cut: T(r.NormFloat64()), cmp: cmpLeaf})
		if depth == 0 || r.IntN(4) == 0 {
			if many && r.IntN(2) == 0 {
				from := int32(len(f.votes))
				for range r.IntN(3) {
					f.votes = append(f.votes, vote{int32(r.IntN(2)), r.NormFloat64()})
				}
				f.nodes[at].many, f.nodes[at].yes, f.nodes[at].no = true, from, int32(len(f.votes))
			}
			return at
		}
		n := treeNode[T]{cut: values[r.IntN(len(values))], feature: int32(r.IntN(3)), cmp: kinds[r.IntN(len(kinds))], miss: uint8(r.IntN(2))}
		if n.cmp == cmpLightGBM {
			n.miss = uint8(r.IntN(3))<<2 | uint8(r.IntN(2))<<1
		}
		n.yes, n.no = grow(depth-1), grow(depth-1)
		f.nodes[at] = n
		return at
	}
	for range 1 + r.IntN(9) {
		f.roots, f.target = append(f.roots, grow(1+r.IntN(6))), append(f.target, int32(r.IntN(2)))
	}
	return f
}

// TestPackedWalksAlike: the packed form gives bit for bit what walking node by
// node gives, for every decision, for missing and extreme values, and for a row
// alone as for a row in company.
func TestPackedWalksAlike(t *testing.T) {
	walksAlike[float32](t, math.SmallestNonzeroFloat32, math.MaxFloat32)
	walksAlike[float64](t, math.SmallestNonzeroFloat64, math.MaxFloat64)
}

func walksAlike[T float](t *testing.T, least, most float64) {
	r := rand.New(rand.NewPCG(7, 8))
	cuts := []T{0, T(math.Copysign(0, -1)), 1, -1, 1e-35, -1e-35, T(least), T(-least), T(most), T(-most), 0.1}
	values := append([]T{T(math.NaN()), T(math.Inf(1)), T(math.Inf(-1)), 0.5, 2e-35}, cuts...)
	for _, v := range cuts {
		values = append(values, after(v))
	}
	for round := range 400 {
		kinds := []uint8{cmpLE, cmpLT, cmpGE, cmpGT, cmpLightGBM}
		if round%2 == 0 {
			kinds = kinds[round/2%5:][:1]
		}
		f := grown(r, kinds, cuts, round%3 == 0)
		if err := f.verify(); err != nil {
			t.Fatal(err)
		}
		if f.fast = f.pack(); f.fast == nil {
			t.Fatal("no packed form")
		}
		rows := 1 + r.IntN(9)
		x := make([]T, rows*4) // one column more than the forest reads
		for i := range x {
			x[i] = values[r.IntN(len(values))]
		}
		var together, alone forestScratch[T]
		f.sums(&together, x, rows, 4)
		for i := range rows {
			f.sums(&alone, x[i*4:i*4+4], 1, 4)
			want, seen := make([]float64, 2), make([]bool, 2)
			f.sum(want, x[i*4:i*4+4], seen)
			for k := range want {
				if together.acc[i*2+k] != want[k] || alone.acc[k] != want[k] || together.seen[i*2+k] != seen[k] || alone.seen[k] != seen[k] {
					t.Fatalf("round %d, row %v, target %d: %v %v together, %v %v alone, %v %v node by node", round, x[i*4:i*4+3], k,
						together.acc[i*2+k], together.seen[i*2+k], alone.acc[k], alone.seen[k], want[k], seen[k])
				}
			}
		}
	}
}

// TestUnpackable: decisions without a packed form are walked node by node.
func TestUnpackable(t *testing.T) {
	for _, n := range []treeNode[float32]{{cmp: cmpEQ}, {cmp: cmpNE}, {cmp: cmpLE, cut: float32(math.Inf(1))}, {cmp: cmpLT, cut: float32(math.NaN())}} {
		n.yes, n.no = 1, 2
		f := &forest[float32]{nodes: []treeNode[float32]{n, {cmp: cmpLeaf, cut: 1}, {cmp: cmpLeaf, cut: 2}}, roots: []int32{0}, target: []int32{0}, features: 1, targets: 1}
		if f.fast = f.pack(); f.fast != nil {
			t.Errorf("%+v is packed", n)
		}
		var s forestScratch[float32]
		if f.sums(&s, []float32{0}, 1, 1); s.acc[0] != 1 && s.acc[0] != 2 {
			t.Errorf("%+v gives %v", n, s.acc)
		}
	}
}

// TestRowAlone: a dense layer gives a row the same bits alone as in company.
func TestRowAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for n := 1; n < 20; n++ {
		k, rows := 1+r.IntN(40), 2+r.IntN(5)
		w, x := &tensor{dt: f32, shape: []int{n, k}}, &tensor{dt: f32}
		for range n * k {
			w.view.f32 = append(w.view.f32, float32(r.NormFloat64()))
		}
		for range rows * k {
			x.view.f32 = append(x.view.f32, float32(r.NormFloat64()))
		}
		bias := &tensor{dt: f32, shape: []int{n}, view: storage{f32: w.view.f32[:n]}}
		l := newLayer(w, n, k, true, 0.5)
		if k < 1 || !l.addBias(bias) || l.addBias(bias) || !l.addRelu() || l.addRelu() {
			t.Fatal("a bias and a ReLU are taken once")
		}
		all, one := &tensor{view: storage{f32: make([]float32, rows*n)}}, &tensor{view: storage{f32: make([]float32, n)}}
		c := &call{work: 1 << 30}
		if err := l.mul(c, all, x, rect{row: n, col: 1}, rows); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if err := l.mul(c, one, x, rect{x: i * k, row: n, col: 1}, 1); err != nil {
				t.Fatal(err)
			}
			for j, v := range one.view.f32 {
				exact := 0.0
				for p := range k {
					exact += float64(x.view.f32[i*k+p]) * float64(w.view.f32[j*k+p])
				}
				exact = max(0, exact/2+float64(w.view.f32[j]))
				if v != all.view.f32[i*n+j] || math.Abs(float64(v)-exact) > 1e-4 {
					t.Fatalf("n %d k %d: %v alone, %v together, %v exactly", n, k, v, all.view.f32[i*n+j], exact)
				}
			}
		}
	}
}
