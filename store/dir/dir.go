// Package dir keeps artifacts in a folder, each under its digest:
//
//	sha256/ab/cdef…   the bytes; the first two digits are a folder
//	tmp/              what is being received
//
// A blob appears by a rename once it is on disk whole, so a crash leaves at
// most a file in tmp, which the next New removes. Bytes are checked against
// their digest each time they are read. Begin with New.
package dir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead.dev"
	"fairlead.dev/store"
)

// Blobs is a store.Blobs. Make it with New.
type Blobs struct{ root string }

// Only the owner reads models: they may be confidential.
const dirMode = 0o700

// New uses the folder, making it when it does not exist. One process at a time
// may use it.
func New(root string) (*Blobs, error) {
	b := &Blobs{root: root}
	if err := os.RemoveAll(b.tmp()); err != nil {
		return nil, b.fail("prepared", err)
	}
	for _, d := range []string{b.tmp(), filepath.Join(root, "sha256")} {
		if err := os.MkdirAll(d, dirMode); err != nil {
			return nil, b.fail("prepared", err)
		}
	}
	return b, b.fail("prepared", sync(root))
}

func (b *Blobs) tmp() string { return filepath.Join(b.root, "tmp") }

// path is where a digest's bytes are; the digest's form makes it safe.
func (b *Blobs) path(digest string) (string, error) {
	digits, err := store.SplitDigest(digest)
	if err != nil {
		return "", err
	}
	return filepath.Join(b.root, "sha256", digits[:2], digits[2:]), nil
}

// Put is store.Blobs.Put. A blob that is there already is replaced by the same
// bytes, which mends a damaged one.
func (b *Blobs) Put(ctx context.Context, r io.Reader, want string, max int64) (digest string, size int64, err error) {
	f, err := os.CreateTemp(b.tmp(), "blob-") // mode 0600
	if err != nil {
		return "", 0, b.fail("written", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // best effort; New removes what stays
		}
	}()
	digest, size, err = store.Receive(ctx, f, r, want, max)
	if err == nil {
		err = b.fail("written", f.Sync())
	}
	if cerr := f.Close(); err == nil {
		err = b.fail("written", cerr)
	}
	if err == nil {
		err = b.fail("written", b.settle(f.Name(), digest))
	}
	if err != nil {
		return "", 0, b.fail("written", err)
	}
	return digest, size, nil
}

// settle moves a received file to its place and makes the move durable.
func (b *Blobs) settle(tmp, digest string) error {
	path, err := b.path(digest)
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	switch err := os.Mkdir(folder, dirMode); {
	case err == nil:
		if err := sync(filepath.Dir(folder)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return sync(folder)
}

// sync makes a folder's entries durable.
func sync(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open is store.Blobs.Open.
func (b *Blobs) Open(ctx context.Context, digest string) (io.ReadCloser, int64, error) {
	if err := store.Ended(ctx); err != nil {
		return nil, 0, err
	}
	path, err := b.path(digest)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fairlead.Errorf(fairlead.NotFound, "there is no artifact %s in %s", digest, b.root)
	}
	if err != nil {
		return nil, 0, b.fail("read", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, b.fail("read", errors.Join(err, f.Close()))
	}
	return store.Verified(f, digest, info.Size(), path), info.Size(), nil
}

// Has is store.Blobs.Has. It looks whether the file is there, not into it.
func (b *Blobs) Has(ctx context.Context, digest string) (bool, error) {
	if err := store.Ended(ctx); err != nil {
		return false, err
	}
	path, err := b.path(digest)
	if err != nil {
		return false, err
	}
	switch _, err := os.Stat(path); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, b.fail("read", err)
	}
}

// fail says which folder could not be used. Our own errors pass, and so do the
// sender's, which have nothing to do with the folder.
func (b *Blobs) fail(what string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) || errors.As(err, &link) {
		return fairlead.Errorf(fairlead.Unavailable, "the artifacts in %s could not be %s: %w", b.root, what, err)
	}
	return err
}
