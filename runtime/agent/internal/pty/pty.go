// Package pty makes terminals. It knows nothing of what runs on them.
package pty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open makes a terminal: master is read and written by who watches over it, slave is for the programs that run on it.
// Neither becomes the controlling terminal of this process.
func Open() (master, slave *os.File, err error) {
	fail := func(err error) (*os.File, *os.File, error) {
		return nil, nil, fmt.Errorf("cannot make a terminal: %w", err)
	}
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		master.Close()
		return fail(err)
	}
	// The other end is opened without a path, which the caller's mount namespace may not have.
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		master.Close()
		return fail(errno)
	}
	return master, os.NewFile(peer, "pts"), nil
}

// Resize gives a terminal another size; one that has ended is left alone.
func Resize(master *os.File, size *unix.Winsize) {
	if raw, err := master.SyscallConn(); err == nil && size != nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
	}
}
