package nft_test

import (
	"net/netip"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/nft"
)

// bounded is the example with services that do not reach everything.
func bounded() nft.Rules {
	r := example()
	network := netip.MustParsePrefix
	r.Services[0].Reach = &nft.Reach{Internet: true, Ranges: []netip.Prefix{network("192.168.1.9/32"), network("fd77::/64")}}
	r.Services[1].Reach = &nft.Reach{Near: true}
	r.Near = []netip.Prefix{
		network("192.168.0.0/16"), network("10.0.0.0/8"), network("11.0.0.0/8"), network("10.0.3.0/24"), network("fc00::/7"), network("2001:db8::/64"), network("255.255.255.255/32"),
	}
	r.Outward = []uint16{443}
	return r
}

// A service reaches beyond the machine what its bounds let it, over both protocols, and learns at once what they do not. Nobody else is
// bounded, and bounds say nothing of other services or of who calls.
func TestServicesReachWhatTheirBoundsLetThem(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b, c := l.services["a"], l.services["b"], l.services["c"]
	far, near := []string{l.worldAddr, "[" + worldAddr6 + "]"}, []string{"192.168.70.9", "[fd70::9]"}
	for _, network := range []string{"192.168.70.", "fd70::"} {
		mask := "/24"
		if network == "fd70::" {
			mask = "/64"
		}
		l.address(l.host, "up0", network+"1"+mask)
		l.address(l.world, "eth0", network+"9"+mask)
	}
	for _, address := range append(far, near...) {
		l.listen(l.world, address+":80")
	}
	l.listen(b.ns, b.at(8000))
	l.listen(a.ns, a.at(8000))
	l.listen(l.host, "10.0.3.1:1080")
	l.listen(l.host, "[fd00:3::1]:1080")
	l.listen(l.host, "10.0.3.1:53")
	seen := map[string]string{far[0]: l.uplinkAddr, far[1]: uplinkAddr6, near[0]: "192.168.70.1", near[1]: "fd70::1"}
	l.rules.Near = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7")}
	l.rules.Ports, l.rules.Outward = []nft.PortRange{{First: 1080, Last: 1080}}, []uint16{1080}
	l.rules.Allowed = []nft.Pair{l.pair("a", "b")}
	range4, range6 := netip.MustParsePrefix(l.worldAddr+"/32"), netip.MustParsePrefix("fd70::/64")
	l.settled(l.host, "fd70::9")
	l.ensure()
	l.settled(a.ns, b.six.String())
	for name, c := range map[string]struct {
		reach       *nft.Reach
		far, near   bool
		far4, near6 bool // besides
	}{
		"everything": {nil, true, true, false, false},
		"nothing":    {&nft.Reach{}, false, false, false, false},
		"Internet":   {&nft.Reach{Internet: true}, true, false, false, false},
		"near":       {&nft.Reach{Near: true}, false, true, false, false},
		"ranges":     {&nft.Reach{Ranges: []netip.Prefix{range4, range6}}, false, false, true, true},
	} {
		l.rules.Services[0].Reach = c.reach
		l.ensure()
		for i, address := range append(far, near...) {
			if i < 2 && c.far || i >= 2 && c.near || i == 0 && c.far4 || i == 3 && c.near6 {
				l.sees(name, a.ns, address+":80", seen[address])
			} else {
				l.refused(name, a.ns, address+":80")
			}
			l.sees(name+": another service", b.ns, address+":80", seen[address])
		}
		if c.far {
			l.sees(name+": by the machine", a.ns, "10.0.3.1:1080", a.addr.String())
			l.sees(name+": by the machine", a.ns, "[fd00:3::1]:1080", a.six.String())
		} else {
			l.refused(name+": by the machine", a.ns, "10.0.3.1:1080")
			l.refused(name+": by the machine", a.ns, "[fd00:3::1]:1080")
		}
		l.sees(name+": names", a.ns, "10.0.3.1:53", a.addr.String())
		l.sees(name+": a package it depends on", a.ns, b.at(8000), a.six.String())
		l.sees(name+": who calls it", l.host, a.at(8000), "fd00:3::1")
	}
	l.refused("a service without a pair", c.ns, b.at(8000))
}

// What bounds do not let through any more is cut, what they still do is not.
func TestConnectionsDoNotOutliveTheirBounds(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b")
	a, b := l.services["a"], l.services["b"]
	l.listen(l.world, l.worldAddr+":80")
	l.listen(l.world, "["+worldAddr6+"]:80")
	l.listen(l.host, "10.0.3.1:1080")
	l.rules.Ports, l.rules.Outward = []nft.PortRange{{First: 1080, Last: 1080}}, []uint16{1080}
	l.ensure()
	for _, to := range []string{l.worldAddr + ":80", "[" + worldAddr6 + "]:80", "10.0.3.1:1080"} {
		conn, _, err := l.open(a.ns, "", to)
		must(t, err)
		other, _, err := l.open(b.ns, "", to)
		must(t, err)
		l.rules.Services[0].Reach = &nft.Reach{Internet: true}
		l.ensure()
		if !answers(conn) {
			t.Errorf("%s: bounds that let it through cut a connection", to)
		}
		l.rules.Services[0].Reach = &nft.Reach{}
		l.ensure()
		if answers(conn) {
			t.Errorf("%s: a connection outlived what allowed it", to)
		}
		if !answers(other) {
			t.Errorf("%s: the connection of a service without bounds was cut", to)
		}
		l.rules.Services[0].Reach = nil
		l.ensure()
	}
}
