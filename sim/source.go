package sim

import (
	"bytes"
	"context"
	"io"

	"fairlead.dev"
	"fairlead.dev/store"
)

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// source opens a one-file artifact in a blob store.
type source struct {
	blobs    store.Blobs
	artifact fairlead.Artifact
}

func (s source) Artifact() fairlead.Artifact { return s.artifact }

func (s source) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	if path != "" {
		return nil, fairlead.Errorf(fairlead.NotFound, "the artifact is one file; there is no %q in it", path)
	}
	r, _, err := s.blobs.Open(ctx, s.artifact.Digest)
	return r, err
}
