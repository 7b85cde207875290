package nft_test

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv6"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

// at is a port of a service over IPv6.
func (s *service) at(port uint16) string { return netip.AddrPortFrom(s.six, port).String() }

// What is said of services holds for both of their addresses.
func TestServicesReachOnlyWhatIsAllowedOverIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b, c := l.services["a"], l.services["b"], l.services["c"]
	l.listen(a.ns, a.at(8000))
	l.listen(b.ns, b.at(8000))
	for _, addr := range []string{"[fd00:3::1]", "[" + uplinkAddr6 + "]"} {
		for _, port := range []string{":8443", ":5961", ":53", ":62001"} {
			l.listen(l.host, addr+port)
		}
	}
	l.listen(l.world, "["+worldAddr6+"]:80")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.rules.Uses = []nft.Use{{From: a.addr, Port: 62001}}

	// Without rules the machine may tell a of a straighter way, which leads nowhere and which a would keep.
	l.in(a.ns, func() { must(t, os.WriteFile("/proc/sys/net/ipv6/conf/eth0/accept_redirects", []byte("0"), 0o600)) })
	l.sees("without rules, or the lab proves nothing", a.ns, b.at(8000), a.six.String())
	l.sees("without rules", l.world, "[fd00:3::1]:8443", worldAddr6)
	l.sees("without rules", l.world, b.at(8000), worldAddr6)
	l.ensure()
	l.refused("service to service", a.ns, b.at(8000))
	for _, addr := range []string{"[fd00:3::1]", "[" + uplinkAddr6 + "]"} {
		l.sees("service to the door", a.ns, addr+":8443", a.six.String())
		l.sees("service to the resolver", a.ns, addr+":53", a.six.String())
		l.sees("service to its port", a.ns, addr+":62001", a.six.String())
		l.refused("another service to that port", b.ns, addr+":62001")
		l.refused("service to another port of the machine", a.ns, addr+":5961")
	}
	l.sees("service to the world", a.ns, "["+worldAddr6+"]:80", uplinkAddr6)
	l.sees("machine to service", l.host, b.at(8000), "fd00:3::1")
	l.sees("world to service", l.world, b.at(8000), "")
	l.sees("world to the machine's address on the bridge", l.world, "[fd00:3::1]:8443", "")
	l.sees("world to the machine", l.world, "["+uplinkAddr6+"]:5961", worldAddr6)
	l.sees("machine to its address on the bridge", l.host, "[fd00:3::1]:8443", "fd00:3::1")

	l.rules.Allowed = []nft.Pair{l.pair("a", "b")}
	l.ensure()
	conn, from, err := l.open(a.ns, "", b.at(8000))
	if err != nil || from != a.six.String() || !answers(conn) {
		t.Fatalf("allowed pair: seen as %q, %v", from, err)
	}
	used, _, err := l.open(a.ns, "", "[fd00:3::1]:62001")
	if err != nil || !answers(used) {
		t.Fatalf("allowed port: %v", err)
	}
	l.refused("the pair turned round", b.ns, a.at(8000))
	l.refused("another service to the pair", c.ns, b.at(8000))
	l.ensure()
	if !answers(conn) || !answers(used) {
		t.Error("putting the same rules in force again cut a connection")
	}
	l.rules.Allowed, l.rules.Uses = nil, nil
	l.ensure()
	if answers(conn) {
		t.Error("a connection outlived its pair")
	}
	if answers(used) {
		t.Error("a connection outlived what allowed it")
	}
}

// Without an address of the bridge nothing passes over IPv6, whatever services give themselves.
func TestNothingPassesWhereServicesHaveNoIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	a := l.services["a"]
	l.listen(l.host, "[fd00:3::1]:8443")
	l.listen(l.world, "["+worldAddr6+"]:80")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.sees("without rules", a.ns, "[fd00:3::1]:8443", a.six.String())
	l.rules.Host6, l.rules.Services[0].Address6 = netip.Prefix{}, netip.Addr{}
	l.ensure()
	l.sees("service to the machine", a.ns, "[fd00:3::1]:8443", "")
	l.sees("service to the world", a.ns, "["+worldAddr6+"]:80", "")
}

// A service has its own addresses and is nobody's router.
func TestNobodySpeaksInAnothersNameOverIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b, c := l.services["a"], l.services["b"], l.services["c"]
	l.listen(l.host, "[fd00:3::1]:8443")
	l.listen(b.ns, b.at(8000))
	l.listen(c.ns, c.at(8000))
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.rules.Allowed = []nft.Pair{l.pair("c", "b")}
	l.ensure()
	l.sees("c to b", c.ns, b.at(8000), c.six.String())

	l.address(a.ns, "eth0", c.six.String()+"/128")
	for _, to := range []string{"[fd00:3::1]:8443", b.at(8000)} {
		if _, _, err := l.open(a.ns, c.six.String(), to); err == nil {
			t.Errorf("a reached %s with the address of c", to)
		}
	}
	l.sees("machine to c", l.host, c.at(8000), "fd00:3::1")
	l.in(a.ns, func() {
		advertise(t, slices.Concat([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, c.six.AsSlice(), []byte{2, 1}, netdev.MAC(a.addr)))
		day := []byte{0, 1, 0x51, 0x80}
		bad := netip.MustParseAddr("2001:db8:bad::").AsSlice()
		advertise(t, slices.Concat([]byte{134, 0, 0, 0, 64, 0, 7, 8}, make([]byte, 8), []byte{3, 4, 64, 0xc0}, day, day, make([]byte, 4), bad))
	})
	l.sees("machine to c after a claimed its address", l.host, c.at(8000), "fd00:3::1")
	l.in(l.host, func() {
		link, err := netlink.LinkByName("hearth0")
		must(t, err)
		routes, err := netlink.RouteList(link, netlink.FAMILY_V6)
		must(t, err)
		if slices.ContainsFunc(routes, func(r netlink.Route) bool {
			return r.Gw != nil || r.Dst != nil && r.Dst.Contains(net.ParseIP("2001:db8:bad::1"))
		}) {
			t.Errorf("the machine listens to a service that says it is a router: %v", routes)
		}
	})

	l.setMAC(a, netdev.MAC(c.addr))
	l.sees("a with the hardware address of c", a.ns, "[fd00:3::1]:8443", "")
}

