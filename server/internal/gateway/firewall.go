package gateway

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/store"
)

// ensureFirewall puts the rules that follow from the rows in force.
func (s *Service) ensureFirewall(_ context.Context, closed []string) error {
	rules := nft.Rules{Tag: s.cfg.Tag, Bridge: s.cfg.Bridge, Host: s.cfg.Address, Closed: closed}
	if s.cfg.Flows != nil {
		rules.Flows = s.cfg.Flows()
	}
	var err error
	if rules.Hairpin, err = s.devices.Hairpins(s.cfg.Bridge); err != nil {
		return err
	}
	err = s.store.View(func(tx *store.Tx) error {
		addresses, err := containers(tx)
		if err != nil {
			return err
		}
		for pkg, a := range addresses {
			rules.Services = append(rules.Services, nft.Service{Link: s.cfg.Interface(pkg), Address: a, MAC: netdev.MAC(a)})
		}
		if rules.Allowed, err = pairs(tx, addresses); err != nil {
			return err
		}
		if rules.Forwards, err = s.forwards(tx, addresses); err != nil {
			return err
		}
		rules.Uses, err = uses(tx, rules.Allowed, addresses)
		for _, p := range s.cfg.Ports {
			rules.Ports = append(rules.Ports, nft.PortRange{First: p, Last: p})
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.firewall.Ensure(rules)
}

// containers are the addresses of packages that have one, whether or not the container runs now: the address is
// theirs alone.
func containers(tx *store.Tx) (map[string]netip.Addr, error) {
	rows, err := store.List[*packagesv1.Container](tx, "")
	out := map[string]netip.Addr{}
	for _, r := range rows {
		if a, err := netip.ParseAddr(r.GetSpec().GetIpv4()); err == nil {
			out[r.GetMeta().GetId()] = a
		}
	}
	return out, err
}

// forwards lead the ranges of ports of packages to them, at the addresses of this machine that are on.
func (s *Service) forwards(tx *store.Tx, addresses map[string]netip.Addr) ([]nft.Forward, error) {
	links, err := s.devices.Links()
	if err != nil {
		return nil, err
	}
	gateways := abi.Gateways(s.gateways(links))
	rows, err := store.List[*hostsv1.Host](tx, "")
	var out []nft.Forward
	for _, r := range rows {
		target, ok := addresses[ids.Parent(r.GetMeta().GetId())]
		if !ok || len(r.GetSpec().GetRanges()) == 0 {
			continue
		}
		h := abi.Derive(abi.Model{Spec: r.GetSpec(), Gateways: gateways, MDNS: "local"})
		for first, v := range h.BindingRanges {
			for _, g := range gateways {
				for _, info := range v.Addresses.Available {
					out = append(out, forward(g, info, v, uint16(first), target)...)
				}
			}
		}
	}
	return out, err
}

// Forwards answers the ranges of ports that the kernel leads to services.
func (s *Service) Forwards() ([]*gatewaysv1.Forward, error) {
	var list []nft.Forward
	err := s.store.View(func(tx *store.Tx) error {
		addresses, err := containers(tx)
		if err != nil {
			return err
		}
		list, err = s.forwards(tx, addresses)
		return err
	})
	byPlace := make(map[string]*gatewaysv1.Forward, len(list))
	for _, f := range list {
		row := &gatewaysv1.Forward{
			Address: netip.AddrPortFrom(f.Address, f.Ports.First).String(), Upstream: netip.AddrPortFrom(f.Target, f.First).String(),
			Mode: gatewaysv1.Forward_MODE_PACKETS, NumberOfPorts: uint32(f.Ports.Last-f.Ports.First) + 1,
		}
		have := byPlace[row.Address]
		if have == nil {
			byPlace[row.Address], have = row, row
			have.Sources = []string{}
		}
		switch {
		case have.Sources == nil: // everybody's already
		case !f.Source.IsValid():
			have.Sources = nil
		case !slices.Contains(have.Sources, f.Source.String()):
			have.Sources = append(have.Sources, f.Source.String())
		}
	}
	return slices.SortedFunc(maps.Values(byPlace), func(a, b *gatewaysv1.Forward) int { return strings.Compare(a.GetAddress(), b.GetAddress()) }), err
}

// forward answers what one address of a range comes to at a gateway.
func forward(g abi.Gateway, info abi.HostnameInfo, v abi.Range, first uint16, target netip.Addr) (out []nft.Forward) {
	m := info.Metadata
	if !v.Addresses.On(info) || m.Gateway != g.ID && !slices.Contains(m.Gateways, g.ID) {
		return nil
	}
	for _, p := range g.Subnets {
		byNumber := m.Kind == abi.KindIPv4 && !info.Public
		if !p.Addr().Is4() || byNumber && info.Hostname != p.Addr().String() {
			continue
		}
		f := nft.Forward{
			Address: p.Addr(), Target: target, First: first,
			Ports: nft.PortRange{First: uint16(v.ExternalStartPort), Last: uint16(v.ExternalStartPort + v.NumberOfPorts - 1)},
		}
		if !v.Addresses.Open(info) {
			f.Source = p.Masked()
		}
		out = append(out, f)
	}
	return out
}

// pairs lets a package open connections to those it depends on.
func pairs(tx *store.Tx, addresses map[string]netip.Addr) ([]nft.Pair, error) {
	rows, err := store.List[*packagesv1.Dependency](tx, "")
	var out []nft.Pair
	for _, r := range rows {
		from, to, _ := strings.Cut(r.GetMeta().GetId(), "/")
		a, ok := addresses[from]
		b, found := addresses[to]
		if ok && found {
			out = append(out, nft.Pair{From: a, To: b})
		}
	}
	return out, err
}

// uses lets a package use the ports that its own bindings and those of the packages it depends on have on this machine.
// The front door serves them at every address of the machine, also to neighbours who need no dependency.
func uses(tx *store.Tx, allowed []nft.Pair, addresses map[string]netip.Addr) ([]nft.Use, error) {
	users := map[netip.Addr][]netip.Addr{}
	for _, p := range allowed {
		users[p.To] = append(users[p.To], p.From)
	}
	rows, err := store.List[*hostsv1.Host](tx, "")
	var out []nft.Use
	for _, r := range rows {
		owner, ok := addresses[ids.Parent(r.GetMeta().GetId())]
		if !ok {
			continue
		}
		for internal, p := range r.GetStatus().GetPorts() {
			if !r.GetSpec().GetBindings()[internal].GetEnabled() {
				continue
			}
			for _, port := range []uint32{p.GetAssignedPort(), p.GetAssignedSslPort()} {
				if port == 0 || port >= 1<<16 {
					continue
				}
				for _, from := range append([]netip.Addr{owner}, users[owner]...) {
					out = append(out, nft.Use{From: from, Port: uint16(port)})
				}
			}
		}
	}
	return out, err
}
