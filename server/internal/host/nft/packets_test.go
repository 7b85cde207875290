package nft_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

func TestServicesReachOnlyWhatIsAllowed(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b := l.services["a"], l.services["b"]
	l.listen(a.ns, "10.0.3.11:8000")
	l.listen(b.ns, "10.0.3.12:8000")
	l.listen(l.host, "10.0.3.1:8443")
	l.listen(l.host, "10.0.3.1:5961")
	l.listen(l.host, "10.0.3.1:53")
	l.listen(l.world, l.worldAddr+":80")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}

	l.sees("without rules, or the lab proves nothing", a.ns, "10.0.3.12:8000", "10.0.3.11")
	l.sees("without rules", l.world, "10.0.3.1:8443", l.worldAddr)
	l.forget(a, "10.0.3.12")
	l.forget(b, "10.0.3.11") // a service that starts under rules never learns where another one is
	l.ensure()
	l.sees("service to service", a.ns, "10.0.3.12:8000", "")
	l.sees("service to the door", a.ns, "10.0.3.1:8443", "10.0.3.11")
	l.sees("service to the resolver", a.ns, "10.0.3.1:53", "10.0.3.11")
	l.sees("service to another port of the machine", a.ns, "10.0.3.1:5961", "")
	l.sees("service to the world", a.ns, l.worldAddr+":80", l.uplinkAddr)
	l.sees("machine to service", l.host, "10.0.3.12:8000", "10.0.3.1")
	l.sees("world to service", l.world, "10.0.3.12:8000", "")
	l.sees("world to the machine's address on the bridge", l.world, "10.0.3.1:8443", "")
	l.sees("machine to its address on the bridge", l.host, "10.0.3.1:8443", "10.0.3.1")

	l.rules.Allowed = []nft.Pair{l.pair("a", "b")}
	l.ensure()
	conn, from, err := l.open(a.ns, "", "10.0.3.12:8000")
	if err != nil || from != "10.0.3.11" || !answers(conn) {
		t.Fatalf("allowed pair: seen as %q, %v", from, err)
	}
	l.sees("the pair turned round", b.ns, "10.0.3.11:8000", "")
	l.sees("another service to the pair", l.services["c"].ns, "10.0.3.12:8000", "")

	l.ensure() // the same rules again
	if !answers(conn) {
		t.Error("putting the same rules in force again cut a connection")
	}
	l.rules.Allowed = nil
	l.ensure()
	if answers(conn) {
		t.Error("a connection outlived its pair")
	}
	must(t, l.firewall.Delete(tag))
	must(t, l.firewall.Delete(tag))
	l.sees("service to service without rules", a.ns, "10.0.3.12:8000", "10.0.3.11")
}

// The machine has addresses in other networks, and the ports of services are open there to the neighbours: for services
// they are as closed as at the bridge.
func TestServicesUseOnlyTheirPortsAtAnyAddressOfTheMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.rules.Uses = []nft.Use{{From: l.services["a"].addr, Port: 62001}}
	addresses := []string{"10.0.3.1", l.uplinkAddr}
	for _, addr := range addresses {
		for _, port := range []string{":8443", ":62001", ":62002"} {
			l.listen(l.host, addr+port)
		}
	}
	l.ensure()
	for _, addr := range addresses {
		l.sees("server's own port", l.services["a"].ns, addr+":8443", "10.0.3.11")
		l.sees("port for a", l.services["a"].ns, addr+":62001", "10.0.3.11")
		l.sees("port for nobody", l.services["a"].ns, addr+":62002", "")
		l.sees("port for another", l.services["b"].ns, addr+":62001", "")
		l.sees("the machine itself", l.host, addr+":62002", addr)
	}
	l.sees("a neighbour", l.world, l.uplinkAddr+":62002", l.worldAddr)

	conn, _, err := l.open(l.services["a"].ns, "", l.uplinkAddr+":62001")
	if err != nil || !answers(conn) {
		t.Fatalf("allowed port: %v", err)
	}
	l.ensure()
	if !answers(conn) {
		t.Error("putting the same rules in force again cut a connection")
	}
	l.rules.Uses = nil
	l.ensure()
	if answers(conn) {
		t.Error("a connection outlived what allowed it")
	}
}

func TestRefusalsAreTold(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b")
	l.ensure()
	for _, to := range []string{"10.0.3.12:8000", "10.0.3.1:5961"} {
		at := time.Now()
		if _, _, err := l.open(l.services["a"].ns, "", to); err == nil || time.Since(at) > patience/2 {
			t.Errorf("%s is refused after %v with %v; a program should not have to wait", to, time.Since(at), err)
		}
	}
}

