package servertest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/hearthos/hearth/server/internal/host/nft"
)

// sockets gives a front door sockets on loopback with ports that the kernel chose, whatever it asks for, and remembers
// which is which: the ports of a table are those of one machine, and tests run beside each other on one.
type sockets struct {
	mu      sync.Mutex // guards what follows
	real    map[string]string
	changed chan struct{} // closed when there is another
}

func newSockets() *sockets { return &sockets{real: map[string]string{}, changed: make(chan struct{})} }

const anywhere = "127.0.0.1:0"

// Listen implements door.Sockets.
func (s *sockets) Listen(address string) (net.Listener, error) {
	lis, err := net.Listen("tcp", anywhere)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.real[address] = lis.Addr().String()
	close(s.changed)
	s.changed = make(chan struct{})
	return lis, nil
}

// ListenPacket implements door.Sockets.
func (*sockets) ListenPacket(string) (net.PacketConn, error) {
	return net.ListenPacket("udp", anywhere)
}

// Caller implements door.Sockets: callers of a played machine are the machine itself.
func (s *sockets) Caller(context.Context, netip.AddrPort) (*os.File, error) {
	return nil, errors.ErrUnsupported
}

// Open implements door.Sockets: nobody of a played machine connects to anything.
func (s *sockets) Open(context.Context, nft.Opening) error { return errors.ErrUnsupported }

// Release implements door.Sockets.
func (s *sockets) Release(network, address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if network == "tcp" {
		delete(s.real, address)
	}
	return nil
}

// forget forgets those of a front door that has ended.
func (s *sockets) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.real)
}

// find waits until the address is listened on, and tells where that is.
func (s *sockets) find(ctx context.Context, address string) (string, error) {
	for {
		s.mu.Lock()
		real, ok := s.real[address]
		changed := s.changed
		s.mu.Unlock()
		if ok {
			return real, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// has tells whether the address is a real one.
func (s *sockets) has(real string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(s.real)), real)
}

// log keeps what a server logged. It is safe for concurrent use.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// maxLog bounds it; of a server that says more the beginning is kept.
const maxLog = 1 << 20

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() < maxLog {
		l.buf.Write(b)
	}
	return len(b), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
