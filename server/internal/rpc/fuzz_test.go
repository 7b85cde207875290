package rpc_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/rpc"
)

// FuzzUnixSocket sends foreign bytes to the one socket that speaks everything. Whatever they are, the connection ends
// or waits, and the server goes on answering.
func FuzzUnixSocket(f *testing.F) {
	for _, seed := range []string{
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", "P", "",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01",
		"POST /hearth.packages.v1.PackageService/ListPackages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"PUT /transfer/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\nabc",
	} {
		f.Add([]byte(seed))
	}
	hub := newHub(f)
	path := filepath.Join(shortDir(f), "h.sock")
	served := make(chan error, 1)
	go func() { served <- hub.ServeUnix(path, 0o600) }()
	f.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			f.Error(err)
		}
		<-served
	})
	client := httpUnix(f, path)
	waitFor(f, func() bool { _, err := net.Dial("unix", path); return err == nil })
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := must(net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}))(t)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(data)
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
		if resp, _, err := send(client, "GET", "http://x/api/none", "", "", nil); err != nil || resp.StatusCode != http.StatusNotFound {
			t.Fatalf("the server does not answer any more: %v %v", resp, err)
		}
	})
}

// FuzzJSONRPC calls with foreign bytes: the answer is JSON-RPC or a fault, never a defect.
func FuzzJSONRPC(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"package.start","params":{"id":"a"}}`, `[]`, `[1]`, `{}`, `null`, ` `, `[{"jsonrpc":"2.0","method":"x"}]`,
		`{"jsonrpc":"2.0","id":{},"method":"x"}`, `{"jsonrpc":"2.0","id":1,"method":"package.start","params":[1]}`, strings.Repeat("[", 100),
	} {
		f.Add(seed, true)
	}
	hub := newHub(f)
	handler := rpc.WebHandler(hub)
	f.Fuzz(func(t *testing.T, body string, stream bool) {
		r := httptest.NewRequest("POST", "/jsonrpc", strings.NewReader(body))
		if stream {
			r.Header.Set("Accept", "application/x-ndjson")
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if answer := w.Body.String(); w.Code >= 500 || strings.Contains(answer, "REASON_INTERNAL") || strings.Contains(answer, `"result":{`) {
			t.Fatalf("status %d: %s", w.Code, answer)
		}
	})
}
