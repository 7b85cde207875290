package rpc

import (
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// The Connect server knows nothing of services that are not there, and refuses compression that it does not know in words
// of its own. Both are answered here, in the protocol of the call and with a fault.

// strayCalls answers calls of services that are not there; everything else is for next.
func strayCalls(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isCall(r) {
			next.ServeHTTP(w, r)
			return
		}
		refuseCall(w, r, noMethod(r.URL.Path))
	})
}

// isCall tells whether a request is one of Connect, gRPC-Web or gRPC, by its path and by what it says to carry.
func isCall(r *http.Request) bool {
	service, method, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method != http.MethodPost || !ok || service == "" || method == "" || strings.Contains(method, "/") {
		return false
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind, ok = strings.CutPrefix(strings.ToLower(strings.TrimSpace(kind)), "application/")
	if !ok {
		return false
	}
	return kind == "json" || kind == "proto" || strings.HasPrefix(kind, "connect+") || strings.HasPrefix(kind, "grpc")
}

// refuseCall answers a call in its own protocol, without that it is read.
func refuseCall(w http.ResponseWriter, r *http.Request, err error) {
	discard(r)
	_ = connecthttp.NewErrorWriter().Write(w, r, connectError(r.Context(), err)) // who has gone is told nothing
}

// discard reads what a peer is about to send, where that is little: else it may lose the answer while it still sends.
func discard(r *http.Request) {
	if r.ContentLength > 0 {
		_, _ = io.CopyN(io.Discard, r.Body, maxStranger)
	}
}

// encoded refuses calls whose messages are compressed in a way that the Connect server does not read.
func encoded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var encoding string
		switch kind := r.Header.Get("Content-Type"); {
		case r.Method == http.MethodGet:
			encoding = r.URL.Query().Get("compression")
		case strings.HasPrefix(kind, "application/grpc"):
			encoding = r.Header.Get("Grpc-Encoding")
		case strings.HasPrefix(kind, "application/connect+"):
			encoding = r.Header.Get("Connect-Content-Encoding")
		default:
			encoding = r.Header.Get("Content-Encoding")
		}
		if isPlain(encoding) || encoding == connect.CompressionNameGzip {
			next.ServeHTTP(w, r)
			return
		}
		refuseCall(w, r, strayEncoding(encoding, "identity and gzip"))
	})
}

// plain refuses requests with a compressed body.
func plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if encoding := r.Header.Get("Content-Encoding"); !isPlain(encoding) {
			discard(r)
			w.Header().Set("Accept-Encoding", connect.CompressionNameIdentity)
			codec.WriteFault(w, strayEncoding(encoding, "identity alone"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isPlain(encoding string) bool {
	return encoding == "" || encoding == connect.CompressionNameIdentity
}

func strayEncoding(encoding, known string) error {
	const most = 40
	if len(encoding) > most {
		encoding = encoding[:most] + "…"
	}
	return fault.New(metav1.Reason_REASON_ENCODING_UNSUPPORTED, "cannot read a body with the encoding %q: it may be %s", encoding, known).
		With("encoding", encoding)
}
