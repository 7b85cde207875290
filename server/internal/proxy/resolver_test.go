package proxy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/proxy"
)

// told answers the addresses that a source is told for a name, as the resolver finds them.
func told(t *testing.T, r *doorv1.Resolver, name, source string) []string {
	t.Helper()
	from := netip.MustParseAddr(source)
	in := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return netip.MustParsePrefix(p).Contains(from) })
	}
	if !in(r.GetAllowedSources()) {
		return []string{"refused"}
	}
	var out []string
	for _, record := range r.GetRecords() {
		if record.GetName() == name && in(record.GetAllowedSources()) {
			out = append(out, slices.Concat(record.GetIpv4(), record.GetIpv6())...)
		}
	}
	slices.Sort(out)
	return out
}

// A machine with many networks, as where programs of containers make some, has a table that the door can use: each splits those around it.
func TestAMachineWithManyNetworks(t *testing.T) {
	t.Parallel()
	in := street(func(_, forge *hostsv1.Host) {
		forge.Spec.PrivateDomains = map[string]*hostsv1.PrivateDomain{"cloud.lan": {Gateways: []string{"eth0"}}}
		forge.Spec.Bindings[80].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: "home.local", Port: 61002}}}
		for i := range 40 {
			forge.Spec.Bindings[80].Choices.Disabled = append(forge.Spec.Bindings[80].Choices.Disabled, &hostsv1.Endpoint{Hostname: fmt.Sprintf("10.%d.7.1", 6*i), Port: 61002})
		}
	})
	in.Private = map[string][]string{"cloud.lan": {"eth0"}}
	for i := range 40 {
		in.Gateways = append(in.Gateways, gateway(fmt.Sprintf("br%d", i), abi.GatewayTypeEthernet, fmt.Sprintf("10.%d.7.1/24", 6*i)))
	}
	render(t, in)
}

func TestPrivateDomainsAreForTheirGatewaysAlone(t *testing.T) {
	t.Parallel()
	in := house()
	in.Gateways = []abi.Gateway{
		gateway("lxcbr0", abi.GatewayTypeBridge, "10.0.3.1/24"),
		gateway("eth0", abi.GatewayTypeEthernet, "192.168.1.5/24", "2001:db8:1::5/64", "fe80::5/64"),
		gateway("eth1", abi.GatewayTypeEthernet, "172.16.9.5/24"),
		gateway("wan0", abi.GatewayTypeEthernet, "203.0.113.5/24"),
	}
	in.Local = []string{"home"}
	in.Private = map[string][]string{"photos.example": {"eth0"}, "both.example": {"eth0", "eth1"}}
	table, _ := proxy.Table(in)
	if err := door.Check(&doorv1.Table{Resolver: table.GetResolver()}); err != nil {
		t.Fatal(err)
	}
	r := table.GetResolver()
	for _, c := range []struct {
		name, from string
		want       []string
	}{
		{"photos.example", "192.168.1.77", []string{"192.168.1.5", "2001:db8:1::5"}},
		{"photos.example", "2001:db8:1::77", []string{"192.168.1.5", "2001:db8:1::5"}},
		{"photos.example", "192.168.77.7", []string{"192.168.1.5", "2001:db8:1::5"}}, // behind a router
		{"photos.example", "172.16.9.77", nil},
		{"photos.example", "10.0.3.9", []string{"10.0.3.1"}},
		{"photos.example", "198.51.100.7", []string{"refused"}},
		{"photos.example", "203.0.113.77", []string{"refused"}}, // a neighbour by a public address
		{"photos.example", "2001:db8:2::77", []string{"refused"}},
		{"both.example", "172.16.9.77", []string{"172.16.9.5"}},
		{"both.example", "192.168.1.77", []string{"192.168.1.5", "2001:db8:1::5"}},
		{"home.local", "10.0.3.9", []string{"10.0.3.1"}},
		{"home.local", "192.168.1.77", nil}, // asked by multicast there
	} {
		if got := told(t, r, c.name, c.from); !slices.Equal(got, c.want) {
			t.Errorf("%s from %s is told %v, want %v", c.name, c.from, got, c.want)
		}
	}
	want := []string{"10.0.3.1:53", "172.16.9.5:53", "192.168.1.5:53", "[2001:db8:1::5]:53", "[fe80::5%eth0]:53"}
	if got := slices.Sorted(slices.Values(r.GetAddresses())); !slices.Equal(got, want) {
		t.Errorf("the resolver listens on %v, want %v", got, want)
	}
}

func TestWithoutAPrivateDomainNoNetworkFindsAResolver(t *testing.T) {
	t.Parallel()
	in := house()
	in.Private = nil
	table, _ := proxy.Table(in)
	if got := table.GetResolver().GetAddresses(); !slices.Equal(got, []string{"10.0.3.1:53"}) {
		t.Errorf("the resolver listens on %v", got)
	}
}
