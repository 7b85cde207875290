package holder

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	backlog = 1024
	// maxSockets bounds what a worker can make the parent hold: each is a descriptor of both. A table has fewer.
	maxSockets = 8192
)

type socketKey struct{ network, address string }

// shelf holds listening sockets as bare descriptors: this process never accepts, so the runtime need not watch them.
type shelf struct{ fds map[socketKey]int }

// get returns the descriptor for the key, opened if need be. It stays the shelf's.
func (s *shelf) get(key socketKey) (int, error) {
	if fd, ok := s.fds[key]; ok {
		return fd, nil
	}
	if len(s.fds) >= maxSockets {
		return -1, fmt.Errorf("cannot open more than %d sockets", maxSockets)
	}
	fd, err := open(key)
	if err != nil {
		return -1, err
	}
	s.fds[key] = fd
	return fd, nil
}

func (s *shelf) drop(key socketKey) {
	if fd, ok := s.fds[key]; ok {
		unix.Close(fd)
		delete(s.fds, key)
	}
}

func open(key socketKey) (int, error) {
	a, err := netip.ParseAddrPort(key.address)
	if err != nil {
		return -1, fmt.Errorf("cannot open %q: not an address and port", key.address)
	}
	kind := unix.SOCK_STREAM
	switch key.network {
	case "tcp":
	case "udp":
		kind = unix.SOCK_DGRAM
	default:
		return -1, fmt.Errorf("cannot open a socket of network %q", key.network)
	}
	sa, family, err := sockaddr(a)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := prepare(fd, family, kind, sa); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot listen on %s %s: %w", key.network, key.address, err)
	}
	return fd, nil
}

// prepare binds also to an address the machine does not have yet: links come later than this process, and go away for
// a while.
func prepare(fd, family, kind int, sa unix.Sockaddr) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if kind == unix.SOCK_STREAM {
		return os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	return nil
}

// callerSocket makes a socket that connects from the address of a caller, which is none of this machine's: only this process may. The
// caller's port is kept where nobody has it.
func callerSocket(address string) (int, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || a.Addr().Zone() != "" || a.Addr().Is4In6() {
		return -1, fmt.Errorf("cannot connect from %q: not an address and port", address)
	}
	sa, family, err := sockaddr(a)
	if err != nil {
		return -1, err
	}
	transparent := [2]int{unix.SOL_IP, unix.IP_TRANSPARENT}
	if family == unix.AF_INET6 {
		transparent = [2]int{unix.SOL_IPV6, unix.IPV6_TRANSPARENT}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for _, o := range [][2]int{transparent, {unix.SOL_SOCKET, unix.SO_REUSEADDR}} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], 1); err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	err = unix.Bind(fd, sa)
	if errors.Is(err, unix.EADDRINUSE) {
		if sa, _, err = sockaddr(netip.AddrPortFrom(a.Addr(), 0)); err == nil {
			err = unix.Bind(fd, sa)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) (unix.Sockaddr, int, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, unix.AF_INET, nil
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		n, err := strconv.ParseUint(zone, 10, 32)
		if err != nil {
			link, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, 0, fmt.Errorf("cannot listen on %s: no such link", a)
			}
			n = uint64(link.Index)
		}
		sa.ZoneId = uint32(n)
	}
	return sa, unix.AF_INET6, nil
}

// openControl makes the daemon's socket anew: the one who calls holds the lock, so a file in its place is a leftover.
func openControl(path string) (int, error) {
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
		return -1, fmt.Errorf("cannot listen on %s: something else is there", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return -1, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	return fd, nil
}