func TestNobodySpeaksInAnothersName(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b", "c")
	a, b := l.services["a"], l.services["b"]
	l.listen(l.host, "10.0.3.1:8443")
	l.listen(b.ns, "10.0.3.12:8000")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.rules.Allowed = []nft.Pair{l.pair("c", "b")}
	l.ensure()
	l.sees("c to b", l.services["c"].ns, "10.0.3.12:8000", "10.0.3.13")

	// The address of c: a may use it neither towards the machine nor where c is allowed.
	l.address(a.ns, "eth0", "10.0.3.13/24")
	if _, _, err := l.open(a.ns, "10.0.3.13", "10.0.3.1:8443"); err == nil {
		t.Error("a reached the machine with the address of c")
	}
	if _, _, err := l.open(a.ns, "10.0.3.13", "10.0.3.12:8000"); err == nil {
		t.Error("a reached b with the address of c")
	}
	// Saying that it has the address does not draw the traffic of c.
	l.listen(l.services["c"].ns, "10.0.3.13:8000")
	l.sees("machine to c", l.host, "10.0.3.13:8000", "10.0.3.1")
	l.in(a.ns, func() { announce(t, netdev.MAC(a.addr), l.services["c"].addr) })
	l.sees("machine to c after a claimed its address", l.host, "10.0.3.13:8000", "10.0.3.1")

	// The hardware address of c.
	l.sees("a to the machine", a.ns, "10.0.3.1:8443", "10.0.3.11")
	l.setMAC(a, netdev.MAC(l.services["c"].addr))
	l.sees("a with the hardware address of c", a.ns, "10.0.3.1:8443", "")
	l.sees("c after that", l.services["c"].ns, "10.0.3.1:8443", "10.0.3.13")
}

// announce tells everybody on a link that an address is at a hardware address.
func announce(t *testing.T, mac net.HardwareAddr, addr netip.Addr) {
	link, err := netlink.LinkByName("eth0")
	must(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	ip := addr.AsSlice()
	frame := slices.Concat([]byte{255, 255, 255, 255, 255, 255}, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 2}, mac, ip, mac, ip)
	must(t, unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Protocol: 0x0608}))
}

func TestALinkNobodyKnowsPassesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	l.listen(l.host, "10.0.3.1:53")
	l.listen(l.world, l.worldAddr+":80")
	l.attach("x", netip.MustParseAddr("10.0.3.99"))
	l.rules.Services = l.rules.Services[:1]
	l.ensure()
	l.sees("known", l.services["a"].ns, "10.0.3.1:53", "10.0.3.11")
	l.sees("unknown to the machine", l.services["x"].ns, "10.0.3.1:53", "")
	l.sees("unknown to the world", l.services["x"].ns, l.worldAddr+":80", "")
}

func TestOtherTrafficOfTheMachineIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	far := l.namespace()
	l.cable("lan0", "eth0", far)
	l.address(l.host, "lan0", "192.168.7.1/24")
	l.address(far, "eth0", "192.168.7.9/24")
	l.in(far, func() { route(t, "0.0.0.0/0", "192.168.7.1") })
	l.in(l.world, func() { route(t, "192.168.7.0/24", l.uplinkAddr) })
	l.in(l.host, func() { must(t, l.devices.EnableForwarding("lan0")) })
	l.listen(l.host, "192.168.7.1:5961")
	l.listen(l.world, l.worldAddr+":80")
	l.ensure()
	l.sees("network to the machine", far, "192.168.7.1:5961", "192.168.7.9")
	l.sees("network through the machine", far, l.worldAddr+":80", "192.168.7.9")
}

// What the machine itself asks of its address on the bridge comes from there, whatever other addresses it has.
func TestTheMachineReachesItsAddressOnTheBridge(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	l.listen(l.host, "10.0.3.1:7001")
	l.listen(l.host, "[fd00:3::1]:7001")
	l.ensure()
	l.sees("the machine to itself", l.host, "10.0.3.1:7001", "10.0.3.1")
	l.sees("the machine to itself over IPv6", l.host, "[fd00:3::1]:7001", "fd00:3::1")
}

// Packets of a closed link reach the machine, and services by forwards, and no other network; what a network that is routed for opens
// is answered.
func TestAClosedLinkLeadsToServicesAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	far := l.namespace()
	l.cable("lan0", "eth0", far)
	l.address(l.host, "lan0", "192.168.7.1/24")
	l.address(far, "eth0", "192.168.7.9/24")
	l.in(far, func() { route(t, "0.0.0.0/0", "192.168.7.1") })
	l.in(l.world, func() { route(t, "192.168.7.0/24", l.uplinkAddr) })
	l.in(l.host, func() { must(t, l.devices.EnableForwarding("lan0")) })
	a := l.services["a"]
	l.rules.Closed = []string{"lan0"}
	l.rules.Forwards = []nft.Forward{{Address: netip.MustParseAddr("192.168.7.1"), Ports: nft.PortRange{First: 7000, Last: 7001}, Target: a.addr, First: 7000}}
	l.listen(l.host, "192.168.7.1:5961")
	l.listen(l.world, l.worldAddr+":80")
	l.listen(far, "192.168.7.9:80")
	l.listen(a.ns, a.addr.String()+":7001")
	l.ensure()
	l.sees("network to the machine", far, "192.168.7.1:5961", "192.168.7.9")
	l.sees("network to a service", far, "192.168.7.1:7001", "192.168.7.9")
	l.sees("service to the network", a.ns, "192.168.7.9:80", "192.168.7.1")
	l.sees("network through the machine", far, l.worldAddr+":80", "")
	l.sees("through the machine to the network", l.world, "192.168.7.9:80", l.worldAddr)
}

