package gateway_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/hearthos/hearth/api/fault"
	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/store"
)

// machine has the links a test gives it.
type machine struct{ links []netdev.Link }

func (m *machine) Links() ([]netdev.Link, error)                    { return m.links, nil }
func (m *machine) Changes(context.Context) (<-chan struct{}, error) { return nil, nil }
func (m *machine) EnsureBridge(netdev.Bridge) error                 { return nil }
func (m *machine) EnsureMembers(string, []string) error             { return nil }
func (m *machine) EnableForwarding(...string) error                 { return nil }
func (m *machine) Forwards(string) (bool, error)                    { return true, nil }
func (m *machine) Routes() (bool, error)                            { return false, nil }
func (m *machine) Routes6() (bool, error)                           { return false, nil }
func (m *machine) Before6() (b netdev.Before6, err error)           { return b, nil }
func (m *machine) EnableForwarding6() error                         { return nil }

func (m *machine) EnsureNeighbours(string, map[netip.Addr]net.HardwareAddr) error { return nil }

func (m *machine) EnsureCallers(uint32) error    { return nil }
func (m *machine) Hairpins(string) (bool, error) { return true, nil }

func link(name string, kind netdev.Kind, addresses ...string) netdev.Link {
	l := netdev.Link{Name: name, Index: len(name), Kind: kind, Up: true}
	for _, a := range addresses {
		l.Subnets = append(l.Subnets, netip.MustParsePrefix(a))
	}
	return l
}

// listed is an area over a machine, and a look at the machine followed by what is then known.
func listed(t *testing.T, m *machine) (*gateway.Service, func() map[string]*gatewaysv1.Gateway) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	g := gateway.New(gateway.Config{Tag: "1a2b", Bridge: "h1a2bbr0", Address: netip.MustParsePrefix("10.0.3.1/24"), Address6: netip.MustParsePrefix("fd00:3::1/64")},
		st, slog.New(slog.DiscardHandler), m, nil)
	return g, func() map[string]*gatewaysv1.Gateway {
		t.Helper()
		if _, err := g.ListController().Reconcile(t.Context(), gateway.ListControllerKey); err != nil {
			t.Fatal(err)
		}
		rows, err := g.Gateways()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]*gatewaysv1.Gateway{}
		for _, r := range rows {
			out[r.GetMeta().GetId()] = r
		}
		return out
	}
}

