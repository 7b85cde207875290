package gateway

import (
	"context"
	"maps"
	"net"
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

// ensureFirewall adds the rules that follow from the rows, and puts all in force. It needs s.mu.
func (s *Service) ensureFirewall(ctx context.Context, rules nft.Rules) error {
	if s.cfg.Flows != nil {
		rules.Flows = s.cfg.Flows()
	}
	var err error
	if rules.Hairpin, err = s.devices.Hairpins(s.cfg.Bridge); err != nil {
		return err
	}
	var reach map[string]*nft.Reach
	err = s.store.View(func(tx *store.Tx) error {
		addresses, sixes, err := containers(tx)
		if err != nil {
			return err
		}
		if reach, err = s.reaches(ctx, tx); err != nil {
			return err
		}
		for pkg, a := range addresses {
			service := nft.Service{Link: s.cfg.Interface(pkg), Address: a, MAC: netdev.MAC(a), Reach: reach[pkg]}
			if rules.Host6.Contains(sixes[pkg]) {
				service.Address6 = sixes[pkg]
			}
			rules.Services = append(rules.Services, service)
		}
		if rules.Allowed, err = pairs(tx, addresses); err != nil {
			return err
		}
		if rules.Forwards, err = s.forwards(tx, addresses, within(sixes, rules.Host6)); err != nil {
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
	rules.Outward = s.cfg.Outward
	if err := s.firewall.Ensure(rules); err != nil {
		return err
	}
	s.reach = reach
	return nil
}

// interfaces are the names of the links of services whose container is up. Until then LXC is about to put its link on the bridge,
// and would fail where it is there.
func (s *Service) interfaces() (names []string, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Container](tx, "")
		if err != nil {
			return err
		}
		for _, r := range rows {
			pkg := r.GetMeta().GetId()
			row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
			if err != nil {
				return err
			}
			if up := row.GetStatus().GetContainer(); ok && up != "" && up == r.GetSpec().GetInstance() {
				names = append(names, s.cfg.Interface(pkg))
			}
		}
		return nil
	})
	return names, err
}

// neighbours are where services are on the bridge over IPv6, of those that have a container now: for one that has none the machine looks,
// and tells who asks that there is nobody.
func (s *Service) neighbours(network netip.Prefix) (map[netip.Addr]net.HardwareAddr, error) {
	known := make(map[netip.Addr]net.HardwareAddr)
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Container](tx, "")
		for _, r := range rows {
			a, err1 := netip.ParseAddr(r.GetSpec().GetIpv4())
			six, err2 := netip.ParseAddr(r.GetSpec().GetIpv6())
			if r.GetSpec().GetInstance() != "" && err1 == nil && err2 == nil && network.Contains(six) {
				known[six] = netdev.MAC(a)
			}
		}
		return err
	})
	return known, err
}

// containers are the addresses of packages that have one, and those of IPv6, whether or not the container runs now: the
// address is theirs alone.
func containers(tx *store.Tx) (addresses, sixes map[string]netip.Addr, err error) {
	rows, err := store.List[*packagesv1.Container](tx, "")
	addresses, sixes = map[string]netip.Addr{}, map[string]netip.Addr{}
	for _, r := range rows {
		if a, err := netip.ParseAddr(r.GetSpec().GetIpv4()); err == nil {
			addresses[r.GetMeta().GetId()] = a
		}
		if a, err := netip.ParseAddr(r.GetSpec().GetIpv6()); err == nil {
			sixes[r.GetMeta().GetId()] = a
		}
	}
	return addresses, sixes, err
}

// within leaves out the addresses that are not in a network.
func within(addresses map[string]netip.Addr, network netip.Prefix) map[string]netip.Addr {
	maps.DeleteFunc(addresses, func(_ string, a netip.Addr) bool { return !network.Contains(a) })
	return addresses
}

// forwards lead the ranges of ports of packages to them, at the addresses of this machine that are on.
func (s *Service) forwards(tx *store.Tx, addresses, sixes map[string]netip.Addr) ([]nft.Forward, error) {
	links, err := s.devices.Links()
	if err != nil {
		return nil, err
	}
	gateways := abi.Gateways(s.gateways(links))
	rows, err := store.List[*hostsv1.Host](tx, "")
	var out []nft.Forward
	for _, r := range rows {
		pkg := ids.Parent(r.GetMeta().GetId())
		target, ok := addresses[pkg]
		if !ok || len(r.GetSpec().GetRanges()) == 0 {
			continue
		}
		h := abi.Derive(abi.Model{Spec: r.GetSpec(), Gateways: gateways, MDNS: "any.local"}) // whichever it is, it leads where the numbers do
		for first, v := range h.BindingRanges {
			for _, g := range gateways {
				for _, info := range v.Addresses.Available {
					out = append(out, forward(g, info, v, uint16(first), target, sixes[pkg])...)
				}
			}
		}
	}
	return out, err
}

// Forwards answers the ranges of ports that the kernel leads to services.
func (s *Service) Forwards() ([]*gatewaysv1.Forward, error) {
	var list []nft.Forward
	six, err := s.Bridge6()
	if err != nil {
		return nil, err
	}
	err = s.store.View(func(tx *store.Tx) error {
		addresses, sixes, err := containers(tx)
		if err != nil {
			return err
		}
		list, err = s.forwards(tx, addresses, within(sixes, six))
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

// forward answers what one address of a range comes to at a gateway. By number ranges are told over IPv4 alone; a name leads to all of
// the server's addresses, to those of IPv6 where the service has one. Link-local ones are nobody's whom a record could tell.
func forward(g abi.Gateway, info abi.HostnameInfo, v abi.Range, first uint16, target, six netip.Addr) (out []nft.Forward) {
	m := info.Metadata
	if m.Gateway != g.ID && !slices.Contains(m.Gateways, g.ID) || !v.Addresses.OnAt(info, g.ID) {
		return nil
	}
	for _, p := range g.Subnets {
		number, to := m.Kind == abi.KindIPv4, target
		if p.Addr().Is6() {
			to = six
		}
		if !to.IsValid() || number && p.Addr().Is6() || number && !info.Public && info.Hostname != p.Addr().String() || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			continue
		}
		f := nft.Forward{
			Address: p.Addr(), Target: to, First: first,
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
