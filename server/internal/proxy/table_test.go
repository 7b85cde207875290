package proxy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/proxy"
)

var update = flag.Bool("update", false, "write golden files anew")

func gateway(id string, t abi.GatewayType, subnets ...string) abi.Gateway {
	g := abi.Gateway{ID: id, Type: t}
	for _, s := range subnets {
		g.Subnets = append(g.Subnets, netip.MustParsePrefix(s))
	}
	return g
}

func pkg(id, ip string) *packagesv1.Package {
	return &packagesv1.Package{Meta: &metav1.Meta{Id: id}, Status: &packagesv1.PackageStatus{Ipv4: ip}}
}

func dependency(from, on string) *packagesv1.Dependency {
	return &packagesv1.Dependency{Meta: &metav1.Meta{Id: from + "/" + on}}
}

func host(id string, bindings map[uint32]*hostsv1.Binding, ports map[uint32]*hostsv1.Ports) *hostsv1.Host {
	return &hostsv1.Host{Meta: &metav1.Meta{Id: id}, Spec: &hostsv1.HostSpec{Bindings: bindings}, Status: &hostsv1.HostStatus{Ports: ports}}
}

var exported = map[string]*hostsv1.Interface{"ui": {Id: "ui", Type: hostsv1.Interface_TYPE_UI}}

func web() *hostsv1.Binding {
	return &hostsv1.Binding{Enabled: true, Interfaces: exported, AddSsl: &hostsv1.AddSsl{AddXForwardedHeaders: true, Alpn: []string{"http/1.1"}}}
}

// house is a server at home with what packages bind in practice.
func house() proxy.Input {
	return proxy.Input{
		Server: proxy.Server{
			Web: []string{"0.0.0.0:8443"}, WebUpstream: "unix:/run/hearth/0a1b/web.sock",
			Redirects: []string{"0.0.0.0:8080"}, RedirectPort: 8443, Root: []byte("root"),
			Resolver: []string{"10.0.3.1:53"}, Zones: []string{"startos", "embassy"},
		},
		Gateways: []abi.Gateway{
			gateway("lo", abi.GatewayTypeLoopback, "127.0.0.1/8", "::1/128"),
			gateway("lxcbr0", abi.GatewayTypeBridge, "10.0.3.1/24"),
			gateway("eth0", abi.GatewayTypeEthernet, "192.168.1.5/24", "2001:db8:1::5/64", "fe80::5/64"),
		},
		Packages: []*packagesv1.Package{pkg("forge", "10.0.3.8"), pkg("chain", "10.0.3.9"), pkg("wallet", "10.0.3.10"), pkg("absent", "")},
		Dependencies: []*packagesv1.Dependency{
			dependency("wallet", "chain"), dependency("absent", "chain"), dependency("forge", "none"),
		},
		Hosts: []*hostsv1.Host{
			host("forge/main", map[uint32]*hostsv1.Binding{3000: web(), 22: {Enabled: true, Secure: &hostsv1.Secure{}, Interfaces: exported}},
				map[uint32]*hostsv1.Ports{3000: {AssignedPort: 61001, AssignedSslPort: 61002}, 22: {AssignedPort: 61003}}),
			host("chain/rpc", map[uint32]*hostsv1.Binding{8332: {Enabled: true, AddSsl: &hostsv1.AddSsl{}}}, map[uint32]*hostsv1.Ports{8332: {AssignedPort: 8332, AssignedSslPort: 61012}}),
			host("chain/old", map[uint32]*hostsv1.Binding{9: {Secure: &hostsv1.Secure{}, Interfaces: exported}}, map[uint32]*hostsv1.Ports{9: {AssignedPort: 61004}}),
			host("wallet/api", map[uint32]*hostsv1.Binding{
				8080:  {Enabled: true, Interfaces: exported, Secure: &hostsv1.Secure{Ssl: true}, AddSsl: &hostsv1.AddSsl{AddXForwardedHeaders: true}},
				10009: {Enabled: true, Secure: &hostsv1.Secure{Ssl: true}, AddSsl: &hostsv1.AddSsl{AlpnReflect: true}},
				10010: {Enabled: true, Secure: &hostsv1.Secure{Ssl: true}, AddSsl: &hostsv1.AddSsl{}},
				10011: {Enabled: true, AddSsl: &hostsv1.AddSsl{Alpn: []string{"h2"}, AddXForwardedHeaders: true}},
			}, map[uint32]*hostsv1.Ports{8080: {AssignedSslPort: 61005}, 10009: {AssignedSslPort: 61006}, 10010: {AssignedSslPort: 61007}, 10011: {AssignedPort: 61008, AssignedSslPort: 61009}}),
			host("absent/main", map[uint32]*hostsv1.Binding{80: web()}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 61010, AssignedSslPort: 61011}}),
		},
		Records: []*doorv1.Record{{Name: "startos", Ipv4: []string{"10.0.3.1"}}, {Name: "forge.startos", Ipv4: []string{"10.0.3.8"}, Subdomains: true}},
	}
}

