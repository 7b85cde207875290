package holder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// event is something a worker said, or its end.
type event struct {
	from    *process
	message message
	exited  bool
	err     error
}

// process is a worker.
type process struct {
	proc    *os.Process
	wire    *wire
	started time.Time
	claims  map[socketKey]bool
	closing sync.Once
}

// start starts a worker; what becomes of it comes as events.
func (h *holder) start() (*process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "worker"), os.NewFile(uintptr(pair[1]), "parent")
	defer ours.Close()
	defer theirs.Close()
	w, err := newWire(ours)
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		w.conn.Close()
		return nil, err
	}
	defer null.Close()
	program := h.Program()
	proc, err := startTame(program, append([]string{filepath.Base(program)}, h.Args...), &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, Files: []*os.File{null, os.Stdout, os.Stderr, theirs},
	})
	if err != nil {
		w.conn.Close()
		return nil, fmt.Errorf("cannot start %s: %w", program, err)
	}
	p := &process{proc: proc, wire: w, started: time.Now(), claims: map[socketKey]bool{}}
	go h.listen(p)
	return p, nil
}

// startTame starts a program that, with all its descendants, gains no right by running another one. The kernel keeps that
// for each thread, so it is told on one that is thrown away.
func startTame(program string, args []string, attr *os.ProcAttr) (proc *os.Process, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			proc, err = os.StartProcess(program, args, attr)
		}
	}()
	<-done
	return proc, err
}

// listen reports what the worker says and then, exactly once, its end.
func (h *holder) listen(p *process) {
	for {
		m, err := p.wire.receive()
		if err != nil {
			break
		}
		if m.fd >= 0 {
			unix.Close(m.fd) // nobody sends us any
		}
		if !h.report(event{from: p, message: m}) {
			break
		}
	}
	// A worker that closed its end without ending is of no use any more.
	gone := time.AfterFunc(time.Second, func() { p.kill() })
	defer gone.Stop()
	state, err := p.proc.Wait()
	if err == nil {
		err = errors.New(state.String())
	}
	h.report(event{from: p, exited: true, err: err})
}

func (h *holder) report(e event) bool {
	select {
	case h.events <- e:
		return true
	case <-h.stopped:
		return false
	}
}

func (p *process) pid() int { return p.proc.Pid }

func (p *process) kill() { _ = p.proc.Kill() }

func (p *process) close() { p.closing.Do(func() { p.wire.conn.Close() }) }

// send tells the worker; one that cannot be told is dead or soon killed, and its end is an event of its own.
func (p *process) send(op string) { p.deliver(message{Op: op, fd: -1}) }

func (p *process) answer(id uint64, fd int, err error) {
	m := message{Op: opAnswer, ID: id, fd: fd}
	if err != nil {
		m.Error, m.fd = err.Error(), -1
	}
	p.deliver(m)
}

// deliver never blocks the parent for long: a worker that does not read for a second is killed.
func (p *process) deliver(m message) {
	_ = p.wire.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if err := p.wire.send(m); errors.Is(err, os.ErrDeadlineExceeded) {
		p.kill()
	}
}
