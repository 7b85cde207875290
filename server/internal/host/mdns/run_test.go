package mdns_test

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/hearthos/hearth/server/internal/host/mdns"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// in runs fn on a thread of its own in a network namespace.
func in(ns netns.NsHandle, fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- fn()
	}()
	return <-done
}

func namespace(t *testing.T) netns.NsHandle {
	t.Helper()
	made := make(chan netns.NsHandle)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.New()
		if err != nil {
			t.Error(err)
		}
		made <- ns
	}()
	ns := <-made
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}

func address(t *testing.T, ns netns.NsHandle, name string, addresses ...string) {
	t.Helper()
	err := in(ns, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, a := range addresses {
			addr, err := netlink.ParseAddr(a)
			if err != nil {
				return err
			}
			addr.Flags = 2 // IFA_F_NODAD: nobody else is on the cable
			if err := netlink.AddrAdd(l, addr); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(l)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// serve lets a responder run in a namespace until the test ends.
func serve(t *testing.T, ns netns.NsHandle, name, link string) *mdns.Responder {
	t.Helper()
	r := mdns.New(slog.New(slog.DiscardHandler))
	if err := r.SetConfig(mdns.Config{Names: []string{name}, Links: []string{link}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- in(ns, func() error { return r.Run(ctx) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// becomes waits until a responder has a name. It looks again and again, since who claims a name tells nobody.
func becomes(t *testing.T, r *mdns.Responder, want string) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if names := r.Names(); len(names) == 1 && names[0].Claimed == want {
			return
		}
		<-look.C
	}
	t.Fatalf("the names are %v, want %q", r.Names(), want)
}

// ask asks a group on eth0 as a resolver does that knows no mDNS, and answers the addresses that came.
func ask(t *testing.T, ns netns.NsHandle, group, name string, kind uint16) (answer string) {
	t.Helper()
	err := in(ns, func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		network := "udp4"
		if strings.Contains(group, ":") {
			network = "udp6"
		}
		c, err := net.ListenUDP(network, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		question, err := new(dns.Msg).SetQuestion(name, kind).Pack()
		if err != nil {
			return err
		}
		// The names of links belong to the process in the library, and to the namespace in the kernel.
		to := &net.UDPAddr{IP: net.ParseIP(group), Port: 5353, Zone: strconv.Itoa(l.Attrs().Index)}
		if _, err := c.WriteToUDP(question, to); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return err
		}
		b := make([]byte, 1500)
		n, _, err := c.ReadFromUDP(b)
		if err != nil {
			return err
		}
		m := new(dns.Msg)
		if err := m.Unpack(b[:n]); err != nil {
			return err
		}
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				answer += rr.A.String() + " "
			case *dns.AAAA:
				answer += rr.AAAA.String() + " "
			}
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return answer
}

func TestNeighboursAreAnswered(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "netns")
	here, there := namespace(t), namespace(t)
	err := in(here, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "lan0"
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(there))})
	})
	if err != nil {
		t.Fatal(err)
	}
	address(t, there, "eth0", "192.168.9.9/24", "fd99::9/64")
	address(t, here, "lan0", "192.168.9.5/24", "fd99::5/64")
	err = in(there, func() error { // as a default route would
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		_, group, err := net.ParseCIDR("224.0.0.0/4")
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: group, Scope: netlink.SCOPE_LINK})
	})
	if err != nil {
		t.Fatal(err)
	}
	first := serve(t, here, "fireplace", "lan0")
	becomes(t, first, "fireplace")
	for _, c := range []struct {
		group string
		kind  uint16
		want  string
	}{{"224.0.0.251", dns.TypeA, "192.168.9.5 "}, {"224.0.0.251", dns.TypeAAAA, "fd99::5 "}, {"ff02::fb", dns.TypeA, "192.168.9.5 "}} {
		if got := ask(t, there, c.group, "fireplace.local.", c.kind); got != c.want {
			t.Errorf("%s over %s is %q, want %q", dns.TypeToString[c.kind], c.group, got, c.want)
		}
	}
	// Two with one name agree, and an address that changes is told.
	second := serve(t, there, "fireplace", "eth0")
	becomes(t, second, "fireplace-2")
	becomes(t, first, "fireplace")
	address(t, here, "lan0", "192.168.9.6/24")
	deadline := time.Now().Add(30 * time.Second)
	for got := ""; got != "192.168.9.5 192.168.9.6 "; got = ask(t, there, "224.0.0.251", "fireplace.local.", dns.TypeA) {
		if time.Now().After(deadline) {
			t.Fatalf("the answer is %q", got)
		}
	}
}
