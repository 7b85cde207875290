package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// ErrLocalAddress is in the chain of the error when an address is of the machine or of a private network and must not be.
var ErrLocalAddress = errors.New("the address is of this machine or of a private network")

// Guarded makes a transport for addresses of strangers' choice: it connects to public addresses alone, whatever names and
// redirects lead to, and heeds no proxy, which would connect in its place. With local it connects anywhere.
func Guarded(local bool) *http.Transport {
	t := newTransport()
	if local {
		return t
	}
	t.Proxy = nil
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, Control: PublicAlone}).DialContext
	return t
}

// PublicAlone is the Control of a net.Dialer that connects to public addresses alone; else the error is ErrLocalAddress. It is
// asked for each address just before it is connected to, whatever name led there. Those of the networks that this machine is in
// are not public, whatever their numbers: over IPv6 every machine at home has a global one.
func PublicAlone(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !Public(at.Addr()) {
		return ErrLocalAddress
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("cannot tell which networks this machine is in: %w", err)
	}
	if near(own, at.Addr()) {
		return ErrLocalAddress
	}
	return nil
}

// near tells whether an address is of a network that one of a machine's own addresses is of.
func near(own []net.Addr, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(own, func(each net.Addr) bool {
		p, err := netip.ParsePrefix(each.String())
		return err == nil && p.Contains(a)
	})
}

// reserved are the networks that are not of the public internet, besides those that netip knows.
var reserved = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96"),
}

// Public tells whether an address is one of the public internet, by its number.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
