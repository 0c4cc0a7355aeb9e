package inproc

import (
	"fmt"
	"math"
)

// makeLabelEncoder maps keys to values; before version 2 it mapped strings to
// their place in classes_strings and back.
func makeLabelEncoder(b *build) (kernel, error) {
	if b.version < 2 {
		return oldLabelEncoder(b)
	}
	keys, err := oneList(b, "keys_")
	if err != nil {
		return nil, err
	}
	values, err := oneList(b, "values_")
	if err != nil {
		return nil, err
	}
	if keys.count() != values.count() {
		return nil, fmt.Errorf("%d keys for %d values", keys.count(), values.count())
	}
	def := &tensor{}
	if t := b.tensor("default_tensor"); t != nil {
		def = t
	} else {
		s, i, f := b.str("default_string", "_Unused"), b.int("default_int64", -1), b.float("default_float", float32(math.Copysign(0, -1)))
		switch values.dt {
		case str:
			def = &tensor{dt: str, view: storage{s: [][]byte{[]byte(s)}}}
		case i64:
			def = &tensor{dt: i64, view: storage{i64: []int64{int64(i)}}}
		case f32:
			def = &tensor{dt: f32, view: storage{f32: []float32{f}}}
		}
	}
	if def.dt != values.dt || def.count() != 1 {
		return nil, fmt.Errorf("a default of type %s for values of type %s", def.dt, values.dt)
	}
	for _, name := range []string{"default_string", "default_int64", "default_float"} {
		for i := range b.node.attrs { // those of the other types say nothing
			b.node.attrs[i].used = b.node.attrs[i].used || b.node.attrs[i].name == name
		}
	}
	find := index(keys, b.version >= 4)
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if x.dt != keys.dt {
			return fmt.Errorf("an input of type %s for keys of type %s", x.dt, keys.dt)
		}
		if err := out[0].alloc(c, values.dt, x.shape...); err != nil {
			return err
		}
		if err := c.spend(4 * x.count()); err != nil {
			return err
		}
		for i := range x.count() {
			if k := find(x, i); k >= 0 {
				move(out[0], i, values, k, 1)
			} else {
				move(out[0], i, def, 0, 1)
			}
		}
		return nil
	}, nil
}

func oldLabelEncoder(b *build) (kernel, error) {
	list := b.strings("classes_strings")
	def, defInt := []byte(b.str("default_string", "_Unused")), int64(b.int("default_int64", -1))
	find := index(&tensor{dt: str, shape: []int{len(list)}, view: storage{s: list}}, false)
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		to := i64
		if x.dt == i64 {
			to = str
		} else if x.dt != str {
			return badType(x.dt)
		}
		if err := out[0].alloc(c, to, x.shape...); err != nil {
			return err
		}
		for i := range x.count() {
			if to == i64 {
				out[0].view.i64[i] = defInt
				if k := find(x, i); k >= 0 {
					out[0].view.i64[i] = int64(k)
				}
				continue
			}
			out[0].view.s[i] = def
			if k := x.view.i64[i]; k >= 0 && k < int64(len(list)) {
				out[0].view.s[i] = list[k]
			}
		}
		return c.spend(4 * x.count())
	}, nil
}

// oneList reads whichever of prefix+strings, int64s, floats, tensor is given.
func oneList(b *build, prefix string) (*tensor, error) {
	var found []*tensor
	if s := b.strings(prefix + "strings"); s != nil {
		found = append(found, &tensor{dt: str, shape: []int{len(s)}, view: storage{s: s}})
	}
	if a := b.attr(prefix+"int64s", attrInts); a != nil {
		found = append(found, &tensor{dt: i64, shape: []int{len(a.ints)}, view: storage{i64: a.ints}})
	}
	if f := b.floats(prefix + "floats"); f != nil {
		found = append(found, &tensor{dt: f32, shape: []int{len(f)}, view: storage{f32: f}})
	}
	if t := b.tensor(prefix + "tensor"); t != nil {
		found = append(found, t)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("it needs one list of %s", prefix)
	}
	switch found[0].dt {
	case str, i64, f32, f64:
		return found[0], nil
	}
	return nil, fmt.Errorf("%s of type %s", prefix, found[0].dt)
}

// index finds an element of a tensor in a list; -1 if it is not there. nans
// says whether NaN is equal to itself.
func index(list *tensor, nans bool) func(x *tensor, i int) int {
	n := list.count()
	if list.dt == str {
		at := make(map[string]int, n)
		for k := n - 1; k >= 0; k-- {
			at[string(list.view.s[k])] = k
		}
		return func(x *tensor, i int) int {
			if k, ok := at[string(x.view.s[i])]; ok {
				return k
			}
			return -1
		}
	}
	if list.dt == i64 {
		at := make(map[int64]int, n)
		for k := n - 1; k >= 0; k-- {
			at[list.view.i64[k]] = k
		}
		return func(x *tensor, i int) int {
			if k, ok := at[x.view.i64[i]]; ok {
				return k
			}
			return -1
		}
	}
	at, nan := make(map[float64]int, n), -1
	for k := n - 1; k >= 0; k-- {
		v := list.float(k)
		if math.IsNaN(v) {
			if nans {
				nan = k
			}
		} else {
			at[v] = k
		}
	}
	return func(x *tensor, i int) int {
		v := x.float(i)
		if math.IsNaN(v) {
			return nan
		}
		if k, ok := at[v]; ok {
			return k
		}
		return -1
	}
}

func makeOneHotEncoder(b *build) (kernel, error) {
	list := &tensor{}
	if s := b.strings("cats_strings"); len(s) > 0 {
		list = &tensor{dt: str, shape: []int{len(s)}, view: storage{s: s}}
	}
	if a := b.attr("cats_int64s", attrInts); a != nil && len(a.ints) > 0 {
		if list.dt != 0 {
			return nil, fmt.Errorf("it has categories of two kinds")
		}
		list = &tensor{dt: i64, shape: []int{len(a.ints)}, view: storage{i64: a.ints}}
	}
	if list.dt == 0 {
		return nil, fmt.Errorf("it has no categories")
	}
	zeros := b.flag("zeros", true)
	find, n := index(list, false), list.count()
	return func(c *call, in, out []*tensor) error {
		x := in[0]
		if (x.dt == str) != (list.dt == str) || x.dt == boolean {
			return fmt.Errorf("an input of type %s for categories of type %s", x.dt, list.dt)
		}
		var shape dims
		if x.rank() >= maxRank {
			return fmt.Errorf("more than %d dimensions", maxRank)
		}
		copy(shape[:], x.shape)
		shape[x.rank()] = n
		if err := out[0].alloc(c, f32, shape[:x.rank()+1]...); err != nil {
			return err
		}
		out[0].zero()
		if err := c.spend(out[0].count()); err != nil {
			return err
		}
		one := &tensor{dt: i64, view: storage{i64: []int64{0}}}
		for i := range x.count() {
			k := -1
			if x.dt == str || x.dt == i64 {
				k = find(x, i)
			} else {
				one.view.i64[0] = int64(x.float(i)) // floats name integer categories
				k = find(one, 0)
			}
			switch {
			case k >= 0:
				out[0].view.f32[i*n+k] = 1
			case !zeros:
				return dataError{fmt.Sprintf("element %d is in no category", i)}
			}
		}
		return nil
	}, nil
}
