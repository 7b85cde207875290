package hosts_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
)

var update = flag.Bool("update", false, "write golden files anew")

func gateway(id string, t abi.GatewayType, scope uint32, subnets ...string) abi.Gateway {
	g := abi.Gateway{ID: id, Type: t, ScopeID: scope}
	for _, s := range subnets {
		g.Subnets = append(g.Subnets, netip.MustParsePrefix(s))
	}
	return g
}

// house is a server at home.
var house = hosts.Network{
	MDNS: "home.local",
	Gateways: []abi.Gateway{
		gateway("lo", abi.GatewayTypeLoopback, 1, "127.0.0.1/8", "::1/128"),
		gateway("eth0", abi.GatewayTypeEthernet, 2, "192.168.1.5/24", "2001:db8:1::5/64", "fe80::5/64"),
		gateway("lxcbr0", abi.GatewayTypeBridge, 3, "10.0.3.1/24", "fe80::6/64"),
		gateway("wg0", abi.GatewayTypeWireGuard, 4, "10.59.0.2/24"),
	},
}

func page(scheme, sslScheme, suffix string) *hostsv1.Interface {
	return &hostsv1.Interface{Id: "ui", Name: "Page", Description: "The page", Type: hostsv1.Interface_TYPE_UI, Scheme: scheme, SslScheme: sslScheme, Suffix: suffix}
}

func web() *hostsv1.Binding {
	return &hostsv1.Binding{
		Enabled: true, PreferredExternalPort: 80,
		AddSsl:     &hostsv1.AddSsl{PreferredExternalPort: 443, AddXForwardedHeaders: true, Alpn: []string{"http/1.1"}},
		Interfaces: map[string]*hostsv1.Interface{"ui": page("http", "https", "")},
	}
}

func ssh() *hostsv1.Binding {
	return &hostsv1.Binding{
		Enabled: true, PreferredExternalPort: 22, Secure: &hostsv1.Secure{},
		Interfaces: map[string]*hostsv1.Interface{"ssh": {Id: "ssh", Name: "Shell", Type: hostsv1.Interface_TYPE_API, Scheme: "ssh", Username: "git"}},
	}
}

func row(id string, bindings map[uint32]*hostsv1.Binding, ports map[uint32]*hostsv1.Ports) *hostsv1.Host {
	return &hostsv1.Host{Meta: &metav1.Meta{Id: id}, Spec: &hostsv1.HostSpec{Bindings: bindings}, Status: &hostsv1.HostStatus{Ports: ports}}
}

// TestHostJSONIsWhatTheOriginalSays compares with what a running original said of its own host, byte for byte apart from
// the spaces: members, their order, nulls and the order of addresses.
func TestHostJSONIsWhatTheOriginalSays(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/original-host.json")
	if err != nil {
		t.Fatal(err)
	}
	ui := page("http", "https", "")
	ui.Id, ui.Description = "startos-ui", "The page of the server"
	b := &hostsv1.Binding{
		Enabled: true, PreferredExternalPort: 80,
		AddSsl:     &hostsv1.AddSsl{PreferredExternalPort: 443, Alpn: []string{"h2", "http/1.1"}},
		Interfaces: map[string]*hostsv1.Interface{"startos-ui": ui},
	}
	got := hosts.HostJSON(
		row("server/", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 63690, AssignedSslPort: 443}}),
		hosts.Network{MDNS: "lab.local", Gateways: []abi.Gateway{
			gateway("lo", abi.GatewayTypeLoopback, 1, "127.0.0.1/8", "::1/128"),
			gateway("lxcbr0", abi.GatewayTypeBridge, 3, "10.0.3.1/24", "fd00:3::1/64"),
			gateway("eth0", abi.GatewayTypeOther, 2, "10.77.0.2/24", "fe80::5c54:c8ff:fe19:b117/64"),
		}})
	if diff := cmp.Diff(indent(t, want), indent(t, got)); diff != "" {
		t.Error(diff)
	}
}

