package proxy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/proxy"
)

// street is a server with one cable and one service; its page is a row as in life.
func street(changes ...func(page, forge *hostsv1.Host)) proxy.Input {
	in := house()
	g := gateway("eth0", abi.GatewayTypeEthernet, "192.168.1.5/24", "2001:db8:1::5/64")
	g.WAN = netip.MustParseAddr("203.0.113.9")
	in.Gateways = []abi.Gateway{g}
	in.MDNS = "home.local"
	in.Packages, in.Dependencies = []*packagesv1.Package{pkg("forge", "10.0.3.8")}, nil
	b := web()
	b.AddSsl.PreferredExternalPort = 8443
	forge := host("forge/main", map[uint32]*hostsv1.Binding{80: b}, map[uint32]*hostsv1.Ports{80: {AssignedPort: 61001, AssignedSslPort: 61002}})
	page := host("server/page", map[uint32]*hostsv1.Binding{80: {Enabled: true, Interfaces: exported, AddSsl: &hostsv1.AddSsl{PreferredExternalPort: 8443}}},
		map[uint32]*hostsv1.Ports{80: {AssignedSslPort: 8443}})
	for _, change := range changes {
		change(page, forge)
	}
	in.Hosts = []*hostsv1.Host{forge, page}
	in.Domains = make(map[string]proxy.Pair)
	for _, name := range proxy.Domains(in.Hosts) {
		in.Domains[name] = proxy.Pair{Chain: chain, Key: key}
	}
	return in
}

