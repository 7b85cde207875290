// Package netdevtest holds a network that exists in memory alone and the tests that it and the kernel's both pass.
package netdevtest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/hearthos/hearth/server/internal/host/netdev"
)

// Fake is a network in memory. It is safe for concurrent use.
type Fake struct {
	mu        sync.Mutex
	links     map[string]netdev.Link
	forwards  map[string]bool
	nextIndex int
	watchers  map[chan struct{}]struct{}
}

// New makes a network with a loopback link.
func New() *Fake {
	f := &Fake{links: map[string]netdev.Link{}, forwards: map[string]bool{}, watchers: map[chan struct{}]struct{}{}}
	f.SetLink(netdev.Link{Name: "lo", Kind: netdev.KindLoopback, Up: true, Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}})
	return f
}

// SetLink adds or replaces a link; its index is kept or given.
func (f *Fake) SetLink(l netdev.Link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have, ok := f.links[l.Name]; ok {
		l.Index = have.Index
	} else {
		f.nextIndex++
		l.Index = f.nextIndex
	}
	f.links[l.Name] = l
	f.changed()
}

// Forwards tells whether forwarding was enabled on the link.
func (f *Fake) Forwards(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.forwards[name]
}

// EnsureBridge is that of netdev.Devices.
func (f *Fake) EnsureBridge(b netdev.Bridge) error {
	if err := netdev.CheckBridge(b); err != nil {
		return err
	}
	f.mu.Lock()
	l, ok := f.links[b.Name]
	f.mu.Unlock()
	if ok && l.Kind != netdev.KindBridge {
		return fmt.Errorf("cannot use %s as bridge: %w: it is a %s", b.Name, netdev.ErrForeign, l.Kind)
	}
	want := netdev.Link{Name: b.Name, Kind: netdev.KindBridge, Up: l.Up, MAC: netdev.MAC(b.Address.Addr()), Subnets: []netip.Prefix{b.Address}}
	if !ok || !slices.Equal(l.Subnets, want.Subnets) {
		f.SetLink(want)
	}
	return f.EnableForwarding(b.Name)
}

// EnableForwarding is that of netdev.Devices.
func (f *Fake) EnableForwarding(names ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		if err := netdev.CheckName(name); err != nil {
			return err
		}
		if _, ok := f.links[name]; !ok {
			return fmt.Errorf("cannot enable forwarding on %s: no such link", name)
		}
		f.forwards[name] = true
	}
	return nil
}

// RemoveLink is that of netdev.Devices.
func (f *Fake) RemoveLink(name string) error {
	if err := netdev.CheckName(name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.links[name]; ok {
		delete(f.links, name)
		delete(f.forwards, name)
		f.changed()
	}
	return nil
}

// Links is that of netdev.Devices.
func (f *Fake) Links() ([]netdev.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.links), func(a, b netdev.Link) int { return strings.Compare(a.Name, b.Name) }), nil
}

// Changes is that of netdev.Devices.
func (f *Fake) Changes(ctx context.Context) (<-chan struct{}, error) {
	out := make(chan struct{}, 1)
	out <- struct{}{}
	f.mu.Lock()
	f.watchers[out] = struct{}{}
	f.mu.Unlock()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, out)
		close(out)
	})
	return out, nil
}

func (f *Fake) changed() {
	for w := range f.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}