// render answers the table of rows that all find a place in it, after holding it against the door: a table the door
// refuses would be the end of everything that is served.
func render(t interface {
	Helper()
	Fatalf(string, ...any)
}, in proxy.Input) *doorv1.Table {
	t.Helper()
	in.Chain, in.Key, in.Server.Root = chain, key, chain
	table, omitted := proxy.Table(in)
	if len(omitted) > 0 {
		t.Fatalf("no place for %v", omitted)
	}
	if err := door.Check(table); err != nil {
		t.Fatalf("the door refuses it: %v", err)
	}
	return table
}

// chain and key are a certificate of nobody.
var chain, key = func() (chain, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	c, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})
}()

// A package that binds more ports than one may have at the front door has its pages there, and is told of the rest.
func TestThePagesOfAPackageComeFirst(t *testing.T) {
	t.Parallel()
	in := house()
	in.Chain, in.Key = chain, key
	for i := range 36 {
		b := web()
		b.Interfaces = map[string]*hostsv1.Interface{"api": {Id: "api", Type: hostsv1.Interface_TYPE_API}}
		in.Hosts = append(in.Hosts, host(fmt.Sprintf("chain/a%02d", i), map[uint32]*hostsv1.Binding{80: b},
			map[uint32]*hostsv1.Ports{80: {AssignedPort: uint32(62000 + i), AssignedSslPort: uint32(62100 + i)}}))
	}
	in.Hosts = append(in.Hosts, host("chain/ui", map[uint32]*hostsv1.Binding{80: web()}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 62200, AssignedSslPort: 62300}}))
	table, omitted := proxy.Table(in)
	if !slices.ContainsFunc(table.GetListeners(), func(l *doorv1.Listener) bool { return l.GetAddress() == "192.168.1.5:62300" }) {
		t.Error("the page is not served")
	}
	if len(omitted) == 0 {
		t.Error("nothing is told that is not served")
	}
	for _, o := range omitted {
		if o.Package != "chain" || !o.Share || strings.HasSuffix(o.Address, ":62300") {
			t.Errorf("omitted is %+v", o)
		}
	}
}

