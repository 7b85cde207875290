package naming_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/naming"
)

func TestHostname(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"home":                          "home",
		"Anna's Büro":                   "annas-bro",
		"  My -- Server_2 ":             "my-server-2",
		"box.fritz.lan":                 "hearth-0a1b",
		"server.fritz.lan":              "server",
		"":                              "hearth-0a1b",
		"---":                           "hearth-0a1b",
		"日本":                            "hearth-0a1b",
		strings.Repeat("x", 62) + "-yz": strings.Repeat("x", 62),
	} {
		if got := naming.Hostname(in, "0a1b"); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzHostname(f *testing.F) {
	for _, seed := range []string{"", "home", "A b", "-a-", "a.b", "ı", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := naming.Hostname(in, "0a1b")
		if len(got) < 4 || len(got) > 63 || strings.Contains(got, "--") || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			strings.Trim(got, "-") != got {
			t.Errorf("%q became %q", in, got)
		}
		if again := naming.Hostname(got, "ffff"); again != got {
			t.Errorf("%q became %q and then %q", in, got, again)
		}
	})
}

func pkg(id, ip string) *packagesv1.Package {
	return &packagesv1.Package{Meta: &metav1.Meta{Id: id}, Status: &packagesv1.PackageStatus{Ipv4: ip}}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	got := naming.Records([]*packagesv1.Package{pkg("hello", "10.0.3.9"), pkg("absent", ""), pkg("forge", "10.0.3.8"), pkg("odd", "fe80::1")},
		[]*packagesv1.Dependency{{Meta: &metav1.Meta{Id: "hello/forge"}}, {Meta: &metav1.Meta{Id: "absent/hello"}}, {Meta: &metav1.Meta{Id: "hello/absent"}}})
	forge := []string{"10.0.3.1/32", "10.0.3.8/32", "10.0.3.9/32"} // hello depends on it
	hello := []string{"10.0.3.1/32", "10.0.3.9/32"}
	want := []*doorv1.Record{
		{Name: "embassy", Ipv4: []string{"10.0.3.1"}},
		{Name: "forge.embassy", Ipv4: []string{"10.0.3.8"}, AllowedSources: forge, Subdomains: true},
		{Name: "forge.startos", Ipv4: []string{"10.0.3.8"}, AllowedSources: forge, Subdomains: true},
		{Name: "hello.embassy", Ipv4: []string{"10.0.3.9"}, AllowedSources: hello, Subdomains: true},
		{Name: "hello.startos", Ipv4: []string{"10.0.3.9"}, AllowedSources: hello, Subdomains: true},
		{Name: "startos", Ipv4: []string{"10.0.3.1"}},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"startos", "embassy"}, naming.Zones()); diff != "" {
		t.Error(diff)
	}
}

var lan = abi.Gateway{ID: "eth0", Type: abi.GatewayTypeEthernet, Subnets: []netip.Prefix{netip.MustParsePrefix("192.168.1.5/24")}}

func TestCertificateHoldsEveryWayToTheServer(t *testing.T) {
	t.Parallel()
	got := naming.Server{Hostname: "home"}.Certificate([]abi.Gateway{lan})
	for _, want := range []string{"localhost", "home", "home.local", "127.0.0.1", "::1", "10.0.3.1", "192.168.1.5"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("not in order: %v", got)
	}
}