func TestGatewaysAreTheLinksThatLeadSomewhere(t *testing.T) {
	t.Parallel()
	wifi := link("wlan0", netdev.KindWireless, "192.168.2.9/24", "fd00::9/64")
	wifi.DefaultRoute, wifi.Default4, wifi.Metric, wifi.Routers = true, true, 600, []netip.Addr{netip.MustParseAddr("192.168.2.1")}
	cable := link("eth0", netdev.KindEthernet, "192.168.1.5/24")
	cable.DefaultRoute, cable.Default4, cable.Metric = true, true, 100
	six := link("eth1", netdev.KindEthernet, "2001:db8::5/64")
	six.DefaultRoute, six.Metric = true, 1
	down := link("eth2", netdev.KindEthernet, "192.168.7.5/24")
	down.Up = false
	port := link("veth1", netdev.KindEthernet, "192.168.8.5/24")
	port.Port = true
	m := &machine{links: []netdev.Link{
		link("lo", netdev.KindLoopback, "127.0.0.1/8"), link("h1a2bbr0", netdev.KindBridge, "10.0.3.1/24", "10.0.5.1/24", "fd00:3::1/64"), wifi, cable, six, down, port,
		link("lxcbr0", netdev.KindBridge, "10.0.9.1/24"), link("eth3", netdev.KindEthernet), link("br0", netdev.KindBridge, "172.16.0.1/16"),
	}}
	_, look := listed(t, m)
	have := map[string]*gatewaysv1.GatewayStatus{}
	for id, row := range look() {
		have[id] = row.GetStatus()
	}
	want := map[string]*gatewaysv1.GatewayStatus{
		"lo":     {Connected: true, Type: gatewaysv1.GatewayStatus_TYPE_LOOPBACK, ScopeId: 1, Addresses: []string{"127.0.0.1/8"}},
		"lxcbr0": {Connected: true, Type: gatewaysv1.GatewayStatus_TYPE_BRIDGE, ScopeId: 8, Addresses: []string{"10.0.3.1/24", "fd00:3::1/64"}},
		"br0":    {Connected: true, Type: gatewaysv1.GatewayStatus_TYPE_ETHERNET, ScopeId: 3, Addresses: []string{"172.16.0.1/16"}},
		"eth0":   {Connected: true, Type: gatewaysv1.GatewayStatus_TYPE_ETHERNET, ScopeId: 4, Addresses: []string{"192.168.1.5/24"}, Outbound: true},
		"eth1":   {Connected: true, Type: gatewaysv1.GatewayStatus_TYPE_ETHERNET, ScopeId: 4, Addresses: []string{"2001:db8::5/64"}},
		"wlan0": {Connected: true, Type: gatewaysv1.GatewayStatus_TYPE_WIRELESS, ScopeId: 5,
			Addresses: []string{"192.168.2.9/24", "fd00::9/64"}, Routers: []string{"192.168.2.1"}},
	}
	if diff := cmp.Diff(want, have, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestAGatewayThatIsGoneStaysWhilePeopleHaveANameForIt(t *testing.T) {
	t.Parallel()
	cable, tunnel := link("eth0", netdev.KindEthernet, "192.168.1.5/24"), link("wg0", netdev.KindWireguard, "10.9.0.2/32")
	m := &machine{links: []netdev.Link{cable, tunnel}}
	g, look := listed(t, m)
	look()
	ctx, now := t.Context(), time.Unix(9, 0)
	row, err := g.Rename(ctx, now, "eth0", "at home")
	if err != nil || row.GetSpec().GetName() != "at home" {
		t.Fatalf("%v (%v)", row, err)
	}
	if err := g.Forget(ctx, now, "eth0"); !fault.Is(err, metav1.Reason_REASON_GATEWAY_CONNECTED) {
		t.Errorf("a gateway that is there is forgotten: %v", err)
	}
	m.links = nil
	have := look()
	if have["wg0"] != nil {
		t.Errorf("what nobody named is still there: %v", have["wg0"])
	}
	if st := have["eth0"].GetStatus(); st.GetConnected() || len(st.GetAddresses()) != 0 || st.GetType() != gatewaysv1.GatewayStatus_TYPE_ETHERNET {
		t.Errorf("a gateway that is gone is %v", have["eth0"])
	}
	m.links = []netdev.Link{cable}
	if row := look()["eth0"]; !row.GetStatus().GetConnected() || row.GetSpec().GetName() != "at home" {
		t.Errorf("a gateway that came back is %v", row)
	}
	m.links = nil
	look()
	if err := g.Forget(ctx, now, "eth0"); err != nil {
		t.Error(err)
	}
	if _, there := look()["eth0"]; there {
		t.Error("a forgotten gateway is there")
	}
	if _, err := g.Rename(ctx, now, "eth0", "x"); !fault.Is(err, metav1.Reason_REASON_GATEWAY_NOT_FOUND) {
		t.Errorf("what is not there is renamed: %v", err)
	}
}

func TestTakingTheNameOfAGatewayThatIsGoneForgetsIt(t *testing.T) {
	t.Parallel()
	m := &machine{links: []netdev.Link{link("eth0", netdev.KindEthernet, "192.168.1.5/24")}}
	g, look := listed(t, m)
	look()
	if _, err := g.Rename(t.Context(), time.Unix(9, 0), "eth0", "at home"); err != nil {
		t.Fatal(err)
	}
	m.links = nil
	look()
	if _, err := g.Rename(t.Context(), time.Unix(9, 0), "eth0", ""); err != nil {
		t.Fatal(err)
	}
	if rows, err := g.Gateways(); err != nil || len(rows) != 2 {
		t.Errorf("the gateways are %v (%v)", rows, err)
	}
}
