package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
)

// memory is an upload in memory, with one writer at a time.
type memory struct {
	mu   sync.Mutex
	data []byte
	size int64
	open bool
	full int64 // the disk is full beyond so many bytes; 0 for never
	gone bool
}

func (m *memory) Open(ticket string) (transfer.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ticket != "good" || m.gone {
		return nil, fault.New(metav1.Reason_REASON_TRANSFER_NOT_FOUND, "there is no such transfer")
	}
	if m.open {
		return nil, fault.New(metav1.Reason_REASON_CONFLICT, "it is being written")
	}
	m.open = true
	return m, nil
}

func (m *memory) Size() int64 { return m.size }

func (m *memory) Received() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.data)), nil
}

func (m *memory) Append(r io.Reader) (int64, error) {
	var n int64
	buf := make([]byte, 16)
	for {
		k, err := r.Read(buf)
		m.mu.Lock()
		if m.full > 0 && int64(len(m.data)+k) > m.full {
			m.mu.Unlock()
			return n, fault.New(metav1.Reason_REASON_DISK_FULL, "the disk is full")
		}
		m.data = append(m.data, buf[:k]...)
		m.mu.Unlock()
		n += int64(k)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (m *memory) Drop() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone, m.data = true, nil
	return nil
}

func (m *memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = m.data[:size]
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = false
	return nil
}

// serve returns the address of a server for m whose requests come from the web.
func serve(t testing.TB, m *memory) string {
	t.Helper()
	s := httptest.NewUnstartedServer(transfer.New(m, slog.New(slog.DiscardHandler)))
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return origin.NewContext(ctx, origin.Origin{Listener: origin.Web})
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func do(t testing.TB, method, url string, body io.Reader, header ...string) (status int, offset, text string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get(transfer.OffsetHeader), string(data)
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(h[:]) + ":"
}

func TestPut(t *testing.T) {
	t.Parallel()
	const file = "0123456789"
	cases := []struct {
		name, have, body string
		header           []string
		status           int
		want, reason     string
	}{
		{name: "whole file", body: file, status: 204, want: file},
		{name: "whole file with digest", body: file, header: []string{"Content-Digest", sum(file)}, status: 204, want: file},
		{name: "begins anew", have: "abc", body: file, status: 204, want: file},
		{name: "part", body: "0123", header: []string{"Content-Range", "bytes 0-3/10"}, status: 204, want: "0123"},
		{name: "goes on", have: "0123", body: "456789", header: []string{"Content-Range", "bytes 4-9/10"}, status: 204, want: file},
		{name: "unknown total", have: "0123", body: "45", header: []string{"Content-Range", "bytes 4-5/*"}, status: 204, want: "012345"},
		{name: "skips what is there", have: "0123", body: "23456789", header: []string{"Content-Range", "bytes 2-9/10"}, status: 204, want: file},
		{name: "gap", have: "0123", body: "6789", header: []string{"Content-Range", "bytes 6-9/10"}, status: 409, want: "0123", reason: "CONFLICT"},
		{name: "wrong total", body: "0123", header: []string{"Content-Range", "bytes 0-3/9"}, status: 400, reason: "INVALID_ARGUMENT"},
		{name: "beyond the end", have: "0123", body: "456789x", header: []string{"Content-Range", "bytes 4-10/11"}, status: 413, want: "0123", reason: "MESSAGE_TOO_LARGE"},
		{name: "too large", body: file + "x", status: 413, reason: "MESSAGE_TOO_LARGE"},
		{name: "too small", body: "012", status: 400, reason: "INVALID_ARGUMENT"},
		{name: "length differs from range", body: "012", header: []string{"Content-Range", "bytes 0-3/10"}, status: 400, reason: "INVALID_ARGUMENT"},
		{name: "foreign range", body: "012", header: []string{"Content-Range", "lines 0-3/10"}, status: 400, reason: "INVALID_ARGUMENT"},
		{name: "digest differs", have: "0123", body: "456789", header: []string{"Content-Range", "bytes 4-9/10", "Content-Digest", sum("x")}, status: 422, want: "0123", reason: "TRANSFER_DIGEST"},
		{name: "damaged digest", body: file, header: []string{"Content-Digest", "sha-256=:x:"}, status: 400, reason: "INVALID_ARGUMENT"},
		{name: "other digest", body: file, header: []string{"Content-Digest", "md5=:x:"}, status: 204, want: file},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := &memory{size: 10, data: []byte(c.have)}
			status, offset, text := do(t, "PUT", serve(t, m)+"/transfer/good", strings.NewReader(c.body), c.header...)
			if status != c.status || string(m.data) != c.want {
				t.Errorf("status %d, data %q: %s", status, m.data, text)
			}
			if c.status == 204 && offset != fmt.Sprint(len(c.want)) {
				t.Errorf("offset %s", offset)
			}
			if !strings.Contains(text, c.reason) {
				t.Errorf("no %s in %s", c.reason, text)
			}
			if m.open {
				t.Error("the upload was left open")
			}
		})
	}
}