// advertise tells all on a link something about it, as neighbours and routers do.
func advertise(t *testing.T, message []byte) {
	link, err := net.InterfaceByName("eth0")
	must(t, err)
	c, err := net.ListenPacket("ip6:ipv6-icmp", "::")
	must(t, err)
	defer c.Close()
	p := ipv6.NewPacketConn(c)
	must(t, p.SetMulticastHopLimit(255))
	_, err = p.WriteTo(message, &ipv6.ControlMessage{IfIndex: link.Index}, &net.IPAddr{IP: net.ParseIP("ff02::1"), Zone: link.Name})
	must(t, err)
}

// Ports of the machine lead to services over IPv6 for whom they are for, with the address of the caller.
func TestForwardsOverIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b, c := l.services["a"], l.services["b"], l.services["c"]
	up := netip.MustParseAddr(uplinkAddr6)
	l.in(l.host, func() {
		var err error
		l.rules.Hairpin, err = l.devices.Hairpins(l.rules.Bridge)
		must(t, err)
	})
	l.rules.Allowed = []nft.Pair{l.pair("b", "a")}
	l.rules.Forwards = []nft.Forward{
		{Address: up, Ports: nft.PortRange{First: 7000, Last: 7099}, Target: a.six, First: 7000},
		{Address: up, Ports: nft.PortRange{First: 8000, Last: 8001}, Target: a.six, First: 9000},
		{Address: up, Ports: nft.PortRange{First: 8100, Last: 8100}, Target: a.six, First: 9000, Source: netip.MustParsePrefix("2001:db8:7::/64")},
	}
	l.listen(a.ns, a.at(7050))
	l.listen(a.ns, a.at(9000))
	l.ensure()
	for port, from := range map[string]string{"7050": worldAddr6, "8000": worldAddr6, "8100": ""} {
		at := net.JoinHostPort(uplinkAddr6, port)
		l.sees("world", l.world, at, from)
		l.sees("the machine", l.host, at, uplinkAddr6)
		l.sees("itself", a.ns, at, "fd00:3::1")
		l.sees("who may speak to it", b.ns, at, b.six.String())
		l.refused("another service", c.ns, at)
	}
	conn, _, err := l.open(l.world, "", net.JoinHostPort(uplinkAddr6, "8000"))
	if err != nil || !answers(conn) {
		t.Fatal(err)
	}
	l.ensure()
	if !answers(conn) {
		t.Error("putting the same rules in force again cut a connection")
	}
	l.rules.Forwards = nil
	l.ensure()
	if answers(conn) {
		t.Error("a connection outlived its forward")
	}
}

// A machine that was no router is none over IPv6 because services have it.
func TestAClosedLinkLeadsToServicesAloneOverIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	a := l.services["a"]
	far := l.namespace()
	l.cable("lan0", "eth0", far)
	l.address(l.host, "lan0", "2001:db8:7::1/64")
	l.address(far, "eth0", "2001:db8:7::9/64")
	l.in(far, func() { route(t, "::/0", "2001:db8:7::1") })
	l.in(l.world, func() { route(t, "2001:db8:7::/64", uplinkAddr6) })
	l.settled(far, "2001:db8:7::1")
	l.settled(l.host, "2001:db8:7::9")
	l.rules.Closed6 = []string{"lan0", "up0"}
	l.rules.Forwards = []nft.Forward{{Address: netip.MustParseAddr("2001:db8:7::1"), Ports: nft.PortRange{First: 7000, Last: 7001}, Target: a.six, First: 7000}}
	l.listen(l.world, "["+worldAddr6+"]:80")
	l.listen(far, "[2001:db8:7::9]:80")
	l.listen(a.ns, a.at(7001))
	l.sees("without rules", far, "["+worldAddr6+"]:80", "2001:db8:7::9")
	l.ensure()
	l.sees("network to a service", far, "[2001:db8:7::1]:7001", "2001:db8:7::9")
	l.sees("service to the network", a.ns, "[2001:db8:7::9]:80", "2001:db8:7::1")
	l.sees("network through the machine", far, "["+worldAddr6+"]:80", "")
	l.sees("through the machine to the network", l.world, "[2001:db8:7::9]:80", "")
}

// One service does not take the machine's connection table from the others over IPv6 either.
func TestOneServiceHasItsShareOfConnectionsOverIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b")
	l.listen(l.host, "[fd00:3::1]:8443")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.rules.Flows = 40
	l.ensure()
	for n := range 10 {
		if _, _, err := l.open(l.services["a"].ns, "", "[fd00:3::1]:8443"); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	l.sees("one too many", l.services["a"].ns, "[fd00:3::1]:8443", "")
	l.sees("the other service", l.services["b"].ns, "[fd00:3::1]:8443", l.services["b"].six.String())
}
