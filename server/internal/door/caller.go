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

// callerPause is how long it is not tried again where nothing answered.
const callerPause = time.Minute

// dialFor reaches the upstream for a caller whose connection is not opened: from the caller's own address where the table says so and
// the machine can, else from its own.
func (b *backend) dialFor(ctx context.Context, c *conn) (net.Conn, error) {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	kept := b.door.current.Load().kept
	if err == nil && b.key.keep && time.Now().UnixNano() > b.door.unkept.Load() && slices.ContainsFunc(kept, func(p netip.Prefix) bool { return p.Contains(c.source) }) {
		up, err := b.dialFrom(ctx, netip.AddrPortFrom(c.source, from.Port()))
		if err == nil {
			return up, nil
		}
		if errors.Is(err, unix.ECONNREFUSED) {
			return nil, err // nobody listens, whoever asks
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			b.door.unkept.Store(time.Now().Add(callerPause).UnixNano())
			b.door.log.Warn("services do not see who calls: nothing answers to callers' addresses", "upstream", b.key.upstream)
		}
		b.door.log.Debug("caller's address is not kept", "upstream", b.key.upstream, "source", c.source, "err", err)
	}
	return b.dial(ctx)
}

// dialFrom connects from an address that is none of this machine's.
func (b *backend) dialFrom(ctx context.Context, from netip.AddrPort) (net.Conn, error) {
	to, err := netip.ParseAddrPort(b.key.upstream)
	if err != nil || !to.Addr().Is4() || !from.Addr().Is4() {
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
	begun := false
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		if !begun {
			begun = true
			failed = unix.Connect(int(fd), &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
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
