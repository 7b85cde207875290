package door

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/fair"
)

const (
	protoHTTP1 = "http/1.1"
	protoHTTP2 = "h2"
	// prefaceMethod begins the preface of HTTP/2; as a request it must lead nowhere.
	prefaceMethod = "PRI"

	maxHeader     = 64 << 10  // of a request
	maxAnswer     = 128 << 10 // of the header of an answer
	maxStreams    = 250       // of a connection of HTTP/2
	headerTimeout = 60 * time.Second
	idleTimeout   = 3 * time.Minute
	// upstreamIdle is shorter than what any common server waits before it closes an idle connection: a request sent into
	// a connection that is just being closed fails, and one that is no GET cannot be repeated.
	upstreamIdle     = 1 * time.Second
	maxIdleUpstreams = 64
	// maxUpstreams bounds the connections to one service, those of requests without a body and all others each. It is as many as requests are under way
	// at most, by Limits.Held, of which one source has a quarter: so nobody takes all of them.
	maxUpstreams = 8192
	// maxWithdrawn is how many requests a connection of HTTP/2 may take back that are most of its requests: each costs the service a connection, and the caller nothing.
	maxWithdrawn = 500
	pingAfter    = 25 * time.Second
	pingTimeout  = 60 * time.Second
)

// httpFront is an HTTP server that is handed its connections.
type httpFront struct {
	server *http.Server
	feed   *feed
	start  sync.Once
	ended  chan struct{}
}

type (
	connKey struct{}
	userKey struct{} // whom the gate let pass
)

// newHTTPFront makes a front; it runs nothing before the first connection.
func newHTTPFront(d *Door, h http.Handler) *httpFront {
	f := &httpFront{feed: &feed{conns: make(chan net.Conn), closed: make(chan struct{})}, ended: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	f.server = &http.Server{
		Handler: closing(d, h), Protocols: protocols, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		HTTP2:    &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: fair.Body},
		ErrorLog: log.New(debugWriter{d.log}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, entered(c))
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateHijacked {
				entered(c).upgraded.Store(true)
			}
		},
	}
	return f
}

// entered returns the connection below a front's.
func entered(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	e, _ := c.(*conn)
	return e
}

