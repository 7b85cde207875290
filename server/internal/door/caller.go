package door

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// callerTimeout bounds the way to a service from the address of a caller: where the kernel does not lead answers back, nothing ever
// answers, and the service is reached from the machine's own address.
const callerTimeout = time.Second

// callerPause is how long it is not tried again with a service where nothing answered.
const callerPause = time.Minute

// dialFor reaches the upstream for a caller whose connection is not opened: from the caller's own address where the table says so and
// the machine can, else from its own. Who calls by IPv6 is led to where the service has it, unless nobody listens there.
func (b *backend) dialFor(ctx context.Context, c *conn) (net.Conn, error) {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	up, unkept := b.key.upstream, &b.unkept[0]
	six := c.source.Is6()
	if six {
		up, unkept = b.key.upstream6, &b.unkept[1]
	}
	kept := b.door.current.Load().kept
	if err == nil && b.key.keep && up != "" && time.Now().UnixNano() > unkept.Load() && slices.ContainsFunc(kept, func(p netip.Prefix) bool { return p.Contains(c.source) }) {
		to, err := b.dialFrom(ctx, netip.AddrPortFrom(c.source, from.Port()), up)
		if err == nil {
			return to, nil
		}
		if errors.Is(err, unix.ECONNREFUSED) && !six {
			return nil, err // nobody listens, whoever asks
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			unkept.Store(time.Now().Add(callerPause).UnixNano())
			b.door.log.Warn("a service does not see who calls: nothing answers to callers' addresses", "upstream", up)
		}
		b.door.log.Debug("caller's address is not kept", "upstream", up, "source", c.source, "err", err)
	}
	return b.dial(ctx)
}

// dialFrom connects from an address that is none of this machine's.
func (b *backend) dialFrom(ctx context.Context, from netip.AddrPort, upstream string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(upstream)
	if err != nil || to.Addr().Is4() != from.Addr().Is4() {
		return nil, errors.ErrUnsupported
	}
	f, err := b.door.sockets.Caller(ctx, from)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := connect(f, to); err != nil {
		return nil, err
	}
	up, err := net.FileConn(f)
	if t, ok := up.(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(keepAlive)
		_ = t.SetNoDelay(true)
	}
	return up, err
}

// connect connects a socket that does not block.
func connect(f *os.File, to netip.AddrPort) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if err := f.SetWriteDeadline(time.Now().Add(callerTimeout)); err != nil {
		return err
	}
	begun, at := false, sockaddr(to)
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		if !begun {
			begun = true
			failed = unix.Connect(int(fd), at)
			return !errors.Is(failed, unix.EINPROGRESS)
		}
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if failed = err; err == nil && code != 0 {
			failed = unix.Errno(code)
		}
		if failed == nil {
			_, failed = unix.Getpeername(int(fd))
		}
		return !errors.Is(failed, unix.ENOTCONN) // else it was woken too early
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("connect", failed)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
