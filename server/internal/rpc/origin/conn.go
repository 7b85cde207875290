package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// Conn is a connection that carries its origin.
type Conn struct {
	net.Conn
	Origin Origin
	// TLS, when set, makes the gRPC server's handshake a TLS handshake.
	TLS *tls.Config

	listener *Stamped
	once     sync.Once
	active   atomic.Int64 // when something was last read or written, in nanoseconds of the epoch
	source   string       // guarded by the listener's mu; empty until it is known
}

// Close closes the connection and gives its place in the listener's limit back.
func (c *Conn) Close() error {
	c.once.Do(func() { c.listener.forget(c) })
	return c.Conn.Close()
}

// Of returns the origin of a connection that a Stamped listener accepted, also through the layers over it: TLS and the
// PROXY protocol. Any other connection has the zero Origin.
func Of(conn net.Conn) Origin {
	if c := below(conn); c != nil {
		return c.Origin
	}
	return Origin{}
}

// below is the connection of a Stamped listener below others; nil without one.
func below(conn net.Conn) *Conn {
	for {
		switch c := conn.(type) {
		case *Conn:
			return c
		case interface{ NetConn() net.Conn }: // TLS
			conn = c.NetConn()
		case interface{ Raw() net.Conn }: // PROXY protocol
			conn = c.Raw()
		default:
			return nil
		}
	}
}

// Options describe a listener.
type Options struct {
	// Stamp makes the origin of an accepted connection; a connection it refuses is closed. It must not block.
	Stamp func(net.Conn) (Origin, error)
	// TLS is handed to each Conn.
	TLS *tls.Config
	// Max bounds the open connections. Further ones are closed at once; with Crowd, for listeners that are reached by a network, one that is open makes
	// room, of the source with most of them the one that was silent longest.
	Max   int
	Crowd bool
	// MaxUser bounds those of one user who is no owner, and Reserve is how many of Max are for owners alone, where peers
	// are users of the machine: so no other user, nor all of them together, can keep an owner out. 0: no such bound.
	MaxUser, Reserve int
}

// Stamped accepts connections of another listener and gives each its origin. It is safe for concurrent use.
type Stamped struct {
	net.Listener
	opt Options

	mu     sync.Mutex // guards the following
	open   map[*Conn]struct{}
	others int            // of open, those of users who are no owners
	users  map[uint32]int // the same by user
}

// Listen wraps lis.
func Listen(lis net.Listener, opt Options) *Stamped {
	return &Stamped{Listener: lis, opt: opt, open: map[*Conn]struct{}{}, users: map[uint32]int{}}
}

// Accept waits for the next connection that has an origin and a place. Peers that cannot have one never stop the
// listener.
func (l *Stamped) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		o, err := l.opt.Stamp(raw)
		if err != nil {
			raw.Close()
			continue
		}
		c := &Conn{Conn: raw, Origin: o, TLS: l.opt.TLS, listener: l}
		if c.noted(); o.Remote != "" {
			c.source = o.Source()
		}
		if !l.admit(c) {
			raw.Close()
			continue
		}
		return c, nil
	}
}

func (l *Stamped) admit(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.opt.Max {
		if !l.opt.Crowd {
			return false
		}
		defer l.makeRoom().Conn.Close() // who holds it finds out, and has no place to give back
	}
	if uid := c.Origin.UID; !c.Origin.Owner {
		if l.opt.MaxUser > 0 && l.users[uid] >= l.opt.MaxUser || l.others >= l.opt.Max-l.opt.Reserve {
			return false
		}
		l.others++
		l.users[uid]++
	}
	l.open[c] = struct{}{}
	return true
}

func (l *Stamped) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(c)
}

// drop gives the place of a connection back, once or more. It needs l.mu.
func (l *Stamped) drop(c *Conn) {
	if _, open := l.open[c]; !open {
		return
	}
	delete(l.open, c)
	if uid := c.Origin.UID; !c.Origin.Owner {
		l.others--
		if l.users[uid]--; l.users[uid] == 0 {
			delete(l.users, uid)
		}
	}
}

// CloseConns closes every connection that is open now.
func (l *Stamped) CloseConns() {
	l.mu.Lock()
	conns := make([]*Conn, 0, len(l.open))
	for c := range l.open {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// PeerUID asks the kernel who is at the other end of a unix socket connection.
func PeerUID(conn net.Conn) (uint32, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("cannot tell the peer of a connection that is not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("cannot reach the socket: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, fmt.Errorf("cannot reach the socket: %w", err)
	}
	if credErr != nil {
		return 0, fmt.Errorf("cannot read the peer's credentials: %w", credErr)
	}
	return cred.Uid, nil
}

// Peer stamps connections of a unix socket of the given kind with the credentials of the peer.
func Peer(kind Listener) func(net.Conn) (Origin, error) {
	own := uint32(os.Getuid())
	return func(conn net.Conn) (Origin, error) {
		uid, err := PeerUID(conn)
		if err != nil {
			return Origin{}, err
		}
		return Origin{Listener: kind, UID: uid, Owner: uid == 0 || uid == own}, nil
	}
}

// Remote stamps connections of the given kind with the address of the peer.
func Remote(kind Listener) func(net.Conn) (Origin, error) {
	return func(conn net.Conn) (Origin, error) {
		return Origin{Listener: kind, Remote: conn.RemoteAddr().String()}, nil
	}
}

// Credentials are the transport credentials of a gRPC server whose listeners are Stamped: the AuthInfo of each
// connection is its Origin. A connection without one is refused.
func Credentials() credentials.TransportCredentials { return stamped{} }

type stamped struct{}

func (stamped) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, ok := conn.(*Conn)
	if !ok || c.Origin.Listener == None {
		return nil, nil, errors.New("cannot accept a connection without an origin")
	}
	if c.TLS == nil {
		return conn, c.Origin, nil
	}
	t := tls.Server(conn, c.TLS)
	if err := t.Handshake(); err != nil { // bounded by the deadline the gRPC server sets on the connection
		return nil, nil, err
	}
	if t.ConnectionState().NegotiatedProtocol != "h2" {
		t.Close()
		return nil, nil, errors.New("cannot speak gRPC with a peer that does not offer h2")
	}
	return t, c.Origin, nil
}

func (stamped) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are for servers")
}

func (stamped) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "origin"}
}

func (s stamped) Clone() credentials.TransportCredentials { return s }

func (stamped) OverrideServerName(string) error { return nil }