func TestTableOfAHouse(t *testing.T) {
	t.Parallel()
	got := strings.ReplaceAll(text(render(t, house())), string(chain), "root")
	const path = "testdata/house.txt"
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
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

// text writes a table as lines for people.
func text(t *doorv1.Table) string {
	var b strings.Builder
	for _, l := range t.GetListeners() {
		kind := "tls"
		if l.GetPlain() {
			kind = "plain"
		}
		fmt.Fprintf(&b, "%s %s\n", kind, l.GetAddress())
		for _, r := range l.GetRoutes() {
			fmt.Fprintf(&b, "  to %s", r.GetUpstream())
			for _, flag := range []struct {
				set  bool
				name string
			}{
				{r.GetCertificate() == "", "unopened"}, {r.GetUpstreamTls(), "tls"}, {r.GetHttp(), "http"}, {r.GetUpstreamHttp2(), "http2"},
				{r.GetProxyProtocol(), "proxy-protocol"}, {r.GetAlpnReflect(), "reflect"},
			} {
				if flag.set {
					b.WriteString(" " + flag.name)
				}
			}
			fmt.Fprintf(&b, " names %v alpn %v from %v\n", r.GetNames(), r.GetAlpn(), r.GetAllowedSources())
		}
	}
	for _, c := range t.GetCertificates() {
		fmt.Fprintf(&b, "certificate %s as given %t\n", c.GetId(), bytes.Equal(c.GetChain(), chain) && bytes.Equal(c.GetKey(), key))
	}
	for _, r := range t.GetRedirects() {
		fmt.Fprintf(&b, "redirect %s to %d, root %s\n", r.GetAddress(), r.GetTlsPort(), r.GetRootCertificate())
	}
	fmt.Fprintf(&b, "resolver %v zones %v upstreams %v\n", t.GetResolver().GetAddresses(), t.GetResolver().GetZones(), t.GetResolver().GetUpstreams())
	for _, r := range t.GetResolver().GetRecords() {
		fmt.Fprintf(&b, "  %s %v below %t\n", r.GetName(), r.GetIpv4(), r.GetSubdomains())
	}
	return b.String()
}

func TestOrderOfRowsDoesNotMatter(t *testing.T) {
	t.Parallel()
	want := render(t, house())
	rapid.Check(t, func(t *rapid.T) {
		in := house()
		in.Hosts = rapid.Permutation(in.Hosts).Draw(t, "hosts")
		in.Packages = rapid.Permutation(in.Packages).Draw(t, "packages")
		in.Dependencies = rapid.Permutation(in.Dependencies).Draw(t, "dependencies")
		in.Gateways = rapid.Permutation(in.Gateways).Draw(t, "gateways")
		in.Records = rapid.Permutation(in.Records).Draw(t, "records")
		if got := render(t, in); !proto.Equal(want, got) {
			t.Fatal(cmp.Diff(text(want), text(got)))
		}
	})
}

func TestServersOwnPortsGoToNoService(t *testing.T) {
	t.Parallel()
	in := house()
	in.Hosts = append(in.Hosts, host("forge/thief", map[uint32]*hostsv1.Binding{1: web()}, map[uint32]*hostsv1.Ports{1: {AssignedPort: 8080, AssignedSslPort: 8443}}))
	if got, want := render(t, in), render(t, house()); !proto.Equal(want, got) {
		t.Error(cmp.Diff(text(want), text(got)))
	}
}

func TestOnePackageLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	in := house()
	many, ports := make(map[uint32]*hostsv1.Binding), make(map[uint32]*hostsv1.Ports)
	for p := range uint32(1000) {
		many[p+1] = web()
		ports[p+1] = &hostsv1.Ports{AssignedSslPort: 50000 + p}
	}
	in.Packages = append(in.Packages, pkg("a", "10.0.3.11"))
	in.Hosts = append(in.Hosts, host("a/many", many, ports))
	in.Chain, in.Key, in.Server.Root = chain, key, chain
	table, omitted := proxy.Table(in)
	if err := door.Check(table); err != nil {
		t.Error(err)
	}
	if len(omitted) < 3000 || len(table.GetListeners()) > 500 {
		t.Errorf("%d listeners, %d omitted", len(table.GetListeners()), len(omitted))
	}
	for _, l := range render(t, house()).GetListeners() {
		if !slices.ContainsFunc(table.GetListeners(), func(o *doorv1.Listener) bool { return proto.Equal(l, o) }) {
			t.Errorf("%s found no place", l.GetAddress())
		}
	}
}

// A package with a dozen interfaces is served at each address of a machine that has dozens.
func TestAMachineMayHaveManyAddresses(t *testing.T) {
	t.Parallel()
	in := house()
	addresses := []string{"192.168.1.5/24"}
	for n := range 30 {
		addresses = append(addresses, fmt.Sprintf("2001:db8:1::1:%x/64", n))
	}
	in.Gateways[2] = gateway("eth0", abi.GatewayTypeEthernet, addresses...)
	in.Private = map[string][]string{"home.arpa": {"eth0"}}
	in.Packages = append(in.Packages, pkg("a", "10.0.3.11"))
	for n := range uint32(12) {
		in.Hosts = append(in.Hosts, host(fmt.Sprintf("a/many%d", n), map[uint32]*hostsv1.Binding{80 + n: web()}, map[uint32]*hostsv1.Ports{80 + n: {AssignedPort: 50000 + n, AssignedSslPort: 51000 + n}}))
	}
	render(t, in)
}

