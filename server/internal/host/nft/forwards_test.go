package nft_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/host/nft"
)

func TestForwardedPortsLeadToTheServiceAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "c")
	a, c := l.services["a"], l.services["c"]
	l.listen(a.ns, "10.0.3.11:5001")
	l.listen(a.ns, "10.0.3.11:9001")
	l.listen(a.ns, "10.0.3.11:5010")
	at := netip.MustParseAddr(l.uplinkAddr)
	same := nft.Forward{Address: at, Ports: nft.PortRange{First: 5000, Last: 5009}, Target: netip.MustParseAddr("10.0.3.11"), First: 5000}
	moved := nft.Forward{Address: at, Ports: nft.PortRange{First: 6000, Last: 6009}, Target: netip.MustParseAddr("10.0.3.11"), First: 9000}
	l.rules.Forwards = []nft.Forward{same, moved}
	l.ensure()
	l.sees("the world by the same port", l.world, l.uplinkAddr+":5001", l.worldAddr)
	l.sees("the world by a port that is moved", l.world, l.uplinkAddr+":6001", l.worldAddr)
	l.sees("the world beyond the range", l.world, l.uplinkAddr+":5010", "")
	l.sees("the world past the forward", l.world, "10.0.3.11:5001", "")
	l.sees("the machine itself", l.host, l.uplinkAddr+":6001", l.uplinkAddr)
	l.refused("the service itself, that is not led back", a.ns, l.uplinkAddr+":5001")
	l.in(l.host, func() {
		var err error
		l.rules.Hairpin, err = l.devices.Hairpins(l.rules.Bridge)
		must(t, err)
	})
	l.ensure()
	l.refused("another service", c.ns, l.uplinkAddr+":5001")
	l.refused("another service by a port that is moved", c.ns, l.uplinkAddr+":6001")
	l.sees("the service itself", a.ns, l.uplinkAddr+":5001", "10.0.3.1")
	l.sees("the service itself by a port that is moved", a.ns, l.uplinkAddr+":6001", "10.0.3.1")
	l.rules.Allowed = []nft.Pair{l.pair("c", "a")}
	l.ensure()
	l.sees("a service that may", c.ns, l.uplinkAddr+":5001", c.addr.String())
	l.sees("a service that may by a port that is moved", c.ns, l.uplinkAddr+":6001", c.addr.String())
	l.rules.Allowed = nil
	l.ensure()

	conn, _, err := l.open(l.world, "", l.uplinkAddr+":5001")
	if err != nil || !answers(conn) {
		t.Fatal("no connection", err)
	}
	l.ensure()
	if !answers(conn) {
		t.Error("the same rules again cut a connection")
	}
	same.Source = netip.MustParsePrefix("192.0.2.0/32")
	l.rules.Forwards = []nft.Forward{same}
	l.ensure()
	if answers(conn) {
		t.Error("a connection outlived the forward for its source")
	}
	l.sees("who is not a neighbour", l.world, l.uplinkAddr+":5001", "")
	same.Source = netip.PrefixFrom(netip.MustParseAddr(l.worldAddr), 24)
	l.rules.Forwards = []nft.Forward{same}
	l.ensure()
	l.sees("a neighbour", l.world, l.uplinkAddr+":5001", l.worldAddr)
	l.sees("a forward that is gone", l.world, l.uplinkAddr+":6001", "")

	// A forward for neighbours alone is for the service, too, and for those who may speak to it.
	l.sees("the service, that is no neighbour", a.ns, l.uplinkAddr+":5001", "10.0.3.1")
	l.refused("a service that may not", c.ns, l.uplinkAddr+":5001")
	l.rules.Allowed = []nft.Pair{l.pair("c", "a")}
	l.ensure()
	l.sees("a service that may and is no neighbour", c.ns, l.uplinkAddr+":5001", c.addr.String())
}

func TestForwardsThatCannotBe(t *testing.T) {
	t.Parallel()
	good := nft.Forward{Address: netip.MustParseAddr("192.0.2.1"), Ports: nft.PortRange{First: 5000, Last: 5499}, Target: netip.MustParseAddr("10.0.3.11"), First: 5000}
	for name, change := range map[string]func(*nft.Forward){
		"to nobody":          func(f *nft.Forward) { f.Target = netip.MustParseAddr("192.0.2.9") },
		"from nothing":       func(f *nft.Forward) { f.Address = netip.MustParseAddr("0.0.0.0") },
		"from the machine":   func(f *nft.Forward) { f.Address = netip.MustParseAddr("127.0.0.1") },
		"from IPv6":          func(f *nft.Forward) { f.Address = netip.MustParseAddr("::1") },
		"of no port":         func(f *nft.Forward) { f.Ports.First = 0 },
		"backwards":          func(f *nft.Forward) { f.Ports.Last = 4999 },
		"beyond the end":     func(f *nft.Forward) { f.First = 65400 },
		"for a source of v6": func(f *nft.Forward) { f.Source = netip.MustParsePrefix("fd00::/8") },
	} {
		f := good
		change(&f)
		r := nft.Rules{Tag: "0a1b", Bridge: "hearth0", Host: netip.MustParsePrefix("10.0.3.1/24"), Forwards: []nft.Forward{f}}
		if err := r.Check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	r := nft.Rules{Tag: "0a1b", Bridge: "hearth0", Host: netip.MustParsePrefix("10.0.3.1/24"), Forwards: []nft.Forward{good}}
	text, err := nft.Render(r)
	if err != nil || !strings.Contains(text, "ip daddr 192.0.2.1 meta l4proto udp th dport 5000-5499 dnat ip to 10.0.3.11\n") {
		t.Errorf("%v\n%s", err, text)
	}
}
