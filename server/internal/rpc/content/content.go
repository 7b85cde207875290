// Package content serves what packages bring for people to see by plain HTTP, byte for byte as its packager signed it:
//
//	GET, HEAD  /content/packages/<id>/<name>                              of an installed package
//	GET, HEAD  /content/offers/<id>/<name>?registry=<id>&version=<range>  of a listed one; both may be left out
//
// A name is icon, instructions, license or assets. The answer has an ETag, takes ranges and conditions, and has the digest of the
// whole in Repr-Digest (RFC 9530): "blake3", which was signed, and "sha-256" of what is small.
//
// It is the call of the same name, GetPackageDocument or GetOfferDocument, on another wire: who may make that one with a credential may have this
// with it. So a browser that goes to such an address shows nothing: its page asks with its half of the session. The package reads
// no files and decides nothing. Whatever is answered was compared with the signature before its first byte is sent, and
// was written by somebody who may be hostile: no browser runs any of it.
package content

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// Prefix is the path behind which all of it is.
const Prefix = "/content/"

// policy lets a document do nothing: a picture may have its own styles.
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

const (
	// room is how much of answers under way may be held in memory. A file that is read where it lies counts as little.
	room, least = 128 << 20, 1 << 20
	// silence is how long a reader may take nothing.
	silence = time.Minute
)

// names are the documents, as paths have them.
var names = map[string]packagesv1.Document_Kind{
	"icon":         packagesv1.Document_KIND_ICON,
	"instructions": packagesv1.Document_KIND_INSTRUCTIONS,
	"license":      packagesv1.Document_KIND_LICENSE,
	"assets":       packagesv1.Document_KIND_ASSETS,
}

// Path is where a document of an installed package is.
func Path(pkg string, kind packagesv1.Document_Kind) string {
	return Prefix + "packages/" + url.PathEscape(pkg) + "/" + nameOf(kind)
}

// OfferPath is where a document of a listed package is.
func OfferPath(registry, pkg, version string, kind packagesv1.Document_Kind) string {
	query := url.Values{}
	for name, value := range map[string]string{"registry": registry, "version": version} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return (&url.URL{Path: Prefix + "offers/" + pkg + "/" + nameOf(kind), RawQuery: query.Encode()}).String()
}

func nameOf(kind packagesv1.Document_Kind) string {
	for name, k := range names {
		if k == kind {
			return name
		}
	}
	return ""
}

// Handler serves the routes under Prefix. It is safe for concurrent use.
type Handler struct {
	mux      *http.ServeMux
	packages packagesv1.PackageServiceClient
	offers   registriesv1.RegistryServiceClient

	mu   sync.Mutex // guards held
	held int64
}

