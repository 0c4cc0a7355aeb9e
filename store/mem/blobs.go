package mem

import (
	"bytes"
	"context"
	"io"
	"sync"

	"fairlead.dev"
	"fairlead.dev/store"
)

// Blobs is a store.Blobs. The zero value is empty and ready.
type Blobs struct {
	mu    sync.Mutex
	bytes map[string][]byte // by digest; guarded by mu, the slices never change
}

// NewBlobs gives an empty one.
func NewBlobs() *Blobs { return &Blobs{} }

// Put is store.Blobs.Put.
func (b *Blobs) Put(ctx context.Context, r io.Reader, want string, max int64) (string, int64, error) {
	var buf bytes.Buffer
	digest, size, err := store.Receive(ctx, &buf, r, want, max)
	if err != nil {
		return "", 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes == nil {
		b.bytes = map[string][]byte{}
	}
	b.bytes[digest] = buf.Bytes()
	return digest, size, nil
}

// Open is store.Blobs.Open.
func (b *Blobs) Open(ctx context.Context, digest string) (io.ReadCloser, int64, error) {
	if err := store.Ended(ctx); err != nil {
		return nil, 0, err
	}
	if _, err := store.SplitDigest(digest); err != nil {
		return nil, 0, err
	}
	b.mu.Lock()
	data, ok := b.bytes[digest]
	b.mu.Unlock()
	if !ok {
		return nil, 0, fairlead.Errorf(fairlead.NotFound, "there is no artifact %s", digest)
	}
	size := int64(len(data))
	return store.Verified(io.NopCloser(bytes.NewReader(data)), digest, size, "memory"), size, nil
}

// Has is store.Blobs.Has.
func (b *Blobs) Has(ctx context.Context, digest string) (bool, error) {
	if err := store.Ended(ctx); err != nil {
		return false, err
	}
	if _, err := store.SplitDigest(digest); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.bytes[digest]
	return ok, nil
}
