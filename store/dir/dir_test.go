package dir_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"fairlead.dev"
	"fairlead.dev/store"
	"fairlead.dev/store/dir"
	"fairlead.dev/store/storetest"
)

func open(t *testing.T, root string) store.Blobs {
	t.Helper()
	b, err := dir.New(root)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlobs(t *testing.T) {
	storetest.RunBlobs(t, func(t *testing.T) store.Blobs { return open(t, filepath.Join(t.TempDir(), "not", "yet", "there")) })
}

// files lists all files under root, relative to it.
func files(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func put(t *testing.T, b store.Blobs, data string) string {
	t.Helper()
	digest, _, err := b.Put(t.Context(), strings.NewReader(data), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestLayoutAndReopening(t *testing.T) {
	root := t.TempDir()
	digest := put(t, open(t, root), "hello")
	want := "sha256/2c/f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	if got := files(t, root); len(got) != 1 || got[0] != want {
		t.Fatalf("files %v, want %s", got, want)
	}
	if got, err := storetest.ReadBlob(t, open(t, root), digest); err != nil || string(got) != "hello" {
		t.Errorf("after reopening: %q, %v", got, err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	root := t.TempDir()
	b := open(t, root)
	broken := errors.New("broken")
	if _, _, err := b.Put(t.Context(), io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), "", 10); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	_, _, _ = b.Put(t.Context(), strings.NewReader("too long"), "", 3)
	_, _, _ = b.Put(t.Context(), strings.NewReader("x"), "sha256:"+strings.Repeat("0", 64), 10)
	if got := files(t, root); len(got) != 0 {
		t.Errorf("failed puts left %v", got)
	}
	// A crash does; the next start cleans up.
	if err := os.WriteFile(filepath.Join(root, "tmp", "blob-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if got := files(t, root); len(got) != 0 {
		t.Errorf("New left %v", got)
	}
}

func TestDamageIsFound(t *testing.T) {
	text := strings.Repeat("the weights of a model ", 10_000)
	for _, c := range []struct {
		name   string
		damage func(path string) error
	}{
		{"a bit flipped in the middle", func(p string) error { return flip(p, int64(len(text)/2)) }},
		{"the last bit flipped", func(p string) error { return flip(p, int64(len(text)-1)) }},
		{"cut off", func(p string) error { return os.Truncate(p, int64(len(text)-1)) }},
		{"emptied", func(p string) error { return os.Truncate(p, 0) }},
		{"longer", func(p string) error { return os.WriteFile(p, []byte(text+"x"), 0o600) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			b := open(t, root)
			digest := put(t, b, text)
			path := filepath.Join(root, files(t, root)[0])
			if err := c.damage(path); err != nil {
				t.Fatal(err)
			}
			_, err := storetest.ReadBlob(t, b, digest)
			if fairlead.CodeOf(err) != fairlead.Corrupt || !strings.Contains(err.Error(), digest) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want code corrupt, the digest and %s", err, path)
			}
			// A reader that takes as many bytes as Open said, and no more, is
			// told too.
			r, size, err := b.Open(t.Context(), digest)
			if err != nil {
				t.Fatal(err)
			}
			if size > 0 {
				if _, err := io.ReadFull(r, make([]byte, size)); fairlead.CodeOf(err) != fairlead.Corrupt {
					t.Errorf("ReadFull: %v", err)
				}
			}
			_ = r.Close()
			// Putting it again mends it.
			put(t, b, text)
			if got, err := storetest.ReadBlob(t, b, digest); err != nil || string(got) != text {
				t.Errorf("it was not mended: %v", err)
			}
		})
	}
}

func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	return err
}

func TestUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.New(file); fairlead.CodeOf(err) != fairlead.Unavailable || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
