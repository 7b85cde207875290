package holder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/nft"
)

// Command is what the parent wants of a worker.
type Command string

// The commands. The channel of commands is closed when the parent is gone: its sockets are then closed everywhere but
// here, and the worker gives them up so that the next parent can have them.
const (
	Promote Command = opPromote
	Freeze  Command = opFreeze
	Thaw    Command = opThaw
	Drain   Command = opDrain
	Stop    Command = opStop
)

var errGone = errors.New("the parent is gone")

// Link is the worker's end of the wire. It is safe for concurrent use.
type Link struct {
	wire     *wire
	commands chan Command

	mu      sync.Mutex // guards all below
	lastID  uint64
	waiting map[uint64]chan message
	gone    bool
}

// Connect takes the descriptor a worker was started with.
func Connect(fd uintptr) (*Link, error) {
	f := os.NewFile(fd, "parent")
	if f == nil {
		return nil, errors.New("cannot reach the parent: no such descriptor")
	}
	defer f.Close()
	unix.CloseOnExec(int(fd))
	w, err := newWire(f)
	if err != nil {
		return nil, err
	}
	l := &Link{wire: w, commands: make(chan Command, 16), waiting: map[uint64]chan message{}}
	go l.receive()
	return l, nil
}

// Commands are what the parent wants, in order.
func (l *Link) Commands() <-chan Command { return l.commands }

func (l *Link) receive() {
	defer close(l.commands)
	for {
		m, err := l.wire.receive()
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.gone = true
			for _, c := range l.waiting {
				close(c)
			}
			return
		}
		switch m.Op {
		case opAnswer:
			l.mu.Lock()
			c := l.waiting[m.ID]
			delete(l.waiting, m.ID)
			l.mu.Unlock()
			if c != nil {
				c <- m
			} else if m.fd >= 0 {
				unix.Close(m.fd)
			}
		case opPromote, opFreeze, opThaw, opDrain, opStop:
			l.commands <- Command(m.Op)
		}
	}
}

// ask sends a request and waits for its answer; a descriptor in it is the caller's.
func (l *Link) ask(ctx context.Context, m message) (int, error) {
	c := make(chan message, 1)
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return -1, errGone
	}
	l.lastID++
	m.ID, m.fd = l.lastID, -1
	l.waiting[m.ID] = c
	l.mu.Unlock()
	if err := l.wire.send(m); err != nil {
		return -1, fmt.Errorf("cannot ask the parent: %w", err)
	}
	select {
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.waiting, m.ID)
		l.mu.Unlock()
		return -1, context.Cause(ctx)
	case got, ok := <-c:
		switch {
		case !ok:
			return -1, errGone
		case got.Error != "":
			return -1, errors.New(got.Error)
		}
		return got.fd, nil
	}
}

func (l *Link) file(m message) (*os.File, error) {
	fd, err := l.ask(context.Background(), m) // the parent answers at once or dies
	if err != nil {
		return nil, err
	}
	if fd < 0 {
		return nil, errors.New("cannot use the parent's answer: no descriptor in it")
	}
	return os.NewFile(uintptr(fd), m.Network+" "+m.Address), nil
}

func (l *Link) listener(m message) (net.Listener, error) {
	f, err := l.file(m)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is the parent's
	}
	return ln, err
}

// Listen gives the TCP socket the parent holds for the address.
func (l *Link) Listen(address string) (net.Listener, error) {
	return l.listener(message{Op: opOpen, Network: "tcp", Address: address})
}

// ListenPacket gives the UDP socket the parent holds for the address.
func (l *Link) ListenPacket(address string) (net.PacketConn, error) {
	f, err := l.file(message{Op: opOpen, Network: "udp", Address: address})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FilePacketConn(f)
}

// Control gives the daemon's socket; only the promoted worker gets it.
func (l *Link) Control() (net.Listener, error) { return l.listener(message{Op: opControl}) }

// callerWithin is how long the parent may take to make a socket: one of an earlier release does not answer at all.
const callerWithin = 250 * time.Millisecond

// Caller gives a socket that connects from the address of a caller.
func (l *Link) Caller(ctx context.Context, from netip.AddrPort) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, callerWithin)
	defer cancel()
	fd, err := l.ask(ctx, message{Op: opCaller, Address: from.String()})
	if err != nil {
		return nil, err
	}
	if fd < 0 {
		return nil, errors.New("cannot use the parent's answer: no descriptor in it")
	}
	return os.NewFile(uintptr(fd), "from "+from.String()), nil
}

// reachWithin is how long the parent may take to have the firewall let something pass.
const reachWithin = time.Second

// Open has the machine's firewall let a service reach something, which only the parent may.
func (l *Link) Open(ctx context.Context, o nft.Opening) error {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	_, err := l.ask(ctx, message{
		Op: opReach, Tag: o.Tag, Set: o.Set, Addresses: o.Addresses, Ports: o.Ports, Seconds: uint32(o.For / time.Second),
	})
	return err
}

// Release says that the address is not needed any more.
func (l *Link) Release(network, address string) error {
	_, err := l.ask(context.Background(), message{Op: opRelease, Network: network, Address: address})
	return err
}

// Ready says that the worker serves.
func (l *Link) Ready() error { return l.wire.send(message{Op: opReady, fd: -1}) }

// Frozen says that the table does not change until Thaw or Drain.
func (l *Link) Frozen() error { return l.wire.send(message{Op: opFrozen, fd: -1}) }

// Replace has the next worker started and returns when it serves, or with the reason why it does not.
func (l *Link) Replace(ctx context.Context) error {
	_, err := l.ask(ctx, message{Op: opReplace})
	return err
}
