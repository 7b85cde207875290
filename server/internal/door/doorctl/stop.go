package doorctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stop ends the door and waits until it is gone. Without a door it does nothing. Who is ended is told by the kernel: the
// process that made the socket, which is the door's parent.
func Stop(ctx context.Context, o Options) error {
	conn, err := net.Dial("unix", o.Path())
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot reach the door: %w", err)
	}
	pid, err := owner(conn)
	conn.Close() // the door would wait for what we have to say
	if err != nil {
		return fmt.Errorf("cannot learn who holds the door: %w", err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("cannot find the door: %w", err)
	}
	defer p.Release()
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot end the door: %w", err)
	}
	for {
		if err := p.Signal(syscall.Signal(0)); errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond): // it is no child of ours: there is nothing to wait on
		}
	}
}

// owner tells the process that made the socket at the other end.
func owner(conn net.Conn) (int, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Pid), nil
}
