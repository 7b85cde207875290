package door

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxEarly is how many early answers (1xx) are taken before the one.
	maxEarly = 5
	// upstreamBuffer is what is read and written at once of a header.
	upstreamBuffer = 4 << 10
)

var (
	errLongHeader = errors.New("the header of the upstream's answer is too long")
	errEarly      = errors.New("the upstream changes the protocol unasked, or never comes to its answer")
)

// fetcher carries requests without a body to an upstream of HTTP/1.1: most there are. One goroutine writes the request and reads the
// answer, the caller's own; the library's transport has two more for each connection, and waking them costs more than all
// else. What may have to be read and written at once is the library's.
type fetcher struct {
	backend *backend
	slots   chan struct{} // one taken for each connection in use

	mu    sync.Mutex // guards what follows
	idle  []*upstreamConn
	reaps bool // a look for those that were idle too long is due
}

func newFetcher(b *backend) *fetcher {
	return &fetcher{backend: b, slots: make(chan struct{}, maxUpstreams)}
}

// takes tells whether a request is one of those.
func (f *fetcher) takes(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 && (r.Body == nil || r.Body == http.NoBody) &&
		r.Header.Get("Upgrade") == "" && r.Header.Get("Expect") == "" && !f.backend.key.tls
}

// upstreamConn is a connection to an upstream.
type upstreamConn struct {
	net.Conn
	in    *bufio.Reader
	out   *bufio.Writer
	left  int64 // how much may be read
	any   bool  // whether anything of this answer was read
	since time.Time
}

// Read reads within the bound.
func (c *upstreamConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLongHeader
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	c.any = c.any || n > 0
	return n, err
}

// RoundTrip implements http.RoundTripper. A connection that was open and dies without a word of answer is one that the upstream was just
// closing: these requests change nothing, so they are sent again.
func (f *fetcher) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		c, fresh, err := f.connect(ctx)
		if err != nil {
			<-f.slots
			return nil, err
		}
		resp, err := f.exchange(ctx, c, r)
		if err == nil {
			return resp, nil
		}
		c.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else if !fresh && !c.any {
			continue
		}
		<-f.slots
		return nil, err
	}
}

// connect answers a connection that is open and silent, or a new one.
func (f *fetcher) connect(ctx context.Context) (c *upstreamConn, fresh bool, err error) {
	for {
		f.mu.Lock()
		n := len(f.idle)
		if n == 0 {
			f.mu.Unlock()
			break
		}
		c, f.idle = f.idle[n-1], f.idle[:n-1]
		f.mu.Unlock()
		if time.Since(c.since) < upstreamIdle && silent(c.Conn) {
			return c, false, nil
		}
		c.Close()
	}
	raw, err := f.backend.dial(ctx)
	if err != nil {
		return nil, false, err
	}
	c = &upstreamConn{Conn: raw}
	c.in, c.out = bufio.NewReaderSize(c, upstreamBuffer), bufio.NewWriterSize(raw, upstreamBuffer)
	return c, true, nil
}

// silent tells whether an idle connection is open and nothing came on it: whatever did would be taken for the next answer.
func silent(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = errors.Is(err, unix.EAGAIN)
	})
	return quiet && err == nil
}

// exchange sends a request and reads the answer's header. The body gives the connection back, or closes it.
func (f *fetcher) exchange(ctx context.Context, c *upstreamConn, r *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(ctx, func() { c.Conn.Close() })
	resp, err := c.ask(ctx, r)
	if err != nil {
		stop()
		return nil, err
	}
	c.left = math.MaxInt64
	body := &upstreamBody{fetcher: f, conn: c, stop: stop, keep: !resp.Close, rest: resp.Body}
	if resp.Body == http.NoBody {
		body.end(nil)
	} else {
		resp.Body = body
	}
	return resp, nil
}

func (c *upstreamConn) ask(ctx context.Context, r *http.Request) (*http.Response, error) {
	c.left, c.any = maxAnswer, false
	if err := r.Write(c.out); err != nil {
		return nil, err
	}
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	for range maxEarly {
		resp, err := http.ReadResponse(c.in, r)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode >= 200:
			return resp, nil
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errEarly
		}
		if trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, err
			}
		}
	}
	return nil, errEarly
}

// upstreamBody is the body of an answer, which has the connection until its end.
type upstreamBody struct {
	fetcher *fetcher
	conn    *upstreamConn
	stop    func() bool
	keep    bool
	rest    io.ReadCloser
	once    sync.Once
}

// Read reads the body.
func (b *upstreamBody) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

// Close ends the connection where the body was not read to its end.
func (b *upstreamBody) Close() error {
	b.end(errors.New("not read to the end"))
	return nil
}

// end gives the connection back after the whole of an answer that the upstream keeps it open after, else it is closed.
func (b *upstreamBody) end(err error) {
	b.once.Do(func() {
		whole := err == nil || errors.Is(err, io.EOF)
		if undisturbed := b.stop(); whole && undisturbed && b.keep && b.conn.in.Buffered() == 0 {
			b.fetcher.put(b.conn)
		} else {
			b.conn.Close()
		}
		<-b.fetcher.slots
	})
}

// put keeps a connection for the next request, for a while.
func (f *fetcher) put(c *upstreamConn) {
	c.since = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.idle) >= maxIdleUpstreams {
		c.Close()
		return
	}
	f.idle = append(f.idle, c)
	if !f.reaps {
		f.reaps = true
		time.AfterFunc(upstreamIdle, f.reap)
	}
}

// reap closes connections that have been idle for too long, those at the front, until there are none.
func (f *fetcher) reap() {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := 0
	for old < len(f.idle) && time.Since(f.idle[old].since) >= upstreamIdle {
		f.idle[old].Close()
		old++
	}
	f.idle = append(f.idle[:0], f.idle[old:]...)
	clear(f.idle[len(f.idle):cap(f.idle)])
	if f.reaps = len(f.idle) > 0; f.reaps {
		time.AfterFunc(upstreamIdle-time.Since(f.idle[0].since), f.reap)
	}
}
