package hosts

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// maxPassthroughs bounds the names that lead to other machines.
const maxPassthroughs = 256

// AddPassthrough has a name at a port lead to another machine of the network; port 0 is that of the server's page. One that is
// there already is replaced, so it may be called again.
func (s *Service) AddPassthrough(ctx context.Context, now time.Time, spec *hostsv1.PassthroughSpec) (*hostsv1.Passthrough, error) {
	name, err := domain(spec.GetHostname())
	if err != nil {
		return nil, err
	}
	backend, err := s.backend(spec.GetBackend())
	if err != nil {
		return nil, err
	}
	for _, g := range spec.GetGateways() {
		if err := s.leads(g); err != nil {
			return nil, err
		}
	}
	made := &hostsv1.PassthroughSpec{
		Hostname: name, Port: spec.GetPort(), Backend: backend, Gateways: slices.Sorted(slices.Values(spec.GetGateways())), Access: hostsv1.Access_ACCESS_LAN,
	}
	if spec.GetAccess() == hostsv1.Access_ACCESS_INTERNET {
		made.Access = hostsv1.Access_ACCESS_INTERNET
	}
	if made.GetPort() == 0 {
		made.Port = s.page
	}
	var row *hostsv1.Passthrough
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		row = &hostsv1.Passthrough{Meta: &metav1.Meta{Id: net.JoinHostPort(name, strconv.FormatUint(uint64(made.GetPort()), 10))}, Spec: made}
		all, err := store.List[*hostsv1.Passthrough](tx, "")
		if err != nil {
			return err
		}
		have := slices.IndexFunc(all, func(p *hostsv1.Passthrough) bool { return p.GetMeta().GetId() == row.GetMeta().GetId() })
		if have >= 0 {
			row.Meta = all[have].GetMeta()
		} else if len(all) >= maxPassthroughs {
			return argument("hostname", "%d names lead to other machines already", maxPassthroughs)
		}
		if err := s.freeForPassthrough(tx, made, all); err != nil {
			return err
		}
		return store.Put(tx, row)
	})
	return row, err
}

// freeForPassthrough refuses a name that a host uses, and a port that is somebody's: names are told apart at the port of the server's page, and
// at ports that nothing but passthroughs has.
func (s *Service) freeForPassthrough(tx *store.Tx, p *hostsv1.PassthroughSpec, others []*hostsv1.Passthrough) error {
	if err := s.takeFromHosts(tx, "", p.GetHostname()); err != nil {
		return err
	}
	if p.GetPort() == s.page {
		return nil
	}
	busy, err := s.taken(tx, nil)
	if err != nil {
		return err
	}
	shared := slices.ContainsFunc(others, func(o *hostsv1.Passthrough) bool { return o.GetSpec().GetPort() == p.GetPort() })
	if abi.Withheld(p.GetPort()) && p.GetPort() != 443 || busy[p.GetPort()] && !shared {
		return argument("port", "port %d is taken or reserved; the one of the server's page, %d, is shared by all names", p.GetPort(), s.page)
	}
	return nil
}

// nameTaken is for a name that leads elsewhere already.
func nameTaken(name, by string) error {
	return fault.New(metav1.Reason_REASON_DOMAIN_TAKEN, "cannot have the name %q: it leads to %s", name, by).With("domain", name).With("host", by)
}

// backend checks that an address can be one of another machine of the network, and answers it as it is kept. What is this machine's own, or
// a service's, has addresses of its own.
func (s *Service) backend(text string) (string, error) {
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 || at.Addr().Zone() != "" {
		return "", argument("backend", "%q is no address and port, as in 192.168.1.20:443", text)
	}
	a := at.Addr().Unmap()
	if !a.IsPrivate() {
		return "", argument("backend", "%s is no private address: machines of the network have one", a)
	}
	for _, g := range s.Network().Gateways {
		if g.Has(a) || g.Type == abi.GatewayTypeBridge && slices.ContainsFunc(g.Subnets, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return "", argument("backend", "%s is this server or one of its services", a)
		}
	}
	return netip.AddrPortFrom(a, at.Port()).String(), nil
}

// Passthroughs answers the names that lead to other machines, by id.
func (s *Service) Passthroughs() (rows []*hostsv1.Passthrough, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		rows, err = store.List[*hostsv1.Passthrough](tx, "")
		return err
	})
	return rows, err
}

// DeletePassthrough takes one away.
func (s *Service) DeletePassthrough(ctx context.Context, now time.Time, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		if _, ok, err := store.Lookup[*hostsv1.Passthrough](tx, id); err != nil {
			return err
		} else if !ok {
			return fault.New(metav1.Reason_REASON_PASSTHROUGH_NOT_FOUND, "there is no %q that leads to another machine", id).With("passthrough", id)
		}
		return store.Delete[*hostsv1.Passthrough](tx, id)
	})
	return err
}
