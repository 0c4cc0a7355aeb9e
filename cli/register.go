package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fairlead.dev"
	"fairlead.dev/internal/strict"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (p *program) registerCmd() *cobra.Command {
	var in op.VersionIn
	var metrics, params, labels []string
	var trained, card string
	c := &cobra.Command{
		Use: "register MODEL@VERSION PATH", Short: "Upload a file or folder as a version of a model", Args: exactly("MODEL@VERSION", "PATH"),
		Long: `Uploads a model file, or a folder of files, and registers it. The artifact is read
as a runtime would load it, so one that cannot run is refused now. What the
server has already is not sent again. A version never changes: registering the
same again is fine, other content under the same name is refused.`,
		Example: `  fairlead register digits@1 digits-1.onnx
  fairlead register digits@2 digits-2.onnx --metric accuracy=0.97 --data s3://lake/digits/v3 --code github.com/acme/digits@4f1c2d --param depth=6 --card card.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			if _, _, ok := fairlead.SplitRef(in.Name); !ok {
				return usagef("%q is not a version's name; expected model@version, e.g. digits@2", in.Name)
			}
			var err error
			if in.Metrics, err = numbers("--metric", metrics); err != nil {
				return err
			}
			if in.Lineage.Parameters, err = pairs("--param", params); err != nil {
				return err
			}
			if in.Labels, err = pairs("--label", labels); err != nil {
				return err
			}
			if trained != "" {
				if in.Lineage.Trained, err = parseTime(trained); err != nil {
					return err
				}
			}
			if card != "" {
				if err := p.readCard(card, &in.Card); err != nil {
					return err
				}
			}
			files, single, err := walk(args[1])
			if err != nil {
				return err
			}
			return p.register(cmd.Context(), in, files, single)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Format, "format", "", "what the artifact is, e.g. onnx, xgboost-json, lightgbm-text; found out if absent")
	f.StringArrayVar(&metrics, "metric", nil, "offline metric, name=number; may be repeated")
	f.StringArrayVar(&in.Lineage.Data, "data", nil, "data set it was trained on, a URI or digest; may be repeated")
	f.StringVar(&in.Lineage.Code, "code", "", "repository and commit of the training code")
	f.StringArrayVar(&params, "param", nil, "hyper-parameter, name=value; may be repeated")
	f.StringVar(&in.Lineage.Environment, "environment", "", "image, lock file or package list it was trained with")
	f.StringVar(&in.Lineage.Parent, "parent", "", "version it was derived from, model@version")
	f.StringVar(&trained, "trained", "", "when it was trained, e.g. 2026-09-01 or 2026-09-01T12:00:00Z")
	f.StringArrayVar(&labels, "label", nil, "free label, name=value; may be repeated")
	f.StringVar(&card, "card", "", "YAML file with summary, intendedUse, limitations, ethics, license")
	f.StringVar(&in.Describe, "description", "", "what the model is for, when this is its first version")
	f.BoolVar(&in.DryRun, "dry-run", false, "upload and check, but register nothing")
	return c
}

// upload is one file to send.
type upload struct {
	path   string // on this machine
	name   string // within the artifact, slash-separated
	size   int64
	digest string
}

// walk lists the files of an artifact; single says that root is itself a file. Links are refused: what they point to
// may lie outside of what the person meant to publish.
func walk(root string) (files []upload, single bool, err error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, false, usage{err}
	}
	if info.Mode().IsRegular() {
		return []upload{{path: root, name: filepath.Base(root), size: info.Size()}}, true, nil
	}
	if !info.IsDir() {
		return nil, false, usagef("%s is neither a file nor a folder", root)
	}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() {
			return usagef("%s is not a plain file; an artifact holds plain files only", path)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, upload{path: path, name: filepath.ToSlash(rel), size: info.Size()})
		return nil
	})
	if err == nil && len(files) == 0 {
		err = usagef("the folder %s holds no files", root)
	}
	return files, false, err
}

func (p *program) register(ctx context.Context, in op.VersionIn, files []upload, single bool) error {
	var total int64
	for i := range files {
		if err := files[i].hash(); err != nil {
			return err
		}
		total += files[i].size
	}
	bar := p.newProgress("uploading", total)
	for _, f := range files {
		if err := p.upload(ctx, f, bar); err != nil {
			bar.done()
			return err
		}
	}
	bar.done()
	if single {
		in.Digest, in.File = files[0].digest, files[0].name
	} else {
		for _, f := range files {
			in.Files = append(in.Files, fairlead.ArtifactFile{Path: f.name, Digest: f.digest, Size: f.size})
		}
	}
	out, err := call(ctx, p, op.VersionRegister, in)
	if err != nil {
		return err
	}
	return p.print(out, func(w io.Writer) error {
		a := out.Version.Spec.Artifact
		dry := ""
		if in.DryRun {
			dry = " (dry run: nothing was registered)"
		}
		_, err := fmt.Fprintf(w, "%s %s: %s, %s, %s%s\n", out.Version.Meta.Name, out.Outcome, a.Format, size(a.Size), shortDigest(a.Digest), dry)
		return err
	})
}

func (u *upload) hash() error {
	f, err := os.Open(u.path)
	if err != nil {
		return usage{err}
	}
	defer f.Close()
	h := sha256.New()
	if u.size, err = io.Copy(h, f); err != nil {
		return err
	}
	u.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return nil
}

// progress draws one line that grows while bytes flow; nil draws nothing.
type progressBar struct {
	out        io.Writer
	word       string
	sent, size int64
	last       time.Time
	now        func() time.Time
}

// newProgress is nil unless somebody watches on a terminal: the bar goes to
// standard error, so output can be piped on.
func (p *program) newProgress(word string, size int64) *progressBar {
	f, ok := p.Err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &progressBar{out: p.Err, word: word, size: size, now: p.Env.Now}
}

func (b *progressBar) add(n int64) {
	if b == nil {
		return
	}
	b.sent += n
	if now := b.now(); now.Sub(b.last) >= 50*time.Millisecond || b.sent == b.size {
		b.last = now
		full, rest := bar(float64(b.sent)/float64(max(1, b.size)), 30)
		fmt.Fprintf(b.out, "\r%s %s%s %s of %s\x1b[K", b.word, full, rest, size(b.sent), size(b.size))
	}
}

func (b *progressBar) done() {
	if b != nil {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}

// counted tells a progress bar of the bytes that were read.
type counted struct {
	io.Reader
	bar *progressBar
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.bar.add(int64(n))
	return n, err
}

func (p *program) readCard(file string, card *fairlead.Card) error {
	data, err := p.readInput(file, maxManifest)
	if err != nil {
		return err
	}
	docs, faults := strict.Parse(file, data)
	if len(faults) == 0 {
		if len(docs) != 1 {
			return usagef("%s: expected one document with a model card, got %d", file, len(docs))
		}
		faults = docs[0].Decode(card, nil)
	}
	return fairlead.Faulty("the model card is wrong", faults)
}

func pairs(flag string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := map[string]string{}
	for _, s := range list {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, usagef("%s %q: expected name=value", flag, s)
		}
		if _, twice := m[k]; twice {
			return nil, usagef("%s: %s is given twice", flag, k)
		}
		m[k] = v
	}
	return m, nil
}

func numbers(flag string, list []string) (map[string]float64, error) {
	texts, err := pairs(flag, list)
	if err != nil || texts == nil {
		return nil, err
	}
	m := map[string]float64{}
	for k, s := range texts {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v-v != 0 { // Inf and NaN cannot be stored
			return nil, usagef("%s %s: expected a number, got %q", flag, k, s)
		}
		m[k] = v
	}
	return m, nil
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("%q is not a time; expected e.g. 2026-09-01 or 2026-09-01T12:00:00Z", s)
}
