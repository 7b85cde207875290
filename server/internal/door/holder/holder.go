// Package holder is the parent of the front door: it holds the listening sockets and starts the worker, again whenever
// it dies and anew when it is to be replaced. Connections that come while there is no worker wait in the kernel.
//
//	holder.go   the parent and what it does about events
//	process.go  a worker as the parent sees it
//	standby.go  the process that takes over when the parent dies
//	sockets.go  listening sockets as bare descriptors
//	wire.go     what parent and worker say to each other
//	link.go     the worker's end
//
//	         start            ready, promoted        next is ready
//	(none) ────────▶ next ──────────────────▶ current ─────────────▶ old ──▶ (gone)
//	                   │ dies, too slow          │ dies
//	                   └──▶ current goes on      └──▶ next takes over, or one is started
//
// It is deliberately as small as that: it never accepts, parses nothing but messages of its own worker, and is what needs
// the right to bind low ports, so that the worker needs none. Invariants: one current worker at most; a socket is closed
// only when the current worker does not need it; a table changes in no worker while another is about to take over.
package holder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/nft"
)

const (
	// readyWithin is how long a worker may take to begin to serve.
	readyWithin = 30 * time.Second
	// frozenWithin is how long the current worker may take to hold its table still.
	frozenWithin = 5 * time.Second
	// stopWithin is how long workers may take to end when the parent does.
	stopWithin = 5 * time.Second
	// steady is how long a worker lives before its death counts as the first in a row.
	steady = 10 * time.Second
	// maxPause is the longest wait before the next worker is started; the first one in a row comes at once.
	maxPause = time.Second
	// maxOld bounds the workers that still finish something; beyond it the oldest is killed.
	maxOld = 4
)

// Options are what a parent is made of.
type Options struct {
	// Program answers the path of what is started, Args start a worker of it, which finds its end of the wire as descriptor WorkerFD. Path
	// and file are looked at anew each time, so changing either and replacing the worker is an upgrade. It is safe for concurrent use.
	Program func() string
	Args    []string
	// Standby are the arguments with which Program waits to take over, before the number of this process.
	Standby []string
	// Socket is the path of the daemon's socket.
	Socket string
	// Lock is the path of a file that one parent alone can hold.
	Lock string
	Log  *slog.Logger
}

// WorkerFD is where a worker finds its end of the wire.
const WorkerFD = 3

// ErrRunning says that another parent holds the lock.
var ErrRunning = errors.New("another door is running")

// holder is the state of the parent; one goroutine owns it.
type holder struct {
	Options
	shelf   shelf
	control int
	events  chan event
	stopped chan struct{} // closed when events are not taken any more

	current, next *process
	old           []*process
	asked         []reply // who waits for the replacement
	deaths        int     // in a row
	restart       *time.Timer
	limit         *time.Timer // for what is under way: freezing, or the next getting ready
	thawed        bool        // the current worker has not been frozen yet
}

// reply is whom to answer; a signal waits for no answer and has no process.
type reply struct {
	to *process
	id uint64
}

// Run holds the door open until ctx ends. Each value from replace starts the next worker.
func Run(ctx context.Context, replace <-chan os.Signal, o Options) error {
	lock, err := takeLock(o.Lock)
	if err != nil {
		return err
	}
	defer lock.Close()
	control, err := openControl(o.Socket)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	h := &holder{
		Options: o, control: control, shelf: shelf{fds: map[socketKey]int{}}, events: make(chan event), stopped: make(chan struct{}),
		restart: time.NewTimer(0), limit: stoppedTimer(),
	}
	defer close(h.stopped)
	standby := make(chan struct{})
	go func() {
		defer close(standby)
		h.keepStandby(ctx)
	}()
	for {
		select {
		case <-ctx.Done():
			<-standby // else it would take over
			h.stop()
			return nil
		case <-replace:
			h.replace(reply{})
		case <-h.restart.C:
			h.startFirst()
		case <-h.limit.C:
			h.overdue()
		case e := <-h.events:
			if e.exited {
				h.exited(e.from, e.err)
			} else {
				h.said(e.from, e.message)
			}
		}
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// takeLock takes the lock, of which a parent that is just dying may not have let go yet.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the door: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for limit := time.Now().Add(dyingWithin); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(limit); {
		time.Sleep(dyingPause)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %s: %w", path, ErrRunning)
		}
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}

// startFirst starts a worker while there is none.
func (h *holder) startFirst() {
	if h.current != nil || h.next != nil {
		return
	}
	if err := h.startNext(); err != nil {
		h.deaths++
		h.Log.Error("worker cannot be started", "err", err)
		h.restart.Reset(h.pause())
	}
}

func (h *holder) startNext() error {
	p, err := h.start()
	if err != nil {
		return err
	}
	h.next = p
	h.limit.Reset(readyWithin)
	return nil
}

func (h *holder) pause() time.Duration {
	if h.deaths <= 1 {
		return 0
	}
	return min(50*time.Millisecond<<min(h.deaths-2, 10), maxPause)
}

