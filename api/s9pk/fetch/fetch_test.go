package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/sign"
)

func testdata(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile("../testdata/packed-order.s9pk")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// counter serves content and counts what it is asked for.
type counter struct {
	content        io.ReadSeeker
	requests, sent atomic.Int64
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
	w.Header().Set("ETag", `"one"`)
	http.ServeContent(&countedWriter{w, &c.sent}, r, "", time.Time{}, c.content)
}

type countedWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countedWriter) Write(p []byte) (int, error) {
	w.n.Add(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/package.s9pk"
}

func open(t testing.TB, url string) fetch.File {
	t.Helper()
	f, err := fetch.Open(t.Context(), url, fetch.Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// errFull ends the writing of a package at the first of its bytes that nobody will read.
var errFull = errors.New("enough")

type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	n, _ := h.Buffer.Write(p)
	if h.Len() > 300<<10 {
		return n, errFull
	}
	return n, nil
}

// giant makes a package with an image of two gigabytes, as a file with a hole where the image would be.
func giant(t testing.TB) string {
	t.Helper()
	small := testdata(t)
	f, err := s9pk.Open(bytes.NewReader(small), int64(len(small)), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := merkle.NewBuilder()
	for e := range f.All() {
		if e.Kind != merkle.File {
			continue
		}
		source, err := f.Source(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		if e.Path == "images/x86_64/main.squashfs" {
			source.Size = 2 << 30
			source.Open = func() (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }
		}
		if err := b.Add(e.Path, source); err != nil {
			t.Fatal(err)
		}
	}
	root, err := b.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := b.Plan(s9pk.HeaderSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out head
	out.Write(header(t, s9pk.Commitment{RootSighash: root.Sighash, RootMaxSize: root.MaxSize}, plan.Root))
	if err := plan.Write(t.Context(), &out); !errors.Is(err, errFull) {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "giant.s9pk")
	if err := errors.Join(os.WriteFile(path, out.Bytes(), 0o600), os.Truncate(path, plan.End)); err != nil {
		t.Fatal(err)
	}
	return path
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func header(t testing.TB, c s9pk.Commitment, root merkle.Root) []byte {
	t.Helper()
	key := sign.FromSeed([32]byte{1})
	s, err := key.Sign(sign.ContextPackage, c.Message())
	if err != nil {
		t.Fatal(err)
	}
	pub := key.Public()
	h := append([]byte{0x3b, 0x3b, 2}, pub[:]...)
	h = append(append(h, s[:]...), c.Message()...)
	h = binary.BigEndian.AppendUint64(h, uint64(root.Position))
	return binary.BigEndian.AppendUint64(h, uint64(root.Length))
}

func TestManifestAndIconOfAGiantPackageTakeAHandfulOfRequests(t *testing.T) {
	t.Parallel()
	file, err := os.Open(giant(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	server := &counter{content: file}
	remote := open(t, serve(t, server))
	p, err := s9pk.Open(remote, remote.Size(), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	layout, err := p.Layout("")
	if err != nil {
		t.Fatal(err)
	}
	icon, err := p.ReadFile(layout.Icon, 1<<20)
	if err != nil || len(icon) == 0 || remote.Size() < 2<<30 {
		t.Fatalf("%d bytes of icon in %d, %v", len(icon), remote.Size(), err)
	}
	if n, bytes := server.requests.Load(), server.sent.Load(); n > 5 || bytes > 512<<10 {
		t.Errorf("it took %d requests and %d bytes", n, bytes)
	}
}

func TestWholePackageIsReadInFewRequestsAndEachByteOnce(t *testing.T) {
	t.Parallel()
	raw := testdata(t)
	server := &counter{content: bytes.NewReader(raw)}
	remote := open(t, serve(t, server))
	p, err := s9pk.Open(remote, remote.Size(), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.VerifyAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := server.requests.Load(); n > 4 {
		t.Errorf("it took %d requests", n)
	}
}

// large is a file whose bytes tell where they are.
func large(n int) []byte {
	b := make([]byte, n)
	for i := 0; i+4 <= n; i += 4 {
		binary.LittleEndian.PutUint32(b[i:], uint32(i))
	}
	return b
}

func TestReadingOnIsOneRequest(t *testing.T) {
	t.Parallel()
	raw := large(8 << 20)
	server := &counter{content: bytes.NewReader(raw)}
	remote := open(t, serve(t, server))
	got, err := io.ReadAll(io.NewSectionReader(remote, 0, remote.Size()))
	if err != nil || sha256.Sum256(got) != sha256.Sum256(raw) {
		t.Fatal(len(got), err)
	}
	inPieces := make([]byte, len(raw))
	for at := 0; at < len(raw); at += 1 << 20 {
		if _, err := remote.ReadAt(inPieces[at:at+1<<20], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(inPieces, raw) {
		t.Fatal("the pieces are other bytes")
	}
}

// flaky breaks off each answer after so many bytes.
type flaky struct {
	counter
	after int64
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.counter.ServeHTTP(&cutWriter{w, f.after}, r)
}

type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		_, _ = w.ResponseWriter.Write(p[:w.left])
		if f, ok := w.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	w.left -= int64(len(p))
	return w.ResponseWriter.Write(p)
}

func TestBrokenAnswersAreReadOn(t *testing.T) {
	t.Parallel()
	raw := large(1 << 20)
	server := &flaky{counter: counter{content: bytes.NewReader(raw)}, after: 400 << 10}
	remote := open(t, serve(t, server))
	got := make([]byte, len(raw))
	for at := 0; at < len(raw); at += 128 << 10 {
		if _, err := remote.ReadAt(got[at:at+128<<10], int64(at)); err != nil {
			t.Fatalf("at %d: %v", at, err)
		}
	}
	if !bytes.Equal(got, raw) {
		t.Fatal("other bytes")
	}
}

// cutting breaks off its answers to the first so many requests, after so many bytes.
type cutting struct {
	counter
	requests, after int64
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.counter.requests.Load() < c.requests {
		w = &cutWriter{w, c.after}
	}
	c.counter.ServeHTTP(w, r)
}

func TestTheFirstAnswerIsAskedForAgainWhenItBreaksOff(t *testing.T) {
	t.Parallel()
	raw := testdata(t)
	for _, after := range []int64{0, 100} {
		server := &cutting{counter: counter{content: bytes.NewReader(raw)}, requests: 2, after: after}
		remote := open(t, serve(t, server))
		p, err := s9pk.Open(remote, remote.Size(), s9pk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.VerifyAll(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	server := &cutting{counter: counter{content: bytes.NewReader(raw)}, requests: 100}
	if _, err := fetch.Open(t.Context(), serve(t, server), fetch.Options{}); !errors.Is(err, merkle.ErrBroken) || server.counter.requests.Load() != 3 {
		t.Errorf("%d requests, %v", server.counter.requests.Load(), err)
	}
}

// A connection that breaks is not told as a file that is too short, by ranges as little as in one stream.
func TestABrokenConnectionIsNoTruncatedFile(t *testing.T) {
	t.Parallel()
	file, err := os.Open(giant(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw := testdata(t)
	at := int64(len(raw)) - 1
	for name, handler := range map[string]http.Handler{
		"ranges": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var first int64
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first)
			http.ServeContent(&cutWriter{w, max(at-first, 0)}, r, "", time.Time{}, bytes.NewReader(raw))
		}),
		"a stream": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
			_, _ = (&cutWriter{w, at}).Write(raw)
		}),
		"a stream without length": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = (&cutWriter{w, at}).Write(raw) }),
		"ranges of a large file": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var first int64
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first)
			http.ServeContent(&cutWriter{w, max(1<<20-first, 0)}, r, "", time.Time{}, file)
		}),
	} {
		if err := verified(t, serve(t, handler)); s9pk.ReasonOf(err) != s9pk.Broken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// verified reads a whole package and says what was wrong.
func verified(t *testing.T, url string) error {
	remote, err := fetch.Open(t.Context(), url, fetch.Options{SpoolDir: t.TempDir()})
	if err != nil {
		return err
	}
	defer remote.Close()
	p, err := s9pk.Open(remote, remote.Size(), s9pk.Options{})
	if err != nil {
		return err
	}
	return p.VerifyAll(t.Context(), nil)
}

func TestAFileThatChangesIsRefused(t *testing.T) {
	t.Parallel()
	var version atomic.Int64
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(version.Load())))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(large(1<<20)))
	}))
	remote := open(t, url)
	version.Add(1)
	if _, err := remote.ReadAt(make([]byte, 10), 500<<10); !errors.Is(err, fetch.ErrChanged) {
		t.Fatal(err)
	}
}

func TestServersThatAnswerOtherwiseAreRefused(t *testing.T) {
	t.Parallel()
	answer := func(code int, head map[string]string, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range head {
				w.Header().Set(k, v)
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		})
	}
	for name, c := range map[string]struct {
		handler http.Handler
		want    string
	}{
		"not found":      {answer(404, nil, ""), "404 Not Found"},
		"empty":          {answer(416, nil, ""), "the file is empty"},
		"no range":       {answer(206, nil, "abc"), "another range"},
		"other range":    {answer(206, map[string]string{"Content-Range": "bytes 5-7/8"}, "abc"), "another range"},
		"range backward": {answer(206, map[string]string{"Content-Range": "bytes 0--7/8"}, "abc"), "another range"},
		"range too long": {answer(206, map[string]string{"Content-Range": "bytes 0-99999999/100000000"}, "abc"), "another range"},
		"endless":        {answer(206, map[string]string{"Content-Range": "bytes 0-2/9000000000000000000"}, "abc"), "more than is allowed"},
		"breaks off":     {answer(206, map[string]string{"Content-Range": "bytes 0-9/10", "Content-Length": "10"}, "abc"), "breaks off"},
		"to a file":      {http.RedirectHandler("file:///etc/passwd", 302), "redirects from http to file"},
		"round":          {http.RedirectHandler("/package.s9pk", 302), "redirects more than 5 times"},
	} {
		_, err := fetch.Open(t.Context(), serve(t, c.handler), fetch.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"ftp://host/a", "https://", "http:///path", "http://[::1", "http://h/" + strings.Repeat("a", 3000)} {
		if _, err := fetch.Open(t.Context(), url, fetch.Options{}); err == nil {
			t.Errorf("%.40q was accepted", url)
		}
	}
}

func TestEncryptedURLsAreNotLedBackToPlainOnes(t *testing.T) {
	t.Parallel()
	plain := serve(t, &counter{content: bytes.NewReader(testdata(t))})
	s := httptest.NewTLSServer(http.RedirectHandler(plain, http.StatusFound))
	t.Cleanup(s.Close)
	_, err := fetch.Open(t.Context(), s.URL, fetch.Options{Transport: s.Client().Transport})
	if err == nil || !strings.Contains(err.Error(), "redirects from https to http") {
		t.Fatal(err)
	}
}

func TestErrorsDoNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, err := fetch.Open(t.Context(), s.URL+"/a?token=secret", fetch.Options{})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Fatal(err)
	}
}

