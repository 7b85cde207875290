package door

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

// Sockets gives the door its listening sockets. Asked for the same network and address again, before Release, it gives
// another descriptor of the same socket, also to the next process.
type Sockets interface {
	// Listen gives the TCP socket listening at the address.
	Listen(address string) (net.Listener, error)
	// ListenPacket gives the UDP socket bound to the address.
	ListenPacket(address string) (net.PacketConn, error)
	// Release says that the address is not needed any more. The network is "tcp" or "udp".
	Release(network, address string) error
	// Caller gives a TCP socket that connects from the address of a caller, and does not block.
	Caller(ctx context.Context, from netip.AddrPort) (*os.File, error)
	// Open has the machine's firewall let a service reach something.
	Open(ctx context.Context, o nft.Opening) error
}

const (
	tcp = "tcp"
	udp = "udp"
)

var errEnding = fault.New(metav1.Reason_REASON_UNAVAILABLE, "the door is about to end; another takes its place")

// socketKey says what a socket is for; names are the resolver, everything else goes by the plan's entry.
type socketKey struct {
	network, address string
	names            bool
}

// socket is one that is open, or was to be.
type socket struct {
	bound  string
	err    error
	cancel func() // nil unless bound
	served sync.WaitGroup
}

// stop begins to stop accepting; what was accepted goes on.
func (s *socket) stop() {
	if s.cancel != nil {
		s.cancel()
	}
}

// close stops and returns when nothing is accepted any more.
func (s *socket) close() {
	s.stop()
	s.served.Wait()
}

// bind opens what the plan needs and is not open, and closes what it does not need. It needs d.mu.
func (d *Door) bind(ctx context.Context, p *plan) {
	want := map[socketKey]bool{}
	for address := range p.entries {
		want[socketKey{network: tcp, address: address}] = true
	}
	for _, address := range p.resolver.addresses {
		want[socketKey{tcp, address, true}] = true
		want[socketKey{udp, address, true}] = true
	}
	for key, s := range d.open {
		if want[key] {
			continue
		}
		s.close()
		delete(d.open, key)
		other := key
		other.names = !key.names
		if s.err == nil && !want[other] {
			if err := d.sockets.Release(key.network, key.address); err != nil {
				d.log.Warn("socket cannot be released", "address", key.address, "err", err)
			}
		}
	}
	for key := range want {
		if s := d.open[key]; s == nil || s.err != nil {
			d.open[key] = d.listen(ctx, key, s)
		}
	}
}

func (d *Door) listen(ctx context.Context, key socketKey, before *socket) *socket {
	s := &socket{}
	var serve func(context.Context) error
	if key.network == udp {
		pc, err := d.sockets.ListenPacket(key.address)
		if s.err = err; err == nil {
			s.bound = pc.LocalAddr().String()
			serve = func(ctx context.Context) error { return d.names.ServePacket(ctx, pc) }
		}
	} else {
		l, err := d.sockets.Listen(key.address)
		if s.err = err; err == nil {
			s.bound = l.Addr().String()
			serve = func(ctx context.Context) error { return d.accept(ctx, l, key.address) }
			if key.names {
				serve = func(ctx context.Context) error { return d.names.ServeListener(ctx, l) }
			}
		}
	}
	if s.err != nil {
		if before == nil || before.err == nil || before.err.Error() != s.err.Error() {
			d.log.Warn("socket cannot be bound", "network", key.network, "address", key.address, "err", s.err)
		}
		return s
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.served.Go(func() { d.lost(ctx, key, s, serve(ctx)) })
	return s
}

// lost notes that a socket failed by itself, so that it is opened anew.
func (d *Door) lost(ctx context.Context, key socketKey, s *socket, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	d.log.Warn("socket failed", "network", key.network, "address", key.address, "err", err)
	go func() { // whoever holds d.mu may be waiting for the caller to end
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.open[key] == s {
			s.stop()
			d.open[key] = &socket{err: err}
		}
	}()
}

// DirectSockets opens sockets in this process: for tests, and for a door without a holder.
type DirectSockets struct{}

// Listen opens a TCP socket, for the family of its address alone: all addresses of IPv4 are none of IPv6.
func (DirectSockets) Listen(address string) (net.Listener, error) {
	return net.Listen(ofFamily(tcp, address), address)
}

// ListenPacket opens a UDP socket, likewise.
func (DirectSockets) ListenPacket(address string) (net.PacketConn, error) {
	return net.ListenPacket(ofFamily(udp, address), address)
}

func ofFamily(network, address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return network + "4"
	}
	return network + "6"
}

// Release does nothing: the door has closed its only descriptor.
func (DirectSockets) Release(_, _ string) error { return nil }

// Caller gives none: it takes a right that this process is not meant to have.
func (DirectSockets) Caller(context.Context, netip.AddrPort) (*os.File, error) {
	return nil, errors.ErrUnsupported
}

// Open opens nothing, for the same reason.
func (DirectSockets) Open(context.Context, nft.Opening) error { return errors.ErrUnsupported }
