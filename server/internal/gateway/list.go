package gateway

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// ListControllerName and ListControllerKey are the name of the controller of the list and its one key: the daemon wakes it
// when the machine's interfaces have changed.
const (
	ListControllerName = "gateways"
	ListControllerKey  = "links"
)

// maxGateways is how many interfaces are told of.
const maxGateways = 256

// kinds are the types of gateways by the kinds of links.
var kinds = map[netdev.Kind]abi.GatewayType{
	netdev.KindEthernet:  abi.GatewayTypeEthernet,
	netdev.KindWireless:  abi.GatewayTypeWireless,
	netdev.KindWireguard: abi.GatewayTypeWireGuard,
	netdev.KindBridge:    abi.GatewayTypeEthernet,
}

// types are the types of gateways as they are told.
var types = map[abi.GatewayType]gatewaysv1.GatewayStatus_Type{
	abi.GatewayTypeLoopback:  gatewaysv1.GatewayStatus_TYPE_LOOPBACK,
	abi.GatewayTypeBridge:    gatewaysv1.GatewayStatus_TYPE_BRIDGE,
	abi.GatewayTypeEthernet:  gatewaysv1.GatewayStatus_TYPE_ETHERNET,
	abi.GatewayTypeWireless:  gatewaysv1.GatewayStatus_TYPE_WIRELESS,
	abi.GatewayTypeWireGuard: gatewaysv1.GatewayStatus_TYPE_WIREGUARD,
}

// List is the machine's interfaces as packages and people see them: the bridge of this instance under the name that packages
// have for it, and those that are up and have an address, without the ends of containers. An interface that has one of the names packages rely on and
// is not what they mean by it is left out.
func (s *Service) List() ([]abi.Gateway, error) {
	links, err := s.devices.Links()
	if err != nil {
		return nil, err
	}
	return s.gateways(links), nil
}

func (s *Service) gateways(links []netdev.Link) []abi.Gateway {
	var out []abi.Gateway
	outbound := netdev.Outbound(links)
	for _, l := range links {
		if l.Name == s.cfg.Bridge {
			out = append(out, s.bridge(l))
			continue
		}
		kind, known := kinds[l.Kind]
		if !known || !l.Up || l.Port || len(l.Subnets) == 0 ||
			l.Name == abi.GatewayLoopback || l.Name == abi.GatewayBridge || len(out) == maxGateways {
			continue
		}
		out = append(out, abi.Gateway{ID: l.Name, Type: kind, ScopeID: uint32(l.Index), Subnets: l.Subnets, WAN: internet(l.Subnets), Outbound: l.Name == outbound})
	}
	return out
}

// bridge is the bridge of this instance, with what it is to have.
func (s *Service) bridge(l netdev.Link) abi.Gateway {
	g := abi.Gateway{ID: abi.GatewayBridge, Type: abi.GatewayTypeBridge, ScopeID: uint32(l.Index)}
	for _, p := range []netip.Prefix{s.cfg.Address, s.cfg.Address6} {
		if slices.Contains(l.Subnets, p) {
			g.Subnets = append(g.Subnets, p)
		}
	}
	return g
}

// internet answers the IPv4 address under which the Internet knows an interface: one of its own that is not a private one. What
// a router in front of it has is not asked for.
func internet(subnets []netip.Prefix) netip.Addr {
	for _, p := range subnets {
		if a := p.Addr(); a.Is4() && a.IsGlobalUnicast() && !a.IsPrivate() && !carrier.Contains(a) {
			return a
		}
	}
	return netip.Addr{}
}

// carrier are the addresses that providers give to customers who share one of the Internet.
var carrier = netip.MustParsePrefix("100.64.0.0/10")

