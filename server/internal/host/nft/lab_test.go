package nft_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/testenv"
)

const tag = "1a2b"

// lab is a machine with a bridge, services on it and a world behind another link, each in a network namespace.
type lab struct {
	t          *testing.T
	host       netns.NsHandle
	world      netns.NsHandle
	services   map[string]*service
	devices    *netdev.Devices
	firewall   *nft.Firewall
	rules      nft.Rules
	worldAddr  string
	uplinkAddr string
}

type service struct {
	ns   netns.NsHandle
	link string
	addr netip.Addr
	six  netip.Addr
}

// The addresses of the world and of the machine towards it.
const worldAddr6, uplinkAddr6 = "2001:db8::9", "2001:db8::1"

func newLab(t *testing.T, names ...string) *lab {
	t.Helper()
	testenv.Require(t, "netns")
	l := &lab{t: t, services: map[string]*service{}, worldAddr: "198.51.100.9", uplinkAddr: "198.51.100.1"}
	l.host, l.world = l.namespace(), l.namespace()
	l.rules = nft.Rules{Tag: tag, Bridge: "hearth0", Host: netip.MustParsePrefix("10.0.3.1/24"), Host6: netip.MustParsePrefix("fd00:3::1/64")}
	l.in(l.host, func() {
		var err error
		l.devices, err = netdev.New()
		must(t, err)
		l.firewall, err = nft.New()
		must(t, err)
	})
	t.Cleanup(func() { l.firewall.Close(); l.devices.Close() })
	l.cable("up0", "eth0", l.world)
	l.address(l.host, "up0", l.uplinkAddr+"/24")
	l.address(l.world, "eth0", l.worldAddr+"/24")
	l.address(l.host, "up0", uplinkAddr6+"/64")
	l.address(l.world, "eth0", worldAddr6+"/64")
	// As on any machine the other links were there first, which is the order in which Linux looks for an address.
	l.in(l.host, func() {
		must(t, l.devices.EnsureBridge(netdev.Bridge{Name: l.rules.Bridge, Address: l.rules.Host, Address6: l.rules.Host6}))
	})
	l.in(l.world, func() {
		route(t, "10.0.3.0/24", l.uplinkAddr)
		route(t, "fd00:3::/64", uplinkAddr6)
	})
	l.in(l.host, func() {
		must(t, l.devices.EnableForwarding("up0"))
		must(t, l.devices.EnableForwarding6())
	})
	l.settled(l.world, uplinkAddr6)
	l.settled(l.host, worldAddr6)
	for i, name := range names {
		l.attach(name, netip.AddrFrom4([4]byte{10, 0, 3, byte(11 + i)}))
	}
	return l
}

// attach adds a service to the bridge and to the rules.
func (l *lab) attach(name string, addr netip.Addr) {
	l.t.Helper()
	s := &service{ns: l.namespace(), link: "h" + tag + name, addr: addr, six: netdev.Address6(l.rules.Host6, addr)}
	l.cable(s.link, "eth0", s.ns)
	l.in(l.host, func() {
		port, err := netlink.LinkByName(s.link)
		must(l.t, err)
		bridge, err := netlink.LinkByName(l.rules.Bridge)
		must(l.t, err)
		must(l.t, netlink.LinkSetMaster(port, bridge))
	})
	l.setMAC(s, netdev.MAC(addr))
	l.address(s.ns, "eth0", addr.String()+"/24")
	l.address(s.ns, "eth0", s.six.String()+"/128")
	l.in(s.ns, func() {
		route(l.t, "0.0.0.0/0", "10.0.3.1")
		link, err := netlink.LinkByName("eth0")
		must(l.t, err)
		_, only, _ := net.ParseCIDR(l.rules.Host6.Addr().String() + "/128")
		must(l.t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: only}))
		route(l.t, "::/0", l.rules.Host6.Addr().String())
	})
	l.services[name] = s
	l.rules.Services = append(l.rules.Services, nft.Service{Link: s.link, Address: addr, Address6: s.six, MAC: netdev.MAC(addr)})
	l.in(l.host, func() {
		known := map[netip.Addr]net.HardwareAddr{}
		for _, s := range l.rules.Services {
			known[s.Address6] = s.MAC
		}
		must(l.t, l.devices.EnsureNeighbours(l.rules.Bridge, known))
	})
	l.settled(s.ns, l.rules.Host6.Addr().String())
}