// TestAnyPairsAreKept compares random pairs with what packets do.
func TestAnyPairsAreKept(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	l := newLab(t, names...)
	for _, n := range names {
		l.listen(l.services[n].ns, l.services[n].addr.String()+":8000")
	}
	var all []nft.Pair
	for _, x := range names {
		for _, y := range names {
			if x != y {
				all = append(all, l.pair(x, y))
			}
		}
	}
	byAddr := map[netip.Addr]*service{}
	for _, s := range l.services {
		byAddr[s.addr] = s
	}
	some := rapid.SliceOfDistinct(rapid.SampledFrom(all), func(p nft.Pair) nft.Pair { return p })
	for range 12 { // a transaction waits for the kernel's readers, so a hundred would take long
		seed := rand.Int()
		l.rules.Allowed = some.Example(seed)
		must(t, l.firewall.Ensure(l.rules))
		for _, p := range all {
			c, _, err := l.open(byAddr[p.From].ns, "", fmt.Sprintf("%s:8000", p.To))
			if c != nil {
				c.Close()
			}
			if allowed := slices.Contains(l.rules.Allowed, p); allowed != (err == nil) {
				t.Errorf("example %d, %s to %s: allowed %v, but %v", seed, p.From, p.To, allowed, err)
			}
		}
	}
}

// nextFirewall is that of the next server.
func (l *lab) nextFirewall() (f *nft.Firewall) {
	l.t.Helper()
	l.in(l.host, func() {
		var err error
		f, err = nft.New()
		must(l.t, err)
	})
	l.t.Cleanup(f.Close)
	return f
}

// What somebody else did to the rules that keep count is put right.
func TestTheCountOfConnectionsIsPutRight(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	l.rules.Flows = 20
	l.ensure()
	list := func() string {
		var out []byte
		l.in(l.host, func() {
			var err error
			out, err = exec.Command("nft", "list", "table", "inet", "hearth_"+tag+"_flows").CombinedOutput()
			must(t, err)
		})
		return string(out)
	}
	want := list()
	for _, harm := range []string{
		"flush chain inet hearth_" + tag + "_flows flows", "insert rule inet hearth_" + tag + "_flows flows accept",
		"add rule inet hearth_" + tag + "_flows flows drop", "delete table inet hearth_" + tag + "_flows",
	} {
		l.in(l.host, func() {
			if out, err := exec.Command("nft", strings.Fields(harm)...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", harm, err, out)
			}
		})
		l.ensure()
		if got := list(); got != want {
			t.Errorf("after %q there is\n%s", harm, got)
		}
	}
}

// One service does not take the machine's connection table from the others.
func TestOneServiceHasItsShareOfConnections(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a", "b")
	l.listen(l.host, "10.0.3.1:8443")
	l.rules.Ports = []nft.PortRange{{First: 8443, Last: 8443}}
	l.rules.Flows = 20
	l.ensure()
	var open []net.Conn
	for range 20 {
		c, _, err := l.open(l.services["a"].ns, "", "10.0.3.1:8443")
		if err != nil {
			t.Fatalf("connection %d: %v", len(open), err)
		}
		open = append(open, c)
	}
	l.sees("one too many", l.services["a"].ns, "10.0.3.1:8443", "")
	// They count when the firewall is replaced, by whichever server, for another service that comes and goes.
	next := l.nextFirewall()
	services := slices.Clone(l.rules.Services)
	l.rules.Ports = append(l.rules.Ports, nft.PortRange{First: 9000, Last: 9000})
	l.rules.Services = append(l.rules.Services, nft.Service{Link: "h" + tag + "c", Address: netip.MustParseAddr("10.0.3.19"), MAC: netdev.MAC(netip.MustParseAddr("10.0.3.19"))})
	must(t, next.Ensure(l.rules))
	l.sees("one too many after a replacement", l.services["a"].ns, "10.0.3.1:8443", "")
	l.rules.Services = services
	must(t, next.Ensure(l.rules))
	l.sees("one too many after another", l.services["a"].ns, "10.0.3.1:8443", "")
	l.sees("the other service", l.services["b"].ns, "10.0.3.1:8443", "10.0.3.12")
	for _, c := range open {
		if !answers(c) {
			t.Error("a connection that was there does not answer")
		}
	}
}
