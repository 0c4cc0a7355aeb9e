package inproc

import (
	"fmt"
	"math"
)

func parseAttribute(b []byte, where string) (attribute, error) {
	var a attribute
	err := each(b, where+" attribute", func(x field) (err error) {
		var m []byte
		switch x.num {
		case 1:
			a.name, err = x.name(where)
		case 2:
			a.f = math.Float32frombits(uint32(x.value))
		case 3:
			a.i = int64(x.value)
		case 4:
			a.s, err = x.message()
		case 5:
			if a.t != nil {
				return invalid("%s: attribute %q has two tensors", where, a.name)
			}
			if m, err = x.message(); err == nil {
				a.t, _, err = parseTensor(m, where+" attribute "+a.name)
			}
		case 6, 11:
			a.kind = attrGraph
		case 7:
			a.floats, err = x.floats(a.floats)
		case 8:
			a.ints, err = x.ints(a.ints)
		case 9:
			if m, err = x.message(); err == nil {
				a.strings = append(a.strings, m)
			}
		case 20:
			if a.kind == 0 {
				a.kind = int(min(x.value, 100))
			}
		case 21:
			return unsupported("%s: an attribute that refers to a function's", where)
		}
		return err
	})
	return a, err
}

func parseValueInfo(b []byte) (valueInfo, error) {
	var v valueInfo
	err := each(b, "value_info", func(x field) (err error) {
		switch x.num {
		case 1:
			v.name, err = x.name("value_info")
		case 2:
			var m []byte
			if m, err = x.message(); err != nil {
				return err
			}
			return each(m, "type", func(x field) error {
				switch x.num {
				case 1:
					m, err := x.message()
					if err != nil {
						return err
					}
					return v.parseTensorType(m)
				case 4:
					v.seq = true
				}
				return nil
			})
		}
		return err
	})
	return v, err
}

func (v *valueInfo) parseTensorType(b []byte) error {
	return each(b, "tensor type", func(x field) error {
		switch x.num {
		case 1:
			if x.value == 0 {
				return nil
			}
			dt, err := onnxType(x.value)
			if err != nil {
				return fmt.Errorf("%w (of %q)", err, v.name)
			}
			v.dt = dt
		case 2:
			v.sized = true
			m, err := x.message()
			if err != nil {
				return err
			}
			return each(m, "shape", func(x field) error {
				m, err := x.message()
				if err != nil {
					return err
				}
				if len(v.shape) >= maxRank {
					return unsupported("%q has more than %d dimensions", v.name, maxRank)
				}
				d := int64(-1)
				err = each(m, "dimension", func(x field) error {
					if x.num == 1 {
						d = int64(x.value)
					}
					return nil
				})
				if d < 1 || d > maxElements {
					d = -1 // 0 and negative sizes are how some exporters write "free"
				}
				v.shape = append(v.shape, d)
				return err
			})
		}
		return nil
	})
}