// Two thousand listeners of many services all find a place.
func TestManyServicesFindAPlace(t *testing.T) {
	t.Parallel()
	in := house()
	const packages, bindings = 20, 20
	for n := range packages {
		id := fmt.Sprintf("many%d", n)
		row := host(id+"/main", map[uint32]*hostsv1.Binding{}, map[uint32]*hostsv1.Ports{})
		for p := range uint32(bindings) {
			row.Spec.Bindings[p+1] = &hostsv1.Binding{Enabled: true, AddSsl: &hostsv1.AddSsl{}, Interfaces: exported}
			row.Status.Ports[p+1] = &hostsv1.Ports{AssignedSslPort: 20000 + uint32(n)*bindings + p}
		}
		in.Hosts, in.Packages = append(in.Hosts, row), append(in.Packages, pkg(id, fmt.Sprintf("10.0.3.%d", 100+n)))
	}
	if n := len(render(t, in).GetListeners()); n < 2000 {
		t.Errorf("there are %d listeners", n)
	}
}

func TestWhatPackagesOfferIsWhatTheDoorTakes(t *testing.T) {
	t.Parallel()
	self := &hostsv1.Secure{Ssl: true}
	own := &doorv1.UpstreamCheck{Roots: chain, Names: []string{"10.0.3.8", "forge.startos"}}
	basic, bearer := &hostsv1.Gate{Scheme: hostsv1.Gate_SCHEME_BASIC, Realm: "Forge"}, &hostsv1.Gate{Scheme: hostsv1.Gate_SCHEME_BEARER}
	digest := make([]byte, 32)
	for name, c := range map[string]struct {
		ssl    *hostsv1.AddSsl
		secure *hostsv1.Secure
		want   *doorv1.Route
	}{
		"http":                  {&hostsv1.AddSsl{AddXForwardedHeaders: true, Alpn: []string{"http/1.1"}}, nil, &doorv1.Route{Http: true, Alpn: []string{"http/1.1"}}},
		"http without a word":   {&hostsv1.AddSsl{AddXForwardedHeaders: true}, nil, &doorv1.Route{Http: true, Alpn: []string{"http/1.1"}}},
		"http as it comes":      {&hostsv1.AddSsl{AddXForwardedHeaders: true, AlpnReflect: true}, nil, &doorv1.Route{Http: true, Alpn: []string{"http/1.1"}}},
		"http of both versions": {&hostsv1.AddSsl{AddXForwardedHeaders: true, Alpn: []string{"h2", "http/1.1"}}, nil, &doorv1.Route{Http: true, UpstreamHttp2: true, Alpn: []string{"h2", "http/1.1"}}},
		"http of no known sort": {&hostsv1.AddSsl{AddXForwardedHeaders: true, Alpn: []string{"h3", "x"}}, nil, &doorv1.Route{Http: true, Alpn: []string{"http/1.1"}}},
		"https wrapped anew":    {&hostsv1.AddSsl{AddXForwardedHeaders: true}, self, &doorv1.Route{Http: true, UpstreamTls: true, UpstreamCheck: own, Alpn: []string{"http/1.1"}}},
		"https of its own":      {&hostsv1.AddSsl{AddXForwardedHeaders: true, UpstreamCertificates: chain}, self, &doorv1.Route{Http: true, UpstreamTls: true, UpstreamCheck: &doorv1.UpstreamCheck{Roots: chain}, Alpn: []string{"http/1.1"}}},
		"https of anybody":      {&hostsv1.AddSsl{AddXForwardedHeaders: true, UpstreamUnchecked: true}, self, &doorv1.Route{Http: true, UpstreamTls: true, Alpn: []string{"http/1.1"}}},
		"a gate": {&hostsv1.AddSsl{Gate: basic}, nil, &doorv1.Route{Http: true, WithoutForwarded: true, Alpn: []string{"http/1.1"}, Gate: &doorv1.Gate{
			Scheme: doorv1.Gate_SCHEME_BASIC, Realm: "Forge", Credentials: []*doorv1.Credential{{Digest: digest, User: "ada"}},
		}}},
		"a gate nobody passes": {&hostsv1.AddSsl{AddXForwardedHeaders: true, Alpn: []string{"h2"}, Gate: bearer}, self, &doorv1.Route{
			Http: true, UpstreamHttp2: true, Alpn: []string{"h2"}, Gate: &doorv1.Gate{Scheme: doorv1.Gate_SCHEME_BEARER, Realm: "StartOS"},
		}},
		"bytes":                   {&hostsv1.AddSsl{}, nil, &doorv1.Route{AlpnReflect: true}},
		"bytes of a protocol":     {&hostsv1.AddSsl{Alpn: []string{"x"}}, nil, &doorv1.Route{Alpn: []string{"x"}}},
		"bytes wrapped anew":      {&hostsv1.AddSsl{}, self, &doorv1.Route{AlpnReflect: true, UpstreamTls: true, UpstreamCheck: own}},
		"its own TLS, but opened": {&hostsv1.AddSsl{AlpnReflect: true}, self, &doorv1.Route{AlpnReflect: true}},
	} {
		b := &hostsv1.Binding{Enabled: true, AddSsl: c.ssl, Secure: c.secure}
		table := render(t, proxy.Input{
			Packages: []*packagesv1.Package{pkg("forge", "10.0.3.8")},
			Hosts:    []*hostsv1.Host{host("forge/main", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedSslPort: 61001}})},
			Gates:    gates(c.ssl.GetGate() == basic, digest),
		})
		c.want.Certificate, c.want.Upstream = "server", "10.0.3.8:80"
		for _, l := range table.GetListeners() {
			if l.GetAddress() == "127.0.0.1:61001" {
				if diff := cmp.Diff(c.want, l.GetRoutes()[0], protocmp.Transform()); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
}

// gates are those whom the gate of the one binding lets pass.
func gates(there bool, digest []byte) map[string]map[uint32]*hostsv1.GateCredentials {
	if !there {
		return nil
	}
	return map[string]map[uint32]*hostsv1.GateCredentials{
		"forge/main": {80: {Credentials: []*hostsv1.GateCredential{{Digest: digest, User: "ada"}}}},
	}
}

// TestTables holds tables of any rows and networks against what a reader of the rows would say by hand.
func TestTables(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t)
		table := render(t, in)
		seen := make(map[string]bool)
		for _, l := range table.GetListeners() {
			if len(l.GetRoutes()) != 1 {
				t.Fatalf("%d routes at %s, which have the same names", len(l.GetRoutes()), l.GetAddress())
			}
			checkListener(t, in, seen, l.GetAddress(), l.GetRoutes()[0].GetUpstream(), l.GetRoutes()[0].GetAllowedSources())
		}
		for _, h := range in.Hosts {
			pkg, _, _ := strings.Cut(h.GetMeta().GetId(), "/")
			for port, b := range h.GetSpec().GetBindings() {
				p := h.GetStatus().GetPorts()[port]
				up := b.GetEnabled() && slices.ContainsFunc(in.Packages, func(p *packagesv1.Package) bool {
					return p.GetMeta().GetId() == pkg && p.GetStatus().GetIpv4() != ""
				})
				out := up && len(b.GetInterfaces()) > 0
				expect(t, seen, "127.0.0.1", p.GetAssignedSslPort(), up)
				expect(t, seen, "10.0.3.1", p.GetAssignedSslPort(), up)
				expect(t, seen, "127.0.0.1", p.GetAssignedPort(), up)
				expect(t, seen, "10.0.3.1", p.GetAssignedPort(), up)
				for _, g := range in.Gateways {
					for _, s := range g.Subnets {
						if !s.Addr().IsLinkLocalUnicast() {
							expect(t, seen, s.Addr().String(), p.GetAssignedSslPort(), out)
							expect(t, seen, s.Addr().String(), p.GetAssignedPort(), out && b.GetSecure() != nil)
						}
					}
				}
			}
		}
	})
}

