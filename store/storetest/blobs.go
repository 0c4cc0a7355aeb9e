package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"fairlead.dev"
	"fairlead.dev/store"
)

// RunBlobs examines the blobs that open gives: a fresh, empty one each time.
func RunBlobs(t *testing.T, open func(t *testing.T) store.Blobs) {
	cases := []struct {
		name string
		f    func(t *testing.T, b store.Blobs)
	}{
		{"what is put can be read", blobRoundTrip},
		{"the wanted digest is checked", blobWanted},
		{"the limit is kept", blobLimit},
		{"a reader that fails stores nothing", blobFailing},
		{"a digest is in the one form", blobDigests},
		{"the same bytes from many at once", blobConcurrent},
		{"an ended context is respected", blobEnded},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.f(t, open(t)) })
	}
}

func digestOf(data []byte) string { return store.Digest(sha256.Sum256(data)) }

// ReadBlob reads a blob to its end.
func ReadBlob(t *testing.T, b store.Blobs, digest string) ([]byte, error) {
	t.Helper()
	r, size, err := b.Open(t.Context(), digest)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Errorf("closing %s: %v", digest, err)
		}
	}()
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) != size {
		t.Errorf("%s has %d bytes, Open said %d", digest, len(data), size)
	}
	return data, err
}

func absent(t *testing.T, b store.Blobs, digest string) {
	t.Helper()
	if has, err := b.Has(t.Context(), digest); has || err != nil {
		t.Errorf("Has(%s) = %v, %v; want false", digest, has, err)
	}
	_, _, err := b.Open(t.Context(), digest)
	wantCode(t, err, fairlead.NotFound)
}

func blobRoundTrip(t *testing.T, b store.Blobs) {
	for _, size := range []int{0, 1, 511, 32 << 10, 1<<20 + 7} {
		data := bytes.Repeat([]byte{byte(size), 1, 2}, size/3+1)[:size]
		want := digestOf(data)
		absent(t, b, want)
		for range 2 { // again is harmless
			digest, n, err := b.Put(t.Context(), iotest.HalfReader(bytes.NewReader(data)), "", 1<<30)
			if err != nil || digest != want || n != int64(size) {
				t.Fatalf("Put of %d bytes: %s, %d, %v; want %s", size, digest, n, err, want)
			}
		}
		if has, err := b.Has(t.Context(), want); !has || err != nil {
			t.Fatalf("Has: %v, %v", has, err)
		}
		got, err := ReadBlob(t, b, want)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back as %d (%v)", size, len(got), err)
		}
		r, _, err := b.Open(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, data); err != nil {
			t.Error(err)
		}
		_ = r.Close()
	}
}

func blobWanted(t *testing.T, b store.Blobs) {
	data := []byte("model")
	want := digestOf(data)
	if _, _, err := b.Put(t.Context(), bytes.NewReader(data), want, 100); err != nil {
		t.Fatal(err)
	}
	other := []byte("another model")
	_, _, err := b.Put(t.Context(), bytes.NewReader(other), want, 100)
	wantCode(t, err, fairlead.Corrupt)
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), digestOf(other)) {
		t.Errorf("the error does not name both digests: %v", err)
	}
	absent(t, b, digestOf(other))
	if got, err := ReadBlob(t, b, want); err != nil || string(got) != "model" {
		t.Errorf("the first blob suffered: %q, %v", got, err)
	}
}

func blobLimit(t *testing.T, b store.Blobs) {
	data := bytes.Repeat([]byte("x"), 1000)
	_, _, err := b.Put(t.Context(), bytes.NewReader(data), "", 999)
	wantCode(t, err, fairlead.TooLarge)
	absent(t, b, digestOf(data))
	absent(t, b, digestOf(data[:999]))
	if _, n, err := b.Put(t.Context(), bytes.NewReader(data), "", 1000); err != nil || n != 1000 {
		t.Errorf("exactly the limit: %d, %v", n, err)
	}
	_, _, err = b.Put(t.Context(), bytes.NewReader(data), "", 0)
	wantCode(t, err, fairlead.TooLarge)
}

func blobFailing(t *testing.T, b store.Blobs) {
	broken := errors.New("the line is dead")
	r := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
	if _, _, err := b.Put(t.Context(), r, "", 100); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	absent(t, b, digestOf([]byte("half")))
	exact := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
	if _, _, err := b.Put(t.Context(), exact, "", 4); !errors.Is(err, broken) {
		t.Errorf("at the limit: got %v", err)
	}
}

func blobDigests(t *testing.T, b store.Blobs) {
	good := digestOf([]byte("x"))
	for _, bad := range []string{"", "x", "sha256:", "sha256:../../etc/passwd", strings.ToUpper(good), good + "0", good[:len(good)-1],
		strings.TrimPrefix(good, "sha256:"), "md5:" + good[7:], good[:70] + "g"} {
		if _, _, err := b.Open(t.Context(), bad); fairlead.CodeOf(err) != fairlead.Invalid {
			t.Errorf("Open(%q): %v", bad, err)
		}
		if _, err := b.Has(t.Context(), bad); fairlead.CodeOf(err) != fairlead.Invalid {
			t.Errorf("Has(%q): %v", bad, err)
		}
		if _, _, err := b.Put(t.Context(), strings.NewReader("x"), bad, 100); bad != "" && fairlead.CodeOf(err) != fairlead.Invalid {
			t.Errorf("Put(want %q): %v", bad, err)
		}
	}
}

func blobConcurrent(t *testing.T, b store.Blobs) {
	data := bytes.Repeat([]byte("same"), 10000)
	want := digestOf(data)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, _, err := b.Put(context.Background(), bytes.NewReader(data), want, 1<<20); err != nil {
				t.Error(err)
			}
			r, _, err := b.Open(context.Background(), want)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

func blobEnded(t *testing.T, b store.Blobs) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := b.Put(ctx, strings.NewReader("x"), "", 10)
	wantCode(t, err, fairlead.Unavailable)
	_, _, err = b.Open(ctx, digestOf([]byte("x")))
	wantCode(t, err, fairlead.Unavailable)
	_, err = b.Has(ctx, digestOf([]byte("x")))
	wantCode(t, err, fairlead.Unavailable)
	absent(t, b, digestOf([]byte("x")))
}
