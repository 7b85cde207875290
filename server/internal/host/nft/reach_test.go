package nft_test

import (
	"errors"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/nft"
)

// bounded is the example with services that do not reach everything.
func bounded() nft.Rules {
	r := example()
	network := netip.MustParsePrefix
	r.Services[0].Reach = &nft.Reach{Internet: true, Ranges: []netip.Prefix{network("192.168.1.9/32"), network("fd77::/64")}}
	r.Services[1].Reach = &nft.Reach{Near: true, Names: []string{"api.example.org:443"}}
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

// A service reaches what it was let reach by names, at the ports that were said, until it is over; not what is near, whatever it was let. Other
// rules leave that alone, and so does the end of the process that made them; other names begin anew and cut what began by the old ones, and a firewall that
// somebody has flushed begins anew.
func TestServicesReachWhatTheyAreToldOfNames(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b := l.services["a"], l.services["b"]
	far, far6, near := l.worldAddr, worldAddr6, "192.168.70.9"
	l.address(l.host, "up0", "192.168.70.1/24")
	l.address(l.world, "eth0", near+"/24")
	for _, at := range []string{far + ":80", far + ":81", "[" + far6 + "]:80", "[" + far6 + "]:81", near + ":80"} {
		l.listen(l.world, at)
	}
	l.rules.Near = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}
	names := []string{"api.example.org", "*.example.net:81"}
	l.rules.Services[0].Reach, l.rules.Services[1].Reach = &nft.Reach{Names: names}, &nft.Reach{Names: names}
	set := nft.NamedSet(a.addr, names)
	open := func(o nft.Opening) (err error) {
		t.Helper()
		o.Tag = tag
		l.in(l.host, func() { err = nft.Open(o) })
		return err
	}
	addresses := []netip.Addr{netip.MustParseAddr(far), netip.MustParseAddr(far6), netip.MustParseAddr(near)}
	if err := open(nft.Opening{Set: set, Addresses: addresses, For: time.Minute}); err == nil {
		t.Error("a service that the firewall does not know is let reach something")
	}
	l.ensure()
	reaches := func(what string, at ...string) {
		t.Helper()
		want := map[string]bool{}
		for _, to := range at {
			want[to] = true
		}
		for to, seen := range map[string]string{
			far + ":80": l.uplinkAddr, far + ":81": l.uplinkAddr, "[" + far6 + "]:80": uplinkAddr6, "[" + far6 + "]:81": uplinkAddr6, near + ":80": "192.168.70.1",
		} {
			if want[to] {
				l.sees(what, a.ns, to, seen)
			} else {
				l.refused(what, a.ns, to)
			}
			l.refused(what+": another service", b.ns, to)
		}
	}
	reaches("nothing was told")
	must(t, open(nft.Opening{Set: set, Addresses: addresses, Ports: []uint16{81, 82}, For: time.Minute}))
	reaches("one port", far+":81", "["+far6+"]:81")
	must(t, open(nft.Opening{Set: set, Addresses: addresses[:1], For: time.Minute}))
	must(t, open(nft.Opening{Set: set, Addresses: addresses[:1], For: 2 * time.Minute})) // again
	told := []string{far + ":80", far + ":81", "[" + far6 + "]:81"}
	reaches("and all", told...)

	conn, _, err := l.open(a.ns, "", far+":80")
	must(t, err)
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.ensure()
	reaches("other rules", told...)
	l.in(l.host, func() {
		next, err := nft.New()
		must(t, err)
		defer next.Close()
		must(t, next.Ensure(l.rules))
	})
	reaches("rules of the next process", told...)
	if !answers(conn) {
		t.Error("a connection was cut")
	}
	l.rules.Services[2].Reach = &nft.Reach{Names: names}
	l.ensure()
	reaches("beside another service", told...)
	must(t, open(nft.Opening{Set: nft.NamedSet(l.services["c"].addr, names), Addresses: addresses[:1], For: time.Minute}))
	l.sees("another service", l.services["c"].ns, far+":80", l.uplinkAddr)
	l.rules.Services[0].Reach = &nft.Reach{Names: names[:1]}
	l.ensure()
	reaches("other names")
	if answers(conn) {
		t.Error("a connection outlived the names that it began by")
	}
	if err := open(nft.Opening{Set: set, Addresses: addresses[:1], For: time.Minute}); err == nil {
		t.Error("a service is let reach something by names that it had")
	}
	set = nft.NamedSet(a.addr, names[:1])
	must(t, open(nft.Opening{Set: set, Addresses: addresses[:1], For: time.Minute}))
	reaches("by its own", told[:2]...)
	conn, _, err = l.open(a.ns, "", far+":80")
	must(t, err)
	l.in(l.host, func() {
		out, err := exec.Command("nft", "flush", "ruleset").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	l.ensure()
	reaches("flushed by somebody")
	if !answers(conn) {
		t.Error("what was open is cut since somebody flushed the firewall")
	}
	must(t, open(nft.Opening{Set: set, Addresses: addresses[:1], For: time.Second}))
	l.sees("for a moment", a.ns, far+":80", l.uplinkAddr)
	for end := time.Now().Add(30 * time.Second); ; {
		if _, _, err := l.open(a.ns, "", far+":80"); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what is over is reached")
		}
	}
}

// A service has a bound on what it reaches by names, and what it is let reach is no change that others have made.
func TestWhatServicesReachByNamesIsBoundedAndNoChangeOfOthers(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	names := []string{"*.example.org"}
	l.rules.Services[0].Reach = &nft.Reach{Names: names}
	l.ensure()
	var changes <-chan struct{}
	l.in(l.host, func() {
		var err error
		changes, err = l.firewall.Changes(t.Context(), tag)
		must(t, err)
	})
	set := nft.NamedSet(l.services["a"].addr, names)
	at := netip.MustParseAddr("198.51.0.0")
	for opened := 0; ; {
		var many []netip.Addr
		for range 64 {
			at = at.Next()
			many = append(many, at)
		}
		var err error
		l.in(l.host, func() { err = nft.Open(nft.Opening{Tag: tag, Set: set, Addresses: many, For: time.Hour}) })
		if err == nil {
			if opened += len(many); opened > nft.MaxNamed {
				t.Fatalf("%d addresses are reached", opened)
			}
			continue
		}
		if opened < nft.MaxNamed || !errors.Is(err, nft.ErrFull) {
			t.Fatalf("after %d addresses: %v", opened, err)
		}
		break
	}
	if drain(changes) {
		t.Error("what a service is let reach is told as a change of others")
	}
	ten := netip.MustParseAddr("198.51.100.9")
	for name, o := range map[string]nft.Opening{
		"no tag": {Set: set, Addresses: []netip.Addr{ten}, For: time.Hour}, "another set": {Tag: tag, Set: "ports", Addresses: []netip.Addr{ten}, For: time.Hour},
		"no time": {Tag: tag, Set: set, Addresses: []netip.Addr{ten}}, "no address": {Tag: tag, Set: set, Addresses: []netip.Addr{{}}, For: time.Hour},
		"a mapped one": {Tag: tag, Set: set, Addresses: []netip.Addr{netip.MustParseAddr("::ffff:198.51.100.9")}, For: time.Hour},
		"too many":     {Tag: tag, Set: set, Addresses: make([]netip.Addr, 100), Ports: make([]uint16, 100), For: time.Hour},
	} {
		if err := nft.Open(o); !errors.Is(err, nft.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Names are words to the rules: their order does not matter, and each service has its own.
func TestServicesAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParseAddr("10.0.3.11"), netip.MustParseAddr("10.0.3.12")
	same := nft.NamedSet(a, []string{"x.org", "y.org"})
	if nft.NamedSet(a, []string{"y.org", "x.org"}) != same {
		t.Error("another order is another set")
	}
	for _, other := range []string{nft.NamedSet(b, []string{"x.org", "y.org"}), nft.NamedSet(a, []string{"x.org"}), nft.NamedSet(a, nil)} {
		if other == same {
			t.Errorf("%s is of two", same)
		}
	}
}