// draw makes rows that keep the promise of area hosts: no port is assigned twice.
func draw(t *rapid.T) proxy.Input {
	var in proxy.Input
	port := uint32(49152)
	next := func(need bool) uint32 {
		if !need {
			return 0
		}
		port++
		return port
	}
	for i, id := range []string{"a", "b", "c"} {
		ip := ""
		if rapid.Bool().Draw(t, "container") {
			ip = fmt.Sprint("10.0.3.", 10+i)
		}
		in.Packages = append(in.Packages, pkg(id, ip))
		bindings, ports := make(map[uint32]*hostsv1.Binding), make(map[uint32]*hostsv1.Ports)
		for n := range rapid.Uint32Range(0, 3).Draw(t, "bindings") {
			b := web()
			b.AddSsl.AddXForwardedHeaders = rapid.Bool().Draw(t, "http")
			b.AddSsl.AlpnReflect = rapid.Bool().Draw(t, "reflect")
			b.AddSsl.Alpn = rapid.SliceOfN(rapid.SampledFrom([]string{"h2", "http/1.1", "x"}), 0, 3).Draw(t, "alpn")
			b.Enabled = rapid.Bool().Draw(t, "enabled")
			if rapid.Bool().Draw(t, "no tls") {
				b.AddSsl = nil
			}
			if rapid.Bool().Draw(t, "secure") {
				b.Secure = &hostsv1.Secure{Ssl: rapid.Bool().Draw(t, "self")}
			}
			if rapid.Bool().Draw(t, "hidden") {
				b.Interfaces = nil
			}
			bindings[n+1] = b
			ports[n+1] = &hostsv1.Ports{AssignedPort: next(abi.HasPlainPort(b)), AssignedSslPort: next(b.GetAddSsl() != nil)}
		}
		in.Hosts = append(in.Hosts, host(id+"/main", bindings, ports))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "gateways") {
		in.Gateways = append(in.Gateways, gateway(fmt.Sprint("eth", i), abi.GatewayTypeEthernet, rapid.SliceOfNDistinct(
			rapid.SampledFrom([]string{fmt.Sprintf("192.168.%d.5/24", i), fmt.Sprintf("198.51.100.%d/28", 16*i+5), fmt.Sprintf("2001:db8:%d::5/64", i), "fe80::5/64"}), 0, 3, rapid.ID).Draw(t, "subnets")...))
	}
	return in
}

