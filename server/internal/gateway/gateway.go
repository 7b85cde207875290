// Package gateway is the network around services: the bridge they are attached to, the firewall between them, and the
// machine's own interfaces, which lead to other networks.
//
// Whatever the store says of containers and dependencies, the firewall follows: a service reaches the server, the
// Internet and the packages it depends on, and no other service: neither at its own address nor through a port that the
// front door has for it, at whichever address of the machine. The rules are rendered whole from rows and applied in
// one transaction, so there is no order in which they could be half true; while the daemon is away they stay in force.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// ControllerName and ControllerKey are the name of the controller and its one key.
const (
	ControllerName = "network"
	ControllerKey  = "firewall"
)

// Config is what the instance's network looks like.
type Config struct {
	// Tag marks everything this instance makes.
	Tag string
	// Bridge is the name of the bridge, Address the server's own address on it, Address6 that of IPv6, not valid for none.
	Bridge            string
	Address, Address6 netip.Prefix
	// Interface names the host's end of a package's container.
	Interface func(pkg string) string
	// Ports are those of the server itself that services may reach; Outward those of them that lead to the Internet, which are only for
	// services that may reach it.
	Ports, Outward []uint16
	// Opened is the file that tells what forwards because of this server, for PutBack; it ends with the machine, as that does. One
	// with a 6 behind its name tells it of IPv6.
	Opened string
	// Flows is how many connections of one service the machine may track; nil bounds none.
	Flows func() uint32
}

// Service is the area. It is safe for concurrent use.
type Service struct {
	cfg      Config
	store    *store.Store
	log      *slog.Logger
	devices  Devices
	firewall Firewall

	mu    sync.Mutex            // held while the network is made what it should be, so that older rules never come after newer ones
	reach map[string]*nft.Reach // by package, as it is in force; guarded by mu
}

// Devices are the machine's network devices; *netdev.Devices and its fake do.
type Devices interface {
	Links() ([]netdev.Link, error)
	Changes(ctx context.Context) (<-chan struct{}, error)
	EnsureBridge(b netdev.Bridge) error
	// EnsureMembers has links on a bridge that are there.
	EnsureMembers(bridge string, names []string) error
	EnableForwarding(names ...string) error
	// EnableForwarding6 has the machine forward IPv6, Routes6 tells whether it does, Before6 how links are while it does not.
	EnableForwarding6() error
	Routes6() (bool, error)
	Before6() (netdev.Before6, error)
	// EnsureNeighbours tells where services are on the bridge over IPv6.
	EnsureNeighbours(bridge string, services map[netip.Addr]net.HardwareAddr) error
	// Forwards tells whether a link forwards, Routes whether somebody has made the machine a router.
	Forwards(name string) (bool, error)
	Routes() (bool, error)
	// EnsureCallers has packets with a mark delivered to this machine.
	EnsureCallers(mark uint32) error
	// Hairpins tells whether services can be led back to the bridge, after having done what can be done for it.
	Hairpins(bridge string) (bool, error)
}

// Firewall puts rules in force; *nft.Firewall and the sandbox's do.
type Firewall interface {
	Ensure(rules nft.Rules) error
	// Has tells whether the tables of an instance are there.
	Has(tag string) (bool, error)
	// Changes tells, coalesced, that somebody else has changed them, until ctx ends.
	Changes(ctx context.Context, tag string) (<-chan struct{}, error)
}

// New returns the area over the network that devices and firewall are of.
func New(cfg Config, st *store.Store, log *slog.Logger, devices Devices, firewall Firewall) *Service {
	return &Service{cfg: cfg, store: st, log: log, devices: devices, firewall: firewall}
}

// Ensure makes bridge and firewall what they should be. It is called before the first container is looked at, and by
// the controller whenever rows change.
func (s *Service) Ensure(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ensure(ctx)
}

// ensure needs s.mu.
func (s *Service) ensure(ctx context.Context) error {
	links, err := s.devices.Links()
	if err != nil {
		return err
	}
	if err := s.refuseRival(links); err != nil {
		return err
	}
	b := netdev.Bridge{Name: s.cfg.Bridge, Address: s.cfg.Address, Address6: s.cfg.Address6}
	if s.rival6(links) != "" {
		b.Address6 = netip.Prefix{}
	}
	if err := s.devices.EnsureBridge(b); err != nil {
		return err
	}
	six, err := s.Bridge6()
	if err != nil {
		return err
	}
	rules := nft.Rules{Tag: s.cfg.Tag, Bridge: s.cfg.Bridge, Host: s.cfg.Address, Host6: six, Near: near(links)}
	forward := s.forwarding(links)
	if rules.Closed, err = s.closed(forward); err != nil {
		return err
	}
	if rules.Closed6, err = s.closed6(links, six.IsValid()); err != nil {
		return err
	}
	if err := s.ensureFirewall(ctx, rules); err != nil {
		return err
	}
	interfaces, err := s.interfaces()
	if err != nil {
		return err
	}
	if err := s.devices.EnsureMembers(s.cfg.Bridge, interfaces); err != nil {
		return err
	}
	if err := s.devices.EnsureCallers(nft.CallerMark); err != nil {
		return err
	}
	if err := s.devices.EnableForwarding(append(forward, s.cfg.Bridge)...); err != nil || !six.IsValid() {
		return err
	}
	known, err := s.neighbours(six)
	if err != nil {
		return err
	}
	return errors.Join(s.devices.EnsureNeighbours(s.cfg.Bridge, known), s.devices.EnableForwarding6())
}