// settled waits until an address of the machine is found over IPv6: the kernel joins the groups that it is asked in by itself, later.
func (l *lab) settled(ns netns.NsHandle, addr string) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		_, _, err := l.open(ns, "", net.JoinHostPort(addr, "1"))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("%s is not found: %v", addr, err)
		}
	}
}

func (l *lab) ensure() {
	l.t.Helper()
	must(l.t, l.firewall.Ensure(l.rules))
}

func (l *lab) pair(from, to string) nft.Pair {
	return nft.Pair{From: l.services[from].addr, To: l.services[to].addr}
}

// namespace makes a network namespace that lives as long as the test.
func (l *lab) namespace() netns.NsHandle {
	l.t.Helper()
	var h netns.NsHandle
	onThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			l.t.Errorf("unshare: %v", err)
			return
		}
		h, _ = netns.Get()
		lo, err := netlink.LinkByName("lo")
		must(l.t, err)
		must(l.t, netlink.LinkSetUp(lo))
	})
	if l.t.Failed() {
		l.t.FailNow()
	}
	l.t.Cleanup(func() { h.Close() })
	return h
}

// onThread runs fn on a thread that is thrown away afterwards.
func onThread(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		fn()
	}()
	<-done
}

// in runs fn in a namespace. Sockets fn makes stay there.
func (l *lab) in(ns netns.NsHandle, fn func()) {
	l.t.Helper()
	onThread(func() {
		if err := netns.Set(ns); err != nil {
			l.t.Errorf("setns: %v", err)
			return
		}
		fn()
	})
	if l.t.Failed() {
		l.t.FailNow()
	}
}

// cable joins the host and another namespace.
func (l *lab) cable(here, there string, ns netns.NsHandle) {
	l.t.Helper()
	l.in(l.host, func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = here
		must(l.t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: there, PeerNamespace: netlink.NsFd(ns)}))
		link, err := netlink.LinkByName(here)
		must(l.t, err)
		must(l.t, netlink.LinkSetUp(link))
	})
	l.in(ns, func() {
		link, err := netlink.LinkByName(there)
		must(l.t, err)
		must(l.t, netlink.LinkSetUp(link))
	})
}

func (l *lab) address(ns netns.NsHandle, link, addr string) {
	l.t.Helper()
	l.in(ns, func() {
		li, err := netlink.LinkByName(link)
		must(l.t, err)
		a, err := netlink.ParseAddr(addr)
		must(l.t, err)
		if a.IP.To4() == nil {
			a.Flags = unix.IFA_F_NODAD
		}
		must(l.t, netlink.AddrAdd(li, a))
	})
}

func (l *lab) setMAC(s *service, mac net.HardwareAddr) {
	l.t.Helper()
	l.in(s.ns, func() {
		li, err := netlink.LinkByName("eth0")
		must(l.t, err)
		must(l.t, netlink.LinkSetHardwareAddr(li, mac))
	})
}

// forget has a service forget where an address is.
func (l *lab) forget(s *service, addr string) {
	l.t.Helper()
	l.in(s.ns, func() {
		li, err := netlink.LinkByName("eth0")
		must(l.t, err)
		must(l.t, netlink.NeighDel(&netlink.Neigh{LinkIndex: li.Attrs().Index, Family: unix.AF_INET, IP: net.ParseIP(addr)}))
	})
}

func route(t *testing.T, dst, via string) {
	_, n, err := net.ParseCIDR(dst)
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{Dst: n, Gw: net.ParseIP(via)}))
}

