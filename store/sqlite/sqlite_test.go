package sqlite_test

import (
	"path/filepath"
	"testing"

	"fairlead.dev/store"
	"fairlead.dev/store/sqlite"
	"fairlead.dev/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