func indent(t *testing.T, data []byte) string {
	t.Helper()
	var tight, out bytes.Buffer
	if err := json.Compact(&tight, data); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&out, tight.Bytes(), "", " "); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

func TestHostsOfPackages(t *testing.T) {
	t.Parallel()
	off := web()
	off.Enabled = false
	hidden := web()
	hidden.Interfaces = nil
	for name, r := range map[string]*hostsv1.Host{
		"forge": row("forge/main", map[uint32]*hostsv1.Binding{3000: web(), 22: ssh()}, map[uint32]*hostsv1.Ports{
			3000: {AssignedPort: 61001, AssignedSslPort: 61002}, 22: {AssignedPort: 61003}}),
		"hidden":   row("chain/rpc", map[uint32]*hostsv1.Binding{8332: hidden}, map[uint32]*hostsv1.Ports{8332: {AssignedPort: 8332, AssignedSslPort: 61005}}),
		"disabled": row("old/main", map[uint32]*hostsv1.Binding{80: off}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 61006, AssignedSslPort: 61007}}),
		"wrapped": row("node/main", map[uint32]*hostsv1.Binding{8080: {
			Enabled: true, PreferredExternalPort: 443, Secure: &hostsv1.Secure{Ssl: true}, AddSsl: &hostsv1.AddSsl{AlpnReflect: true},
			Interfaces: map[string]*hostsv1.Interface{"ui": page("", "https", "/admin?a=b")},
		}}, map[uint32]*hostsv1.Ports{8080: {AssignedSslPort: 61008}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name+".json", indent(t, hosts.HostJSON(r, house)))
			var lines strings.Builder
			for _, a := range on(r, house) {
				lines.WriteString(a.GetInterfaceId() + " " + a.GetUrl() + " " + a.GetKind().String() + " " + a.GetGateway() + "\n")
			}
			golden(t, name+".addresses", lines.String())
		})
	}
}

func on(r *hostsv1.Host, n hosts.Network) []*hostsv1.Address {
	list, _ := hosts.Addresses(r, n)
	return list
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestAddressOfASuffixStaysAtItsHost(t *testing.T) {
	t.Parallel()
	for suffix, want := range map[string]string{
		"":                "https://localhost:61002",
		"/a":              "https://localhost:61002/a",
		"?a=b":            "https://localhost:61002?a=b",
		"@evil.example/":  "https://localhost:61002/@evil.example/",
		"0.evil.example/": "https://localhost:61002/0.evil.example/",
	} {
		b := web()
		b.Interfaces["ui"] = page("http", "https", suffix)
		got := on(row("a/b", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedSslPort: 61002}}), house)
		if got[0].GetUrl() != want {
			t.Errorf("%q: got %s, want %s", suffix, got[0].GetUrl(), want)
		}
	}
}

func TestLongInterfacesShareTheRoomForAddresses(t *testing.T) {
	t.Parallel()
	b := web()
	for i := range 60 {
		id := "x" + strings.Repeat("a", i)
		b.Interfaces[id] = page("http", "https", "/"+strings.Repeat("x", 1000))
		b.Interfaces[id].Id = id
	}
	r := row("a/b", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 61001, AssignedSslPort: 61002}})
	r.Status.Addresses = on(r, house)
	found := make(map[string]bool)
	for _, a := range r.Status.Addresses {
		found[a.GetInterfaceId()] = true
	}
	if len(found) != 61 || proto.Size(r.Status) > 150<<10 {
		t.Errorf("%d interfaces have addresses, of %d bytes", len(found), proto.Size(r.Status))
	}
}

