// Package netdev keeps the bridge the services are attached to and tells what other networks the machine has.
//
// It is deliberately no network manager: addresses, routes and names of the machine's own links are read, never written.
// The firewall is the business of nft, names that of dnsserver.
//
// Invariants: every writing method is an "ensure" that may be called again at any time, also after a crash in the middle
// of it; a link that is not ours (another kind under our name) is refused and left alone. Devices acts on the network
// namespace of the thread that made it.
package netdev

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
)

var (
	// ErrInvalid says that a name or an address cannot be used.
	ErrInvalid = errors.New("invalid network device")
	// ErrForeign says that a link of this name exists and is not a bridge.
	ErrForeign = errors.New("link belongs to somebody else")
)

// Bridge is what services are attached to.
type Bridge struct {
	// Name of the link, at most 15 bytes.
	Name string
	// Address of the machine on it and the length of the prefix, as in 10.0.3.1/24.
	Address netip.Prefix
	// Address6 is its IPv6 address there; not valid for none. A kernel without IPv6 gives it none either.
	Address6 netip.Prefix
}

// Kind says what a link is.
type Kind string

// The kinds people tell apart.
const (
	KindEthernet  Kind = "ethernet"
	KindWireless  Kind = "wireless"
	KindBridge    Kind = "bridge"
	KindWireguard Kind = "wireguard"
	KindLoopback  Kind = "loopback"
	KindOther     Kind = "other"
)

// Link is a network interface of the machine as services and people see it: a gateway to some network.
type Link struct {
	Name  string
	Index int
	Kind  Kind
	// On says that it is switched on, Up that it has a carrier, too.
	On, Up bool
	// MAC is empty where the link has none.
	MAC net.HardwareAddr
	// Port says that the link is attached to a bridge; it then has no network of its own.
	Port bool
	// Subnets are its own addresses with the lengths of their prefixes, IPv4 first, each family ordered.
	Subnets []netip.Prefix
	// Routers are the next hops of its default routes.
	Routers []netip.Addr
	// DefaultRoute says that the machine may reach the rest of the world through it.
	DefaultRoute bool
	// Metric is that of the best default route: of IPv4 where there is one, which Default4 says, else of IPv6.
	Metric   int
	Default4 bool
}

// Outbound names the link that what is asked of the Internet leaves by: the one with the best default route, of IPv4 where
// any link has one. It is empty where none has.
func Outbound(links []Link) string {
	best := Link{}
	for _, l := range links {
		if !l.DefaultRoute || !l.Up {
			continue
		}
		if best.Name == "" || l.Default4 && !best.Default4 || l.Default4 == best.Default4 && l.Metric < best.Metric {
			best = l
		}
	}
	return best.Name
}

// IPv4 returns the link's own IPv4 addresses.
func (l Link) IPv4() []netip.Addr {
	var out []netip.Addr
	for _, p := range l.Subnets {
		if p.Addr().Is4() {
			out = append(out, p.Addr())
		}
	}
	return out
}

var linkName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)

// CheckName refuses names the kernel or the path /proc/sys would take differently than meant.
func CheckName(name string) error {
	if !linkName.MatchString(name) || name == "all" || name == "default" {
		return fmt.Errorf("%w: name %q", ErrInvalid, name)
	}
	return nil
}

// CheckBridge refuses what EnsureBridge would refuse without looking at the machine.
func CheckBridge(b Bridge) error {
	if err := CheckName(b.Name); err != nil {
		return err
	}
	if !b.Address.IsValid() || !b.Address.Addr().Is4() || b.Address.Bits() > 30 || b.Address.Bits() < 8 {
		return fmt.Errorf("%w: bridge address %s", ErrInvalid, b.Address)
	}
	if a := b.Address6; a.IsValid() && (!a.Addr().Is6() || a.Addr().Is4In6() || a.Addr().IsLinkLocalUnicast() || a.Bits() > 96) {
		return fmt.Errorf("%w: bridge address %s", ErrInvalid, a)
	}
	return nil
}

// Address6 returns the IPv6 address that goes with an IPv4 address of a service: it ends with that, so it is as lasting and as
// much its own.
func Address6(bridge netip.Prefix, addr netip.Addr) netip.Addr {
	a, four := bridge.Masked().Addr().As16(), addr.As4()
	copy(a[12:], four[:])
	return netip.AddrFrom16(a)
}

// MAC returns the hardware address that goes with an IPv4 address of a service: locally administered and always the
// same, so that neighbours and firewall rules stay valid over restarts.
func MAC(addr netip.Addr) net.HardwareAddr {
	a := addr.As4()
	return net.HardwareAddr{0x02, 0x68, a[0], a[1], a[2], a[3]}
}