// at says where connections at an address go: for which name, to what, shown which certificate, at which of the machine's
// addresses, and whether an address of the Internet and a neighbour are let in.
func at(t *testing.T, in proxy.Input, address string) (out []string) {
	t.Helper()
	for _, l := range render(t, in).GetListeners() {
		if l.GetAddress() != address {
			continue
		}
		for _, r := range l.GetRoutes() {
			if r.GetRefused() {
				out = append(out, strings.Join(r.GetNames(), ",")+strings.TrimSuffix(" -> nowhere at "+strings.Join(r.GetLocalAddresses(), ","), " at "))
				continue
			}
			line := strings.Join(r.GetNames(), ",") + " -> " + strings.TrimPrefix(r.GetUpstream(), "unix:/run/hearth/0a1b/") + " " + r.GetCertificate() +
				" at " + strings.Join(r.GetLocalAddresses(), ",") + " for"
			if lets(r, "198.51.100.1") || lets(r, "2a00::1") {
				line += " everybody"
			}
			if lets(r, "192.168.1.9") || lets(r, "2001:db8:1::9") {
				line += " neighbours"
			}
			if lets(r, "10.0.3.77") {
				line += " services"
			}
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return out
}

func lets(r *doorv1.Route, source string) bool {
	return len(r.GetAllowedSources()) == 0 || slices.ContainsFunc(r.GetAllowedSources(), func(p string) bool {
		return netip.MustParsePrefix(p).Contains(netip.MustParseAddr(source))
	})
}

// A name that leads to another machine stands beside the page at the gateways it is for, for those it is for, and never for services.
func TestNamesThatLeadToOtherMachines(t *testing.T) {
	t.Parallel()
	const page = "-> web.sock at for neighbours services"
	leads := func(name, backend string, port uint32, access hostsv1.Access, gateways ...string) *hostsv1.Passthrough {
		return &hostsv1.Passthrough{Meta: &metav1.Meta{Id: name}, Spec: &hostsv1.PassthroughSpec{Hostname: name, Port: port, Backend: backend, Access: access, Gateways: gateways}}
	}
	lan, internet := hostsv1.Access_ACCESS_LAN, hostsv1.Access_ACCESS_INTERNET
	in := street()
	in.Passthroughs = []*hostsv1.Passthrough{
		leads("nas.example", "192.168.1.20:5001", 8443, internet, "eth0"),
		leads("cam.lan", "192.168.1.21:443", 8443, lan),
		leads("gone.lan", "192.168.1.22:443", 8443, lan, "eth9"),
		leads("own.lan", "[fd00::20]:443", 5001, lan),
	}
	for address, want := range map[string][]string{
		"0.0.0.0:8443":         {"cam.lan -> 192.168.1.21:443 at 192.168.1.5 for neighbours", "nas.example -> 192.168.1.20:5001 at 192.168.1.5 for everybody neighbours", page},
		"192.168.1.5:5001":     {"own.lan -> [fd00::20]:443 at for neighbours"},
		"[2001:db8:1::5]:5001": {"own.lan -> [fd00::20]:443 at for neighbours"},
	} {
		if diff := cmp.Diff(want, at(t, in, address)); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
}

func TestNamesAndChoicesInTheTable(t *testing.T) {
	t.Parallel()
	public := func(_, forge *hostsv1.Host) {
		forge.Spec.PublicDomains = map[string]*hostsv1.PublicDomain{"cloud.example": {Gateway: "eth0"}}
	}
	private := func(_, forge *hostsv1.Host) {
		forge.Spec.PrivateDomains = map[string]*hostsv1.PrivateDomain{"cloud.lan": {Gateways: []string{"eth0"}}}
	}
	off := func(name string, port uint32) func(_, forge *hostsv1.Host) {
		return func(_, forge *hostsv1.Host) {
			forge.Spec.Bindings[80].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: name, Port: port}}}
		}
	}
	const page = "-> web.sock at for neighbours services"
	const services = "-> 10.0.3.8:80 server at for neighbours"
	for name, c := range map[string]struct {
		in      proxy.Input
		address string
		want    []string
	}{
		"the page alone":                        {street(), "0.0.0.0:8443", []string{page}},
		"the page over IPv6":                    {street(), "[2001:db8:1::5]:8443", []string{page}},
		"a public name beside the page":         {street(public), "0.0.0.0:8443", []string{"cloud.example -> 10.0.3.8:80 domain/cloud.example at 192.168.1.5 for everybody neighbours", page}},
		"a private name beside the page":        {street(private), "0.0.0.0:8443", []string{"cloud.lan -> 10.0.3.8:80 domain/cloud.lan at 192.168.1.5 for neighbours", page}},
		"a private name over IPv6":              {street(private), "[2001:db8:1::5]:8443", []string{"cloud.lan -> 10.0.3.8:80 domain/cloud.lan at for neighbours", page}},
		"a name that is off":                    {street(private, off("cloud.lan", 8443)), "0.0.0.0:8443", []string{page}},
		"the service's own port":                {street(), "192.168.1.5:61002", []string{"-> 10.0.3.8:80 server at for neighbours"}},
		"its name in .local off, its number on": {street(off("home.local", 61002)), "192.168.1.5:61002", []string{"home.local -> nowhere", services}},
		"its name in .local off, over IPv6":     {street(off("home.local", 61002)), "[2001:db8:1::5]:61002", []string{"home.local -> nowhere", services}},
		"its name off, which shares a port":     {street(private, off("cloud.lan", 8443)), "192.168.1.5:61002", []string{services}},
		"its private name off, its number on": {street(private, func(_, forge *hostsv1.Host) { forge.Spec.Bindings[80].AddSsl.PreferredExternalPort = 0 },
			off("cloud.lan", 61002)), "192.168.1.5:61002", []string{"cloud.lan -> nowhere", services}},
		"its public name off, its number on": {street(public, func(_, forge *hostsv1.Host) { forge.Spec.Bindings[80].AddSsl.PreferredExternalPort = 0 },
			off("cloud.example", 61002)), "192.168.1.5:61002", []string{"cloud.example -> nowhere", services}},
		"the page's name in .local off": {street(func(page, _ *hostsv1.Host) {
			page.Spec.Bindings[80].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: "home.local", Port: 8443}}}
		}), "0.0.0.0:8443", []string{"home.local -> nowhere at 192.168.1.5", "-> web.sock at 10.0.3.1,127.0.0.1,192.168.1.5 for neighbours services"}},
		"its number off, its name in .local on": {street(off("192.168.1.5", 61002)), "192.168.1.5:61002",
			[]string{"home.local -> 10.0.3.8:80 server at for neighbours"}},
		"its number of the Internet on": {street(func(_, forge *hostsv1.Host) {
			forge.Spec.Bindings[80].Choices = &hostsv1.Choices{Enabled: []string{"203.0.113.9:61002"}}
		}), "192.168.1.5:61002", []string{"-> 10.0.3.8:80 server at for everybody neighbours"}},
		"a global address off": {street(func(_, forge *hostsv1.Host) {
			forge.Spec.Bindings[80].Choices = &hostsv1.Choices{
				GlobalAccess: map[string]hostsv1.Access{"[2001:db8:1::5]:61002": hostsv1.Access_ACCESS_OFF},
				Disabled:     []*hostsv1.Endpoint{{Hostname: "home.local", Port: 61002}},
			}
		}), "[2001:db8:1::5]:61002", nil},
		"a global address open": {street(func(_, forge *hostsv1.Host) {
			forge.Spec.Bindings[80].Choices = &hostsv1.Choices{GlobalAccess: map[string]hostsv1.Access{"[2001:db8:1::5]:61002": hostsv1.Access_ACCESS_INTERNET}}
		}), "[2001:db8:1::5]:61002", []string{"-> 10.0.3.8:80 server at for everybody neighbours"}},
		"the page off at one address": {street(func(page, _ *hostsv1.Host) {
			page.Spec.Bindings[80].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: "192.168.1.5", Port: 8443}, {Hostname: "home.local", Port: 8443}}}
		}), "0.0.0.0:8443", []string{"-> web.sock at 10.0.3.1,127.0.0.1 for neighbours services"}},
		"the page open to the Internet": {street(func(page, _ *hostsv1.Host) {
			page.Spec.Bindings[80].Choices = &hostsv1.Choices{Enabled: []string{"203.0.113.9:8443"}}
		}), "0.0.0.0:8443", []string{page, "-> web.sock at 192.168.1.5 for everybody neighbours services"}},
		"the page by a public name": {street(func(page, _ *hostsv1.Host) {
			page.Spec.PublicDomains = map[string]*hostsv1.PublicDomain{"hearth.example": {Gateway: "eth0"}}
		}), "0.0.0.0:8443", []string{"hearth.example -> web.sock at 192.168.1.5 for everybody neighbours services", page}},
		"its own TLS by a public name": {street(func(_, forge *hostsv1.Host) {
			forge.Spec.PublicDomains = map[string]*hostsv1.PublicDomain{"cloud.example": {Gateway: "eth0"}}
			forge.Spec.Bindings[80].AddSsl, forge.Spec.Bindings[80].Secure, forge.Spec.Bindings[80].PreferredExternalPort = nil, &hostsv1.Secure{Ssl: true}, 8443
		}), "0.0.0.0:8443", []string{"cloud.example -> 10.0.3.8:80 at 192.168.1.5 for everybody neighbours", page}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, at(t, c.in, c.address)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Who is in a network where a service is switched off does not find it at the server's address in another one either.
func TestANetworkThatIsSwitchedOffIsLetInNowhere(t *testing.T) {
	t.Parallel()
	const elsewhere, neighbour, private = "192.168.2.9", "192.168.1.9", "172.16.4.4"
	for name, c := range map[string]struct {
		off  []string
		want bool
	}{
		"all on":                  {nil, true},
		"its number off":          {[]string{"192.168.2.5"}, true}, // the name in .local is on there
		"its name off":            {[]string{"home.local"}, true},
		"its number and name off": {[]string{"192.168.2.5", "home.local"}, false},
	} {
		in := street(func(_, forge *hostsv1.Host) {
			choices := &hostsv1.Choices{}
			for _, n := range c.off {
				choices.Disabled = append(choices.Disabled, &hostsv1.Endpoint{Hostname: n, Port: 61002})
			}
			forge.Spec.Bindings[80].Choices = choices
		})
		in.Gateways = append(in.Gateways, gateway("eth1", abi.GatewayTypeEthernet, "192.168.2.5/24"))
		for _, l := range render(t, in).GetListeners() {
			if l.GetAddress() != "192.168.1.5:61002" {
				continue
			}
			for _, r := range l.GetRoutes() {
				if r.GetRefused() {
					continue
				}
				if got := lets(r, elsewhere); got != c.want || !lets(r, neighbour) || !lets(r, private) {
					t.Errorf("%s: %v: let in from the other network: %v, want %v", name, r.GetAllowedSources(), got, c.want)
				}
			}
		}
	}
	in := street()
	in.Gateways = append(in.Gateways, gateway("wlan0", abi.GatewayTypeWireless, "192.168.1.6/24"))
	in.Hosts[0].Spec.Bindings[80].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: "192.168.1.6", Port: 61002}, {Hostname: "home.local", Port: 61002}}}
	if got := at(t, in, "192.168.1.5:61002"); len(got) != 2 || !strings.Contains(got[1], "neighbours") {
		t.Errorf("two gateways in one network, of which one is off: %v", got)
	}
}

