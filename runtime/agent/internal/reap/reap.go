// Package reap collects the ended processes of a container for its first process: the children that were started here,
// and every orphan that the kernel hands over.
//
// It is deliberately the only place that waits: a second waiter (os/exec's Wait, os.Process.Wait) would race with it
// for the same child. So children are started through Reaper.Start and awaited through Child.Done.
//
// A signal may also stop a child without ending it; the kernel tells that in the same way, so nobody has to look.
//
// Invariants: a child is known before its end can be collected; a signal never reaches a process id that was collected,
// and perhaps given to another process, before.
package reap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reaper collects ended processes from New until Close.
type Reaper struct {
	mu       sync.Mutex // guards what follows, and spans fork to registration and wait to removal
	children map[int]*Child
	orphans  uint64
	idle     chan struct{} // closed and replaced when something was collected

	signals chan os.Signal
	done    chan struct{}
}

// New makes this process the parent of all orphans below it and begins to collect. One process has one Reaper.
func New() (*Reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("cannot become the parent of orphans: %w", err)
	}
	r := &Reaper{
		children: map[int]*Child{}, idle: make(chan struct{}),
		signals: make(chan os.Signal, 1), done: make(chan struct{}),
	}
	signal.Notify(r.signals, unix.SIGCHLD)
	go r.run()
	r.signals <- unix.SIGCHLD // orphans that ended before
	return r, nil
}

// Close stops collecting.
func (r *Reaper) Close() {
	signal.Stop(r.signals)
	close(r.signals)
	<-r.done
}

// Child is a process that was started by Start.
type Child struct {
	r      *Reaper
	pid    int
	done   chan struct{}
	status unix.WaitStatus

	ended   bool          // guarded by r.mu, as is what follows
	stopped bool          // a signal keeps it from running
	turned  chan struct{} // closed and replaced when stopped changed
}

// Start starts cmd, whose files must be real files: nothing copies for it, and its Wait must not be called.
func (r *Reaper) Start(cmd *exec.Cmd) (*Child, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{r: r, pid: cmd.Process.Pid, done: make(chan struct{}), turned: make(chan struct{})}
	r.children[c.pid] = c
	_ = cmd.Process.Release()
	return c, nil
}

// PID is the process id the child has, or had.
func (c *Child) PID() int { return c.pid }

// Done is closed when the child has ended and was collected.
func (c *Child) Done() <-chan struct{} { return c.done }

// Status is how the child ended; it is valid after Done.
func (c *Child) Status() unix.WaitStatus { return c.status }

// Stopped tells whether a signal keeps the child from running, and answers a channel that is closed when that changes.
func (c *Child) Stopped() (bool, <-chan struct{}) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.stopped, c.turned
}

// Signal sends a signal to a child that has not ended; to one that has it does nothing.
func (c *Child) Signal(sig syscall.Signal) error {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.ended {
		return nil
	}
	return unix.Kill(c.pid, sig)
}

// Orphans counts the processes that were collected and not started here.
func (r *Reaper) Orphans() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.orphans
}

// WaitAll waits until this process has no child left, own or adopted.
func (r *Reaper) WaitAll(ctx context.Context) error {
	for {
		r.mu.Lock()
		changed := r.idle
		r.mu.Unlock()
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.ECHILD) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

func (r *Reaper) run() {
	defer close(r.done)
	for range r.signals {
		// One signal may stand for many ends.
		for r.collect() {
		}
	}
}

// collect collects one process that ended, stopped or went on, and reports whether there was one.
func (r *Reaper) collect() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WUNTRACED|unix.WCONTINUED, nil)
	if errors.Is(err, unix.EINTR) {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	c := r.children[pid]
	if status.Stopped() || status.Continued() {
		if c != nil {
			c.stopped = status.Stopped()
			close(c.turned)
			c.turned = make(chan struct{})
		}
		return true
	}
	if c != nil {
		delete(r.children, pid)
		c.status, c.ended = status, true
		close(c.done)
	} else {
		r.orphans++
	}
	close(r.idle)
	r.idle = make(chan struct{})
	return true
}

// Describe says how a process ended, for people.
func Describe(s unix.WaitStatus) string {
	if s.Signaled() {
		return fmt.Sprintf("killed by signal %d (%s)", int(s.Signal()), unix.SignalName(s.Signal()))
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}
