// Package page serves the files of the page, and those of a registry's catalogue. It is not for anything that knows who asks: the page is the same for everybody,
// holds nothing of the server, and gets what it shows by calls like every other client.
//
// Assets have their content's hash in their names and are kept by browsers for good; all else is asked for anew each time and
// mostly answered with 304. The page's own paths, those of routes.json, are answered with index.html, whatever follows them.
// Whatever else is asked for is not there: a browser that goes to it gets the page, which says so, by the status 404, and
// everybody else a fault.
package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// policy lets the page load its own files, call its own server and show pictures that it was given as bytes, and nothing else:
// no script or style that is written into it, nothing from elsewhere, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const (
	index     = "index.html"
	catalogue = "catalogue.html"
	routes    = "routes.json"
	hashed    = "assets/"

	compression = ".br"
)

// mediaTypes are those of the files there are, by extension; the machine's own table is not asked, since it may say anything.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
}

// file is one file of the page. Its content stays in the bundle, which lies in the program: a daemon that nobody visits
// takes no memory for it.
type file struct {
	name, mediaType, etag string
	compressed            bool // there is a smaller one beside it, by brotli
	immutable             bool
}

// Handler serves the page. It is safe for concurrent use.
type Handler struct {
	bundle fs.FS
	index  string
	files  map[string]*file
	pages  []string
}

// New reads the files of a bundle. A bundle without index.html is a page that was not built: then nothing is there.
func New(bundle fs.FS) (*Handler, error) {
	h := &Handler{bundle: bundle, index: index, files: map[string]*file{}}
	if !h.built() {
		return h, nil
	}
	raw, err := fs.ReadFile(bundle, routes)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &h.pages); err != nil {
		return nil, err
	}
	return h, h.read()
}

// NewCatalogue reads those of a registry's catalogue, which is at the root alone: what it shows is in the query.
func NewCatalogue(bundle fs.FS) (*Handler, error) {
	h := &Handler{bundle: bundle, index: catalogue, files: map[string]*file{}, pages: []string{""}}
	if !h.built() {
		return h, nil
	}
	return h, h.read()
}

func (h *Handler) built() bool {
	_, err := fs.Stat(h.bundle, h.index)
	return !errors.Is(err, fs.ErrNotExist)
}

// read finds the files, but for the page that is another server's.
func (h *Handler) read() error {
	return fs.WalkDir(h.bundle, ".", func(name string, d fs.DirEntry, err error) error {
		mediaType := mediaTypes[path.Ext(name)]
		if err != nil || d.IsDir() || mediaType == "" || path.Ext(name) == ".html" && name != h.index {
			return err
		}
		f := &file{name: name, mediaType: mediaType, immutable: strings.HasPrefix(name, hashed)}
		if _, err := fs.Stat(h.bundle, name+compression); err == nil {
			f.compressed = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if f.etag, err = tag(h.bundle, f); err != nil {
			return err
		}
		h.files[name] = f
		return nil
	})
}

// tag names the content of a file: by the hash that is in its name already, else by one of its bytes.
func tag(bundle fs.FS, f *file) (string, error) {
	sum := sha256.New()
	if f.immutable {
		sum.Write([]byte(f.name))
	} else {
		content, err := fs.ReadFile(bundle, f.name)
		if err != nil {
			return "", err
		}
		sum.Write(content)
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12]), nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := h.find(r.URL.Path)
	if lost := h.files[h.index]; f == nil && h.index == index && lost != nil && visits(r) {
		h.serve(&lostWriter{ResponseWriter: w}, stranded(r), lost)
		return
	}
	if f == nil {
		codec.WriteFaultStatus(w, http.StatusNotFound, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is nothing at %s", r.URL.Path))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		codec.WriteFaultStatus(w, http.StatusMethodNotAllowed, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s %s", r.Method, r.URL.Path))
		return
	}
	h.serve(w, r, f)
}

// visits tells whether somebody goes to an address in a browser, who can read a page and no fault.
func visits(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html")
}

// stranded is a request without what could have it answered by anything but all of the page.
func stranded(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "Range", "If-Range"} {
		r.Header.Del(name)
	}
	return r
}

// lostWriter answers with the page to what there is not.
type lostWriter struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *lostWriter) WriteHeader(status int) {
	if status == http.StatusOK {
		status = http.StatusNotFound
		w.Header().Del("ETag")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Add("Vary", "Accept")
	}
	w.ResponseWriter.WriteHeader(status)
}

// find answers the file at a path, nil for none.
func (h *Handler) find(path string) *file {
	name := strings.TrimPrefix(path, "/")
	if f := h.files[name]; f != nil {
		return f
	}
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains(h.pages, first) && (first != "" || name == "") {
		return h.files[h.index]
	}
	return nil
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, f *file) {
	name, etag, encoding := f.name, f.etag, ""
	if f.compressed && acceptsBrotli(r.Header.Values("Accept-Encoding")) {
		name, etag, encoding = name+compression, etag+"-br", "br"
	}
	opened, err := h.bundle.Open(name)
	if err != nil {
		codec.WriteFaultStatus(w, http.StatusInternalServerError, fault.New(metav1.Reason_REASON_INTERNAL, "cannot read %s", name))
		return
	}
	defer func() { _ = opened.Close() }() // it was only read
	content, ok := opened.(io.ReadSeeker)
	if !ok {
		codec.WriteFaultStatus(w, http.StatusInternalServerError, fault.New(metav1.Reason_REASON_INTERNAL, "cannot read %s in parts", name))
		return
	}
	head := w.Header()
	head.Set("Content-Type", f.mediaType)
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	head.Set("Vary", "Accept-Encoding")
	head.Set("Cache-Control", "no-cache")
	if f.immutable {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if encoding != "" {
		head.Set("Content-Encoding", encoding)
	}
	head.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
}

// acceptsBrotli tells whether a client says that it reads brotli.
func acceptsBrotli(values []string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			name, weight, _ := strings.Cut(part, ";")
			weight = strings.ReplaceAll(weight, " ", "")
			if strings.TrimSpace(name) == "br" && weight != "q=0" && !strings.HasPrefix(weight, "q=0.000") {
				return true
			}
		}
	}
	return false
}
