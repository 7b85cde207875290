package sandbox

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
)

// Links tells which links the machine has; *netdev.Devices does, and needs no rights for it.
type Links interface {
	Links() ([]netdev.Link, error)
	Changes(ctx context.Context) (<-chan struct{}, error)
}

// Network is the machine's network with bridges that are in memory alone. It does what netdev.Devices does, and changes
// nothing.
type Network struct {
	machine Links
	hidden  netip.Prefix

	mu       sync.Mutex // guards what follows
	bridges  map[string]netdev.Link
	watchers map[chan struct{}]struct{}
}

func newNetwork(machine Links, hidden netip.Prefix) *Network {
	return &Network{machine: machine, hidden: hidden.Masked(), bridges: map[string]netdev.Link{}, watchers: map[chan struct{}]struct{}{}}
}

// firstIndex is above the numbers a machine gives its links.
const firstIndex = 1 << 20

// EnsureBridge remembers a bridge, without its IPv6: no service has any here.
func (n *Network) EnsureBridge(b netdev.Bridge) error {
	if err := netdev.CheckBridge(b); err != nil {
		return err
	}
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Name == b.Name && l.Kind != netdev.KindBridge {
			return fmt.Errorf("cannot use %s as bridge: %w: it is a %s", b.Name, netdev.ErrForeign, l.Kind)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	have, ok := n.bridges[b.Name]
	if ok && slices.Equal(have.Subnets, []netip.Prefix{b.Address}) {
		return nil
	}
	index := firstIndex + len(n.bridges)
	if ok {
		index = have.Index
	}
	n.bridges[b.Name] = netdev.Link{Name: b.Name, On: true, Index: index, Kind: netdev.KindBridge, MAC: netdev.MAC(b.Address.Addr()), Subnets: []netip.Prefix{b.Address}}
	n.changed()
	return nil
}

// EnsureMembers implements gateway.Devices: there is nobody on the bridge.
func (n *Network) EnsureMembers(string, []string) error { return nil }

// Hairpins implements gateway.Devices: nothing is led anywhere.
func (n *Network) Hairpins(string) (bool, error) { return true, nil }

// EnsureCallers implements gateway.Devices: nothing is led anywhere.
func (n *Network) EnsureCallers(uint32) error { return nil }

// Routes6 implements gateway.Devices: nothing is led anywhere.
func (n *Network) Routes6() (bool, error) { return false, nil }

// Before6 implements gateway.Devices: there is nothing to put back.
func (n *Network) Before6() (netdev.Before6, error) { return netdev.Before6{}, nil }

// EnableForwarding6 implements gateway.Devices: nothing is led anywhere.
func (n *Network) EnableForwarding6() error { return nil }

// EnsureNeighbours implements gateway.Devices: there is nobody on the bridge.
func (n *Network) EnsureNeighbours(string, map[netip.Addr]net.HardwareAddr) error { return nil }

// Routes implements gateway.Devices: nothing is led anywhere.
func (n *Network) Routes() (bool, error) { return false, nil }

// Forwards tells whether a link is there: nothing of what it forwards leaves the sandbox.
func (n *Network) Forwards(name string) (bool, error) {
	if err := netdev.CheckName(name); err != nil {
		return false, err
	}
	links, err := n.Links()
	return slices.ContainsFunc(links, func(l netdev.Link) bool { return l.Name == name }), err
}

// EnableForwarding checks the names and forwards nothing.
func (n *Network) EnableForwarding(names ...string) error {
	links, err := n.Links()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := netdev.CheckName(name); err != nil {
			return err
		}
		if !slices.ContainsFunc(links, func(l netdev.Link) bool { return l.Name == name }) {
			return fmt.Errorf("cannot enable forwarding on %s: no such link", name)
		}
	}
	return nil
}

// RemoveLink forgets a bridge.
func (n *Network) RemoveLink(name string) error {
	if err := netdev.CheckName(name); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.bridges[name]; ok {
		delete(n.bridges, name)
		n.changed()
	}
	return nil
}

// Links are the machine's links but for those hidden, and the bridges.
func (n *Network) Links() ([]netdev.Link, error) {
	links := []netdev.Link{{Name: "lo", Index: 1, Kind: netdev.KindLoopback, Up: true, Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}}
	if n.machine != nil {
		var err error
		if links, err = n.machine.Links(); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	links = slices.DeleteFunc(slices.Clone(links), func(l netdev.Link) bool {
		return slices.ContainsFunc(l.Subnets, func(p netip.Prefix) bool { return n.hidden.Contains(p.Addr()) })
	})
	links = slices.AppendSeq(links, maps.Values(n.bridges))
	slices.SortFunc(links, func(a, b netdev.Link) int { return strings.Compare(a.Name, b.Name) })
	return links, nil
}

// Changes tells that the links are others, coalesced and once at the beginning, until ctx ends.
func (n *Network) Changes(ctx context.Context) (<-chan struct{}, error) {
	var machine <-chan struct{}
	if n.machine != nil {
		var err error
		if machine, err = n.machine.Changes(ctx); err != nil {
			return nil, err
		}
	}
	own, out := make(chan struct{}, 1), make(chan struct{}, 1)
	out <- struct{}{}
	n.mu.Lock()
	n.watchers[own] = struct{}{}
	n.mu.Unlock()
	go func() { // ends with ctx, as its caller waits for by reading out
		defer close(out)
		defer n.forget(own)
		for {
			select {
			case <-ctx.Done():
				return
			case <-own:
			case _, ok := <-machine:
				if !ok {
					machine = nil
					continue
				}
			}
			signal(out)
		}
	}()
	return out, nil
}

func (n *Network) forget(w chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.watchers, w)
}

func (n *Network) changed() {
	for w := range n.watchers {
		signal(w)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Firewall remembers the rules it is given, and stops nobody.
type Firewall struct {
	mu    sync.Mutex // guards rules
	rules nft.Rules
}

// Ensure takes rules that a real firewall would take.
func (f *Firewall) Ensure(r nft.Rules) error {
	if err := r.Check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = r
	return nil
}

// Has tells whether there are rules of an instance.
func (f *Firewall) Has(tag string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rules.Tag == tag, nil
}

// Changes tells of nothing: there is nobody else.
func (f *Firewall) Changes(context.Context, string) (<-chan struct{}, error) { return nil, nil }

// Rules are those in force.
func (f *Firewall) Rules() nft.Rules {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rules
}
