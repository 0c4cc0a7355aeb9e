package sim

import "encoding/json"

// edit changes a stored document, as a bug in its writer would.
func edit[T any](data []byte, change func(*T)) []byte {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		panic(err)
	}
	change(&v)
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}
