package holder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// standbyPause is before the next standby is started when one has ended, longer each time up to maxPause.
	standbyPause = 50 * time.Millisecond
	// dyingWithin is how long a parent that was killed may still hold the lock.
	dyingWithin = 250 * time.Millisecond
	dyingPause  = 5 * time.Millisecond
)

// keepStandby keeps a process there that takes over when this one dies, until ctx ends; it returns when that one has ended. The two
// watch each other, so that a door needs nobody else: the parent starts its standby again, and the standby becomes the parent.
func (h *holder) keepStandby(ctx context.Context) {
	pause := standbyPause
	for ctx.Err() == nil {
		began := time.Now()
		err := h.standBy(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steady {
			pause = standbyPause
		}
		h.Log.Warn("standby ended and is started again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// standBy runs one standby to its end.
func (h *holder) standBy(ctx context.Context) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	program := h.Program()
	args := append([]string{filepath.Base(program)}, h.Standby...)
	proc, err := os.StartProcess(program, append(args, strconv.Itoa(os.Getpid())), &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, Files: []*os.File{null, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{Setsid: true}, // what ends the parent's session must not end both
	})
	if err != nil {
		return err
	}
	ended := context.AfterFunc(ctx, func() { _ = proc.Kill() })
	defer ended()
	state, err := proc.Wait()
	if err == nil {
		err = errors.New(state.String())
	}
	return err
}

// AwaitEnd is what a standby does: it returns when parent, the process that started it, has ended.
func AwaitEnd(parent int) error {
	fd, err := unix.PidfdOpen(parent, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if os.Getppid() != parent { // it has ended before, and its number may be another's by now
		return nil
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}