// checkListener holds one socket against what no table may do.
func checkListener(t *rapid.T, in proxy.Input, seen map[string]bool, address, upstream string, sources []string) {
	if seen[address] {
		t.Fatalf("%s is listened on twice", address)
	}
	seen[address] = true
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatalf("%q: %v", address, err)
	}
	if _, err := netip.ParseAddrPort(upstream); err != nil {
		t.Fatalf("upstream %q: %v", upstream, err)
	}
	allowed := func(source string) bool {
		return len(sources) == 0 || slices.ContainsFunc(sources, func(s string) bool {
			return netip.MustParsePrefix(s).Contains(netip.MustParseAddr(source))
		})
	}
	switch {
	case at.Addr().IsLoopback():
		return
	case at.Addr() == abi.BridgeAddress:
		host, _, _ := net.SplitHostPort(upstream)
		for _, ip := range []string{"10.0.3.1", "10.0.3.10", "10.0.3.11", "10.0.3.12", "192.168.1.77"} {
			if want := ip == host || ip == "10.0.3.1"; allowed(ip) != want {
				t.Fatalf("%s to %s: %s allowed %t", address, upstream, ip, !want)
			}
		}
	case allowed("203.0.113.9") || allowed("2001:db8:ffff::1"):
		t.Fatalf("%s is open to the Internet: %v", address, sources)
	}
}

func expect(t *rapid.T, seen map[string]bool, ip string, port uint32, want bool) {
	address := net.JoinHostPort(ip, strconv.Itoa(int(port)))
	if port != 0 && seen[address] != want {
		t.Fatalf("%s is listened on: %t, want %t", address, seen[address], want)
	}
}

