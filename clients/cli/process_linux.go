package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// process is the process behind a local socket, held so that no other can take its number.
type process struct{ file *os.File }

// processOf finds the process that listens on the socket the target names; none when the target is no socket or the
// process cannot be seen from here.
func processOf(target string) process {
	conn, err := net.Dial("unix", strings.TrimPrefix(target, "unix:"))
	if err != nil {
		return process{}
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return process{}
	}
	var p process
	_ = raw.Control(func(s uintptr) {
		peer, err := unix.GetsockoptUcred(int(s), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil || peer.Pid <= 0 {
			return
		}
		if fd, err := unix.PidfdOpen(int(peer.Pid), 0); err == nil {
			p.file = os.NewFile(uintptr(fd), "process")
		}
	})
	return p
}

func (p process) known() bool { return p.file != nil }

func (p process) close() {
	if p.file != nil {
		p.file.Close()
	}
}

// wait returns when the process has ended.
func (p process) wait(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.file.Fd()), Events: unix.POLLIN}}, int(askEvery.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return ctx.Err()
}
