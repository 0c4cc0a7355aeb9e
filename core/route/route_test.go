package route_test

import (
	"fmt"
	"math"
	"testing"

	"fairlead.dev"
	"fairlead.dev/core/route"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The buckets are a promise: a new build must not move anyone.
func TestBucketGolden(t *testing.T) {
	for _, c := range []struct {
		salt, unit string
		want       int32
	}{
		{"", "", 1302},
		{"digits/digits-v2", "user-1", 445},
		{"digits/digits-v2", "user-2", 3586},
		{"digits/digits-v3", "user-1", 5829},
		{"digits/digits-v2", "0190b1a2c3d4e5f60718293a4b5c6d7e", 7097},
		{"d", "igits", 6581},
		{"di", "gits", 1752},
		{"digits", "ünïcödé-ключ", 5909},
	} {
		if got := route.Bucket(c.salt, c.unit); got != c.want {
			t.Errorf("Bucket(%q, %q) = %d, want %d", c.salt, c.unit, got, c.want)
		}
	}
}

// chi2 of n draws over k equal cells has mean k-1 and variance 2(k-1): six
// standard deviations away is not chance.
func chi2(t *testing.T, name string, cells []int, n int) {
	t.Helper()
	k, want, sum := float64(len(cells)), float64(n)/float64(len(cells)), 0.0
	for _, c := range cells {
		sum += (float64(c) - want) * (float64(c) - want) / want
	}
	if z := (sum - (k - 1)) / math.Sqrt(2*(k-1)); math.Abs(z) > 6 {
		t.Errorf("%s: chi² = %.1f over %d cells, %.1f standard deviations from uniform", name, sum, len(cells), z)
	}
}

// Units as they come in practice: counters, padded counters, hex ids, mails.
var units = map[string]func(i int) string{
	"counter": func(i int) string { return fmt.Sprint(i) },
	"padded":  func(i int) string { return fmt.Sprintf("user-%012d", i) },
	"hex":     func(i int) string { return fmt.Sprintf("%032x", i) },
	"mail":    func(i int) string { return fmt.Sprintf("u%d@example.com", i) },
	"step16":  func(i int) string { return fmt.Sprintf("%d", i*65536) },
}

func TestBucketIsUniform(t *testing.T) {
	const n = 200_000
	for name, unit := range units {
		cells := make([]int, fairlead.FullWeight)
		for i := range n {
			cells[route.Bucket("digits/r1", unit(i))]++
		}
		chi2(t, name, cells, n)
	}
}

// The same unit under two salts, and the mirror's draw beside the arm's, must
// be independent: their joint cells are uniform as well.
func TestDrawsAreIndependent(t *testing.T) {
	const n = 50_000
	for name, unit := range units {
		salts, mirror := make([]int, 400), make([]int, 20)
		for i := range n {
			u := unit(i)
			a, b := route.Bucket("digits/r1", u)/500, route.Bucket("digits/r2", u)/500
			salts[a*20+b]++
			if route.Mirrored("digits/r1", u, 5000) {
				mirror[a]++
			}
		}
		chi2(t, name+" over two salts", salts, n)
		total := 0
		for _, c := range mirror {
			total += c
		}
		if math.Abs(float64(total)-n/2) > 6*math.Sqrt(n)/2 {
			t.Errorf("%s: mirrored %d of %d at 50%%", name, total, n)
		}
		chi2(t, name+" mirror against arm", mirror, total)
	}
}

func twoArms(weight fairlead.Weight) *fairlead.Route {
	return &fairlead.Route{Arms: []fairlead.Arm{
		{Name: fairlead.Incumbent, Weight: fairlead.FullWeight - weight}, {Name: fairlead.Candidate, Weight: weight}}}
}

func TestChooseIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := fairlead.Weight(rapid.IntRange(0, 10000).Draw(t, "weight"))
		more := fairlead.Weight(rapid.IntRange(int(w), 10000).Draw(t, "more"))
		salt, unit := rapid.String().Draw(t, "salt"), rapid.String().Draw(t, "unit")
		b := route.Bucket(salt, unit)
		if b < 0 || b >= int32(fairlead.FullWeight) {
			t.Fatalf("bucket %d", b)
		}
		before, after := route.Choose(twoArms(w), b), route.Choose(twoArms(more), b)
		if before == 1 && after == 0 {
			t.Fatalf("unit %q moved back from the candidate when its weight rose from %v to %v", unit, w, more)
		}
		if (before == 1) != (b < int32(w)) {
			t.Fatalf("bucket %d at weight %v: arm %d", b, w, before)
		}
		if route.Mirrored(salt, unit, w) && !route.Mirrored(salt, unit, more) {
			t.Fatalf("unit %q mirrored at %v but not at %v", unit, w, more)
		}
	})
}

