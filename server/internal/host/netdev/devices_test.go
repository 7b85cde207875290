package netdev_test

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/netdev/netdevtest"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// inNamespace runs fn on a thread with a network of its own; the thread is thrown away with it.
func inNamespace(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	testenv.Require(t, "netns")
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		fn(t)
	}()
	<-done
}

func TestKernelConforms(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) { netdevtest.Conformance(t, open(t)) })
}

func TestBridgeIsRepairedWhenSomebodyChangedIt(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		d := open(t)
		b := netdev.Bridge{Name: "hb0", Address: netip.MustParsePrefix("10.0.3.1/24")}
		must(t, d.EnsureBridge(b))
		link, err := netlink.LinkByName("hb0")
		must(t, err)
		foreign, err := netlink.ParseAddr("192.0.2.1/24")
		must(t, err)
		must(t, netlink.AddrAdd(link, foreign))
		must(t, netlink.LinkSetDown(link))
		must(t, os.WriteFile("/proc/sys/net/ipv4/conf/hb0/forwarding", []byte("0"), 0))
		must(t, d.EnsureBridge(b))
		link, err = netlink.LinkByName("hb0")
		must(t, err)
		if link.Attrs().RawFlags&unix.IFF_UP == 0 {
			t.Error("the bridge stayed down")
		}
		if got := subnets(t, d, "hb0"); !slices.Equal(got, []netip.Prefix{b.Address}) {
			t.Errorf("addresses are %v", got)
		}
		for name, want := range map[string]string{"ipv4/conf/hb0/forwarding": "1", "ipv4/conf/hb0/proxy_arp_pvlan": "1", "ipv4/neigh/hb0/proxy_delay": "0", "ipv4/conf/lo/forwarding": "0"} {
			got, err := os.ReadFile("/proc/sys/net/" + name)
			must(t, err)
			if strings.TrimSpace(string(got)) != want {
				t.Errorf("%s is %q, want %s", name, got, want)
			}
		}
	})
}

// A link that was taken off its bridge, as all are when somebody removes that, is put on it again.
func TestLinksArePutOnTheBridgeAgain(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		d := open(t)
		must(t, d.EnsureBridge(netdev.Bridge{Name: "hb0", Address: netip.MustParsePrefix("10.0.3.1/24")}))
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "s0"
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "s1"}))
		for range 2 {
			must(t, d.EnsureMembers("hb0", []string{"s0", "gone0"}))
			link, err := netlink.LinkByName("s0")
			must(t, err)
			bridge, err := netlink.LinkByName("hb0")
			must(t, err)
			if a := link.Attrs(); a.MasterIndex != bridge.Attrs().Index || a.RawFlags&unix.IFF_UP == 0 {
				t.Errorf("the link is %+v", a)
			}
		}
		if err := d.EnsureMembers("hb0", []string{"../x"}); !errors.Is(err, netdev.ErrInvalid) {
			t.Errorf("a name that is none: %v", err)
		}
	})
}

// Links that listened to their routers go on when the machine forwards IPv6; others do not begin to.
func TestForwardingOverIPv6LeavesTheWayOutAlone(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		d := open(t)
		addVeth(t, "lan0", "lan1")
		set := func(name, value string) {
			t.Helper()
			must(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name, []byte(value), 0))
		}
		set("all/forwarding", "0")
		set("lan0/accept_ra", "1")
		set("lan1/accept_ra", "0")
		set("default/accept_ra", "1")
		for range 2 {
			must(t, d.EnableForwarding6())
		}
		for name, want := range map[string]string{"all/forwarding": "1", "lan0/accept_ra": "2", "lan1/accept_ra": "0", "default/accept_ra": "2"} {
			got, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name)
			must(t, err)
			if strings.TrimSpace(string(got)) != want {
				t.Errorf("%s is %q, want %s", name, got, want)
			}
		}
		if on, err := d.Routes6(); !on || err != nil {
			t.Errorf("IPv6 is forwarded: %v, %v", on, err)
		}
	})
}

