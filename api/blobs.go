package api

import (
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fairlead.dev"
	"fairlead.dev/op"
)

// Blob is an uploaded file.
type Blob struct {
	Digest string `json:"digest" doc:"sha256:<64 hex digits>"`
	Size   int64  `json:"size" doc:"bytes"`
}

// blobIdle is how long an upload may stand still.
const blobIdle = time.Minute

// blobs mounts upload, download and the question whether a blob is there.
func (h *handler) blobs(oapi *huma.OpenAPI, adapter huma.Adapter) {
	reg := oapi.Components.Schemas
	blob := &huma.Response{Description: "stored", Content: map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeFor[Blob](), true, "")}}}
	bytes := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	digest := []*huma.Param{{Name: "digest", In: "path", Required: true, Description: "sha256:<64 hex digits>", Schema: &huma.Schema{Type: huma.TypeString}}}
	oapi.Tags = append(oapi.Tags, &huma.Tag{Name: "blob"})
	mount := func(o *huma.Operation, can op.Permission, f func(http.ResponseWriter, *http.Request)) {
		o.Tags = []string{"blob"}
		o.Description += "\n\nPermission: " + string(can) + "."
		o.Responses["default"] = problemResponse(reg)
		oapi.AddOperation(o)
		adapter.Handle(o, func(c huma.Context) {
			r, w := humago.Unwrap(c)
			if who, _ := op.CallerOf(r.Context()); !who.May(can) {
				h.fail(w, r, fairlead.Errorf(fairlead.Denied, "%s may not do that: it needs permission to %s", who.Name, can))
				return
			}
			f(w, r)
		})
	}
	mount(&huma.Operation{OperationID: "blob-put", Method: http.MethodPut, Path: Prefix + "/blobs/{digest}", Summary: "Upload a file whose digest is known.",
		Description: "Nothing is stored when the bytes differ from the digest.", Parameters: digest,
		RequestBody: &huma.RequestBody{Required: true, Content: bytes}, Responses: map[string]*huma.Response{"200": blob}}, op.CanWrite,
		func(w http.ResponseWriter, r *http.Request) { h.upload(w, r, r.PathValue("digest")) })
	mount(&huma.Operation{OperationID: "blob-post", Method: http.MethodPost, Path: Prefix + "/blobs", Summary: "Upload a file and learn its digest.",
		RequestBody: &huma.RequestBody{Required: true, Content: bytes}, Responses: map[string]*huma.Response{"200": blob}}, op.CanWrite,
		func(w http.ResponseWriter, r *http.Request) { h.upload(w, r, "") })
	mount(&huma.Operation{OperationID: "blob-get", Method: http.MethodGet, Path: Prefix + "/blobs/{digest}", Summary: "Download a file; HEAD asks whether it is there.",
		Parameters: digest, Responses: map[string]*huma.Response{"200": {Description: "the bytes", Content: bytes}}}, op.CanRead, h.download)
}

func (h *handler) upload(w http.ResponseWriter, r *http.Request, want string) {
	if want != "" && !op.ValidDigest(want) {
		h.fail(w, r, &fairlead.Error{Code: fairlead.Invalid, Message: "the request is wrong",
			Faults: []fairlead.Fault{{Path: "digest", Message: "not a digest", Want: "sha256: and 64 hex digits"}}})
		return
	}
	limit := h.deps.MaxBlob
	if limit == 0 {
		limit = op.DefaultMaxBlob
	}
	if r.ContentLength > limit {
		h.fail(w, r, fairlead.Errorf(fairlead.TooLarge, "the file has %d bytes; the server takes at most %d", r.ContentLength, limit))
		return
	}
	body := &patient{r: r.Body, rc: http.NewResponseController(w)}
	digest, size, err := h.deps.Blobs.Put(r.Context(), body, want, limit)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	_ = body.rc.SetReadDeadline(time.Time{})
	h.answer(w, r, http.StatusOK, Blob{digest, size})
}

func (h *handler) download(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	if !op.ValidDigest(digest) {
		h.fail(w, r, fairlead.Errorf(fairlead.NotFound, "there is no blob %.80q", digest))
		return
	}
	blob, size, err := h.deps.Blobs.Open(r.Context(), digest)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer func() { _ = blob.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, blob); err != nil {
		panic(http.ErrAbortHandler) // the length was promised: break the connection rather than end it well
	}
}

// patient gives a slow upload time as long as bytes keep coming.
type patient struct {
	r  io.Reader
	rc *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(blobIdle))
	return p.r.Read(b)
}
