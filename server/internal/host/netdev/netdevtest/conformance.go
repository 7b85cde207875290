// Package netdevtest holds the tests that the kernel's network and the sandbox's both pass.
package netdevtest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/hearthos/hearth/server/internal/host/netdev"
)

// Network is what the kernel's network and the sandbox's have in common.
type Network interface {
	EnsureBridge(b netdev.Bridge) error
	EnableForwarding(names ...string) error
	Forwards(name string) (bool, error)
	RemoveLink(name string) error
	Links() ([]netdev.Link, error)
	Changes(ctx context.Context) (<-chan struct{}, error)
}

var _ Network = (*netdev.Devices)(nil)

// Conformance checks what every Network promises. The network must hold a loopback link and nothing called "hb0".
func Conformance(t *testing.T, n Network) {
	bridge := netdev.Bridge{Name: "hb0", Address: netip.MustParsePrefix("10.0.3.1/24")}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, err := n.Changes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, changes, "the first signal")
	for range 2 { // the second time nothing changes
		if err := n.EnsureBridge(bridge); err != nil {
			t.Fatalf("ensure bridge: %v", err)
		}
	}
	wait(t, changes, "a signal for the new bridge")
	l := find(t, n, "hb0")
	if l == nil || l.Kind != netdev.KindBridge || !slices.Equal(l.Subnets, []netip.Prefix{bridge.Address}) || l.Index == 0 {
		t.Fatalf("bridge is listed as %+v", l)
	}
	if l.MAC.String() != netdev.MAC(bridge.Address.Addr()).String() {
		t.Fatalf("bridge has hardware address %s", l.MAC)
	}
	bridge.Address = netip.MustParsePrefix("10.0.4.1/24")
	if err := n.EnsureBridge(bridge); err != nil {
		t.Fatalf("change address: %v", err)
	}
	if l := find(t, n, "hb0"); !slices.Equal(l.Subnets, []netip.Prefix{bridge.Address}) {
		t.Fatalf("after the change the bridge has %v", l.Subnets)
	}
	if on, err := n.Forwards("absent0"); on || err != nil {
		t.Errorf("a link that is not there forwards: %v, %v", on, err)
	}
	if err := n.EnableForwarding("hb0"); err != nil {
		t.Error(err)
	}
	if on, err := n.Forwards("hb0"); !on || err != nil {
		t.Errorf("the bridge forwards: %v, %v", on, err)
	}
	refusals(t, n, bridge)
	for range 2 {
		if err := n.RemoveLink("hb0"); err != nil {
			t.Fatalf("remove: %v", err)
		}
	}
	if l := find(t, n, "hb0"); l != nil {
		t.Fatalf("removed bridge is still listed: %+v", l)
	}
	cancel()
	for range changes { // ends because the channel is closed
	}
}

func refusals(t *testing.T, n Network, good netdev.Bridge) {
	t.Helper()
	foreign := good
	foreign.Name = "lo"
	if err := n.EnsureBridge(foreign); !errors.Is(err, netdev.ErrForeign) {
		t.Errorf("a bridge in the place of lo: %v", err)
	}
	for _, name := range []string{"", "all", "default", "a/b", "../x", "name-longer-than-fifteen", "-x", "a b"} {
		bad := good
		bad.Name = name
		if err := n.EnsureBridge(bad); !errors.Is(err, netdev.ErrInvalid) {
			t.Errorf("bridge name %q: %v", name, err)
		}
		if err := n.RemoveLink(name); !errors.Is(err, netdev.ErrInvalid) {
			t.Errorf("removing %q: %v", name, err)
		}
		if err := n.EnableForwarding(name); !errors.Is(err, netdev.ErrInvalid) {
			t.Errorf("forwarding on %q: %v", name, err)
		}
	}
	for _, addr := range []string{"fd00::1/64", "10.0.3.1/32", "10.0.3.1/0"} {
		bad := good
		bad.Address = netip.MustParsePrefix(addr)
		if err := n.EnsureBridge(bad); !errors.Is(err, netdev.ErrInvalid) {
			t.Errorf("bridge address %s: %v", addr, err)
		}
	}
	if err := n.EnableForwarding("absent0"); err == nil {
		t.Error("forwarding on an absent link was accepted")
	}
}

func find(t *testing.T, n Network, name string) *netdev.Link {
	t.Helper()
	links, err := n.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == name {
			return &l
		}
	}
	return nil
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s did not come", what)
	}
}
