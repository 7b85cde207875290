// Package fair keeps one caller from taking the memory that all need. It knows nothing of protocols but what a request of HTTP may weigh, and decides
// about no connection: listeners do.
package fair

import (
	"net/http"
	"sync"
)

const (
	// Body is how much of a body over HTTP/2 may have come that nobody has read. A server that weighs requests has it as its MaxReceiveBufferPerStream.
	Body = 512 << 10
	// each is what a request takes beside what came with it: two goroutines, their buffers and what answers it.
	each = 32 << 10
	// field is what a field of a header takes beside its bytes.
	field = 64
)

// Share is the memory that requests under way take, which callers choose: a connection of HTTP/2 has hundreds of them, each with its header
// and the beginning of its body, for as long as the answer takes. One source has a quarter of it at most. It is safe for concurrent use.
type Share[Source comparable] struct {
	most int64

	mu      sync.Mutex // guards all below
	all     int64
	sources map[Source]int64
}

// NewShare makes one of so many bytes.
func NewShare[Source comparable](most int64) *Share[Source] {
	return &Share[Source]{most: most, sources: map[Source]int64{}}
}

// Take counts the request of a source, or refuses it where there is too much. The caller calls release once.
func (s *Share[Source]) Take(from Source, r *http.Request) (release func(), ok bool) {
	size := weight(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+size > s.most || s.sources[from]+size > s.most/4 {
		return nil, false
	}
	s.all += size
	s.sources[from] += size
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all -= size
		if s.sources[from] -= size; s.sources[from] == 0 {
			delete(s.sources, from)
		}
	}, true
}

// weight is how much memory a request may take.
func weight(r *http.Request) int64 {
	n := each + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		n += len(name) + field
		for _, v := range values {
			n += len(v) + field
		}
	}
	if r.ProtoMajor < 2 || r.ContentLength == 0 { // the kernel has what is not read of others
		return int64(n)
	}
	if r.ContentLength > 0 && r.ContentLength < Body {
		return int64(n) + r.ContentLength
	}
	return int64(n) + Body
}