func TestServersWithoutRangesAreReadAsAStream(t *testing.T) {
	t.Parallel()
	raw := testdata(t)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(raw) }))
	f := open(t, url)
	p, err := s9pk.Open(f, f.Size(), s9pk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.VerifyAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// A stream is read no further than what is asked for, so the manifest is there before the images are.
func TestManifestIsReadWhileTheRestIsStillOnItsWay(t *testing.T) {
	t.Parallel()
	raw := testdata(t)
	for _, size := range []int64{int64(len(raw)), -1} {
		reader, writer := io.Pipe()
		arrived := make(chan struct{})
		go func() {
			_, _ = writer.Write(raw[:12000])
			<-arrived
			_, _ = writer.Write(raw[12000:])
			_ = writer.Close()
		}()
		s, err := fetch.NewStream(reader, size, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		p, err := s9pk.Open(s, s.Size(), s9pk.Options{})
		if err != nil || s.Received() > 12000 {
			t.Fatal(s.Received(), err)
		}
		close(arrived)
		if err := p.VerifyAll(t.Context(), nil); err != nil || s.Received() != int64(len(raw)) {
			t.Fatal(s.Received(), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamsThatEndEarlyAreTruncatedPackages(t *testing.T) {
	t.Parallel()
	raw := testdata(t)
	for _, size := range []int64{int64(len(raw)), -1} {
		s, err := fetch.NewStream(iotest.OneByteReader(bytes.NewReader(raw[:len(raw)-1])), size, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		p, err := s9pk.Open(s, s.Size(), s9pk.Options{})
		if err == nil {
			err = p.VerifyAll(t.Context(), nil)
		}
		if s9pk.ReasonOf(err) != s9pk.Truncated {
			t.Error(err)
		}
		_ = s.Close()
	}
	failing, err := fetch.NewStream(iotest.ErrReader(os.ErrDeadlineExceeded), -1, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer failing.Close()
	if _, err := s9pk.Open(failing, failing.Size(), s9pk.Options{}); s9pk.ReasonOf(err) != s9pk.Unreadable || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// stalled answers with a body that never comes.
type stalled struct{}

func (stalled) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusPartialContent, Header: http.Header{"Content-Range": {"bytes 0-9/10"}}, Body: waiting{r.Context()}, Request: r,
	}, nil
}

type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, context.Cause(w.ctx)
}

func (waiting) Close() error { return nil }

func TestAServerThatSendsNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := fetch.Open(t.Context(), "http://host/a", fetch.Options{Transport: stalled{}})
		if err == nil || !strings.Contains(err.Error(), "nothing came for") || time.Since(began) > 2*time.Minute {
			t.Fatal(time.Since(began), err)
		}
	})
}