func TestUnannouncedLengthIsBounded(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{"0123456789": 204, "0123456789x": 413, "012": 412} {
		m := &memory{size: 10}
		status, _, text := do(t, "PUT", serve(t, m)+"/transfer/good", io.MultiReader(strings.NewReader(body))) // chunked
		if status != want || len(m.data) > 10 {
			t.Errorf("%q: status %d, data %q: %s", body, status, m.data, text)
		}
	}
}

func TestFullDiskIsTold(t *testing.T) {
	t.Parallel()
	m := &memory{size: 100, full: 32}
	status, _, text := do(t, "PUT", serve(t, m)+"/transfer/good", bytes.NewReader(make([]byte, 100)))
	if status != http.StatusInsufficientStorage || !strings.Contains(text, "REASON_DISK_FULL") {
		t.Errorf("status %d: %s", status, text)
	}
}

func TestHeadTellsTheOffset(t *testing.T) {
	t.Parallel()
	m := &memory{size: 10, data: []byte("0123")}
	url := serve(t, m)
	if status, offset, _ := do(t, "HEAD", url+"/transfer/good", nil); status != 204 || offset != "4" {
		t.Errorf("status %d, offset %q", status, offset)
	}
	for _, path := range []string{"/transfer/bad", "/transfer/", "/transfer/a/b", "/transfer/..%2fx", "/transfer/" + strings.Repeat("a", 65)} {
		if status, _, _ := do(t, "HEAD", url+path, nil); status != 404 {
			t.Errorf("%s: status %d", path, status)
		}
	}
	if status, _, _ := do(t, "PATCH", url+"/transfer/good", nil); status != 405 {
		t.Errorf("PATCH: status %d", status)
	}
}

func TestAnUploadIsGivenUp(t *testing.T) {
	t.Parallel()
	m := &memory{size: 10, data: []byte("0123")}
	url := serve(t, m)
	for _, want := range []int{204, 404} {
		if status, _, _ := do(t, "DELETE", url+"/transfer/good", nil); status != want || len(m.data) > 0 {
			t.Errorf("status %d, and there is %q", status, m.data)
		}
	}
}

func TestRequestsWithoutOriginAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []origin.Listener{origin.None, origin.Container, origin.Internal} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("PUT", "/transfer/good", strings.NewReader("x"))
		r = r.WithContext(origin.NewContext(r.Context(), origin.Origin{Listener: o}))
		transfer.New(&memory{size: 1}, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", o, w.Code)
		}
	}
}

// A sender whose connection hangs is replaced by its own next request, which goes on where the first one stopped.
func TestNewSenderReplacesTheOld(t *testing.T) {
	t.Parallel()
	m := &memory{size: 10}
	url := serve(t, m)
	pr, pw := io.Pipe()
	first := make(chan string, 1)
	go func() {
		req, _ := http.NewRequest("PUT", url+"/transfer/good", pr)
		req.ContentLength = 10
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			first <- err.Error()
			return
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		first <- string(data)
	}()
	if _, err := pw.Write([]byte("0123")); err != nil {
		t.Fatal(err)
	}
	var offset string
	for end := time.Now().Add(10 * time.Second); offset != "4" && time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, offset, _ = do(t, "HEAD", url+"/transfer/good", nil)
	}
	status, offset, text := do(t, "PUT", url+"/transfer/good", strings.NewReader("456789"), "Content-Range", "bytes 4-9/10")
	if status != 204 || offset != "10" || string(m.data) != "0123456789" {
		t.Errorf("status %d, offset %s, data %q: %s", status, offset, m.data, text)
	}
	pw.CloseWithError(io.ErrClosedPipe)
	<-first
}

func FuzzHeaders(f *testing.F) {
	f.Add("bytes 0-3/10", sum("0123"), int64(4))
	f.Add("bytes */10", "sha-256=::", int64(-1))
	f.Add("bytes 9223372036854775807-9223372036854775807/*", "", int64(1))
	f.Fuzz(func(t *testing.T, rng, digest string, length int64) {
		m := &memory{size: 10, data: []byte("0123")}
		r := httptest.NewRequest("PUT", "/transfer/good", strings.NewReader("4567890123456789"))
		r.Header["Content-Range"], r.Header["Content-Digest"] = []string{rng}, []string{digest}
		r.ContentLength = length
		r = r.WithContext(origin.NewContext(r.Context(), origin.Origin{Listener: origin.Web}))
		w := httptest.NewRecorder()
		transfer.New(m, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if len(m.data) > 10 || m.open || w.Code == 500 {
			t.Fatalf("status %d, %d bytes: %s", w.Code, len(m.data), w.Body)
		}
	})
}
