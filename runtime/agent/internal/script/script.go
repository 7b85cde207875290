// Package script runs the JavaScript host, the program that holds the package's code, and the connection to it.
//
// It deliberately restarts nothing and knows no phases: when the host has ended, Done is closed and the daemon decides
// what becomes of the container.
//
// Invariants: one process per Host; what it and its descendants print goes to the two pipes given; its environment is
// made here and inherits nothing from the agent but what Options.Env names.
package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
	"github.com/hearthos/hearth/runtime/agent/internal/reap"
)

// MaxMessage bounds one message to or from the JavaScript host: forms and results of actions are large JSON at times.
const MaxMessage = 16 << 20

// lastAnswers is how long answers may take from the end of the process to their caller.
const lastAnswers = 300 * time.Millisecond

// Options say what to run.
type Options struct {
	// Command is the program and its arguments.
	Command []string
	// Socket is where the program serves hearth.jshost.v1. What lies there is removed first.
	Socket string
	// Env is the whole environment.
	Env []string
	// Stdout and Stderr are what the program prints to; the caller closes its copies after Start.
	Stdout, Stderr *os.File
}

// Host is a JavaScript host that was started.
type Host struct {
	child *reap.Child
	conn  *grpc.ClientConn
	ready chan struct{}
	done  chan struct{}
}

// Start starts the program and begins to connect to it. Cancelling ctx has no effect on it: end it with Signal.
func Start(r *reap.Reaper, opt Options) (*Host, error) {
	if err := os.Remove(opt.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot remove a stale socket: %w", err)
	}
	path, err := lookPath(opt.Command[0], opt.Env)
	if err != nil {
		return nil, fmt.Errorf("cannot start the JavaScript host: %w", err)
	}
	conn, err := grpc.NewClient("unix:"+opt.Socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.3, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)))
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the connection to the JavaScript host: %w", err)
	}
	listening, listens, err := os.Pipe()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot make a pipe for the JavaScript host: %w", err)
	}
	defer listens.Close()
	cmd := &exec.Cmd{Path: path, Args: opt.Command, Env: append(slices.Clip(opt.Env), "HEARTH_READY_FD=3"), Dir: "/", ExtraFiles: []*os.File{listens}, Stdout: opt.Stdout, Stderr: opt.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	child, err := r.Start(cmd)
	if err != nil {
		listening.Close()
		conn.Close()
		return nil, fmt.Errorf("cannot start the JavaScript host: %w", err)
	}
	h := &Host{child: child, conn: conn, ready: make(chan struct{}), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background()) // lives as long as the process, see watch
	go h.watch(cancel)
	go h.connect(ctx)
	go h.hasten(listening)
	return h, nil
}

// hasten connects at once when the program says that it listens, by closing the other end of a pipe. One that does not know of
// it is connected to all the same, if a little later; its end closes the pipe, too.
func (h *Host) hasten(listening *os.File) {
	defer listening.Close()
	_, _ = listening.Read(make([]byte, 1))
	h.conn.ResetConnectBackoff()
}

// lookPath finds a program by the PATH it will itself see.
func lookPath(name string, env []string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, kv := range env {
		if len(kv) < 5 || kv[:5] != "PATH=" {
			continue
		}
		for _, dir := range filepath.SplitList(kv[5:]) {
			path := filepath.Join(dir, name)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func (h *Host) watch(cancel context.CancelFunc) {
	<-h.child.Done()
	cancel()
	close(h.done)
	// An answer sent just before the end is still on its way; what waits for a new connection must not wait for ever.
	time.AfterFunc(lastAnswers, func() { h.conn.Close() })
}

func (h *Host) connect(ctx context.Context) {
	for {
		h.conn.Connect()
		state := h.conn.GetState()
		if state == connectivity.Ready {
			close(h.ready)
			return
		}
		if !h.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}

// Ready is closed when the host answered for the first time. It may end before that.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Done is closed when the process has ended.
func (h *Host) Done() <-chan struct{} { return h.done }

// Status is how the process ended; it is valid after Done.
func (h *Host) Status() unix.WaitStatus { return h.child.Status() }

// PID is the process id it has, or had.
func (h *Host) PID() int { return h.child.PID() }

// Stopped tells whether a signal keeps the process from running, and answers a channel that is closed when that changes.
func (h *Host) Stopped() (bool, <-chan struct{}) { return h.child.Stopped() }

// Client calls the host. Calls wait until it answers and fail when the process ends.
func (h *Host) Client() jshostv1.JsHostServiceClient { return jshostv1.NewJsHostServiceClient(h.conn) }

// Signal sends a signal to the process, if it has not ended.
func (h *Host) Signal(sig syscall.Signal) error { return h.child.Signal(sig) }
