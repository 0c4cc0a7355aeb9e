package mem_test

import (
	"testing"

	"go.uber.org/goleak"

	"fairlead.dev/store"
	"fairlead.dev/store/mem"
	"fairlead.dev/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return mem.New() })
}

func TestBlobs(t *testing.T) {
	storetest.RunBlobs(t, func(t *testing.T) store.Blobs { return mem.NewBlobs() })
}