// TestEveryAddressIsServed holds the addresses people are told, and the order they come in, against the rule of what is
// served, for any network and any binding.
func TestEveryAddressIsServed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := hosts.Network{MDNS: rapid.SampledFrom([]string{"", "home.local"}).Draw(t, "mdns")}
		for i := range rapid.IntRange(0, 4).Draw(t, "gateways") {
			n.Gateways = append(n.Gateways, gateway("net"+string(rune('a'+i)), rapid.SampledFrom([]abi.GatewayType{
				abi.GatewayTypeOther, abi.GatewayTypeEthernet, abi.GatewayTypeWireless, abi.GatewayTypeWireGuard}).Draw(t, "type"), uint32(i+10),
				rapid.SliceOfDistinct(rapid.SampledFrom([]string{"192.168.1.5/24", "198.51.100.7/24", "2001:db8::1/64", "fe80::1/64"}), rapid.ID).Draw(t, "subnets")...))
		}
		b := web()
		b.Enabled = rapid.Bool().Draw(t, "enabled")
		if rapid.Bool().Draw(t, "secure") {
			b.Secure = &hostsv1.Secure{Ssl: rapid.Bool().Draw(t, "ssl")}
		}
		if rapid.Bool().Draw(t, "no tls") {
			b.AddSsl = nil
		}
		r := row("a/b", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 61001, AssignedSslPort: 61002}})
		got := on(r, n)
		if !b.Enabled && len(got) > 0 {
			t.Fatalf("a disabled binding has addresses: %v", got)
		}
		if b.Enabled && b.AddSsl != nil && got[0].GetUrl() != "https://localhost:61002" {
			t.Fatalf("the first address is %v", got[0])
		}
		for _, a := range got {
			inside := a.GetKind() == hostsv1.Address_KIND_LOCALHOST || a.GetKind() == hostsv1.Address_KIND_BRIDGE
			if !a.GetSsl() && b.Secure == nil && !inside {
				t.Fatalf("unprotected outside the machine: %v", a)
			}
			if want := uint32(61001); a.GetSsl() {
				want = 61002
				if a.GetPort() != want {
					t.Fatalf("port of %v", a)
				}
			}
		}
		var v struct {
			Bindings map[string]struct {
				Addresses struct{ Available []abi.HostnameInfo }
			}
		}
		data := hosts.HostJSON(r, n)
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		bridge := 0
		for _, h := range v.Bindings["80"].Addresses.Available {
			if h.Hostname == "10.0.3.1" {
				bridge++
			}
		}
		if b.Enabled && bridge == 0 {
			t.Fatalf("no address on the bridge: %s", data)
		}
	})
}

// The host of a page has a name of its own in .local, at the port where names are told apart, for its first page alone.
func TestAServiceHasANameInLocal(t *testing.T) {
	t.Parallel()
	r := row("forge/main", map[uint32]*hostsv1.Binding{3000: web(), 4000: web(), 22: ssh()},
		map[uint32]*hostsv1.Ports{3000: {AssignedSslPort: 61002}, 4000: {AssignedSslPort: 61003}, 22: {AssignedPort: 61004}})
	n := house
	n.Services, n.Shared = map[string]string{"forge/main": "forge.local", "other/main": "other.local"}, map[uint32]bool{443: true}
	named := func() (out []string) {
		on, _ := hosts.Addresses(r, n)
		for _, a := range on {
			if a.GetHostname() != "home.local" && a.GetKind() == hostsv1.Address_KIND_MDNS {
				out = append(out, a.GetUrl())
			}
		}
		return out
	}
	if got := named(); !slices.Equal(got, []string{"https://forge.local"}) {
		t.Errorf("the addresses are %v", got)
	}
	if !bytes.Contains(hosts.HostJSON(r, n), []byte(`"forge.local"`)) {
		t.Error("the package is not told")
	}
	r.Spec.Bindings[3000].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: "forge.local", Port: 443}}}
	if got := named(); len(got) > 0 {
		t.Errorf("switched off, the addresses are %v", got)
	}
	r.Spec.Bindings[3000].Enabled = false
	if got := named(); !slices.Equal(got, []string{"https://forge.local"}) {
		t.Errorf("without the first page the addresses are %v", got)
	}
}