func TestWhoMayHaveCertificatesAndKeys(t *testing.T) {
	t.Parallel()
	hello, forge := pkg("hello", "10.0.3.9"), pkg("forge", "10.0.3.8")
	hello.Status.Ipv6, forge.Status.Ipv6 = "fd00:3::a00:309", "fd00:3::a00:308"
	known := naming.Known{
		Packages: []*packagesv1.Package{hello, forge},
		Gateways: []abi.Gateway{lan},
		MDNS:     "Home.local",
		Hosts: []*hostsv1.Host{
			{Meta: &metav1.Meta{Id: "hello/main"}, Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{
				{Hostname: "home.local", Kind: hostsv1.Address_KIND_MDNS}, {Hostname: "hello.local", Kind: hostsv1.Address_KIND_MDNS}, {Hostname: "localhost", Kind: hostsv1.Address_KIND_LOCALHOST}}}},
		},
	}
	for name, c := range map[string]struct{ certificate, key bool }{
		"hello.startos":     {true, true},
		"HELLO.embassy.":    {true, true},
		"a.b.hello.startos": {true, true},
		"10.0.3.9":          {true, true},
		"home.local":        {true, false}, // the page's
		"hello.local":       {true, true},
		"forge.startos":     {true, false},
		"10.0.3.8":          {true, false},
		"10.0.3.1":          {true, false},
		"10.0.3.77":         {true, false},
		"fd00:3::a00:309":   {true, true},
		"fd00:3::a00:308":   {true, false},
		"fd00:3::1":         {true, false},
		"fd00:4::1":         {false, false},
		"192.168.1.5":       {true, false},
		"localhost":         {true, false},
		"127.0.0.1":         {true, false},
		"none.startos":      {false, false},
		"startos":           {false, false},
		"192.168.1.6":       {false, false},
		"example.com":       {false, false},
		"":                  {false, false},
	} {
		for what, got := range map[string]struct {
			err  error
			want bool
		}{
			"certificate": {naming.MayCertify([]string{"hello.startos", name}, known), c.certificate},
			"key":         {naming.MayHaveKey("hello", []string{"hello.startos", name}, known), c.key},
		} {
			if allowed := got.err == nil; allowed != got.want || !allowed && !fault.Is(got.err, metav1.Reason_REASON_EFFECT_DENIED) {
				t.Errorf("%s for %q: got %v", what, name, got.err)
			}
		}
	}
}

func TestDevicesGetNamesOfTheNetworkThatNobodyHas(t *testing.T) {
	t.Parallel()
	known := naming.Known{
		Packages: []*packagesv1.Package{pkg("hello", "10.0.3.9")}, Gateways: []abi.Gateway{lan},
		Hosts: []*hostsv1.Host{{Meta: &metav1.Meta{Id: "hello/main"}, Status: &hostsv1.HostStatus{Addresses: []*hostsv1.Address{
			{Hostname: "home.local", Kind: hostsv1.Address_KIND_MDNS}, {Hostname: "photos.example.org"},
			{Hostname: "bank.example.com", Kind: hostsv1.Address_KIND_SUPPLIED},
		}}}},
	}
	server := naming.Server{Hostname: "home"}.Certificate([]abi.Gateway{lan})
	const foreign, taken = metav1.Reason_REASON_CERTIFICATE_NAME_FOREIGN, metav1.Reason_REASON_CERTIFICATE_NAME_TAKEN
	for name, want := range map[string]metav1.Reason{
		"printer": 0, "printer.local": 0, "PRINTER.lan.": 0, "nas.home.arpa": 0, "*.lab.internal": 0, "192.168.1.9": 0, "fd00::9": 0, "100.64.3.4": 0,
		"169.254.7.7": 0, "a.photos.example.org": 0, "*.home.arpa": 0,
		"example.com": foreign, "example.org": foreign, "*.example.org": taken, "xphotos.example.org": foreign, "9.9.9.9": foreign,
		"2001:db8::1": foreign, "local": foreign, "*.lan": foreign, "home.arpa.evil.com": foreign, "*.photos.example.org": 0,
		"home": taken, "home.local": taken, "*.local": taken, "localhost": taken, "x.localhost": taken, "127.0.0.2": taken, "::1": taken,
		"192.168.1.5": taken, "10.0.3.1": taken, "10.0.3.200": taken, "fd00:3::7": taken, "startos": taken, "none.startos": taken, "a.hello.embassy": taken,
		"photos.example.org": taken, "login.bank.example.com": foreign, "*.bank.example.com": foreign,
	} {
		err := naming.MayGiveDevice([]string{"scanner.lan", name}, server, known)
		if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}
