package op

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"fairlead.dev"
	"fairlead.dev/runtime"
	"fairlead.dev/store"
)

var digestRE = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ValidDigest reports whether s is spelled like a blob's digest.
func ValidDigest(s string) bool { return digestRE.MatchString(s) }

// artifactOf names the uploaded bytes; a folder's list of files becomes a blob
// of its own. Everything it names must have been uploaded.
func artifactOf(ctx context.Context, d *Deps, in VersionIn) (fairlead.Artifact, error) {
	art := fairlead.Artifact{Digest: in.Digest, Format: in.Format}
	var faults []fairlead.Fault
	has := func(path, digest string) (size int64, err error) {
		if !ValidDigest(digest) {
			faults = append(faults, fairlead.Fault{Path: path, Message: "not a digest", Want: "sha256: and 64 hex digits", Got: fmt.Sprintf("%.80q", digest)})
			return 0, nil
		}
		r, size, err := d.Blobs.Open(ctx, digest)
		if fairlead.CodeOf(err) == fairlead.NotFound {
			faults = append(faults, fairlead.Fault{Path: path, Message: "not uploaded", Got: digest})
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return size, r.Close()
	}
	if in.Digest != "" {
		size, err := has("/digest", in.Digest)
		if err != nil {
			return art, err
		}
		art.Size = size
		return art, fairlead.Faulty("the artifact is not there", faults)
	}
	files := slices.Clone(in.Files)
	slices.SortFunc(files, func(a, b fairlead.ArtifactFile) int { return strings.Compare(a.Path, b.Path) })
	for i := range files {
		f := &files[i]
		at := fmt.Sprintf("/files/%d", i)
		if !cleanPath(f.Path) {
			faults = append(faults, fairlead.Fault{Path: at + "/path", Message: "not a path inside the folder", Want: "relative, slash-separated, without . or ..", Got: fmt.Sprintf("%.120q", f.Path)})
		}
		if i > 0 && files[i-1].Path == f.Path {
			faults = append(faults, fairlead.Fault{Path: at + "/path", Message: "given twice", Got: fmt.Sprintf("%.120q", f.Path)})
		}
		size, err := has(at+"/digest", f.Digest)
		if err != nil {
			return art, err
		}
		f.Size = size
		art.Size += size
		if len(faults) >= 20 {
			break
		}
	}
	if err := fairlead.Faulty("the artifact is not there", faults); err != nil {
		return art, err
	}
	list, err := json.Marshal(files)
	if err != nil {
		return art, err
	}
	art.Files = files
	art.Digest, _, err = d.Blobs.Put(ctx, bytes.NewReader(list), "", int64(len(list)))
	return art, err
}

func cleanPath(p string) bool {
	return p != "" && path.Clean(p) == p && !path.IsAbs(p) && p != "." && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\\x00\n\r")
}

// examine lets the runtime of the artifact's format read it.
func examine(ctx context.Context, d *Deps, art fairlead.Artifact, in VersionIn) (runtime.Signature, fairlead.Artifact, error) {
	known := formatsOf(d)
	if art.Format == "" {
		guess, err := sniff(ctx, d, art, in.File)
		if err != nil {
			return runtime.Signature{}, art, err
		}
		if guess == "" || !slices.Contains(known, guess) {
			return runtime.Signature{}, art, &fairlead.Error{Code: fairlead.Invalid, Message: "the artifact's format cannot be told from its bytes",
				Faults: []fairlead.Fault{{Path: "/format", Message: "missing", Want: "the artifact's format", Known: known}}}
		}
		art.Format = guess
	}
	for _, r := range d.Runtimes {
		if !slices.Contains(r.Formats(), art.Format) {
			continue
		}
		sig, err := r.Check(ctx, Artifacts(d.Blobs, art))
		var e *fairlead.Error
		if errors.As(err, &e) && e.Code != fairlead.Internal {
			told := *e // the same refusal, saying of what
			told.Message = fmt.Sprintf("%s cannot be registered as %s: %s", in.Name, art.Format, e.Message)
			return sig, art, &told
		}
		return sig, art, err
	}
	return runtime.Signature{}, art, &fairlead.Error{Code: fairlead.Invalid, Message: "no runtime here loads the format " + art.Format,
		Faults: []fairlead.Fault{{Path: "/format", Message: "unknown format", Got: fmt.Sprintf("%.63q", art.Format), Known: known}}}
}

// sniff guesses a format from the first bytes, then from the file's name.
func sniff(ctx context.Context, d *Deps, art fairlead.Artifact, name string) (string, error) {
	src := Artifacts(d.Blobs, art)
	file := ""
	if len(art.Files) > 0 {
		for _, f := range art.Files { // the one whose name tells
			if byName(f.Path) != "" {
				file, name = f.Path, f.Path
				break
			}
		}
		if file == "" {
			return "", nil
		}
	}
	r, err := src.Open(ctx, file)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	head = bytes.TrimLeft(head[:n], " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("tree\nversion=")), bytes.HasPrefix(head, []byte("tree\r\nversion=")):
		return "lightgbm-text", nil
	case bytes.HasPrefix(head, []byte("{")) && (bytes.Contains(head, []byte(`"learner"`)) || byName(name) == "xgboost-json"):
		return "xgboost-json", nil
	case bytes.HasPrefix(head, []byte{0x08}): // ModelProto begins with ir_version
		return "onnx", nil
	}
	return byName(name), nil
}

func byName(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".onnx":
		return "onnx"
	case ".json", ".xgb":
		return "xgboost-json"
	}
	return ""
}

// Artifacts opens an artifact's files from the blob store.
func Artifacts(blobs store.Blobs, art fairlead.Artifact) runtime.Source { return source{blobs, art} }

type source struct {
	blobs store.Blobs
	art   fairlead.Artifact
}

func (s source) Artifact() fairlead.Artifact { return s.art }

func (s source) Open(ctx context.Context, p string) (io.ReadCloser, error) {
	if p == "" && len(s.art.Files) == 0 {
		r, _, err := s.blobs.Open(ctx, s.art.Digest)
		return r, err
	}
	var known []string
	for _, f := range s.art.Files {
		if f.Path == p {
			r, _, err := s.blobs.Open(ctx, f.Digest)
			return r, err
		}
		known = append(known, f.Path)
	}
	return nil, fairlead.Errorf(fairlead.NotFound, "the artifact has no file %q; it has %s", p, list(known, "one file without a name"))
}