// statuses are the gateways there are, by id, as they are told.
func (s *Service) statuses(links []netdev.Link) map[string]*gatewaysv1.GatewayStatus {
	byName := make(map[string]netdev.Link, len(links))
	for _, l := range links {
		byName[l.Name] = l
	}
	out := make(map[string]*gatewaysv1.GatewayStatus)
	for _, g := range abi.Gateways(s.gateways(links)) {
		st := &gatewaysv1.GatewayStatus{
			Connected: true, Type: types[g.Type], ScopeId: g.ScopeID, Outbound: g.Outbound, Addresses: texts(g.Subnets),
		}
		st.Routers = texts(byName[g.ID].Routers)
		out[g.ID] = st
	}
	return out
}

func texts[T netip.Addr | netip.Prefix](list []T) []string {
	var out []string
	for _, v := range list {
		switch v := any(v).(type) {
		case netip.Addr:
			out = append(out, v.String())
		case netip.Prefix:
			out = append(out, v.String())
		}
	}
	return out
}

// ListController keeps the rows of gateways true to the machine's interfaces. One that is gone stays as long as people
// have a name for it.
func (s *Service) ListController() reconcile.Controller {
	return reconcile.Controller{
		Name:    ListControllerName,
		Area:    "gateway",
		Writes:  []string{"gateway"},
		Workers: 1,
		List:    func() ([]string, error) { return []string{ListControllerKey}, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			return 0, s.refresh(ctx, time.Now())
		},
	}
}

func (s *Service) refresh(ctx context.Context, now time.Time) error {
	links, err := s.devices.Links()
	if err != nil {
		return err
	}
	there := s.statuses(links)
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		rows, err := store.List[*gatewaysv1.Gateway](tx, "")
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, row := range rows {
			id := row.GetMeta().GetId()
			known[id] = true
			if err := update(tx, row, there[id]); err != nil {
				return err
			}
		}
		for id, st := range there {
			if known[id] {
				continue
			}
			row := &gatewaysv1.Gateway{Meta: &metav1.Meta{Id: id}, Spec: &gatewaysv1.GatewaySpec{}, Status: st}
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// update makes a row what is the case; st is nil where the interface is gone.
func update(tx *store.Tx, row *gatewaysv1.Gateway, st *gatewaysv1.GatewayStatus) error {
	if st == nil && row.GetSpec().GetName() == "" {
		return store.Delete[*gatewaysv1.Gateway](tx, row.GetMeta().GetId())
	}
	if st == nil {
		st = &gatewaysv1.GatewayStatus{Type: row.GetStatus().GetType()}
	}
	row.Status = st
	return store.Put(tx, row)
}

// Gateways answers the gateways by id.
func (s *Service) Gateways() (rows []*gatewaysv1.Gateway, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		rows, err = store.List[*gatewaysv1.Gateway](tx, "")
		return err
	})
	return rows, err
}

// Rename says what people call a gateway.
func (s *Service) Rename(ctx context.Context, now time.Time, id, name string) (*gatewaysv1.Gateway, error) {
	var renamed *gatewaysv1.Gateway
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, err := find(tx, id)
		if err != nil {
			return err
		}
		row.Spec = &gatewaysv1.GatewaySpec{Name: name}
		renamed = proto.CloneOf(row)
		if !row.GetStatus().GetConnected() {
			return update(tx, row, nil)
		}
		return store.Put(tx, row)
	})
	return renamed, err
}

// Forget removes a gateway whose interface is gone.
func (s *Service) Forget(ctx context.Context, now time.Time, id string) error {
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		row, err := find(tx, id)
		if err != nil {
			return err
		}
		if row.GetStatus().GetConnected() {
			return fault.New(metav1.Reason_REASON_GATEWAY_CONNECTED, "cannot forget gateway %q: its interface is there", id).With("gateway", id)
		}
		return store.Delete[*gatewaysv1.Gateway](tx, id)
	})
	return err
}

func find(tx *store.Tx, id string) (*gatewaysv1.Gateway, error) {
	row, ok, err := store.Lookup[*gatewaysv1.Gateway](tx, id)
	if err == nil && !ok {
		err = fault.New(metav1.Reason_REASON_GATEWAY_NOT_FOUND, "there is no gateway %q", id).With("gateway", id)
	}
	return row, err
}
