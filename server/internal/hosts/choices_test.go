package hosts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
	"github.com/hearthos/hearth/server/internal/store"
)

var forge = hosts.Target{Package: "forge", Host: "main"}

// street is a server with an address of the Internet, and one that shares its cable with a private network.
func street(t *testing.T) fixture {
	f := newFixture(t)
	g := gateway("eth0", abi.GatewayTypeEthernet, 2, "203.0.113.9/24", "192.168.1.5/24", "2001:db8:1::5/64")
	f.SetNetwork(hosts.Network{MDNS: "home.local", Gateways: []abi.Gateway{wan(g, "203.0.113.9"), gateway("wlan0", abi.GatewayTypeWireless, 3, "192.168.2.5/24")}})
	f.bind("forge", "main", 80, 7000, addSSL(), nil)
	f.bind("forge", "main", 22, 7022, nil, &hostsv1.Secure{})
	for port, id := range map[uint32]string{80: "ui", 22: "ssh"} {
		if err := f.export("forge", "main", port, id, map[string]string{"ui": "ui", "ssh": "api"}[id]); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// access is who reaches what of a host; what nobody reaches is left out.
func (f fixture) access(id string) (out []string) {
	for _, a := range f.row(id).GetStatus().GetAddresses() {
		if a.GetKind() != hostsv1.Address_KIND_LOCALHOST && a.GetKind() != hostsv1.Address_KIND_BRIDGE {
			out = append(out, a.GetUrl()+" "+strings.ToLower(strings.TrimPrefix(a.GetAccess().String(), "ACCESS_")))
		}
	}
	return out
}

func TestAddressesOfTheInternetGoTogetherWithoutTLS(t *testing.T) {
	t.Parallel()
	f := street(t)
	set := func(host string, port uint32, a hostsv1.Access) {
		t.Helper()
		if _, err := f.SetAccess(t.Context(), today, forge, host, port, a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.AddPublicDomain(t.Context(), today, forge, "git.example", "eth0", 22); err != nil {
		t.Fatal(err)
	}
	// The name shares its port with the address, and brought it along.
	if got := f.access("forge/main"); !slices.Contains(got, "http://203.0.113.9:7022 internet") || !slices.Contains(got, "http://git.example:7022 internet") ||
		slices.Contains(got, "https://git.example internet") {
		t.Errorf("after the name: %v", got)
	}
	set("203.0.113.9", 7022, hostsv1.Access_ACCESS_LAN)
	if got := f.access("forge/main"); slices.Contains(got, "http://git.example:7022 internet") || !slices.Contains(got, "http://203.0.113.9:7022 lan") {
		t.Errorf("after the number is for the network alone: %v", got)
	}
	set("git.example", 7022, hostsv1.Access_ACCESS_INTERNET)
	if got := f.access("forge/main"); !slices.Contains(got, "http://203.0.113.9:7022 internet") {
		t.Errorf("after the name is on: %v", got)
	}
	// With TLS a name and a number are apart.
	if _, err := f.AddPublicDomain(t.Context(), today, forge, "cloud.example", "", 80); fault.Is(err, metav1.Reason_REASON_NO_OUTBOUND_GATEWAY) == false {
		t.Errorf("without a way out: %v", err)
	}
	if _, err := f.AddPublicDomain(t.Context(), today, forge, "cloud.example", "eth0", 0); err != nil {
		t.Fatal(err)
	}
	got := f.access("forge/main")
	if !slices.Contains(got, "https://cloud.example internet") || slices.Contains(got, "http://cloud.example:7022 internet") ||
		slices.ContainsFunc(got, func(s string) bool {
			return strings.HasPrefix(s, "https://203.0.113.9") && strings.HasSuffix(s, "internet")
		}) {
		t.Errorf("with TLS: %v", got)
	}
}

func TestWhoReachesAnAddressIsChosen(t *testing.T) {
	t.Parallel()
	f := street(t)
	ssl := f.ports("forge", "main", 80).GetAssignedSslPort()
	const off, lan, open = hostsv1.Access_ACCESS_OFF, hostsv1.Access_ACCESS_LAN, hostsv1.Access_ACCESS_INTERNET
	for _, c := range []struct {
		host   string
		port   uint32
		access hostsv1.Access
		reason metav1.Reason
	}{
		{"192.168.1.5", ssl, off, 0},
		{"192.168.1.5", ssl, lan, 0},
		{"192.168.1.5", ssl, open, metav1.Reason_REASON_ADDRESS_ACCESS},
		{"home.local", ssl, off, 0},
		{"HOME.local", ssl, lan, 0},
		{"home.local", ssl, open, metav1.Reason_REASON_ADDRESS_ACCESS},
		{"2001:db8:1::5", ssl, off, 0},
		{"2001:db8:1::5", ssl, open, 0},
		{"2001:db8:1::5", ssl, lan, 0},
		{"203.0.113.9", ssl, open, 0},
		{"203.0.113.9", ssl, off, 0},
		{"localhost", ssl, off, metav1.Reason_REASON_ADDRESS_ACCESS},
		{"10.0.3.1", ssl, off, metav1.Reason_REASON_ADDRESS_ACCESS},
		{"192.168.1.5", 1, off, metav1.Reason_REASON_ADDRESS_NOT_FOUND},
		{"nobody.example", ssl, off, metav1.Reason_REASON_ADDRESS_NOT_FOUND},
	} {
		row, err := f.SetAccess(t.Context(), today, forge, c.host, c.port, c.access)
		if c.reason != 0 {
			if !fault.Is(err, c.reason) {
				t.Errorf("%s %s: got %v", c.host, c.access, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s %s: %v", c.host, c.access, err)
		}
		found := false
		for _, a := range append(row.GetStatus().GetAddresses(), row.GetStatus().GetAddressesOff()...) {
			if strings.EqualFold(a.GetHostname(), c.host) && a.GetPort() == c.port {
				found = found || a.GetAccess() == c.access
			}
		}
		if !found {
			t.Errorf("%s is not %s: %v", c.host, c.access, row.GetStatus())
		}
	}
	if _, err := f.SetAccess(t.Context(), today, hosts.Target{Package: "forge", Host: "other"}, "home.local", ssl, off); !fault.Is(err, metav1.Reason_REASON_HOST_NOT_FOUND) {
		t.Errorf("another host: %v", err)
	}
}

// Without TLS a name of a network is on where one of the numbers is that it leads to, and is not switched by itself.
func TestNamesWithoutTLSFollowTheirNumbers(t *testing.T) {
	t.Parallel()
	f := street(t)
	const name = "http://home.local:7022 lan"
	if got := f.access("forge/main"); !slices.Contains(got, name) {
		t.Fatalf("at first: %v", got)
	}
	_, err := f.SetAccess(t.Context(), today, forge, "home.local", 7022, hostsv1.Access_ACCESS_OFF)
	if !fault.Is(err, metav1.Reason_REASON_ADDRESS_ACCESS) {
		t.Errorf("the name by itself: %v", err)
	}
	numbers := []string{"203.0.113.9", "192.168.1.5", "2001:db8:1::5", "192.168.2.5"}
	for i, number := range numbers {
		if _, err := f.SetAccess(t.Context(), today, forge, number, 7022, hostsv1.Access_ACCESS_OFF); err != nil {
			t.Fatal(err)
		}
		if got := f.access("forge/main"); slices.Contains(got, name) != (i < len(numbers)-1) {
			t.Errorf("without %v: %v", numbers[:i+1], got)
		}
	}
}

// A name in .local that was switched off stays off when the server is called otherwise, as when somebody in the network takes its name.
func TestWhatIsOffInLocalStaysOffUnderAnotherName(t *testing.T) {
	t.Parallel()
	f := street(t)
	port := f.row("forge/main").GetStatus().GetPorts()[80].GetAssignedSslPort()
	if _, err := f.SetAccess(t.Context(), today, forge, "home.local", port, hostsv1.Access_ACCESS_OFF); err != nil {
		t.Fatal(err)
	}
	gateways := f.Network().Gateways
	named := func(label string) (access string) {
		t.Helper()
		f.SetNetwork(hosts.Network{MDNS: label, Gateways: gateways})
		if _, err := f.SetAccess(t.Context(), today, forge, "192.168.2.5", port, hostsv1.Access_ACCESS_LAN); err != nil { // so that the addresses are derived anew
			t.Fatal(err)
		}
		for _, got := range f.access("forge/main") {
			if strings.HasPrefix(got, "https://"+label) {
				access = got[strings.LastIndex(got, " ")+1:]
			}
		}
		return access
	}
	for _, label := range []string{"home-2.local", "home.local"} {
		if got := named(label); got != "" { // what nobody reaches has no row
			t.Errorf("%s is for %q", label, got)
		}
	}
	named("home-2.local")
	if _, err := f.SetAccess(t.Context(), today, forge, "home-2.local", port, hostsv1.Access_ACCESS_LAN); err != nil {
		t.Fatal(err)
	}
	if got := named("home.local"); got != "lan" {
		t.Errorf("switched on again it is for %q", got)
	}
}

func TestANameBelongsToOneHostThatIsUsed(t *testing.T) {
	t.Parallel()
	f := street(t)
	f.bind("other", "main", 80, 80, addSSL(), nil)
	if err := f.export("other", "main", 80, "ui", "ui"); err != nil {
		t.Fatal(err)
	}
	other := hosts.Target{Package: "other", Host: "main"}
	add := func(to hosts.Target, name string) error {
		_, err := f.AddPrivateDomain(t.Context(), today, to, name, nil, 0)
		return err
	}
	if err := add(forge, "Cloud.LAN."); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"eth0", "wlan0"}, f.row("forge/main").GetSpec().GetPrivateDomains()["cloud.lan"].GetGateways()); diff != "" {
		t.Error(diff)
	}
	if err := add(other, "cloud.lan"); !fault.Is(err, metav1.Reason_REASON_DOMAIN_TAKEN) {
		t.Errorf("a name of two: %v", err)
	}
	if _, err := f.AddPublicDomain(t.Context(), today, forge, "cloud.lan", "eth0", 0); err != nil {
		t.Errorf("public and private at one host: %v", err)
	}
	f.must(func(tx *store.Tx) error { return f.ClearBindings(tx, "forge", nil) })
	if err := add(other, "cloud.lan"); err != nil {
		t.Errorf("of a host that nobody uses: %v", err)
	}
	if s := f.row("forge/main").GetSpec(); len(s.GetPrivateDomains())+len(s.GetPublicDomains()) != 0 {
		t.Errorf("the other still has it: %v", s)
	}
	if _, err := f.RemovePrivateDomain(t.Context(), today, other, "cloud.lan"); err != nil {
		t.Error(err)
	}
	if _, err := f.RemovePrivateDomain(t.Context(), today, other, "cloud.lan"); !fault.Is(err, metav1.Reason_REASON_DOMAIN_NOT_FOUND) {
		t.Errorf("removed twice: %v", err)
	}
	if got := f.access("other/main"); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "cloud.lan") }) {
		t.Errorf("removed, it is still told: %v", got)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	f := street(t)
	for _, name := range []string{
		"cloud", "", ".", "a..b", "-a.b", "a-.b", "a_b.c", "home.local", "forge.startos", "x.embassy", "a.localhost", "192.168.1.5", "::1",
		"bü_cher.example", "a b.c", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "example", "a.b/c", "x.onion",
	} {
		if _, err := f.AddPrivateDomain(t.Context(), today, forge, name, nil, 0); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("%q: %v", name, err)
		}
	}
	row, err := f.AddPrivateDomain(t.Context(), today, forge, "Bücher.example", nil, 0)
	if err != nil || row.GetSpec().GetPrivateDomains()["xn--bcher-kva.example"] == nil {
		t.Errorf("a name of another script is kept as %v, %v", row.GetSpec().GetPrivateDomains(), err)
	}
	for _, gateway := range []string{"eth9", "lo", "lxcbr0"} {
		if _, err := f.AddPublicDomain(t.Context(), today, forge, "cloud.example", gateway, 0); !fault.Is(err, metav1.Reason_REASON_GATEWAY_NOT_FOUND) {
			t.Errorf("through %q: %v", gateway, err)
		}
	}
	if _, err := f.AddPublicDomain(t.Context(), today, forge, "cloud.example", "eth0", 81); !fault.Is(err, metav1.Reason_REASON_HOST_NOT_FOUND) {
		t.Errorf("of another port: %v", err)
	}
}

func TestChoicesOfARangeFollowIt(t *testing.T) {
	t.Parallel()
	f := street(t)
	f.must(func(tx *store.Tx) error {
		if err := f.BindRange(tx, "forge", "main", 5000, 50000, 10); err != nil {
			return err
		}
		return f.ExportRange(tx, "forge", "main", 5000, &hostsv1.RangeInterface{Id: "relay", Name: "Relay", Scheme: "turn"})
	})
	for host, a := range map[string]hostsv1.Access{"203.0.113.9": hostsv1.Access_ACCESS_INTERNET, "192.168.2.5": hostsv1.Access_ACCESS_OFF} {
		if _, err := f.SetAccess(t.Context(), today, forge, host, 50000, a); err != nil {
			t.Fatal(err)
		}
	}
	f.must(func(tx *store.Tx) error { return f.BindRange(tx, "forge", "main", 5000, 51000, 20) })
	got := f.access("forge/main")
	if !slices.Contains(got, "turn://203.0.113.9:51000 internet") || slices.Contains(got, "turn://192.168.2.5:51000 lan") || !slices.Contains(got, "turn://192.168.1.5:51000 lan") {
		t.Errorf("got %v", got)
	}
	before := f.store.Revision()
	f.must(func(tx *store.Tx) error { return f.BindRange(tx, "forge", "main", 5000, 51000, 20) })
	if f.store.Revision() != before {
		t.Error("the same again changes something")
	}
	if err := f.do(func(tx *store.Tx) error { return f.BindRange(tx, "forge", "main", 5000, 5432, 2) }); !fault.Is(err, metav1.Reason_REASON_PORT_RANGE_TAKEN) {
		t.Errorf("restricted ports: %v", err)
	}
	f.must(func(tx *store.Tx) error { return f.ClearInterfaces(tx, "forge", nil) })
	if got := f.access("forge/main"); len(got) != 0 {
		t.Errorf("without interfaces: %v", got)
	}
}

// What is off stays off when the server's page, whose port names share, gets another port.
func TestChoicesOfNamesFollowThePage(t *testing.T) {
	t.Parallel()
	f := street(t)
	n := f.Network()
	n.Services = map[string]string{"forge/main": "forge.local"}
	f.SetNetwork(n)
	page := hosts.Target{Package: hosts.PagePackage, Host: hosts.PageHost}
	if err := f.EnsurePage(t.Context(), today); err != nil {
		t.Fatal(err)
	}
	if _, err := f.AddPrivateDomain(t.Context(), today, forge, "cloud.lan", nil, 0); err != nil {
		t.Fatal(err)
	}
	off := func(of hosts.Target, name string, port uint32) {
		t.Helper()
		if _, err := f.SetAccess(t.Context(), today, of, name, port, hostsv1.Access_ACCESS_OFF); err != nil {
			t.Fatal(err)
		}
	}
	off(forge, "forge.local", 443)
	off(forge, "cloud.lan", 443)
	off(page, "192.168.2.5", 443)
	off(page, "2001:db8:1::5", 443)
	at := func(number string, port uint32) string { // of the page
		if port == 443 {
			return "https://" + number + " "
		}
		return fmt.Sprintf("https://%s:%d ", number, port)
	}
	for _, port := range []uint32{8443, 443} {
		f.Service = hosts.New(f.store, f.ring, port, nil)
		n.Services = map[string]string{"forge/main": "forge-2.local"}
		f.SetNetwork(n)
		if err := f.EnsurePage(t.Context(), today); err != nil {
			t.Fatal(err)
		}
		// The controller of addresses derives them anew.
		if _, err := f.Controller().Reconcile(t.Context(), hosts.ControllerKey); err != nil {
			t.Fatal(err)
		}
		on := strings.Join(append(f.access("forge/main"), f.access(hosts.PageID)...), "\n")
		for _, never := range []string{"https://forge-2.local", "https://cloud.lan", at("192.168.2.5", port), at("[2001:db8:1::5]", port)} {
			if strings.Contains(on, never) {
				t.Errorf("at port %d %s is on:\n%s", port, never, on)
			}
		}
	}
}

func TestThePageIsAHostLikeOthers(t *testing.T) {
	t.Parallel()
	f := street(t)
	page := hosts.Target{Package: hosts.PagePackage, Host: hosts.PageHost}
	for range 2 {
		if err := f.EnsurePage(t.Context(), today); err != nil {
			t.Fatal(err)
		}
		if _, err := f.AddPrivateDomain(t.Context(), today, page, "hearth.lan", nil, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.SetAccess(t.Context(), today, page, "192.168.2.5", 443, hostsv1.Access_ACCESS_OFF); err != nil {
			t.Fatal(err)
		}
	}
	got := f.access(hosts.PageID)
	if diff := cmp.Diff([]string{"https://hearth.lan lan", "https://192.168.1.5 lan", "https://203.0.113.9 lan", "https://home.local lan", "https://[2001:db8:1::5] lan"}, got); diff != "" {
		t.Error(diff)
	}
	if list, err := f.List(hosts.PagePackage); err != nil || len(list) != 1 {
		t.Errorf("listed: %v, %v", list, err)
	}
}