func TestChoosingAllocatesNothing(t *testing.T) {
	rt, sum := twoArms(500), 0
	unit := "0190b1a2c3d4e5f60718293a4b5c6d7e"
	if n := testing.AllocsPerRun(100, func() {
		sum += route.Choose(rt, route.Bucket("digits/digits-v2", unit))
		if route.Mirrored("digits/digits-v2", unit, 5000) {
			sum++
		}
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkChoose(b *testing.B) {
	rt, unit := twoArms(500), "0190b1a2c3d4e5f60718293a4b5c6d7e"
	b.ReportAllocs()
	for b.Loop() {
		route.Choose(rt, route.Bucket("digits/digits-v2", unit))
	}
}

func lookups() (func(string) (fairlead.Version, bool), func(string) (fairlead.TargetSpec, bool)) {
	return func(ref string) (fairlead.Version, bool) {
			v := fairlead.Version{Meta: fairlead.Meta{Name: ref}}
			v.Spec.Artifact.Digest = "sha256:" + ref
			return v, ref == "digits@1" || ref == "digits@2"
		}, func(name string) (fairlead.TargetSpec, bool) {
			return fairlead.TargetSpec{Runtime: "remote", URL: "http://gpu"}, name == "gpu"
		}
}

func endpoint() fairlead.Endpoint {
	e := fairlead.Endpoint{Meta: fairlead.Meta{Name: "digits"}}
	e.Spec.Initial = "digits@1"
	return e
}

func moving(p fairlead.Phase, weight, mirror fairlead.Weight) *fairlead.Release {
	r := &fairlead.Release{Meta: fairlead.Meta{Name: "v2"}}
	r.Status = fairlead.ReleaseStatus{Phase: p, Candidate: "digits@2", Weight: weight, Mirror: mirror, Attempt: 2, Step: 3}
	return r
}

func TestCompile(t *testing.T) {
	version, target := lookups()
	wire := fairlead.Tripwire{Arm: fairlead.Candidate, Ratio: 1, LogLine: 3}
	rest := []fairlead.Weight{10000}
	for _, c := range []struct {
		name    string
		r       *fairlead.Release
		weights []fairlead.Weight
		mirror  fairlead.Weight
		stratum fairlead.Stratum
		salt    string
	}{
		{"rest", nil, rest, 0, fairlead.Stratum{}, "digits"},
		{"pending", moving(fairlead.Pending, 0, 0), rest, 0, fairlead.Stratum{}, "digits"},
		{"warm", moving(fairlead.Progressing, 0, 0), []fairlead.Weight{10000, 0}, 0, fairlead.Stratum{Release: "v2", Attempt: 2, Step: 3}, "digits/v2"},
		{"mirror", moving(fairlead.Progressing, 0, 2500), []fairlead.Weight{10000, 0}, 2500, fairlead.Stratum{Release: "v2", Attempt: 2, Step: 3}, "digits/v2"},
		{"weight", moving(fairlead.Progressing, 1, 0), []fairlead.Weight{9999, 1}, 0, fairlead.Stratum{Release: "v2", Attempt: 2, Step: 3}, "digits/v2"},
		{"paused", moving(fairlead.Paused, 500, 0), []fairlead.Weight{9500, 500}, 0, fairlead.Stratum{Release: "v2", Attempt: 2, Step: 3}, "digits/v2"},
		{"guard", moving(fairlead.Guarding, 10000, 0), []fairlead.Weight{0, 10000}, 0, fairlead.Stratum{Release: "v2", Attempt: 2, Step: 3}, "digits/v2"},
		{"rolling back", moving(fairlead.RollingBack, 5000, 5000), rest, 0, fairlead.Stratum{}, "digits"},
		{"degraded", moving(fairlead.Degraded, 5000, 0), rest, 0, fairlead.Stratum{}, "digits"},
		{"healthy", moving(fairlead.Healthy, 10000, 0), rest, 0, fairlead.Stratum{}, "digits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt, err := route.Compile(endpoint(), c.r, version, target, wire)
			if err != nil {
				t.Fatal(err)
			}
			var weights []fairlead.Weight
			var sum, mirror fairlead.Weight
			for _, a := range rt.Arms {
				weights = append(weights, a.Weight)
				sum += a.Weight
				mirror += a.Mirror
			}
			if d := cmp.Diff(c.weights, weights); d != "" || sum != fairlead.FullWeight || mirror != c.mirror {
				t.Errorf("weights %v (sum %v) mirror %v: %s", weights, sum, mirror, d)
			}
			if rt.Stratum != c.stratum || rt.Salt != c.salt {
				t.Errorf("stratum %v salt %q", rt.Stratum, rt.Salt)
			}
			if (len(rt.Tripwires) == 1) != (len(rt.Arms) == 2) {
				t.Errorf("%d tripwires for %d arms", len(rt.Tripwires), len(rt.Arms))
			}
			if rt.Limits != (fairlead.Limits{Body: fairlead.DefaultBody, Timeout: fairlead.DefaultTimeout, Concurrency: fairlead.DefaultConcurrency}) {
				t.Errorf("limits %+v", rt.Limits)
			}
			if a := rt.Arms[0]; a.Version != "digits@1" || a.Target != "local" || a.Place.Runtime != "inproc" || a.Artifact.Digest == "" {
				t.Errorf("incumbent %+v", a)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	version, target := lookups()
	lost := moving(fairlead.Progressing, 100, 0)
	lost.Status.Candidate = "digits@9"
	nowhere := endpoint()
	nowhere.Spec.Target = "moon"
	gone := endpoint()
	gone.Status.Version = "digits@0"
	for _, c := range []struct {
		name string
		e    fairlead.Endpoint
		r    *fairlead.Release
		code fairlead.Code
	}{
		{"candidate's version", endpoint(), lost, fairlead.NotFound},
		{"incumbent's version", gone, nil, fairlead.NotFound},
		{"target", nowhere, nil, fairlead.NotFound},
		{"weight over 100%", endpoint(), moving(fairlead.Progressing, 10001, 0), fairlead.Invalid},
		{"mirror below 0%", endpoint(), moving(fairlead.Progressing, 0, -1), fairlead.Invalid},
	} {
		if rt, err := route.Compile(c.e, c.r, version, target); fairlead.CodeOf(err) != c.code || len(rt.Arms) != 0 {
			t.Errorf("%s: %v, route %+v", c.name, err, rt)
		}
	}
	remote := endpoint()
	remote.Spec.Target = "gpu"
	if rt, err := route.Compile(remote, nil, version, target); err != nil || rt.Arms[0].Place.URL != "http://gpu" {
		t.Errorf("remote target: %v %+v", err, rt)
	}
}
