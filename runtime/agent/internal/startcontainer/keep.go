package startcontainer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangupPatience is how long what is left of a session may take to end after SIGHUP.
const hangupPatience = 2 * time.Second

// keep is there for a session from within the namespaces of its subcontainer:
//
//	exec --session ──fork──▶ exec-command --session = keep ──fork──▶ exec-command ──becomes──▶ CMD
//
// The kernel gives it every process of the session whose own parent ends, whatever else they did to be forgotten. When
// the command has ended, or the parent, which is how the agent ends a session, all of them are told to hang up and then
// killed. It ends with the status of the command, so whoever waits for it knows that nothing is left.
func keep(c *command) (int, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("cannot become the parent of orphans: %w", err)
	}
	signals := notify()
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	gone := parentGone(c.syncFD)
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	child, ready, err := startHalf("exec-command", append([]string{"--kept"}, c.args()...), files)
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	if c.syncFD >= 0 {
		_, _ = unix.Write(c.syncFD, []byte{1})
	}
	pid, started := child.Pid, told(ready)
	_ = child.Release() // reap collects it with all others
	var early []syscall.Signal
	for {
		select {
		case <-started:
			for _, sig := range early {
				_ = unix.Kill(pid, sig)
			}
			early, started = nil, nil
		case sig := <-signals:
			switch s := sig.(syscall.Signal); {
			case s == unix.SIGWINCH: // the kernel tells those on the terminal itself
			case started != nil:
				early = append(early, s)
			default:
				_ = unix.Kill(pid, s)
			}
		case <-children:
			if status, ended := reap(pid); ended {
				return shellCode(status), endSession(c.chroot)
			}
		case <-gone:
			return 0, endSession(c.chroot)
		}
	}
}

// parentGone is closed when the parent, which holds the other end of the pipe, has ended.
func parentGone(fd int) <-chan struct{} {
	gone := make(chan struct{})
	if fd < 0 {
		return gone // called by hand
	}
	unix.CloseOnExec(fd)
	go func() {
		for {
			poll := []unix.PollFd{{Fd: int32(fd)}}
			if _, err := unix.Poll(poll, -1); errors.Is(err, unix.EINTR) {
				continue
			}
			close(gone)
			return
		}
	}()
	return gone
}

// reap collects all children that have ended, and tells the status of the one that is the command when it is among them.
func reap(command int) (status syscall.WaitStatus, ended bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case pid <= 0 || err != nil:
			return status, ended
		case pid == command:
			status, ended = syscall.WaitStatus(ws), true
		}
	}
}

// endSession ends every process below this one, and returns when there is none.
func endSession(chroot string) error {
	hungUp := time.Now().Add(hangupPatience)
	for told := map[int]bool{}; ; time.Sleep(2 * time.Millisecond) { // there is no event for the end of a grandchild
		_, _ = reap(0)
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.ECHILD) {
			return nil // whose parents had ended would be our children
		}
		pids, err := descendants(chroot)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			switch {
			case time.Now().After(hungUp):
				_ = unix.Kill(pid, unix.SIGKILL)
			case !told[pid]:
				told[pid] = true
				_ = unix.Kill(pid, unix.SIGHUP)
				_ = unix.Kill(pid, unix.SIGCONT) // one that is stopped hears nothing
			}
		}
	}
}

// descendants are the processes below this one, by the subcontainer's own view of its processes.
func descendants(chroot string) ([]int, error) {
	proc, err := openProc(chroot, false)
	if err != nil {
		return nil, err
	}
	defer unix.Close(proc)
	var st unix.Statfs_t
	if err := unix.Fstatfs(proc, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		return nil, fmt.Errorf("cannot see the processes in %s", chroot)
	}
	dir, err := os.ReadDir("/proc/self/fd/" + strconv.Itoa(proc))
	if err != nil {
		return nil, fmt.Errorf("cannot see the processes in %s: %w", chroot, err)
	}
	below := map[int][]int{}
	for _, e := range dir {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if parent, ok := parentOf(proc, e.Name()); ok {
				below[parent] = append(below[parent], pid)
			}
		}
	}
	list := below[os.Getpid()]
	for i := 0; i < len(list); i++ {
		list = append(list, below[list[i]]...)
	}
	return list, nil
}

// parentOf reads the parent of a process; its name, which comes before in the file, may hold anything.
func parentOf(proc int, pid string) (int, bool) {
	fd, err := unix.Openat(proc, pid+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	buf := make([]byte, 512)
	n, err := unix.Read(fd, buf)
	if n <= 0 || err != nil {
		return 0, false
	}
	i := bytes.LastIndexByte(buf[:n], ')')
	fields := strings.Fields(string(buf[i+1 : n]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}
