package door

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/sys/unix"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// carryThrough takes an unopened connection to the upstream. One that dies before it has answered anything, as a process
// that is just ending does with what waits in its queue, is tried again where it is waited for at all: nothing but the
// first message of the handshake is lost with it, and that we still have.
func (b *backend) carryThrough(ctx context.Context, c *conn) {
	defer c.Close()
	for limit := time.Now().Add(b.door.limits.Wait); ; time.Sleep(dialPause) {
		up, err := b.dialFor(ctx, c)
		if err != nil {
			b.door.unreachable(b, err)
			return
		}
		if b.introduce(c, up) && (!b.waits() || len(c.seen) == 0 || b.answers(c, up)) {
			c.seen = nil
			carry(c.Conn, up)
			return
		}
		up.Close()
		if !b.waits() || time.Now().After(limit) {
			return
		}
	}
}

// introduce says to the upstream who comes and what was said so far.
func (b *backend) introduce(c *conn, up net.Conn) bool {
	if b.key.proxy {
		if _, err := proxyHeader(c).WriteTo(up); err != nil {
			return false
		}
	}
	_, err := up.Write(c.seen)
	return err == nil
}

// answers passes on the first the upstream says, or tells that it ended without a word. One that takes its time counts as
// alive.
func (b *backend) answers(c *conn, up net.Conn) bool {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	_ = up.SetReadDeadline(time.Now().Add(b.door.limits.Handshake))
	n, err := up.Read(*buf)
	_ = up.SetReadDeadline(time.Time{})
	if n == 0 {
		return errors.Is(err, os.ErrDeadlineExceeded)
	}
	_, _ = c.Write((*buf)[:n]) // a caller that is gone is noticed by carry
	return true
}

// carryTerminated takes the content of a secured connection to the upstream, which may be reached already.
func (b *backend) carryTerminated(ctx context.Context, secured *tls.Conn, up net.Conn) {
	defer secured.NetConn().Close()
	if up == nil {
		var alpn []string
		if p := secured.ConnectionState().NegotiatedProtocol; p != "" {
			alpn = []string{p}
		}
		var err error
		if up, err = b.dialStream(ctx, alpn); err != nil {
			b.door.unreachable(b, err)
			return
		}
	}
	defer up.Close()
	carry(secured, up)
}

// unreachable is not a warning: a service that is stopped has routes until the next table.
func (d *Door) unreachable(b *backend, err error) {
	d.log.Debug("upstream cannot be reached", "upstream", b.key.upstream, "err", err)
}

func proxyHeader(c *conn) *proxyproto.Header {
	return proxyproto.HeaderProxyFromAddrs(2, plainAddr(c.RemoteAddr()), plainAddr(c.LocalAddr()))
}

// plainAddr shows an IPv4 address that came by an IPv6 socket as what it is.
func plainAddr(a net.Addr) net.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
}

// carry moves bytes both ways until both are over. The end of one way is passed on and the other goes on; a failure of
// either ends both.
func carry(a, b net.Conn) {
	var once sync.Once
	end := func() { once.Do(func() { a.Close(); b.Close() }) }
	half := func(dst, src net.Conn) {
		if err := move(dst, src); err != nil || closeWrite(dst) != nil {
			end()
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { half(a, b) })
	half(b, a)
	wg.Wait()
	end()
}

func closeWrite(c net.Conn) error {
	w, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if err := w.CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
		return err
	}
	return nil
}

// move copies until src ends. Between two sockets of the kernel the bytes never come up to this process; else there is a buffer
// only while there are bytes: most connections are silent most of the time.
func move(dst, src net.Conn) error {
	if kernelSocket(dst) && kernelSocket(src) {
		_, err := io.Copy(dst, src)
		return err
	}
	read := readSecured
	if kernelSocket(src) {
		read = readSocket
	}
	for {
		buf, n, err := read(src)
		if n > 0 {
			if _, failed := dst.Write((*buf)[:n]); failed != nil && err == nil {
				err = failed
			}
		}
		if buf != nil {
			buffers.Put(buf)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func lend() *[]byte {
	buf, _ := buffers.Get().(*[]byte)
	return buf
}

// readSocket waits for bytes and returns them in a buffer, which the caller gives back.
func readSocket(c net.Conn) (buf *[]byte, n int, err error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil, 0, errors.ErrUnsupported
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		buf = lend()
		for {
			n, failed = unix.Read(int(fd), *buf)
			if !errors.Is(failed, unix.EINTR) {
				break
			}
		}
		if errors.Is(failed, unix.EAGAIN) {
			buffers.Put(buf)
			buf = nil
			return false
		}
		return true
	})
	switch {
	case err != nil:
		return buf, 0, err
	case failed != nil:
		return buf, 0, os.NewSyscallError("read", failed)
	case n == 0:
		return buf, 0, io.EOF
	}
	return buf, n, nil
}

// readSecured waits for the first byte without a buffer, then takes what came with it. A service that speaks TLS has its buffer all
// the time: below its connection is nothing that could be told not to wait.
func readSecured(c net.Conn) (buf *[]byte, n int, err error) {
	under := entered(c)
	if under == nil {
		buf = lend()
		n, err = c.Read(*buf)
		return buf, n, err
	}
	var first [1]byte
	if n, err = c.Read(first[:]); n == 0 {
		return nil, 0, err
	}
	buf = lend()
	(*buf)[0] = first[0]
	if err != nil {
		return buf, 1, err
	}
	under.hasty.Store(true)
	rest, err := c.Read((*buf)[1:])
	under.hasty.Store(false)
	if errors.Is(err, errNothingYet) {
		err = nil
	}
	return buf, 1 + rest, err
}

// errNothingYet is what a hasty connection says where it would have to wait. TLS goes on after an error that is temporary.
var errNothingYet net.Error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

func kernelSocket(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}
