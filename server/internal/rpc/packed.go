package rpc

import (
	"net/http"
	"strings"

	"connectrpc.com/connect/v2"
	"github.com/klauspost/compress/gzip"
)

// feed is the method whose answer begins with all that the caller may see. It has no secrets, so that nothing can be learned of them from
// how well it compresses.
const feed = "/hearth.state.v1.StateService/Watch"

// packed has the messages of a stream of Connect compressed as one body for callers who would get them as they are: pages in browsers,
// which unpack bodies and no single messages. Who can unpack messages is left to Connect.
func packed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), connectStream) || r.Header.Get("Connect-Accept-Encoding") != "" || !takesGzip(r) {
			next.ServeHTTP(w, r)
			return
		}
		body := &packedBody{ResponseWriter: w}
		defer body.close()
		next.ServeHTTP(body, r)
	})
}

const connectStream = "application/connect+"

// takesGzip tells whether the caller unpacks a body of gzip.
func takesGzip(r *http.Request) bool {
	for _, v := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(v, ",") {
			name, weight, _ := strings.Cut(one, ";")
			if strings.TrimSpace(name) == connect.CompressionNameGzip && strings.TrimSpace(weight) != "q=0" {
				return true
			}
		}
	}
	return false
}

// packedBody compresses what is written. It keeps nothing between writes: streams are many and rest most of the time.
type packedBody struct {
	http.ResponseWriter
	begun bool
	gzip  *gzip.Writer // nil where the answer is no stream
}

// Unwrap is for http.ResponseController.
func (b *packedBody) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b *packedBody) WriteHeader(status int) {
	if head := b.Header(); !b.begun && strings.HasPrefix(head.Get("Content-Type"), connectStream) {
		head.Set("Content-Encoding", connect.CompressionNameGzip)
		head.Add("Vary", "Accept-Encoding")
		head.Del("Content-Length")
		b.gzip, _ = gzip.NewWriterLevel(b.ResponseWriter, gzip.StatelessCompression) // it refuses only levels that there are not
	}
	b.begun = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *packedBody) Write(p []byte) (int, error) {
	if !b.begun {
		b.WriteHeader(http.StatusOK)
	}
	if b.gzip == nil {
		return b.ResponseWriter.Write(p)
	}
	return b.gzip.Write(p)
}

// Flush implements http.Flusher.
func (b *packedBody) Flush() {
	if !b.begun {
		b.WriteHeader(http.StatusOK)
	}
	if b.gzip != nil {
		_ = b.gzip.Flush() // the next write tells of the same
	}
	if flusher, ok := b.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

func (b *packedBody) close() {
	if b.gzip != nil {
		_ = b.gzip.Close() // who has gone is told nothing
	}
}
