package startcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/runtime/agent/internal/slim"
)

// idleAfter is when a command counts as one that stays.
const idleAfter = 5 * time.Second

// forwarded are the signals that reach the command. SIGURG, which packages never send and which does nothing by
// default, is not among them: the Go runtime sends it to itself all the time. SIGWINCH goes to the terminal.
var forwarded = []os.Signal{
	unix.SIGABRT, unix.SIGALRM, unix.SIGCONT, unix.SIGHUP, unix.SIGINT, unix.SIGIO, unix.SIGPIPE, unix.SIGPROF, unix.SIGQUIT,
	unix.SIGTERM, unix.SIGTRAP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGUSR1, unix.SIGUSR2, unix.SIGVTALRM,
}

// supervise starts this program again as the second half of a command, in the namespaces that this thread's children
// are born into, and is there for it until it ends: standard streams, terminal, signals, exit status.
func supervise(c *command, half string, args []string) (int, error) {
	signals := notify()
	stdio, err := newStdio(c)
	if err != nil {
		return 0, err
	}
	defer stdio.close()
	child, ready, err := startHalf(half, args, stdio.child())
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	status, err := attend(child, stdio, signals, told(ready))
	if err != nil || c.session {
		return shellCode(status), err
	}
	return exitCode(status), nil
}

// startHalf starts the second half of a command. What it writes to ready, or that it closes its end, says that it is ready
// for signals, or has become the command; that ours closes tells it that we have died.
func startHalf(half string, args []string, files []*os.File) (child *os.Process, ready *os.File, err error) {
	ready, sync, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	argv := append([]string{program, "subcontainer", half, "--sync-fd=3"}, args...)
	child, err = os.StartProcess("/proc/self/exe", argv, &os.ProcAttr{Dir: "/", Env: []string{}, Files: append(files, sync)})
	sync.Close()
	if err != nil {
		ready.Close()
		return nil, nil, fmt.Errorf("cannot start %s: %w", half, err)
	}
	return child, ready, nil
}

// told is closed when the second half is ready.
func told(ready *os.File) <-chan struct{} {
	started := make(chan struct{})
	go func() {
		defer close(started)
		_, _ = ready.Read(make([]byte, 1))
	}()
	return started
}

func notify() chan os.Signal {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, append([]os.Signal{unix.SIGWINCH}, forwarded...)...)
	return signals
}

// attend forwards until the child has ended. Signals that come before it is ready are kept for it: the first process
// of a namespace never sees those for which it has no handler yet.
func attend(child *os.Process, stdio *stdio, signals <-chan os.Signal, ready <-chan struct{}) (syscall.WaitStatus, error) {
	stdio.start()
	// Most commands end soon; those that do not are daemons, and this process waits as long as they live.
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	ended := make(chan *os.ProcessState, 1)
	waitErr := make(chan error, 1)
	go func() {
		state, err := child.Wait()
		if err != nil {
			waitErr <- err
			return
		}
		ended <- state
	}()
	var early []os.Signal
	waiting := true
	for {
		select {
		case <-ready:
			for _, sig := range early {
				_ = child.Signal(sig)
			}
			early, ready, waiting = nil, nil, false
		case <-idle.C:
			slim.Release()
		case sig := <-signals:
			switch {
			case sig == unix.SIGWINCH:
				stdio.resize()
			case waiting:
				early = append(early, sig)
			default:
				_ = child.Signal(sig)
			}
		case state := <-ended:
			stdio.drain()
			return state.Sys().(syscall.WaitStatus), nil
		case err := <-waitErr:
			return 0, fmt.Errorf("cannot wait for the command: %w", err)
		}
	}
}

// exitCode is what the caller is told: death by SIGTERM is how a service ends when asked to, and counts as success.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() && status.Signal() == unix.SIGTERM {
		return 0
	}
	return shellCode(status)
}

// shellCode is the exit status as shells have it.
func shellCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// dieWithParent has the kernel kill this process when the thread that forked it ends, which outside of the parent's pid
// namespace cannot be seen otherwise. The function returned tells the parent that this process is ready.
func dieWithParent(fd int) (ready func(), err error) {
	if fd < 0 {
		return func() {}, nil // called by hand
	}
	unix.CloseOnExec(fd)
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot ask to end with the parent: %w", err)
	}
	// It may have died before the call above.
	poll := []unix.PollFd{{Fd: int32(fd)}}
	if _, err := unix.Poll(poll, 0); err == nil && poll[0].Revents&unix.POLLERR != 0 {
		return nil, errors.New("the parent has ended")
	}
	return func() { unix.Close(fd) }, nil
}

// pipeWrap runs a program whose output goes through pipes of its own.
func pipeWrap(args []string) (int, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 0, usageError("pipe-wrap: a command is required")
	}
	path, err := exec.LookPath(args[0])
	if err != nil && !strings.Contains(args[0], "/") {
		path, err = lookProgram(args[0], []string{"PATH=" + defaultPath})
	}
	if err != nil {
		return 0, &exitError{exitNotFound, fmt.Errorf("cannot execute %q: %w", args[0], err)}
	}
	signals := notify()
	stdio, err := newPipedStdio()
	if err != nil {
		return 0, err
	}
	defer stdio.close()
	env := setenv(os.Environ(), "STARTOS_ENVIRONMENT", "1")
	child, err := os.StartProcess(path, args, &os.ProcAttr{Env: env, Files: stdio.child()})
	if err != nil {
		return 0, fmt.Errorf("cannot start %s: %w", filepath.Base(path), err)
	}
	started := make(chan struct{})
	close(started)
	status, err := attend(child, stdio, signals, started)
	if err != nil {
		return 0, err
	}
	return exitCode(status), nil
}
