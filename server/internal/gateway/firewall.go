package gateway

import (
	"context"
	"net/netip"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/store"
)

// ensureFirewall puts the rules that follow from the rows in force.
func (s *Service) ensureFirewall(context.Context) error {
	rules := nft.Rules{Tag: s.cfg.Tag, Bridge: s.cfg.Bridge, Host: s.cfg.Address}
	err := s.store.View(func(tx *store.Tx) error {
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
		rules.Ports, err = ports(tx)
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

// ports are those that bindings have on this machine; the front door decides who behind them is reached.
func ports(tx *store.Tx) ([]nft.PortRange, error) {
	rows, err := store.List[*hostsv1.Host](tx, "")
	var out []nft.PortRange
	for _, r := range rows {
		for internal, p := range r.GetStatus().GetPorts() {
			if !r.GetSpec().GetBindings()[internal].GetEnabled() {
				continue
			}
			for _, port := range []uint32{p.GetAssignedPort(), p.GetAssignedSslPort()} {
				if port > 0 && port < 1<<16 {
					out = append(out, nft.PortRange{First: uint16(port), Last: uint16(port)})
				}
			}
		}
	}
	return out, err
}
