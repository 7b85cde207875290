package content_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/rpc/content"
	"google.golang.org/grpc/metadata"
)

const hostile = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

var large = bytes.Repeat([]byte("0123456789abcdef"), 1<<17)

// packages is the part of the service that is asked. Callers show the token "good".
type packages struct {
	packagesv1.UnimplementedPackageServiceServer
	open atomic.Int32
}

// opened is large content that must be closed.
type opened struct {
	*bytes.Reader
	open *atomic.Int32
}

func (o opened) Close() error { o.open.Add(-1); return nil }

func (p *packages) GetPackageDocument(ctx context.Context, req *packagesv1.GetPackageDocumentRequest) (*packagesv1.GetPackageDocumentResponse, error) {
	if got := metadata.ValueFromIncomingContext(ctx, "authorization"); len(got) != 1 || got[0] != "Bearer good" {
		return nil, fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "who calls?")
	}
	d := &packagesv1.Document{Kind: req.GetDocument(), MediaType: "text/markdown", Content: []byte("# " + req.GetId())}
	switch req.GetDocument() {
	case packagesv1.Document_KIND_ICON:
		d.MediaType, d.Content = "image/svg+xml", []byte(hostile)
	case packagesv1.Document_KIND_INSTRUCTIONS:
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_FILE_DAMAGED, "it is not what was signed")
	case packagesv1.Document_KIND_ASSETS:
		sum := merkle.Sum(large)
		d.MediaType, d.Content, d.Digest = "application/vnd.squashfs", nil, sum[:]
		p.open.Add(1)
		content.LargeOf(ctx).Take(opened{bytes.NewReader(large), &p.open}, 0)
		return &packagesv1.GetPackageDocumentResponse{Document: d}, nil
	}
	sum := merkle.Sum(d.Content)
	d.Digest = sum[:]
	return &packagesv1.GetPackageDocumentResponse{Document: d}, nil
}

type offers struct {
	registriesv1.UnimplementedRegistryServiceServer
}

func (offers) GetOfferDocument(_ context.Context, req *registriesv1.GetOfferDocumentRequest) (*registriesv1.GetOfferDocumentResponse, error) {
	text := []byte(strings.Join([]string{req.GetRegistry(), req.GetPackageId(), req.GetVersion()}, " "))
	sum := merkle.Sum(text)
	return &registriesv1.GetOfferDocumentResponse{Document: &packagesv1.Document{MediaType: "text/markdown", Content: text, Digest: sum[:]}}, nil
}

func newHandler() (*content.Handler, *packages) {
	p := &packages{}
	channel := new(inprocgrpc.Channel).WithCloner(codec.Cloner())
	packagesv1.RegisterPackageServiceServer(channel, p)
	registriesv1.RegisterRegistryServiceServer(channel, offers{})
	return content.New(channel), p
}

// ask asks as a caller who may, with more headers by pairs.
func ask(h http.Handler, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Authorization", "Bearer good")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAHostilePictureIsServedAsOneThatRunsNothing(t *testing.T) {
	t.Parallel()
	h, _ := newHandler()
	resp := ask(h, "GET", "/content/packages/hello/icon")
	if got := text(t, resp); resp.StatusCode != 200 || got != hostile {
		t.Fatalf("%d %q", resp.StatusCode, got)
	}
	sum, blake := sha256.Sum256([]byte(hostile)), merkle.Sum([]byte(hostile))
	for name, want := range map[string]string{
		"Content-Type": "image/svg+xml", "X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache",
		"ETag":        `"` + base64.RawURLEncoding.EncodeToString(blake[:]) + `"`,
		"Repr-Digest": "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":, blake3=:" + base64.StdEncoding.EncodeToString(blake[:]) + ":",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "sandbox", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) || strings.Contains(policy, "allow-scripts") {
			t.Errorf("the policy is %q", policy)
		}
	}
}