// New returns the handler that asks through conn.
func New(conn grpc.ClientConnInterface) *Handler {
	h := &Handler{mux: http.NewServeMux(), packages: packagesv1.NewPackageServiceClient(conn), offers: registriesv1.NewRegistryServiceClient(conn)}
	h.mux.HandleFunc(Prefix+"packages/{id}/{name}", h.route(nil, h.ofPackage))
	h.mux.HandleFunc(Prefix+"offers/{id}/{name}", h.route([]string{"registry", "version"}, h.ofOffer))
	h.mux.HandleFunc("/", notFound)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func notFound(w http.ResponseWriter, r *http.Request) {
	codec.WriteFaultStatus(w, http.StatusNotFound, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is nothing at %s", r.URL.Path))
}

type ask func(ctx context.Context, id string, kind packagesv1.Document_Kind, query url.Values) (*packagesv1.Document, error)

func (h *Handler) ofPackage(ctx context.Context, id string, kind packagesv1.Document_Kind, _ url.Values) (*packagesv1.Document, error) {
	resp, err := h.packages.GetPackageDocument(ctx, &packagesv1.GetPackageDocumentRequest{Id: id, Document: kind})
	return resp.GetDocument(), err
}

func (h *Handler) ofOffer(ctx context.Context, id string, kind packagesv1.Document_Kind, query url.Values) (*packagesv1.Document, error) {
	resp, err := h.offers.GetOfferDocument(ctx, &registriesv1.GetOfferDocumentRequest{
		PackageId: id, Document: kind, Registry: query.Get("registry"), Version: query.Get("version"),
	})
	return resp.GetDocument(), err
}

// route serves one path with a query of these members.
func (h *Handler) route(members []string, ask ask) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, known := names[r.PathValue("name")]
		query, err := url.ParseQuery(r.URL.RawQuery)
		switch {
		case !known:
			notFound(w, r)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			codec.WriteFaultStatus(w, http.StatusMethodNotAllowed, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s of a document, only GET and HEAD", r.Method))
			return
		case err == nil:
			err = checkQuery(query, members)
		default:
			err = fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the query of the request")
		}
		if err == nil {
			err = h.serve(w, r, kind, func(ctx context.Context) (*packagesv1.Document, error) {
				return ask(ctx, r.PathValue("id"), kind, query)
			})
		}
		if err != nil {
			codec.WriteFault(w, err)
		}
	}
}

func checkQuery(query url.Values, members []string) error {
	for name, values := range query {
		if !slices.Contains(members, name) || len(values) > 1 {
			return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot serve a document with this query").Violation(name, "is not known, or given twice")
		}
	}
	return nil
}

// serve answers with the document that get gets. What it returns has not been answered.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, kind packagesv1.Document_Kind, get func(context.Context) (*packagesv1.Document, error)) error {
	large := &Large{}
	defer large.end()
	ctx := context.WithValue(r.Context(), largeKey{}, large)
	for _, v := range r.Header.Values("Authorization") {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	document, err := get(ctx)
	if err != nil {
		return fault.FromStatus(err)
	}
	body, memory := large.taken()
	if body == nil {
		body, memory = bytes.NewReader(document.GetContent()), int64(len(document.GetContent()))
	}
	release, err := h.reserve(max(memory, least))
	if err != nil {
		return err
	}
	defer release()
	head := w.Header()
	head.Set("Content-Type", mediaType(document.GetMediaType()))
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "private, no-cache") // who may read it is asked each time
	head.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(document.GetDigest())+`"`)
	head.Set("Repr-Digest", reprDigest(document))
	if kind == packagesv1.Document_KIND_ASSETS {
		head.Set("Content-Disposition", `attachment; filename="assets.squashfs"`)
	}
	conn := http.NewResponseController(w)
	http.ServeContent(&patient{ResponseWriter: w, conn: conn}, r, "", time.Time{}, body)
	conn.SetWriteDeadline(time.Time{}) // where it is not supported none was set
	return nil
}

func mediaType(of string) string {
	if strings.HasPrefix(of, "text/") {
		return of + "; charset=utf-8"
	}
	return cmp.Or(of, "application/octet-stream")
}

func reprDigest(d *packagesv1.Document) string {
	signed := "blake3=:" + base64.StdEncoding.EncodeToString(d.GetDigest()) + ":"
	if len(d.GetContent()) == 0 {
		return signed
	}
	sum := sha256.Sum256(d.GetContent())
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":, " + signed
}

// reserve takes room for an answer, as long as there is some.
func (h *Handler) reserve(n int64) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held+n > room {
		return nil, fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot serve more documents at the same time").RetryAfter(time.Second)
	}
	h.held += n
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.held -= n
	}, nil
}

// patient ends an answer whose reader takes nothing for a while.
type patient struct {
	http.ResponseWriter
	conn    *http.ResponseController
	renewed time.Time
}

func (p *patient) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.renewed) > silence/10 {
		p.conn.SetWriteDeadline(now.Add(silence)) // where it is not supported the connection's own patience counts
		p.renewed = now
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

type largeKey struct{}

// LargeOf is what takes large content for a call that came by a route of this package; nil for every other call.
func LargeOf(ctx context.Context) *Large {
	client := inprocgrpc.ClientContext(ctx)
	if client == nil {
		return nil
	}
	l, _ := client.Value(largeKey{}).(*Large)
	return l
}

// Large takes the content of a document that is too large for the answer of the call. It is safe for concurrent use.
type Large struct {
	mu     sync.Mutex // guards the rest
	body   io.ReadSeeker
	memory int64
	ended  bool
}

// Take takes the content; it is closed, if it can be, when it has been sent. Memory is how much of it is held.
func (l *Large) Take(body io.ReadSeeker, memory int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.body != nil {
		_ = closed(body) // it was only read
		return
	}
	l.body, l.memory = body, memory
}

func (l *Large) taken() (io.ReadSeeker, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.body, l.memory
}

func (l *Large) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	_ = closed(l.body) // it was only read
}

func closed(body io.ReadSeeker) error {
	if c, ok := body.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// TooLarge is the refusal of a document that is too large for the answer of a call, and is at a path.
func TooLarge(size int64, path string) error {
	return fault.New(metav1.Reason_REASON_DOCUMENT_TOO_LARGE, "cannot answer with a document of %d bytes: it is at %s", size, path).With("size", size).With("path", path)
}