// listen serves a port in a namespace: every caller is told the address it has here, then gets back what it sends.
func (l *lab) listen(ns netns.NsHandle, addr string) {
	l.t.Helper()
	var ln net.Listener
	l.in(ns, func() {
		var err error
		ln, err = net.Listen("tcp", addr)
		must(l.t, err)
	})
	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { // the other end may be cut off without a word
				<-ended
				c.Close()
			})
			wg.Go(func() {
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				fmt.Fprintln(c, host)
				b := make([]byte, 64)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if _, err := c.Write(b[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	l.t.Cleanup(func() { close(ended); ln.Close(); wg.Wait() })
}

// open connects from a namespace and returns the connection with the address the other side sees.
func (l *lab) open(ns netns.NsHandle, from, to string) (net.Conn, string, error) {
	l.t.Helper()
	var c net.Conn
	var err error
	l.in(ns, func() {
		d := net.Dialer{Timeout: patience}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		c, err = d.Dial("tcp", to)
	})
	if err != nil {
		return nil, "", err
	}
	l.t.Cleanup(func() { c.Close() })
	b := make([]byte, 64)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(b)
	return c, strings.TrimSpace(string(b[:n])), err
}

// patience is how long a packet that is dropped is waited for, more than long enough for one that is not.
const patience = 700 * time.Millisecond

// sees wants a connection that is seen as coming from an address; "" wants none.
func (l *lab) sees(what string, ns netns.NsHandle, to, want string) {
	l.t.Helper()
	_, got, err := l.open(ns, "", to)
	switch {
	case want == "" && err == nil:
		l.t.Errorf("%s: %s was reached", what, to)
	case want != "" && err != nil:
		l.t.Errorf("%s: %s was not reached: %v", what, to, err)
	case got != want:
		l.t.Errorf("%s: seen as %q, want %q", what, got, want)
	}
}

// refused wants a connection to be refused at once: who may not learns so instead of waiting.
func (l *lab) refused(what string, ns netns.NsHandle, to string) {
	l.t.Helper()
	if _, _, err := l.open(ns, "", to); !errors.Is(err, syscall.ECONNREFUSED) {
		l.t.Errorf("%s: %s is not refused: %v", what, to, err)
	}
}

// answers tells whether what is sent comes back.
func answers(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("x")); err != nil {
		return false
	}
	_, err := c.Read(make([]byte, 1))
	return err == nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
}

// What somebody else does to the tables is told; what the firewall does itself, and what happens to other tables, is not.
func TestChangesOfOthersAreTold(t *testing.T) {
	t.Parallel()
	l := newLab(t, "a")
	var changes <-chan struct{}
	l.in(l.host, func() {
		must(t, l.firewall.Ensure(l.rules))
		var err error
		changes, err = l.firewall.Changes(t.Context(), tag)
		must(t, err)
	})
	stranger := func(script string) {
		t.Helper()
		l.in(l.host, func() {
			out, err := exec.Command("nft", script).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", script, err, out)
			}
		})
	}
	told := func(what string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is not told", what)
		}
	}
	stranger("add table inet other")
	stranger("delete table inet other")
	l.in(l.host, func() { must(t, l.firewall.Ensure(l.rules)) })
	if drain(changes) {
		t.Error("a change of its own or of another table is told")
	}
	for _, script := range []string{"flush ruleset", "delete table bridge hearth_" + tag, "flush chain inet hearth_" + tag + " input",
		"insert rule inet hearth_" + tag + " forward accept", "add element inet hearth_" + tag + " ports { 22 }"} {
		stranger(script)
		told(script)
		l.in(l.host, func() { must(t, l.firewall.Ensure(l.rules)) })
		drain(changes) // a stranger's transaction may come in two reads
	}
	l.in(l.host, func() {
		if there, err := l.firewall.Has(tag); err != nil || !there {
			t.Errorf("the tables are there: %v (%v)", there, err)
		}
	})
}

// drain takes what is told until nothing has come for a moment, and answers whether anything was: each read of the
// kernel's notifications may be one signal.
func drain(c <-chan struct{}) (told bool) {
	for {
		select {
		case <-c:
			told = true
		case <-time.After(100 * time.Millisecond):
			return told
		}
	}
}