// closing tells callers to go with their answer while the door is about to end. One that asks to change the protocol is told by
// the answer itself, if at all: the header would deny the change.
func closing(d *Door, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.draining.Load() && r.Header.Get("Upgrade") == "" {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// take hands a connection to the front; it is closed where the front is shut down.
func (f *httpFront) take(ctx context.Context, c net.Conn) {
	f.start.Do(func() {
		f.server.BaseContext = func(net.Listener) context.Context { return ctx }
		go func() {
			defer close(f.ended)
			_ = f.server.Serve(f.feed)
		}()
	})
	select {
	case f.feed.conns <- c:
	case <-f.feed.closed:
		c.Close()
	}
}

// shutdown lets requests end until ctx ends, then cuts what is left, and returns when the front has ended. A front that
// was never used just refuses from now on.
func (f *httpFront) shutdown(ctx context.Context) {
	used := true
	f.start.Do(func() { used = false; close(f.ended) })
	f.feed.Close()
	if used {
		if f.server.Shutdown(ctx) != nil {
			_ = f.server.Close()
		}
	}
	<-f.ended
}

// feed is a listener whose connections somebody else accepted.
type feed struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }

// ServeHTTP carries a request by the route its connection would take now: a connection that was opened before the route
// changed or went does not lead to the old place, and ends with its answer.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == prefaceMethod {
		w.Header().Set("Connection", "close")
		http.Error(w, "This is not how HTTP/2 begins here.", http.StatusBadRequest)
		return
	}
	c, _ := r.Context().Value(connKey{}).(*conn)
	plan := b.door.current.Load()
	now := plan.route(c)
	if now == nil || now.backend != b && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	if now == nil || now.backend.proxy == nil {
		http.Error(w, "This is not here any more.", http.StatusMisdirectedRequest)
		return
	}
	if plan.entries[c.address].isOfAnother(r.Host, now.backend) {
		http.Error(w, "This name is reached by a connection of its own.", http.StatusMisdirectedRequest)
		return
	}
	b = now.backend
	release, ok := b.door.held.Take(network(c.source), r)
	if !ok {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Too many requests are under way; try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	defer release()
	if r.ProtoMajor == 2 {
		c.asked.Add(1)
		defer c.countWithdrawn(r.Context())
	}
	if b.gate != nil {
		user, ok := b.gate.admits(r)
		if !ok {
			b.gate.refuse(w)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
	}
	// Else the library would take the rest of the request for itself as soon as the answer begins, and services do answer
	// while they are still reading. HTTP/2 needs no permission and answers with an error.
	_ = http.NewResponseController(w).EnableFullDuplex()
	b.proxy.ServeHTTP(&answerWriter{ResponseWriter: w, empty: r.Method == http.MethodHead, websocket: strings.EqualFold(r.Header.Get("Upgrade"), "websocket")}, r)
}

// countWithdrawn is called when a request has ended, and cuts off who takes back most of them.
func (c *conn) countWithdrawn(request context.Context) {
	if request.Err() == nil {
		return
	}
	if n := c.withdrawn.Add(1); n > maxWithdrawn && 2*n > c.asked.Load() {
		c.Close()
	}
}

// answerWriter does not flush where there is nothing to come: it would cost a packet, and tell over HTTP/2 that a body
// follows which does not.
type answerWriter struct {
	http.ResponseWriter
	empty     bool
	websocket bool // what the request asks for
}

// Hijack gives the connection to what carries the bytes of another protocol.
func (w *answerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if secured, ok := c.(*tls.Conn); ok && w.websocket {
		c = whole{secured}
	}
	return c, rw, err
}

// whole is the connection of a websocket, which a caller cannot half end: services that do not heed the end of what they read would
// keep their side for ever.
type whole struct{ *tls.Conn }

var errLeft = errors.New("the caller has left")

func (c whole) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = errLeft
	}
	return n, err
}

// WriteHeader notes whether a body follows. "Continue" is sent by the library itself when the upstream begins to read;
// passing on the upstream's would say it twice.
func (w *answerWriter) WriteHeader(code int) {
	if code == http.StatusContinue {
		return
	}
	if code == http.StatusNoContent || code == http.StatusNotModified || w.Header().Get("Content-Length") == "0" {
		w.empty = true
	}
	w.ResponseWriter.WriteHeader(code)
}

// FlushError sends what was written so far.
func (w *answerWriter) FlushError() error {
	if w.empty {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap gives what else the connection can do to those who ask.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// proxy carries requests to a backend.
type proxy struct {
	backend *backend
	fetch   *fetcher        // HTTP/1.1, requests without a body
	plain   *http.Transport // HTTP/1.1, all else
	http2   *http.Transport // nil unless the upstream speaks it
	*httputil.ReverseProxy
}

func newProxy(b *backend) *proxy {
	p := &proxy{backend: b, fetch: newFetcher(b), plain: newTransport(b, false)}
	if b.key.http2 {
		p.http2 = newTransport(b, true)
	}
	p.ReverseProxy = &httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p, FlushInterval: -1, BufferPool: pool{}, ErrorHandler: p.failed,
		ModifyResponse: p.answered, ErrorLog: log.New(debugWriter{b.door.log}, "", 0),
	}
	return p
}

// answered takes out what is ours, and tells a caller to go also where the end of the door or the route began while the upstream was at work.
func (p *proxy) answered(r *http.Response) error {
	withoutOwnCookiesSet(r.Header)
	if shared(r.Request.Host) {
		r.Header.Del("Strict-Transport-Security")
	}
	if (p.backend.door.draining.Load() || p.backend.retired.Load()) && r.StatusCode != http.StatusSwitchingProtocols {
		r.Header.Set("Connection", "close")
	}
	return nil
}

func newTransport(b *backend, http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	t := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return b.dial(ctx) },
		DisableCompression: true, IdleConnTimeout: upstreamIdle, MaxIdleConnsPerHost: maxIdleUpstreams, MaxConnsPerHost: maxUpstreams,
		MaxResponseHeaderBytes: maxAnswer, Protocols: protocols, ExpectContinueTimeout: time.Second,
	}
	if b.key.tls {
		t.TLSClientConfig, t.TLSHandshakeTimeout = b.upstreamTLS(nil), dialTimeout
		protocols.SetHTTP2(http2)
	} else {
		protocols.SetUnencryptedHTTP2(http2)
	}
	return t
}