func TestPartsAndConditions(t *testing.T) {
	t.Parallel()
	h, p := newHandler()
	const assets = "/content/packages/hello/assets"
	whole := ask(h, "HEAD", assets)
	tag := whole.Header.Get("ETag")
	if whole.ContentLength != int64(len(large)) || text(t, whole) != "" || tag == "" {
		t.Fatalf("HEAD: %v", whole.Header)
	}
	if got := whole.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("assets are shown: %q", got)
	}
	for name, c := range map[string]struct {
		headers []string
		status  int
		body    string
	}{
		"a range":                       {[]string{"Range", "bytes=16-19"}, 206, "0123"},
		"the end":                       {[]string{"Range", "bytes=-3"}, 206, "def"},
		"a range of the same file":      {[]string{"Range", "bytes=1-2", "If-Range", tag}, 206, "12"},
		"a range of another file":       {[]string{"Range", "bytes=1-2", "If-Range", `"other"`}, 200, string(large)},
		"beyond the end":                {[]string{"Range", "bytes=99999999-"}, 416, ""},
		"what the caller has":           {[]string{"If-None-Match", tag}, 304, ""},
		"another than what he has":      {[]string{"If-None-Match", `"other"`}, 200, string(large)},
		"only if it is what he expects": {[]string{"If-Match", `"other"`}, 412, ""},
	} {
		resp := ask(h, "GET", assets, c.headers...)
		got := text(t, resp)
		if resp.StatusCode != c.status || c.status != 416 && got != c.body {
			t.Errorf("%s: %d with %d bytes", name, resp.StatusCode, len(got))
		}
		if resp.Header.Get("Repr-Digest") != whole.Header.Get("Repr-Digest") && c.status < 300 {
			t.Errorf("%s: the digest of the whole is %q", name, resp.Header.Get("Repr-Digest"))
		}
	}
	if n := p.open.Load(); n != 0 {
		t.Errorf("%d files stay open", n)
	}
}

func TestDocumentsAreThoseOfACallWithItsRefusals(t *testing.T) {
	t.Parallel()
	h, _ := newHandler()
	if got := text(t, ask(h, "GET", "/content/offers/hello/license?registry=mine&version=%3E%3D1.0%3A0")); got != "mine hello >=1.0:0" {
		t.Errorf("the offer asked for is %q", got)
	}
	for name, c := range map[string]struct {
		method, target, credential string
		status                     int
	}{
		"without a credential":   {"GET", "/content/packages/hello/icon", "", 401},
		"with another":           {"GET", "/content/packages/hello/icon", "Bearer bad", 401},
		"damaged":                {"GET", "/content/packages/hello/instructions", "Bearer good", 422},
		"an unknown name":        {"GET", "/content/packages/hello/manifest", "Bearer good", 404},
		"no name":                {"GET", "/content/packages/hello/", "Bearer good", 404},
		"nothing":                {"GET", "/content/", "Bearer good", 404},
		"a way out":              {"GET", "/content/packages/hello/..%2f..%2ficon", "Bearer good", 404},
		"a change":               {"PUT", "/content/packages/hello/icon", "Bearer good", 405},
		"an unknown member":      {"GET", "/content/packages/hello/icon?registry=mine", "Bearer good", 400},
		"a member twice":         {"GET", "/content/offers/hello/icon?registry=a&registry=b", "Bearer good", 400},
		"a query that is broken": {"GET", "/content/offers/hello/icon?registry=%zz", "Bearer good", 400},
	} {
		resp := ask(h, c.method, c.target, "Authorization", c.credential)
		if body := text(t, resp); resp.StatusCode != c.status || !strings.Contains(body, "reason") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		if got := resp.Header.Get("ETag"); got != "" {
			t.Errorf("%s: a refusal has the tag %s", name, got)
		}
	}
}

// broken is a connection to a reader who has gone.
type broken struct{ *httptest.ResponseRecorder }

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestNothingStaysOpenForAReaderWhoGoes(t *testing.T) {
	t.Parallel()
	h, p := newHandler()
	r := httptest.NewRequest("GET", "/content/packages/hello/assets", nil)
	r.Header.Set("Authorization", "Bearer good")
	for range 1000 { // more than fit at the same time
		h.ServeHTTP(broken{httptest.NewRecorder()}, r)
	}
	if n := p.open.Load(); n != 0 {
		t.Errorf("%d files stay open", n)
	}
	if resp := ask(h, "GET", "/content/packages/hello/icon"); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

// Whatever is asked for, an answer is refused or harmless.
func FuzzRequests(f *testing.F) {
	f.Add("packages/hello/assets", "", "bytes=0-1,3-4", `"x"`)
	f.Add("offers/hello/icon", "registry=a&version=%23f:1", "bytes=-1", "*")
	h, p := newHandler()
	f.Fuzz(func(t *testing.T, path, query, ranges, tag string) {
		r := httptest.NewRequest("GET", "/content/", nil)
		r.URL.Path, r.URL.RawQuery = "/content/"+path, query
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Range", ranges)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		resp := w.Result()
		if resp.StatusCode >= 500 {
			t.Errorf("%d", resp.StatusCode)
		}
		if resp.StatusCode < 300 && !strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("an answer without a policy: %v", resp.Header)
		}
		if p.open.Load() != 0 {
			t.Error("a file stays open")
		}
	})
}
