package fetch

import (
	"net"
	"net/netip"
	"testing"
)

// What is of a network of the machine is no public address, though its number may be.
func TestNeighboursAreNear(t *testing.T) {
	t.Parallel()
	var own []net.Addr
	for _, text := range []string{"127.0.0.1/8", "198.51.100.5/24", "2001:db8:1::5/64", "203.0.113.9/32", "fe80::1/64"} {
		p := netip.MustParsePrefix(text)
		own = append(own, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	for text, want := range map[string]bool{
		"198.51.100.5": true, "198.51.100.99": true, "::ffff:198.51.100.99": true, "198.51.101.1": false,
		"2001:db8:1::5": true, "2001:db8:1::dead": true, "2001:db8:1::dead%eth0": true, "2001:db8:2::1": false,
		"203.0.113.9": true, "203.0.113.10": false, "9.9.9.9": false,
	} {
		if got := near(own, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is near: %v", text, got)
		}
	}
}