// A service reaches the door by an address of the machine in another network as by the one on the bridge: where it is the
// binding's own or depends on it, and else not at all. The rest of the same private network is let in.
func TestServicesFindTheDoorNoMoreOpenAtOtherAddresses(t *testing.T) {
	t.Parallel()
	in := house()
	in.Gateways = append(in.Gateways, gateway("eth1", abi.GatewayTypeEthernet, "10.7.0.5/8"))
	in.Dependencies = append(in.Dependencies, dependency("chain", "forge"))
	seen := 0
	for _, l := range render(t, in).GetListeners() {
		if a := l.GetAddress(); !strings.HasPrefix(a, "192.168.1.5:6100") && !strings.HasPrefix(a, "10.7.0.5:6100") {
			continue
		}
		seen++
		route := l.GetRoutes()[0]
		for _, source := range []struct {
			address string
			allowed bool
		}{
			{"10.0.3.8", strings.HasPrefix(route.GetUpstream(), "10.0.3.8:")}, {"10.0.3.9", strings.HasPrefix(route.GetUpstream(), "10.0.3.8:")},
			{"10.0.3.10", strings.HasPrefix(route.GetUpstream(), "10.0.3.10:")}, {"10.0.3.77", false}, {"10.0.3.255", false},
			{"10.0.2.255", true}, {"10.0.4.1", true}, {"10.255.0.1", true}, {"192.168.9.9", true}, {"11.0.0.1", false},
		} {
			a := netip.MustParseAddr(source.address)
			got := slices.ContainsFunc(route.GetAllowedSources(), func(s string) bool { return netip.MustParsePrefix(s).Contains(a) })
			if got != source.allowed {
				t.Errorf("%s to %s: %s is let in: %v", l.GetAddress(), route.GetUpstream(), source.address, got)
			}
		}
	}
	if seen != 6 {
		t.Errorf("%d listeners were looked at", seen)
	}
}

// What holds for the one address of a service holds for the other: a private IPv6 network is let in without the services that may not, and
// connections that are not opened go to the service as the caller's own.
func TestServicesHaveIPv6(t *testing.T) {
	t.Parallel()
	in := house()
	in.Gateways = slices.DeleteFunc(in.Gateways, func(g abi.Gateway) bool { return g.Type == abi.GatewayTypeBridge })
	in.Gateways = append(in.Gateways,
		gateway("lxcbr0", abi.GatewayTypeBridge, "10.0.3.1/24", "fd00:3::1/64"), gateway("eth1", abi.GatewayTypeEthernet, "fd77::5/64"))
	for _, p := range in.Packages {
		if four, err := netip.ParseAddr(p.GetStatus().GetIpv4()); err == nil {
			p.Status.Ipv6 = fmt.Sprintf("fd00:3::%x", four.As4()[3])
		}
	}
	in.Dependencies = []*packagesv1.Dependency{dependency("chain", "forge")}
	table := render(t, in)
	kept := func(a string) bool {
		return slices.ContainsFunc(table.GetKeptSources(), func(s string) bool { return netip.MustParsePrefix(s).Contains(netip.MustParseAddr(a)) })
	}
	for a, want := range map[string]bool{
		"10.0.4.1": true, "10.0.3.9": false, "127.0.0.1": false, "2001:db8::9": true, "fd00:4::1": true, "fd00:3::9": false, "::1": false, "fe80::1": false,
	} {
		if kept(a) != want {
			t.Errorf("the address of %s is kept: %v", a, !want)
		}
	}
	inside, outside := 0, 0
	for _, l := range table.GetListeners() {
		at := netip.MustParseAddrPort(l.GetAddress())
		r := l.GetRoutes()[0]
		if got := r.GetUpstream6() != ""; got != r.GetKeepSource() || got && !strings.HasPrefix(r.GetUpstream6(), "[fd00:3::") {
			t.Errorf("%s keeps callers: %v, and leads to %q", l.GetAddress(), r.GetKeepSource(), r.GetUpstream6())
		}
		if !strings.HasPrefix(r.GetUpstream(), "10.0.3.8:") || at.Addr().Is4() {
			continue
		}
		lan := at.Addr() == netip.MustParseAddr("fd77::5")
		switch {
		case lan:
			outside++
		case at.Addr() == abi.BridgeAddress6:
			inside++
		default:
			continue
		}
		for a, want := range map[string]bool{
			"fd00:3::8": true, "fd00:3::9": true, "fd00:3::a": false, "fd00:3::ffff": false, "fd00:4::1": lan, "fd77::9": lan, "10.0.3.9": false,
		} {
			got := slices.ContainsFunc(r.GetAllowedSources(), func(s string) bool { return netip.MustParsePrefix(s).Contains(netip.MustParseAddr(a)) })
			if got != want {
				t.Errorf("%s lets %s in: %v", l.GetAddress(), a, got)
			}
		}
	}
	if inside == 0 || outside == 0 {
		t.Errorf("%d listeners are on the bridge and %d elsewhere", inside, outside)
	}
}
