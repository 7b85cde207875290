package rpc

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// The Connect server refuses what is no call in any of its protocols by a status alone, before it reads the request. A
// status alone tells nobody what to do instead, and a peer that is still sending may lose it: by HTTP/2 the stream is
// reset. So such an answer gets a fault, once the request has been read.

// worded puts handlers on mux whose refusals have words.
type worded struct{ mux *http.ServeMux }

// Handle implements connecthttp.ServeMux.
func (m worded) Handle(pattern string, handler http.Handler) {
	if strings.HasSuffix(pattern, "/") { // what is no method of the service
		m.mux.Handle(pattern, strayCalls(http.HandlerFunc(noCall)))
		return
	}
	call := encoded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(&wordless{ResponseWriter: w, r: r}, r)
	}))
	if pattern == feed {
		call = packed(call)
	}
	m.mux.Handle(pattern, call)
}

// noCall answers what is no call of a method that is there, by a way that is none of those of calls.
func noCall(w http.ResponseWriter, r *http.Request) {
	discard(r)
	codec.WriteFault(w, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s %s", r.Method, r.URL.Path))
}

// wordless is an answer that gets a fault where it is refused without one.
type wordless struct {
	http.ResponseWriter
	r       *http.Request
	refused bool // the fault is written; what the handler writes is not
}

// Unwrap is for http.ResponseController.
func (w *wordless) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *wordless) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

func (w *wordless) WriteHeader(status int) {
	// What has words is JSON, or a protocol of its own.
	if t := w.Header().Get("Content-Type"); status < 400 || t != "" && !strings.HasPrefix(t, "text/plain") {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	if status == http.StatusHTTPVersionNotSupported { // who wants to talk both ways may send only after the answer
		refuseCall(w.ResponseWriter, w.r, refusal(status, w.r, ""))
		return
	}
	_, _ = io.CopyN(io.Discard, w.r.Body, maxStranger) // who has gone is told nothing
	codec.WriteFaultStatus(w.ResponseWriter, status, refusal(status, w.r, w.Header().Get("Accept-Post")))
}

func (w *wordless) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// refusal says in words what a status of the Connect server means; accepted are the media types it reads there.
func refusal(status int, r *http.Request, accepted string) error {
	const invalid, none = metav1.Reason_REASON_INVALID_ARGUMENT, metav1.Reason_REASON_METHOD_NOT_FOUND
	switch {
	case status == http.StatusUnsupportedMediaType && r.Method == http.MethodGet:
		return fault.New(invalid, "cannot read the call: a GET has the query encoding=json&message=… and no body")
	case status == http.StatusUnsupportedMediaType:
		return fault.New(invalid, "cannot read %s: send one of the Content-Types %s", mediaType(r), accepted).Violation("Content-Type", "must be one of "+accepted)
	case status == http.StatusMethodNotAllowed:
		return fault.New(none, "cannot call by %s, only by POST", r.Method)
	case status == http.StatusHTTPVersionNotSupported:
		return fault.New(metav1.Reason_REASON_STREAM_UNSUPPORTED, "cannot stream both ways by %s: it needs HTTP/2", r.Proto)
	}
	return fault.New(invalid, "cannot read the call")
}

// mediaType is what the body is said to be.
func mediaType(r *http.Request) string {
	const most = 100
	t := r.Header.Get("Content-Type")
	switch {
	case t == "":
		return "a body without a Content-Type"
	case len(t) > most:
		t = strings.ToValidUTF8(t[:most], "") + "…"
	}
	return fmt.Sprintf("a body of %q", t)
}