// A package with a page is called by its id in .local, where the name leads to that page alone.
func TestServicesHaveNamesInLocal(t *testing.T) {
	t.Parallel()
	in := house()
	in.Local, in.MDNS = []string{"home"}, "home.local"
	in.Services = map[string]string{"forge/main": "forge", "absent/main": "absent", "other/main": "home"}
	if got := render(t, in).GetLocal().GetNames(); !slices.Equal(got, []string{"home", "absent", "forge"}) {
		t.Errorf("the names are %v", got)
	}
	routes := func(in proxy.Input) (out []*doorv1.Route) {
		for _, l := range render(t, in).GetListeners() {
			for _, r := range l.GetRoutes() {
				if slices.Contains(r.GetNames(), "forge-2.local") {
					if !strings.HasSuffix(l.GetAddress(), ":8443") {
						t.Errorf("the name is told at %s", l.GetAddress())
					}
					out = append(out, r)
				}
			}
		}
		return out
	}
	if got := routes(in); len(got) != 0 {
		t.Errorf("a name that is not claimed leads to %v", got)
	}
	in.Claimed = map[string]string{"forge/main": "forge-2.local"}
	in.Domains = map[string]proxy.Pair{"forge-2.local": {Chain: chain, Key: key}}
	found := routes(in)
	if len(found) != 3 { // IPv4, and two addresses of IPv6
		t.Fatalf("the name has the routes %v", found)
	}
	for _, r := range found {
		if r.GetUpstream() != "10.0.3.8:3000" || r.GetCertificate() != "domain/forge-2.local" || !r.GetHttp() || len(r.GetAllowedSources()) == 0 {
			t.Errorf("the name leads to %v", r)
		}
	}
}

