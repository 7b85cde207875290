// Package origin says by which listener a call came in, and who was at the other end of the connection as the kernel
// tells it. It holds no rights: package access derives them.
//
// Invariants: only listeners make an Origin, none is ever read from bytes a peer sent; a call without one has no
// rights. On native gRPC the Origin travels as the AuthInfo of the connection, on the other wires as a value of the
// client side's context of the in-process channel, which is out of reach for metadata.
package origin

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc/peer"
)

// Listener is a kind of listener.
type Listener int

// The kinds. The zero value stands for "no listener set it" and gives no rights.
const (
	None Listener = iota
	// Unix is the local socket; UID and Owner are known.
	Unix
	// GRPC is native gRPC over TLS.
	GRPC
	// Web is HTTP over TLS.
	Web
	// Door is HTTP over TLS, passed on unopened by the front door, which tells the remote address.
	Door
	// Container is the socket of one service's container; Package names the service.
	Container
	// Internal is the root-only socket for the server's own processes.
	Internal
)

// String returns the name used in logs.
func (l Listener) String() string {
	switch l {
	case Unix:
		return "unix"
	case GRPC:
		return "grpc"
	case Web:
		return "web"
	case Door:
		return "door"
	case Container:
		return "container"
	case Internal:
		return "internal"
	}
	return "none"
}

// Origin is where a call came from.
type Origin struct {
	Listener Listener
	// UID is the user at the other end of a unix socket.
	UID uint32
	// Owner tells that the user at the other end is root or the daemon's own user.
	Owner bool
	// Package is the service a container socket belongs to.
	Package string
	// Remote is the network address of the peer, for logs.
	Remote string
}

// AuthType implements credentials.AuthInfo.
func (Origin) AuthType() string { return "origin" }

// String tells the origin in a few characters, for logs.
func (o Origin) String() string {
	switch o.Listener {
	case Unix, Internal:
		return fmt.Sprintf("%s:uid=%d", o.Listener, o.UID)
	case Container:
		return "container:" + o.Package
	case GRPC, Web, Door:
		return o.Listener.String() + ":" + o.Remote
	}
	return o.Listener.String()
}

// Address is the network address of the peer without its port; "local" on the sockets of the machine.
func (o Origin) Address() string {
	if addr, ok := o.addr(); ok {
		return addr.String()
	}
	return "local"
}

// Source is whom attempts to guess are counted against: an address, the part of an IPv6 address that one household has,
// or a user of the machine.
func (o Origin) Source() string {
	addr, ok := o.addr()
	switch {
	case !ok:
		return fmt.Sprintf("uid=%d", o.UID)
	case addr.Is4():
		return addr.String()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr.String()
	}
	return prefix.String()
}

func (o Origin) addr() (netip.Addr, bool) {
	if o.Remote == "" {
		return netip.Addr{}, false
	}
	at, err := netip.ParseAddrPort(o.Remote)
	return at.Addr().Unmap(), err == nil
}

type contextKey struct{}

// NewContext puts o into the context of an HTTP request. Only listeners call it.
func NewContext(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, contextKey{}, o)
}

// FromRequest returns the origin of the HTTP request with this context.
func FromRequest(ctx context.Context) Origin {
	o, _ := ctx.Value(contextKey{}).(Origin)
	return o
}

// FromCall returns the origin of the gRPC call with this server context, on whichever wire it came.
func FromCall(ctx context.Context) Origin {
	if client := inprocgrpc.ClientContext(ctx); client != nil {
		return FromRequest(client)
	}
	if p, ok := peer.FromContext(ctx); ok {
		if o, ok := p.AuthInfo.(Origin); ok {
			return o
		}
	}
	return Origin{}
}
