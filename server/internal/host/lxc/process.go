package lxc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/mount"
)

// facts are what /proc tells of a process.
type facts struct {
	// start is its start time in clock ticks since boot.
	start uint64
	// init says that it is number 1 of a pid namespace that is a child of ours.
	init bool
	// dead says that it has ended and only waits to be reaped.
	dead bool
}

// inspect reads the facts of a process. The error wraps os.ErrNotExist when there is none.
func inspect(pid int) (facts, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := readProc(dir + "/stat")
	if err != nil {
		return facts{}, err
	}
	f, err := parseStat(stat)
	if err != nil {
		return facts{}, err
	}
	status, err := readProc(dir + "/status")
	if err != nil {
		return facts{}, err
	}
	f.init = isInit(status)
	return f, nil
}

// readProc reads a file of /proc; a process that ends meanwhile counts as one that does not exist.
func readProc(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("%s: %w", path, os.ErrNotExist)
	}
	return b, err
}

// parseStat reads /proc/<pid>/stat. The second field is the process's name in parentheses, which the process chooses and
// which may itself hold parentheses and blanks.
func parseStat(stat []byte) (facts, error) {
	_, rest, ok := bytes.Cut(stat, []byte("("))
	end := bytes.LastIndexByte(rest, ')')
	if !ok || end < 0 {
		return facts{}, errors.New("cannot read process status: no name")
	}
	fields := bytes.Fields(rest[end+1:])
	const state, startTime = 0, 19 // fields 3 and 22 of the whole line
	if len(fields) <= startTime {
		return facts{}, errors.New("cannot read process status: too short")
	}
	start, err := strconv.ParseUint(string(fields[startTime]), 10, 64)
	if err != nil {
		return facts{}, fmt.Errorf("cannot read process status: %w", err)
	}
	s := string(fields[state])
	return facts{start: start, dead: s == "Z" || s == "X"}, nil
}

// isInit reads /proc/<pid>/status: NSpid lists the process's numbers from our namespace to its innermost.
func isInit(status []byte) bool {
	for line := range bytes.Lines(status) {
		if list, ok := bytes.CutPrefix(line, []byte("NSpid:")); ok {
			f := strings.Fields(string(list))
			return len(f) == 2 && f[1] == "1"
		}
	}
	return false
}

// Process is a handle on a container's init that can never mean another process.
type Process struct {
	pidfd *os.File
}

// Open returns a handle on c's init, or ErrNotRunning. The caller closes it.
func Open(c Container) (*Process, error) {
	p, err := openPID(c.InitPID, c.InitStart)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("container %q: %w", c.Name, ErrNotRunning)
	}
	return p, err
}

// openPID opens the process with that number and start time. The order matters: once the descriptor is open it stays
// with its process, so if the facts read afterwards match, they are that process's.
func openPID(pid int, start uint64) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open process %d: %w", pid, err)
	}
	p := &Process{pidfd: os.NewFile(uintptr(fd), "pidfd")}
	f, err := inspect(pid)
	if err == nil && f.start != start {
		err = fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close releases the handle.
func (p *Process) Close() error { return p.pidfd.Close() }

// Signal sends a signal; the error is ErrNotRunning when the process has ended.
func (p *Process) Signal(s unix.Signal) error {
	var sent error
	if err := p.control(func(fd int) { sent = unix.PidfdSendSignal(fd, s, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return ErrNotRunning
	}
	return sent
}

// MountNamespace is the container's file tree. It is usable until Close.
func (p *Process) MountNamespace() *mount.Namespace { return mount.NamespaceOf(p.pidfd) }

func (p *Process) control(f func(fd int)) error {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Control(func(fd uintptr) { f(int(fd)) })
}

// Wait returns nil when the process has ended, at once if it has already, or the context's cause. It occupies no thread.
func (p *Process) Wait(ctx context.Context) error {
	if err := p.pidfd.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("cannot wait for process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = p.pidfd.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	err = conn.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0
	})
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Wait returns nil when c's init has ended, whoever ended it, or the context's cause.
func (r *Runtime) Wait(ctx context.Context, c Container) error {
	p, err := Open(c)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Wait(ctx)
}