// The name leads to the page that the package bound first, not to the first by name.
func TestTheNameInLocalIsOfTheFirstPage(t *testing.T) {
	t.Parallel()
	made := func(id string, revision uint64) *hostsv1.Host {
		h := host(id, map[uint32]*hostsv1.Binding{80: web()}, nil)
		h.Meta.CreateRevision = revision
		return h
	}
	got := proxy.ServiceNames([]*hostsv1.Host{made("lab/admin", 9), made("lab/ui", 7), made("lab/zoo", 8), made("old/b", 0), made("old/a", 0)}, []string{"home"})
	if diff := cmp.Diff(map[string]string{"lab/ui": "lab", "old/a": "old"}, got); diff != "" {
		t.Error(diff)
	}
}

// Plain HTTP is for networks; the Internet is led to the public domains that are open to it.
func TestPlainHTTPLeadsTheInternetToOpenDomainsAlone(t *testing.T) {
	t.Parallel()
	in := house()
	in.Hosts[0].Spec.PublicDomains = map[string]*hostsv1.PublicDomain{"open.test": {Gateway: "eth0"}}
	in.Hosts[0].Spec.Bindings[3000].AddSsl.PreferredExternalPort = 8443
	for _, r := range render(t, in).GetRedirects() {
		if !slices.Equal(r.GetOpenNames(), []string{"open.test"}) || !slices.Contains(r.GetAllowedSources(), "192.168.0.0/16") || slices.Contains(r.GetAllowedSources(), "0.0.0.0/0") {
			t.Errorf("%v", r)
		}
	}
	in.Hosts[0].Spec.Bindings[3000].Choices = &hostsv1.Choices{Disabled: []*hostsv1.Endpoint{{Hostname: "open.test", Port: 8443}}}
	for _, r := range render(t, in).GetRedirects() {
		if len(r.GetOpenNames()) > 0 {
			t.Errorf("a domain that is off is open: %v", r)
		}
	}
}

func TestTheWayOutIsForServicesAndTheMachine(t *testing.T) {
	t.Parallel()
	in := house()
	in.Server.Socks = []string{"10.0.3.1:1080"}
	got := render(t, in).GetSocks()
	if !slices.Equal(got.GetAddresses(), []string{"10.0.3.1:1080"}) || !slices.Equal(got.GetAllowedSources(), []string{"10.0.3.0/24"}) {
		t.Errorf("%v", got)
	}
}

// Neighbours by a public IPv4 address ask nothing, so no record is for them.
func TestPrivateDomainsAreNotForStrangersBesideTheServer(t *testing.T) {
	t.Parallel()
	in := house()
	in.Gateways[2] = gateway("eth0", abi.GatewayTypeEthernet, "203.0.113.5/24", "2001:db8:1::5/64")
	in.Private = map[string][]string{"home.arpa": {"eth0"}}
	resolver := render(t, in).GetResolver()
	of := resolver.GetAllowedSources()
	for _, record := range resolver.GetRecords() {
		of = append(of, record.GetAllowedSources()...)
	}
	if slices.Contains(of, "203.0.113.0/24") || !slices.Contains(of, "2001:db8:1::/64") {
		t.Errorf("answers are for %v", of)
	}
}