// RoundTrip chooses the protocol by that of the request.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.http2 != nil && r.Context().Value(overHTTP2{}) != nil {
		return p.http2.RoundTrip(r)
	}
	if p.fetch.takes(r) {
		return p.fetch.RoundTrip(r)
	}
	return p.plain.RoundTrip(r)
}

type overHTTP2 struct{}

// rewrite makes the request of the upstream: the same, with what the caller claims about its way replaced by what is so.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	out := r.Out
	out.URL.Scheme, out.URL.Host = "http", "upstream"
	if p.backend.key.tls {
		out.URL.Scheme = "https"
	}
	out.URL.RawQuery = r.In.URL.RawQuery // as it came, also where it is no well-formed query
	out.Host = r.In.Host
	removeClaims(out.Header)
	withoutOwnCookies(out.Header)
	if !p.backend.key.bare {
		c, _ := r.In.Context().Value(connKey{}).(*conn)
		out.Header.Set("X-Forwarded-For", c.source.String())
		out.Header.Set("X-Forwarded-Proto", "https")
		out.Header.Set("X-Forwarded-Host", r.In.Host)
	}
	if user, _ := r.In.Context().Value(userKey{}).(string); user != "" {
		out.Header.Set("X-Forwarded-User", user)
	}
	if _, given := r.In.Header["User-Agent"]; !given {
		out.Header["User-Agent"] = nil // else the library adds its own
	}
	if !allowedUpgrade(out.Header.Get("Upgrade")) {
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	if r.In.ProtoMajor == 2 {
		r.Out = out.WithContext(context.WithValue(out.Context(), overHTTP2{}, true))
	}
}

// removeClaims removes the headers by which a caller could pass for another. Some servers read "_" as "-".
func removeClaims(h http.Header) {
	for name := range h {
		n := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if strings.HasPrefix(n, "x-forwarded") || n == "forwarded" || n == "x-real-ip" || n == "x-scheme" || n == "remote-user" || n == "x-remote-user" || n == "proxy" {
			delete(h, name)
		}
	}
}

// allowedUpgrade refuses to change to another form of HTTP: requests after it would pass by unseen.
func allowedUpgrade(to string) bool {
	to = strings.ToLower(strings.TrimSpace(to))
	return !strings.HasPrefix(to, "h2") && !strings.HasPrefix(to, "http/") && !strings.HasPrefix(to, "tls/") && !strings.Contains(to, ",")
}

// failed answers for an upstream that did not.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	p.backend.door.unreachable(p.backend, err)
	status := http.StatusBadGateway
	if errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		w.Header().Set("Refresh", "2") // who opened it sees it when it is there
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "The service does not answer. It may be starting; try again in a moment.\n")
}

// pool lends the buffers of streams.
type pool struct{}

func (pool) Get() []byte {
	b, _ := buffers.Get().(*[]byte)
	return *b
}

func (pool) Put(b []byte) { buffers.Put(&b) }

// debugWriter takes the complaints of net/http about its callers.
type debugWriter struct{ log *slog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug("http", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}
