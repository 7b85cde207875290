package door

import (
	"net/http"
	"net/netip"
	"sync"
)

const (
	// usualHeld is what Limits.Held is by default.
	usualHeld = 256 << 20
	// heldEach is what a request takes beside what came with it: two goroutines, their buffers and a connection to the service.
	heldEach = 16 << 10
	// heldBody is how much of a body over HTTP/2 may have come that the service has not read.
	heldBody = 512 << 10
)

// holdings is the memory that requests under way take, which callers choose: a connection of HTTP/2 has hundreds of them, each with its header
// and the beginning of its body, for as long as the service takes to answer. One source has a quarter of it at most. It is safe for concurrent use.
type holdings struct {
	most int64

	mu      sync.Mutex // guards all below
	all     int64
	sources map[netip.Addr]int64
}

// take counts a request, or refuses where there is too much. The caller calls release once.
func (h *holdings) take(source netip.Addr, r *http.Request) (release func(), ok bool) {
	size, source := weight(r), network(source)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all+size > h.most || h.sources[source]+size > h.most/4 {
		return nil, false
	}
	h.all += size
	h.sources[source] += size
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all -= size
		if h.sources[source] -= size; h.sources[source] == 0 {
			delete(h.sources, source)
		}
	}, true
}

// weight is how much memory a request may take.
func weight(r *http.Request) int64 {
	const field = 64 // beside the bytes of a name and its value
	n := heldEach + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		n += len(name) + field
		for _, v := range values {
			n += len(v) + field
		}
	}
	if r.ProtoMajor < 2 || r.ContentLength == 0 { // the kernel has what is not read of others
		return int64(n)
	}
	if r.ContentLength > 0 && r.ContentLength < heldBody {
		return int64(n) + r.ContentLength
	}
	return int64(n) + heldBody
}