func TestTheBridgeHasIPv6WhereItIsToHaveIt(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		d := open(t)
		b := netdev.Bridge{Name: "hb0", Address: netip.MustParsePrefix("10.0.3.1/24"), Address6: netip.MustParsePrefix("fd00:3::1/64")}
		for range 2 {
			must(t, d.EnsureBridge(b))
		}
		if got := subnets(t, d, "hb0"); !slices.Equal(got, []netip.Prefix{b.Address, b.Address6}) {
			t.Errorf("addresses are %v", got)
		}
		link, err := netlink.LinkByName("hb0")
		must(t, err)
		foreign, err := netlink.ParseAddr("fd99::1/64")
		must(t, err)
		must(t, netlink.AddrAdd(link, foreign))
		must(t, os.WriteFile("/proc/sys/net/ipv6/conf/hb0/accept_ra", []byte("2"), 0))
		must(t, d.EnsureBridge(b))
		if got := subnets(t, d, "hb0"); !slices.Equal(got, []netip.Prefix{b.Address, b.Address6}) {
			t.Errorf("after a stranger's change addresses are %v", got)
		}
		if got, err := os.ReadFile("/proc/sys/net/ipv6/conf/hb0/accept_ra"); err != nil || strings.TrimSpace(string(got)) != "0" {
			t.Errorf("the bridge listens to routers: %q, %v", got, err)
		}
		a, c := netip.MustParseAddr("fd00:3::a00:30b"), netip.MustParseAddr("fd00:3::a00:30c")
		for _, want := range []map[netip.Addr]net.HardwareAddr{{a: netdev.MAC(b.Address.Addr())}, {a: {2, 0, 0, 0, 0, 1}, c: {2, 0, 0, 0, 0, 2}}, {c: {2, 0, 0, 0, 0, 2}}, {}} {
			must(t, d.EnsureNeighbours("hb0", want))
			list, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_V6)
			must(t, err)
			have := map[netip.Addr]net.HardwareAddr{}
			for _, n := range list {
				if at, ok := netip.AddrFromSlice(n.IP); ok && n.State&unix.NUD_PERMANENT != 0 {
					have[at] = n.HardwareAddr
				}
			}
			if !maps.EqualFunc(have, want, func(x, y net.HardwareAddr) bool { return slices.Equal(x, y) }) {
				t.Errorf("neighbours are %v, want %v", have, want)
			}
		}
		b.Address6 = netip.Prefix{}
		must(t, d.EnsureBridge(b))
		if got := subnets(t, d, "hb0"); !slices.Equal(got, []netip.Prefix{b.Address}) {
			t.Errorf("without IPv6 addresses are %v", got)
		}
		must(t, d.RemoveLink("hb0"))
		must(t, d.EnsureNeighbours("hb0", nil))
	})
}

func TestLinksTellRoutersAndPorts(t *testing.T) {
	t.Parallel()
	inNamespace(t, func(t *testing.T) {
		d := open(t)
		must(t, d.EnsureBridge(netdev.Bridge{Name: "hb0", Address: netip.MustParsePrefix("10.0.3.1/24")}))
		addVeth(t, "lan0", "lan1")
		addVeth(t, "hv0", "hv1")
		bridge, err := netlink.LinkByName("hb0")
		must(t, err)
		port, err := netlink.LinkByName("hv0")
		must(t, err)
		must(t, netlink.LinkSetMaster(port, bridge))
		lan, err := netlink.LinkByName("lan0")
		must(t, err)
		for _, a := range []string{"192.168.7.9/24", "192.168.7.3/24", "fd12::5/64"} {
			addr, err := netlink.ParseAddr(a)
			must(t, err)
			addr.Flags = unix.IFA_F_NODAD
			must(t, netlink.AddrAdd(lan, addr))
		}
		must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: lan.Attrs().Index, Gw: []byte{192, 168, 7, 1}, Priority: 50}))
		links, err := d.Links()
		must(t, err)
		byName := map[string]netdev.Link{}
		for _, l := range links {
			byName[l.Name] = l
		}
		l := byName["lan0"]
		want := []netip.Prefix{netip.MustParsePrefix("192.168.7.3/24"), netip.MustParsePrefix("192.168.7.9/24"), netip.MustParsePrefix("fd12::5/64")}
		if !slices.Equal(l.Subnets, want) || !l.DefaultRoute || l.Metric != 50 || !l.Up || l.Kind != netdev.KindEthernet ||
			!slices.Equal(l.Routers, []netip.Addr{netip.MustParseAddr("192.168.7.1")}) || len(l.IPv4()) != 2 {
			t.Errorf("lan0 is listed as %+v", l)
		}
		if !byName["hv0"].Port || byName["hv1"].Port || byName["hb0"].Kind != netdev.KindBridge || byName["lo"].Kind != netdev.KindLoopback {
			t.Errorf("links are listed as %+v", links)
		}
	})
}

func addVeth(t *testing.T, a, b string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: b}))
	for _, n := range []string{a, b} {
		l, err := netlink.LinkByName(n)
		must(t, err)
		must(t, netlink.LinkSetUp(l))
	}
}

func open(t *testing.T) *netdev.Devices {
	t.Helper()
	d, err := netdev.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func subnets(t *testing.T, d *netdev.Devices, name string) []netip.Prefix {
	t.Helper()
	links, err := d.Links()
	must(t, err)
	i := slices.IndexFunc(links, func(l netdev.Link) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("%s is not listed", name)
	}
	return links[i].Subnets
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
}