// Bridge6 is the machine's IPv6 address on the bridge and how long its prefix is; not valid where services have no IPv6.
func (s *Service) Bridge6() (netip.Prefix, error) {
	links, err := s.devices.Links()
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, l := range links {
		if l.Name == s.cfg.Bridge && slices.Contains(l.Subnets, s.cfg.Address6) {
			return s.cfg.Address6, nil
		}
	}
	return netip.Prefix{}, nil
}

// forwarding are the links that must forward: services reach every network the machine is in, and ranges of ports are led to services
// from each.
func (s *Service) forwarding(links []netdev.Link) (names []string) {
	listed := s.gateways(links)
	for _, l := range links {
		if netdev.CheckName(l.Name) != nil {
			continue // a name that would be taken for another
		}
		if l.DefaultRoute && l.Name != s.cfg.Bridge || slices.ContainsFunc(listed, func(g abi.Gateway) bool { return g.ID == l.Name && !g.Internal() }) {
			names = append(names, l.Name)
		}
	}
	return names
}

// Rival6 names another link that is in the network that services have over IPv6, and for whose sake they are without; empty for none.
func (s *Service) Rival6() (string, error) {
	links, err := s.devices.Links()
	return s.rival6(links), err
}

// rival6 is no reason not to work, as one of IPv4 is: any neighbour can give such an address to a link.
func (s *Service) rival6(links []netdev.Link) string {
	for _, l := range links {
		for _, p := range l.Subnets {
			if l.Name != s.cfg.Bridge && s.cfg.Address6.IsValid() && s.cfg.Address6.Overlaps(p) {
				return l.Name
			}
		}
	}
	return ""
}

// Missing names what is not there of the network of the services: the bridge with its address, the firewall's tables. It
// fails where Ensure would, and changes nothing.
func (s *Service) Missing() ([]string, error) {
	links, err := s.devices.Links()
	if err != nil {
		return nil, err
	}
	if err := s.refuseRival(links); err != nil {
		return nil, err
	}
	var list []string
	if !slices.ContainsFunc(links, func(l netdev.Link) bool {
		return l.Name == s.cfg.Bridge && l.On && slices.Contains(l.Subnets, s.cfg.Address)
	}) {
		list = append(list, s.cfg.Bridge+" ("+s.cfg.Address.String()+")")
	}
	there, err := s.firewall.Has(s.cfg.Tag)
	if err == nil && !there {
		list = append(list, "nftables")
	}
	return list, err
}

// Loose are the links of services that are not on the bridge or switched off: those of a container that is just beginning, for a
// moment, and those that somebody has taken off.
func (s *Service) Loose() (names []string, err error) {
	links, err := s.devices.Links()
	if err != nil {
		return nil, err
	}
	interfaces, err := s.interfaces()
	for _, l := range links {
		if slices.Contains(interfaces, l.Name) && (!l.On || !l.Port) {
			names = append(names, l.Name)
		}
	}
	return names, err
}

// refuseRival refuses to work beside another link with the same network: answers would go to whichever the kernel likes
// better. Debian's package lxc brings such a link.
func (s *Service) refuseRival(links []netdev.Link) error {
	for _, l := range links {
		for _, p := range l.Subnets {
			if l.Name != s.cfg.Bridge && s.cfg.Address.Masked().Contains(p.Addr()) {
				return fault.New(metav1.Reason_REASON_CAPABILITY_MISSING,
					"cannot make the bridge of the services: the link %s has an address in %s, which packages expect to be this server's; remove it (lxcbr0: systemctl disable --now lxc-net)",
					l.Name, s.cfg.Address.Masked()).With("link", l.Name)
			}
		}
	}
	return nil
}

// Changes tells, coalesced, that the machine's interfaces have changed, until ctx ends.
func (s *Service) Changes(ctx context.Context) (<-chan struct{}, error) {
	return s.devices.Changes(ctx)
}

// RuleChanges tells, coalesced, that somebody else has changed the firewall of this instance, until ctx ends.
func (s *Service) RuleChanges(ctx context.Context) (<-chan struct{}, error) {
	return s.firewall.Changes(ctx, s.cfg.Tag)
}

// Controller keeps bridge and firewall true to the rows.
func (s *Service) Controller() reconcile.Controller {
	keys := []string{ControllerKey}
	c := reconcile.Controller{
		Name:    ControllerName,
		Reads:   []string{"artifact", "package"},
		Drives:  []string{"bridge", "firewall"},
		Workers: 1,
		List:    func() ([]string, error) { return keys, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			return recheck, s.Ensure(ctx)
		},
	}
	for _, kind := range []string{"container", "dependency", "host"} {
		c.Sources = append(c.Sources, reconcile.Source{
			Selector: store.Selector{Kind: kind},
			Keys:     func(store.Change) []string { return keys },
		})
	}
	return c
}

// recheck is how often bridge and rules are looked at though nobody told of a change: notifications can be lost.
const recheck = time.Minute
