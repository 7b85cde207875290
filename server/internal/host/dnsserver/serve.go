package dnsserver

import (
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
	// maxUDP bounds the packets that are looked at together; one more is dropped, as any network may do.
	maxUDP = 4096
	// maxConns and maxConnsSource bound the open connections of one listener, in all and from one source; maxQueries the
	// questions on one connection.
	maxConns, maxConnsSource, maxQueries = 512, 32, 256
	// connIdle is how long a connection may be silent.
	connIdle = 8 * time.Second
	// drain is how long questions under way may take when serving ends.
	drain = forwardTimeout + 500*time.Millisecond
)

// ServePacket answers on a UDP socket until ctx ends, then finishes what it has begun and closes the socket. It returns
// nil after ctx ended.
func (s *Server) ServePacket(ctx context.Context, pc net.PacketConn) error {
	slots := make(chan struct{}, maxUDP)
	questions := context.WithoutCancel(ctx) // what is under way when ctx ends is still answered
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			s.serve(questions, w, req, false)
		default:
		}
	})
	return s.run(ctx, &dns.Server{PacketConn: pc, Handler: handler, UDPSize: udpSize}, pc.LocalAddr())
}

// ServeListener answers on a TCP socket until ctx ends, then finishes what it has begun and closes the socket. It returns
// nil after ctx ended.
func (s *Server) ServeListener(ctx context.Context, l net.Listener) error {
	questions := context.WithoutCancel(ctx)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) { s.serve(questions, w, req, true) })
	limited := &limitedListener{Listener: l, done: make(chan struct{}), sources: map[netip.Addr]int{}}
	return s.run(ctx, &dns.Server{
		Listener: limited, Handler: handler, MaxTCPQueries: maxQueries, IdleTimeout: func() time.Duration { return connIdle },
	}, l.Addr())
}

func (s *Server) run(ctx context.Context, srv *dns.Server, addr net.Addr) error {
	if a, err := netip.ParseAddrPort(addr.String()); err == nil {
		s.system.exclude(a)
		defer s.system.include(a)
	}
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
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	_ = srv.ShutdownContext(patience)
	<-ended
	return nil
}

// accept lets nothing through that is not one plain question; what is let through is still judged by its source.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	if h.Bits&response != 0 || h.Qdcount != 1 || h.Ancount != 0 || h.Nscount != 0 || h.Arcount > 2 {
		return dns.MsgIgnore
	}
	return dns.MsgAccept
}

func (s *Server) serve(ctx context.Context, w dns.ResponseWriter, req *dns.Msg, tcp bool) {
	source, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil {
		return
	}
	m := s.reply(ctx, req, source.Addr().Unmap().WithZone(""), tcp)
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
	all     int
	sources map[netip.Addr]int
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if release, ok := l.take(c); ok {
				return &limitedConn{Conn: c, release: release}, nil
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

func (l *limitedListener) take(c net.Conn) (release func(), ok bool) {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	source := a.Addr().Unmap()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || l.all >= maxConns || l.sources[source] >= maxConnsSource {
		return nil, false
	}
	l.all++
	l.sources[source]++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all--
		if l.sources[source]--; l.sources[source] == 0 {
			delete(l.sources, source)
		}
	}), true
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