// said deals with a message of a worker.
func (h *holder) said(p *process, m message) {
	switch m.Op {
	case opOpen, opControl:
		h.open(p, m)
	case opCaller:
		fd, err := callerSocket(m.Address)
		p.answer(m.ID, fd, err)
		if err == nil {
			unix.Close(fd)
		}
	case opReach:
		p.answer(m.ID, -1, nft.Open(nft.Opening{
			Tag: m.Tag, Set: m.Set, Addresses: m.Addresses, Ports: m.Ports, For: time.Duration(m.Seconds) * time.Second,
		}))
	case opRelease:
		delete(p.claims, socketKey{m.Network, m.Address})
		if p == h.current && h.next == nil {
			h.shelf.drop(socketKey{m.Network, m.Address})
		}
		p.answer(m.ID, -1, nil)
	case opReady:
		if p == h.next {
			h.promote()
		}
	case opReplace:
		h.replace(reply{p, m.ID})
	case opFrozen:
		if p == h.current && h.thawed && len(h.asked) > 0 {
			h.thawed = false
			if err := h.startNext(); err != nil {
				h.abandon(err)
			}
		}
	}
}

func (h *holder) open(p *process, m message) {
	if m.Op == opControl {
		if p != h.current {
			p.answer(m.ID, -1, errors.New("only the current door has the daemon's socket"))
			return
		}
		p.answer(m.ID, h.control, nil)
		return
	}
	key := socketKey{m.Network, m.Address}
	fd, err := h.shelf.get(key)
	if err == nil {
		p.claims[key] = true
	}
	p.answer(m.ID, fd, err)
}

// replace begins a replacement: first the table is held still, then the next worker is started.
func (h *holder) replace(r reply) {
	switch {
	case h.current == nil: // one is being started anyway
		r.answer(nil)
	case len(h.asked) > 0:
		h.asked = append(h.asked, r)
	default:
		h.asked, h.thawed = []reply{r}, true
		h.current.send(opFreeze)
		h.limit.Reset(frozenWithin)
	}
}

// promote makes the next worker the current one.
func (h *holder) promote() {
	h.limit.Stop()
	before := h.current
	h.current, h.next = h.next, nil
	h.answerAll(nil)
	if before != nil {
		before.send(opDrain)
		h.old = append(h.old, before)
		if len(h.old) > maxOld {
			h.Log.Warn("worker does not end and is killed", "worker", h.old[0].pid())
			h.old[0].kill()
		}
	}
	h.current.send(opPromote)
	for key := range h.shelf.fds {
		if !h.current.claims[key] {
			h.shelf.drop(key)
		}
	}
	h.Log.Info("worker serves", "worker", h.current.pid(), "sockets", len(h.shelf.fds))
}

// overdue deals with a worker that takes too long.
func (h *holder) overdue() {
	switch {
	case h.next != nil:
		h.Log.Error("worker does not get ready and is killed", "worker", h.next.pid())
		h.next.kill()
	case h.current != nil && h.thawed && len(h.asked) > 0:
		h.abandon(errors.New("the present door does not hold still"))
	}
}

// abandon ends a replacement that failed; the current worker goes on.
func (h *holder) abandon(err error) {
	h.limit.Stop()
	h.answerAll(err)
	h.thawed = false
	if h.current != nil {
		h.current.send(opThaw)
	}
}

func (h *holder) answerAll(err error) {
	for _, r := range h.asked {
		r.answer(err)
	}
	h.asked = nil
}

func (r reply) answer(err error) {
	if r.to != nil {
		r.to.answer(r.id, -1, err)
	}
}

// exited deals with a worker that is gone, for whatever reason.
func (h *holder) exited(p *process, err error) {
	p.close()
	switch p {
	case h.next:
		h.next = nil
		h.count(p, err)
		if h.current != nil {
			h.abandon(fmt.Errorf("the next door ended before it served: %w", err))
			return
		}
		h.restart.Reset(h.pause())
	case h.current:
		h.current = nil
		h.count(p, err)
		if h.next != nil {
			return // it takes over when it is ready
		}
		h.limit.Stop()
		h.answerAll(errors.New("the present door died"))
		h.restart.Reset(h.pause())
	default:
		for i, o := range h.old {
			if o == p {
				h.old = append(h.old[:i], h.old[i+1:]...)
				break
			}
		}
	}
}

func (h *holder) count(p *process, err error) {
	if time.Since(p.started) >= steady {
		h.deaths = 0
	}
	h.deaths++
	h.Log.Error("worker died", "worker", p.pid(), "err", err, "in_a_row", h.deaths)
}

// stop ends all workers and waits for them.
func (h *holder) stop() {
	alive := map[*process]bool{}
	for _, p := range append([]*process{h.current, h.next}, h.old...) {
		if p != nil {
			alive[p] = true
			p.send(opStop)
		}
	}
	limit := time.NewTimer(stopWithin)
	defer limit.Stop()
	for len(alive) > 0 {
		select {
		case <-limit.C:
			for p := range alive {
				p.kill()
			}
		case e := <-h.events:
			if e.exited {
				delete(alive, e.from)
				e.from.close()
			}
		}
	}
}
