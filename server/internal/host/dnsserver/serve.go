package dnsserver

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxConns and maxConnsSource bound the open connections of one listener, in all and from one source; maxQueries the
	// questions on one connection.
	maxConns, maxConnsSource, maxQueries = 512, 32, 256
	// connIdle is how long a connection may be silent.
	connIdle = 8 * time.Second
	// drain is how long questions under way may take when serving ends.
	drain = forwardTimeout + 500*time.Millisecond
)

// ServeListener answers on a TCP socket until ctx ends, then finishes what it has begun and closes the socket. It returns
// nil after ctx ended.
func (s *Server) ServeListener(ctx context.Context, l net.Listener) error {
	questions := context.WithoutCancel(ctx)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) { s.serve(questions, w, req) })
	limited := &limitedListener{Listener: l, done: make(chan struct{}), sources: map[netip.Addr]int{}}
	return s.run(ctx, limited, &dns.Server{
		Listener: limited, Handler: handler, MaxTCPQueries: maxQueries, IdleTimeout: func() time.Duration { return connIdle },
	})
}

func (s *Server) run(ctx context.Context, l *limitedListener, srv *dns.Server) error {
	addr := l.Addr()
	defer s.own(addr)()
	started, ended := make(chan struct{}), make(chan error, 1)
	srv.NotifyStartedFunc = func() { close(started) }
	srv.MsgAcceptFunc = accept
	go func() { ended <- srv.ActivateAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("cannot answer on %s: %w", addr, err)
	case <-started:
	}
	select {
	case err := <-ended:
		if err == nil {
			err = net.ErrClosed
		}
		return fmt.Errorf("cannot go on answering on %s: %w", addr, err)
	case <-ctx.Done():
	}
	// Nobody new comes. Those who came are let ask: the library would end them before it has read their question.
	_ = l.Close()
	patience := time.NewTimer(drain)
	defer patience.Stop()
	select {
	case <-l.answered():
	case <-patience.C:
	}
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	_ = srv.ShutdownContext(rest)
	<-ended
	return nil
}

// own keeps an address that is answered on from being asked, until the function is called.
func (s *Server) own(addr net.Addr) func() {
	a, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return func() {}
	}
	s.system.exclude(a)
	return func() { s.system.include(a) }
}

// accept lets nothing through that is not one plain question; what is let through is still judged by its source.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	if h.Bits&response != 0 || h.Qdcount != 1 || h.Ancount != 0 || h.Nscount != 0 || h.Arcount > 2 {
		return dns.MsgIgnore
	}
	return dns.MsgAccept
}

func (s *Server) serve(ctx context.Context, w dns.ResponseWriter, req *dns.Msg) {
	source, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil {
		return
	}
	m := s.reply(ctx, req, source.Addr().Unmap().WithZone(""), true)
	if m == nil {
		return
	}
	_ = w.WriteMsg(m) // the caller is gone, or asks again
}

// limitedListener closes connections beyond its bounds and rests when the machine is out of descriptors: the library
// would ask again at once, for ever.
type limitedListener struct {
	net.Listener
	once sync.Once
	done chan struct{}

	mu      sync.Mutex // guards all below
	open    list.List  // of *opened, the oldest first
	sources map[netip.Addr]int
	waiting int           // connections that were accepted and have had no answer
	none    chan struct{} // closed when none waits; nil while nobody wants to know
}

// opened is a connection that was accepted.
type opened struct {
	net.Conn
	source   netip.Addr
	answered bool // once, at least
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if release, first, ok := l.take(c); ok {
				return &limitedConn{Conn: c, release: release, first: sync.OnceFunc(first)}, nil
			}
			_ = c.Close()
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		select {
		case <-l.done:
			return nil, net.ErrClosed
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// take counts a connection. Where there are too many, one of the source with most of them makes room, the one that is oldest: few
// of those who mean it stay for longer than a question. Where a source has too many it makes room itself, if one of its own has had an
// answer: who asks again and again is quicker than a busy server notices that the connection before is over.
func (l *limitedListener) take(c net.Conn) (release, first func(), ok bool) {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	source := a.Addr().Unmap()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || l.sources[source] >= maxConnsSource && !l.makeRoomOf(source) {
		return nil, nil, false
	}
	if l.open.Len() >= maxConns {
		l.makeRoom()
	}
	o := &opened{Conn: c, source: source}
	e := l.open.PushBack(o)
	l.sources[source]++
	l.waiting++
	release = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leave(e)
	}
	return release, func() { l.served(o) }, true
}

// served notes that a connection has had its first answer, or is over.
func (l *limitedListener) served(o *opened) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.answered = true
	if l.waiting--; l.waiting == 0 && l.none != nil {
		close(l.none)
		l.none = nil
	}
}

// answered answers a channel that closes when no connection waits for its first answer. It is called once, when no more come.
func (l *limitedListener) answered() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	none := make(chan struct{})
	if l.waiting == 0 {
		close(none)
	} else {
		l.none = none
	}
	return none
}

// leave takes a connection out of the open ones, once or more. It needs l.mu.
func (l *limitedListener) leave(e *list.Element) {
	o, ok := e.Value.(*opened)
	if !ok {
		return
	}
	e.Value = nil
	l.open.Remove(e)
	if l.sources[o.source]--; l.sources[o.source] == 0 {
		delete(l.sources, o.source)
	}
}

// makeRoom ends a connection. It needs l.mu.
func (l *limitedListener) makeRoom() {
	var oldest *list.Element
	most := 0
	for e := l.open.Front(); e != nil; e = e.Next() {
		if n := l.sources[e.Value.(*opened).source]; n > most {
			oldest, most = e, n
		}
	}
	_ = oldest.Value.(*opened).Conn.Close()
	l.leave(oldest)
}

// makeRoomOf ends the oldest connection of a source that has had an answer, and tells whether there was one. It needs l.mu.
func (l *limitedListener) makeRoomOf(source netip.Addr) bool {
	for e := l.open.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*opened); o.source == source && o.answered {
			_ = o.Conn.Close()
			l.leave(e)
			return true
		}
	}
	return false
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release, first func()
}

// Write writes an answer.
func (c *limitedConn) Write(p []byte) (int, error) {
	defer c.first()
	return c.Conn.Write(p)
}

func (c *limitedConn) Close() error {
	c.release()
	c.first()
	return c.Conn.Close()
}
