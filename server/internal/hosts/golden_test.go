package hosts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
)

// world is what a Host object follows from, built up by a case. The machine itself and the bridge are always there.
type world struct {
	net hosts.Network
	row *hostsv1.Host
}

func given(gateways ...abi.Gateway) world {
	return world{
		hosts.Network{Gateways: gateways, Shared: map[uint32]bool{443: true}},
		row("forge/main", map[uint32]*hostsv1.Binding{}, map[uint32]*hostsv1.Ports{}),
	}
}

func eth0(subnets ...string) abi.Gateway {
	return gateway("eth0", abi.GatewayTypeEthernet, 2, subnets...)
}

func wan(g abi.Gateway, a string) abi.Gateway {
	g.WAN = netip.MustParseAddr(a)
	return g
}

// lan is the one network of most cases: a server at home whose router has an address of the Internet.
func lan() abi.Gateway { return wan(eth0("192.168.1.5/24"), "203.0.113.9") }

func (w world) named(mdns string) world { w.net.MDNS = mdns; return w }

// bind binds port 80 as one of the ways packages do, with an interface, and with these ports outside; 0 for none.
func (w world) bind(how string, plain, tls uint32) world { return w.bindAt(80, how, plain, tls) }

func (w world) bindAt(port uint32, how string, plain, tls uint32) world {
	b := &hostsv1.Binding{Enabled: true, Interfaces: map[string]*hostsv1.Interface{"ui": page("http", "https", "")}}
	front := &hostsv1.AddSsl{PreferredExternalPort: 443}
	switch how {
	case "http": // SDK preset: plain inside, TLS in front
		b.PreferredExternalPort, b.AddSsl = 80, front
	case "https": // speaks TLS, and TLS in front
		b.PreferredExternalPort, b.AddSsl, b.Secure = 443, front, &hostsv1.Secure{Ssl: true}
	case "tls": // speaks TLS, nothing in front
		b.PreferredExternalPort, b.Secure = 443, &hostsv1.Secure{Ssl: true}
	case "ssh": // protected, but not TLS
		b.PreferredExternalPort, b.Secure = 22, &hostsv1.Secure{}
	case "ssh+tls":
		b.PreferredExternalPort, b.Secure, b.AddSsl = 22, &hostsv1.Secure{}, front
	case "raw": // no protection at all
		b.PreferredExternalPort = 7000
	}
	w.row.Spec.Bindings[port] = b
	w.row.Status.Ports[port] = &hostsv1.Ports{AssignedPort: plain, AssignedSslPort: tls}
	return w
}

func (w world) binding(port uint32, change func(*hostsv1.Binding)) world {
	change(w.row.Spec.Bindings[port])
	return w
}

func (w world) unexported() world {
	for _, b := range w.row.Spec.Bindings {
		b.Interfaces = nil
	}
	for _, r := range w.row.Spec.Ranges {
		r.RangeInterface = nil
	}
	return w
}

func (w world) cleared() world {
	for _, b := range w.row.Spec.Bindings {
		b.Enabled = false
	}
	for _, r := range w.row.Spec.Ranges {
		r.Enabled = false
	}
	return w
}

func (w world) ports(first, outside, n uint32) world {
	w.row.Spec.Ranges = map[uint32]*hostsv1.BindingRange{first: {
		Enabled: true, ExternalStartPort: outside, NumberOfPorts: n,
		RangeInterface: &hostsv1.RangeInterface{Id: "relay", Name: "Relay", Description: "Media", Scheme: "turn"},
	}}
	return w
}

func (w world) public(name, gateway string) world {
	if w.row.Spec.PublicDomains == nil {
		w.row.Spec.PublicDomains = make(map[string]*hostsv1.PublicDomain)
	}
	w.row.Spec.PublicDomains[name] = &hostsv1.PublicDomain{Gateway: gateway}
	return w
}

func (w world) private(name string, gateways ...string) world {
	if w.row.Spec.PrivateDomains == nil {
		w.row.Spec.PrivateDomains = make(map[string]*hostsv1.PrivateDomain)
	}
	w.row.Spec.PrivateDomains[name] = &hostsv1.PrivateDomain{Gateways: gateways}
	return w
}

// choose says what people chose for every binding and range.
func (w world) choose(change func(*hostsv1.Choices)) world {
	for _, b := range w.row.Spec.Bindings {
		if b.Choices == nil {
			b.Choices = &hostsv1.Choices{}
		}
		change(b.Choices)
	}
	for _, r := range w.row.Spec.Ranges {
		if r.Choices == nil {
			r.Choices = &hostsv1.Choices{}
		}
		change(r.Choices)
	}
	return w
}

func (w world) enable(endpoint string) world {
	return w.choose(func(c *hostsv1.Choices) { c.Enabled = append(c.Enabled, endpoint) })
}

func (w world) disable(host string, port uint32) world {
	return w.choose(func(c *hostsv1.Choices) {
		c.Disabled = append(c.Disabled, &hostsv1.Endpoint{Hostname: host, Port: port})
	})
}

func (w world) global(endpoint string, a hostsv1.Access) world {
	return w.choose(func(c *hostsv1.Choices) { c.GlobalAccess = map[string]hostsv1.Access{endpoint: a} })
}

func (w world) supply(a *hostsv1.SuppliedAddress) world {
	for _, b := range w.row.Spec.Bindings {
		b.Supplied = append(b.Supplied, a)
	}
	return w
}

// seen is the Host object as a package reads it.
type seen struct {
	Bindings      map[string]struct{ Addresses seenAddresses }
	BindingRanges map[string]struct{ Addresses seenAddresses }
	PortForwards  []struct {
		Src, Dst, Gateway string
		Count             int
	}
}

type seenAddresses struct {
	Enabled   []string
	Disabled  [][2]any
	Available []struct {
		SSL, Public bool
		Hostname    string
		Port        *int
		Metadata    struct {
			Kind, Gateway, PackageID string
			Gateways                 []string
		}
	}
}

// lines writes what a package makes of the Host object, one address a line: the binding, whether the SDK uses the address
// (+) or leaves it out (-), TLS or not, Internet or not, the address, its kind, its gateways. The machine's own addresses
// are left out where inside is false.
func (w world) lines(t *testing.T, inside bool) string {
	t.Helper()
	var host seen
	data := hosts.HostJSON(w.row, w.net)
	if err := json.Unmarshal(data, &host); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, port := range slices.Sorted(maps.Keys(host.Bindings)) {
		out = append(out, host.Bindings[port].Addresses.lines(port, inside)...)
	}
	for _, port := range slices.Sorted(maps.Keys(host.BindingRanges)) {
		out = append(out, host.BindingRanges[port].Addresses.lines(port+"…", inside)...)
	}
	for _, f := range host.PortForwards {
		out = append(out, fmt.Sprintf("forward %s -> %s %s ×%d", f.Src, f.Dst, f.Gateway, f.Count))
	}
	return strings.Join(out, "\n")
}

func (a seenAddresses) lines(binding string, inside bool) (out []string) {
	for _, h := range a.Available {
		if !inside && (h.Metadata.Gateway == "lo" || h.Metadata.Gateway == "lxcbr0") {
			continue
		}
		port := 0
		if h.Port != nil {
			port = *h.Port
		}
		address := net.JoinHostPort(h.Hostname, strconv.Itoa(port))
		ip := h.Metadata.Kind == "ipv4" || h.Metadata.Kind == "ipv6"
		use := !slices.ContainsFunc(a.Disabled, func(d [2]any) bool { return d[0] == h.Hostname && d[1] == float64(port) })
		if h.Public && ip {
			use = slices.Contains(a.Enabled, address)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s %s",
			binding, word(use, "+", "-"), word(h.SSL, "tls", "raw"), word(h.Public, "wan", "lan"), address, h.Metadata.Kind,
			strings.Join(append(h.Metadata.Gateways, word(h.Metadata.PackageID != "", h.Metadata.PackageID, h.Metadata.Gateway)), " "))))
	}
	return out
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// inside is what every binding of kind http has on the machine itself.
const inside = `
80 + raw lan 10.0.3.1:61001 ipv4 lxcbr0
80 + raw lan 127.0.0.1:61001 ipv4 lo
80 + tls lan 10.0.3.1:61002 ipv4 lxcbr0
80 + tls lan 127.0.0.1:61002 ipv4 lo`

// TestAddressesPackagesSee holds the Host object against what was written down of the original by hand: § is the section of
// those facts. There is no -update here.
func TestAddressesPackagesSee(t *testing.T) {
	t.Parallel()
	const off, local, open = hostsv1.Access_ACCESS_OFF, hostsv1.Access_ACCESS_LAN, hostsv1.Access_ACCESS_INTERNET
	v6 := eth0("2001:db8:1::5/64")
	home := func() world { return given(lan()).bind("http", 61001, 61002) }
	onion := &hostsv1.SuppliedAddress{PackageId: "tor", Internet: true, Hostname: "abc.onion", Port: 80, RemoveAction: "remove", OverflowActions: []string{"key"}}
	for _, c := range []struct {
		name, section string
		world         world
		inside        bool
		want          string
	}{
		// Single ports: gateways (§3.1).
		{"http has a plain port inside and TLS", "§2.2 matrix, §3.1", given().bind("http", 61001, 61002), true, inside},
		{"http keeps its plain port off a network that is not secure", "§3.1, §2.1 secure", given(eth0("192.168.1.5/24")).bind("http", 61001, 61002), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0`},
		{"ssh is reached everywhere as it is", "§2.2 matrix, §3.1", given(eth0("192.168.1.5/24")).bind("ssh", 61003, 0), false, `
80 + raw lan 192.168.1.5:61003 ipv4 eth0`},
		{"ssh with TLS has both", "§2.2 matrix, §3.1", given(eth0("192.168.1.5/24")).bind("ssh+tls", 61003, 61004), false, `
80 + raw lan 192.168.1.5:61003 ipv4 eth0
80 + tls lan 192.168.1.5:61004 ipv4 eth0`},
		{"its own TLS, wrapped anew, has no plain port", "§2.2 matrix, §3.1", given(eth0("192.168.1.5/24")).bind("https", 0, 61005), true, `
80 + tls lan 10.0.3.1:61005 ipv4 lxcbr0
80 + tls lan 127.0.0.1:61005 ipv4 lo
80 + tls lan 192.168.1.5:61005 ipv4 eth0`},
		{"a plain port left from before is not told when TLS is wrapped anew", "§3.1 not (ssl and addSsl)", given(eth0("192.168.1.5/24")).bind("https", 61009, 61005), false, `
80 + tls lan 192.168.1.5:61005 ipv4 eth0`},
		{"its own TLS alone is its plain port", "§2.2 matrix, §3.1", given(eth0("192.168.1.5/24")).bind("tls", 61006, 0), false, `
80 + raw lan 192.168.1.5:61006 ipv4 eth0`},
		{"what has no protection stays inside", "§3.1 secure null", given(eth0("192.168.1.5/24")).bind("raw", 61007, 0), true, `
80 + raw lan 10.0.3.1:61007 ipv4 lxcbr0
80 + raw lan 127.0.0.1:61007 ipv4 lo`},
		{"each address of each gateway", "§3.1", given(eth0("192.168.1.5/24", "10.1.0.5/16"), gateway("wlan0", abi.GatewayTypeWireless, 4, "192.168.9.5/24")).bind("http", 61001, 61002), false, `
80 + tls lan 10.1.0.5:61002 ipv4 eth0
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 + tls lan 192.168.9.5:61002 ipv4 wlan0`},
		{"addresses are ordered as text, plain ones before TLS", "startos-live db.dump", given(eth0("9.9.9.9/8", "10.9.9.9/8")).bind("ssh+tls", 61003, 61004), false, `
80 + raw lan 10.9.9.9:61003 ipv4 eth0
80 + raw lan 9.9.9.9:61003 ipv4 eth0
80 + tls lan 10.9.9.9:61004 ipv4 eth0
80 + tls lan 9.9.9.9:61004 ipv4 eth0`},
		{"an IPv6 address with its scope's gateway", "§2.2 ipv6", given(eth0("fd12::5/64", "fe80::5/64")).bind("http", 61001, 61002), false, `
80 + tls lan [fd12::5]:61002 ipv6 eth0
80 + tls lan [fe80::5]:61002 ipv6 eth0`},
		{"a tunnel is a gateway like others", "§2.1", given(gateway("wg0", abi.GatewayTypeWireGuard, 5, "10.59.0.2/24")).bind("http", 61001, 61002), false, `
80 + tls lan 10.59.0.2:61002 ipv4 wg0`},
		{"a gateway without addresses gives none", "§3.1", given(eth0()).bind("http", 61001, 61002), true, inside},
		{"two bindings are apart", "§2.2", given(eth0("192.168.1.5/24")).bind("http", 61001, 61002).bindAt(22, "ssh", 61003, 0), false, `
22 + raw lan 192.168.1.5:61003 ipv4 eth0
80 + tls lan 192.168.1.5:61002 ipv4 eth0`},
		{"the bridge has its address before it is made", "effects §3.8 getBridgeAddress", given().bind("ssh", 61003, 0), true, `
80 + raw lan 10.0.3.1:61003 ipv4 lxcbr0
80 + raw lan 127.0.0.1:61003 ipv4 lo`},
		{"without an interface only services and the machine", "§2.4, effects §3.8", home().named("home.local").public("cloud.example", "eth0").unexported(), true, inside},
		{"without an interface choices stay and sleep", "§2.4", home().enable("203.0.113.9:61002").unexported(), true, inside},
		{"cleared, it has no addresses", "§3 clearBindings", home().named("home.local").public("cloud.example", "eth0").cleared(), true, ``},

		// The Internet (§3.2, §2.4).
		{"an address of the Internet is off by itself", "§3.2, §2.4", home(), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0`},
		{"on, it needs a forward of the router", "§2.4, §3.6", home().enable("203.0.113.9:61002"), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 + tls wan 203.0.113.9:61002 ipv4 eth0
forward 203.0.113.9:61002 -> 192.168.1.5:61002 eth0 ×1`},
		{"to each of the server's addresses there", "§3.6", given(wan(eth0("192.168.1.5/24", "192.168.1.6/24", "fd12::5/64"), "203.0.113.9")).bind("ssh", 61003, 0).enable("203.0.113.9:61003"), false, `
80 + raw lan 192.168.1.5:61003 ipv4 eth0
80 + raw lan 192.168.1.6:61003 ipv4 eth0
80 + raw lan [fd12::5]:61003 ipv6 eth0
80 + raw wan 203.0.113.9:61003 ipv4 eth0
forward 203.0.113.9:61003 -> 192.168.1.5:61003 eth0 ×1
forward 203.0.113.9:61003 -> 192.168.1.6:61003 eth0 ×1`},
		{"one that is the server's own needs none", "§3.6, no router", given(wan(eth0("203.0.113.9/24"), "203.0.113.9")).bind("ssh", 61003, 0).enable("203.0.113.9:61003"), false, `
80 + raw lan 203.0.113.9:61003 ipv4 eth0
80 + raw wan 203.0.113.9:61003 ipv4 eth0`},
		{"http is never plain on the Internet", "§3.2", given(wan(eth0(), "203.0.113.9")).bind("http", 61001, 61002), false, `
80 - tls wan 203.0.113.9:61002 ipv4 eth0`},
		{"ssh is", "§3.2", given(wan(eth0(), "203.0.113.9")).bind("ssh", 61003, 0), false, `
80 - raw wan 203.0.113.9:61003 ipv4 eth0`},
		{"what has no protection is not there at all", "§3.2", given(wan(eth0(), "203.0.113.9")).bind("raw", 61007, 0), false, ``},
		{"its own TLS is", "§3.2", given(wan(eth0(), "203.0.113.9")).bind("tls", 61006, 0), false, `
80 - raw wan 203.0.113.9:61006 ipv4 eth0`},
		{"a choice is of one port", "§2.4 ip:port", home().enable("203.0.113.9:61001"), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0`},
		{"two ways out have an address each", "§3.2", given(lan(), wan(gateway("wg0", abi.GatewayTypeWireGuard, 5, "10.59.0.2/24"), "198.51.100.7")).bind("ssh", 61003, 0).enable("198.51.100.7:61003"), false, `
80 + raw lan 10.59.0.2:61003 ipv4 wg0
80 + raw lan 192.168.1.5:61003 ipv4 eth0
80 + raw wan 198.51.100.7:61003 ipv4 wg0
80 - raw wan 203.0.113.9:61003 ipv4 eth0
forward 198.51.100.7:61003 -> 10.59.0.2:61003 wg0 ×1`},

		// Switching off (§2.4).
		{"an address of the network is switched off", "§2.4", given(eth0("192.168.1.5/24")).bind("http", 61001, 61002).disable("192.168.1.5", 61002), false, `
80 - tls lan 192.168.1.5:61002 ipv4 eth0`},
		{"another port of it is not", "§2.4 [hostname,port]", given(eth0("192.168.1.5/24")).bind("ssh+tls", 61003, 61004).disable("192.168.1.5", 61004), false, `
80 + raw lan 192.168.1.5:61003 ipv4 eth0
80 - tls lan 192.168.1.5:61004 ipv4 eth0`},
		{"a unique local IPv6 address is switched off like one of IPv4", "§2.4 ULA", given(eth0("fd12::5/64")).bind("http", 61001, 61002).disable("fd12::5", 61002), false, `
80 - tls lan [fd12::5]:61002 ipv6 eth0`},
		{"a link-local one too", "§2.4 link-local", given(eth0("fe80::5/64")).bind("http", 61001, 61002).disable("fe80::5", 61002), false, `
80 - tls lan [fe80::5]:61002 ipv6 eth0`},

		// Global IPv6 (§2.4).
		{"a global IPv6 address is open to the network by itself", "§2.4 guaAccess", given(v6).bind("http", 61001, 61002), false, `
80 + tls lan [2001:db8:1::5]:61002 ipv6 eth0`},
		{"and when that is said", "§2.4 guaAccess lan", given(v6).bind("http", 61001, 61002).global("[2001:db8:1::5]:61002", local), false, `
80 + tls lan [2001:db8:1::5]:61002 ipv6 eth0`},
		{"off, packages leave it out", "§2.4 guaAccess disabled", given(v6).bind("http", 61001, 61002).global("[2001:db8:1::5]:61002", off), false, `
80 - tls lan [2001:db8:1::5]:61002 ipv6 eth0`},
		{"open to the Internet it is the same address", "§2.4 guaAccess lan-wan", given(v6).bind("http", 61001, 61002).global("[2001:db8:1::5]:61002", open), false, `
80 + tls lan [2001:db8:1::5]:61002 ipv6 eth0`},

		// The name in .local (§3.3).
		{"the name in .local, by TLS", "§3.3", given(eth0("192.168.1.5/24")).named("home.local").bind("http", 61001, 61002), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 + tls lan home.local:61002 mdns eth0`},
		{"of ssh as it is", "§3.3", given(eth0("192.168.1.5/24")).named("home.local").bind("ssh", 61003, 0), false, `
80 + raw lan 192.168.1.5:61003 ipv4 eth0
80 + raw lan home.local:61003 mdns eth0`},
		{"of http never plain", "§3.3 secure gateways", given().named("home.local").bind("raw", 61007, 0), false, ``},
		{"through cables and radio", "§3.3", given(eth0(), gateway("wlan0", abi.GatewayTypeWireless, 4), gateway("wg0", abi.GatewayTypeWireGuard, 5)).named("home.local").bind("http", 61001, 61002), false, `
80 + tls lan home.local:61002 mdns eth0 wlan0`},
		{"through nothing it is told all the same", "§3.3 TLS entry always, startos-live db.dump", given(gateway("tun0", abi.GatewayTypeOther, 2)).named("home.local").bind("http", 61001, 61002), false, `
80 + tls lan home.local:61002 mdns`},
		{"switched off", "§2.4", given(eth0()).named("home.local").bind("http", 61001, 61002).disable("home.local", 61002), false, `
80 - tls lan home.local:61002 mdns eth0`},

		// Public domains (§3.4).
		{"a public domain shares 443", "§3.4", given(eth0()).bind("http", 61001, 61002).public("cloud.example", "eth0"), false, `
80 + tls wan cloud.example:443 public-domain eth0`},
		{"else it has the port of the binding", "§3.4 not an SSL port", given(eth0()).bind("http", 61001, 61002).binding(80, func(b *hostsv1.Binding) { b.AddSsl.PreferredExternalPort = 8443 }).public("cloud.example", "eth0"), false, `
80 + tls wan cloud.example:61002 public-domain eth0`},
		{"of ssh, as it is", "§3.4 plain if secure", given(eth0()).bind("ssh", 61003, 0).public("cloud.example", "eth0"), false, `
80 + raw wan cloud.example:61003 public-domain eth0`},
		{"of ssh with TLS, both", "§3.4", given(eth0()).bind("ssh+tls", 61003, 61004).public("cloud.example", "eth0"), false, `
80 + raw wan cloud.example:61003 public-domain eth0
80 + tls wan cloud.example:443 public-domain eth0`},
		{"of its own TLS, also unopened on 443", "§3.4 passthrough", given(eth0()).bind("tls", 61006, 0).public("cloud.example", "eth0"), false, `
80 + raw wan cloud.example:61006 public-domain eth0
80 + tls wan cloud.example:443 public-domain eth0`},
		{"but not where it has that port already", "§3.4 differs from assignedPort", given(eth0()).bind("tls", 443, 0).public("cloud.example", "eth0"), false, `
80 + raw wan cloud.example:443 public-domain eth0`},
		{"nor where names are not told apart", "§3.4 if that port is an SSL port", given(eth0()).bind("tls", 61006, 0).binding(80, func(b *hostsv1.Binding) { b.PreferredExternalPort = 8333 }).public("cloud.example", "eth0"), false, `
80 + raw wan cloud.example:61006 public-domain eth0`},
		{"of its own TLS wrapped anew, by TLS alone", "§3.4", given(eth0()).bind("https", 0, 61005).public("cloud.example", "eth0"), false, `
80 + tls wan cloud.example:443 public-domain eth0`},
		{"of what has no protection there is none", "§3.4", given(eth0()).bind("raw", 61007, 0).public("cloud.example", "eth0"), false, ``},
		{"needs a forward of 443", "§3.6", home().public("cloud.example", "eth0"), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0
80 + tls wan cloud.example:443 public-domain eth0
forward 203.0.113.9:443 -> 192.168.1.5:443 eth0 ×1`},
		{"off, it needs none", "§2.4, §3.6", home().public("cloud.example", "eth0").disable("cloud.example", 443), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0
80 - tls wan cloud.example:443 public-domain eth0`},
		{"two that share a port share the forward", "§3.6", home().public("cloud.example", "eth0").public("files.example", "eth0"), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0
80 + tls wan cloud.example:443 public-domain eth0
80 + tls wan files.example:443 public-domain eth0
forward 203.0.113.9:443 -> 192.168.1.5:443 eth0 ×1`},
		{"by a gateway that is gone it is told, and forwards nothing", "§2.1 ipInfo null, §3.6", given().bind("http", 61001, 61002).public("cloud.example", "eth7"), false, `
80 + tls wan cloud.example:443 public-domain eth7`},

		// Private domains (§3.5).
		{"a private domain shares 443", "§3.5", given(eth0()).bind("http", 61001, 61002).private("cloud.lan", "eth0"), false, `
80 + tls lan cloud.lan:443 private-domain eth0`},
		{"through several gateways", "§3.5", given(eth0()).bind("http", 61001, 61002).private("cloud.lan", "wlan0", "eth0"), false, `
80 + tls lan cloud.lan:443 private-domain eth0 wlan0`},
		{"of ssh, as it is", "§3.5", given(eth0()).bind("ssh", 61003, 0).private("cloud.lan", "eth0"), false, `
80 + raw lan cloud.lan:61003 private-domain eth0`},
		{"of http, plain inside alone", "§3.5 secure gateways", given().bind("raw", 61007, 0).private("cloud.lan", "lxcbr0"), false, `
80 + raw lan cloud.lan:61007 private-domain lxcbr0`},
		{"and not where one gateway is not secure", "§3.5", given(eth0()).bind("raw", 61007, 0).private("cloud.lan", "lxcbr0", "eth0"), false, ``},
		{"of its own TLS, also unopened on 443", "§3.5 like 4", given(eth0()).bind("tls", 61006, 0).private("cloud.lan", "eth0"), false, `
80 + raw lan cloud.lan:61006 private-domain eth0
80 + tls lan cloud.lan:443 private-domain eth0`},
		{"switched off", "§2.4", given(eth0()).bind("http", 61001, 61002).private("cloud.lan", "eth0").disable("cloud.lan", 443), false, `
80 - tls lan cloud.lan:443 private-domain eth0`},
		{"never needs a forward", "§3.6", home().private("cloud.lan", "eth0"), false, `
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 + tls lan cloud.lan:443 private-domain eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0`},
		{"one name may be public and private", "§3 uniqueness", given(eth0()).bind("http", 61001, 61002).public("cloud.example", "eth0").private("cloud.example", "eth0"), false, `
80 + tls lan cloud.example:443 private-domain eth0
80 + tls wan cloud.example:443 public-domain eth0`},

		// Ranges (§3, ranges).
		{"a range has numbers of IPv4 with its first port", "§3 ranges", given(eth0("192.168.1.5/24", "fd12::5/64")).ports(50000, 50000, 100), true, `
50000… + raw lan 192.168.1.5:50000 ipv4 eth0`},
		{"from another port outside", "§3 externalStartPort", given(eth0("192.168.1.5/24")).ports(5000, 50000, 10), false, `
5000… + raw lan 192.168.1.5:50000 ipv4 eth0`},
		{"and names", "§3 ranges", given(eth0()).named("home.local").ports(50000, 50000, 100).public("cloud.example", "eth0").private("cloud.lan", "eth0"), false, `
50000… + raw lan cloud.lan:50000 private-domain eth0
50000… + raw lan home.local:50000 mdns eth0
50000… + raw wan cloud.example:50000 public-domain eth0`},
		{"off on the Internet by itself", "§2.4, §3", given(lan()).ports(50000, 50000, 100), false, `
50000… + raw lan 192.168.1.5:50000 ipv4 eth0
50000… - raw wan 203.0.113.9:50000 ipv4 eth0`},
		{"on, one forward of all its ports, to the ports outside", "§3.6, its defect mended", given(lan()).ports(5000, 50000, 100).enable("203.0.113.9:50000"), false, `
5000… + raw lan 192.168.1.5:50000 ipv4 eth0
5000… + raw wan 203.0.113.9:50000 ipv4 eth0
forward 203.0.113.9:50000 -> 192.168.1.5:50000 eth0 ×100`},
		{"switched off in a network", "§2.4", given(eth0("192.168.1.5/24")).ports(50000, 50000, 2).disable("192.168.1.5", 50000), false, `
50000… - raw lan 192.168.1.5:50000 ipv4 eth0`},
		{"without an interface none", "§2.4, only inside, where ranges are not", given(lan()).named("home.local").ports(50000, 50000, 100).unexported(), true, ``},
		{"cleared, none", "§3 clearBindings", given(lan()).ports(50000, 50000, 100).cleared(), true, ``},

		// Supplied by plugins (§2.2, effects §3.10).
		{"an address of a plugin is among them", "§2.2 plugin, effects §3.10", given().bind("http", 61001, 61002).supply(onion), false, `
80 + raw wan abc.onion:80 plugin tor`},
		{"and needs no forward", "§3.6 enabled public addresses of gateways", home().supply(onion), false, `
80 + raw wan abc.onion:80 plugin tor
80 + tls lan 192.168.1.5:61002 ipv4 eth0
80 - tls wan 203.0.113.9:61002 ipv4 eth0`},
		{"it is switched off like a name", "§2.4", given().bind("http", 61001, 61002).supply(onion).disable("abc.onion", 80), false, `
80 - raw wan abc.onion:80 plugin tor`},
		{"without an interface it sleeps", "§2.4", given().bind("http", 61001, 61002).supply(onion).unexported(), false, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(strings.TrimSpace(c.want), c.world.lines(t, c.inside)); diff != "" {
				t.Errorf("%s: %s", c.section, diff)
			}
		})
	}
}

// TestMembersOfTheHostObject holds members of the object, byte for byte, against what was written by hand.
func TestMembersOfTheHostObject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, section string
		world         world
		path          string
		want          string
	}{
		{"a host without anything", "§2.2 Host", given(), "", `{"bindings":{},"bindingRanges":{},"publicDomains":{},"privateDomains":{},"portForwards":[]}`},
		{"public domains", "§2.2 publicDomains", given().public("cloud.example", "eth0"), "publicDomains", `{"cloud.example":{"gateway":"eth0","acme":null}}`},
		{"private domains", "§2.2 privateDomains", given().private("cloud.lan", "wlan0", "eth0"), "privateDomains", `{"cloud.lan":["eth0","wlan0"]}`},
		{"forwards", "§2.2 portForwards", given(lan()).bind("ssh", 61003, 0).enable("203.0.113.9:61003"), "portForwards",
			`[{"src":"203.0.113.9:61003","dst":"192.168.1.5:61003","gateway":"eth0","count":1}]`},
		{"a range", "§2.2 RangeBindInfo", given().ports(5000, 50000, 10), "bindingRanges.5000", `{"enabled":true,"externalStartPort":50000,"numberOfPorts":10,` +
			`"addresses":{"enabled":[],"disabled":[],"guaAccess":{},"available":[]},` +
			`"interface":{"id":"relay","name":"Relay","description":"Media","scheme":"turn"}}`},
		{"a range without an interface", "§2.2 interface null", given().ports(5000, 50000, 10).unexported(), "bindingRanges.5000.interface", `null`},
		{"what was switched", "§2.2 DerivedAddressInfo", given().bind("http", 61001, 61002).enable("203.0.113.9:61002").disable("home.local", 61002).global("[2001:db8::5]:61002", hostsv1.Access_ACCESS_INTERNET),
			"bindings.80.addresses.enabled", `["203.0.113.9:61002"]`},
		{"what is off", "§2.2 [[hostname,port]]", given().bind("http", 61001, 61002).disable("home.local", 61002).disable("a.lan", 443), "bindings.80.addresses.disabled", `[["a.lan",443],["home.local",61002]]`},
		{"global addresses", "§2.2 guaAccess", given().bind("http", 61001, 61002).global("[2001:db8::5]:61002", hostsv1.Access_ACCESS_INTERNET), "bindings.80.addresses.guaAccess", `{"[2001:db8::5]:61002":"lan-wan"}`},
		{"options of http", "§2.2 BindOptions", given().bind("http", 61001, 61002), "bindings.80.options",
			`{"preferredExternalPort":80,"addSsl":{"preferredExternalPort":443,"addXForwardedHeaders":false,"alpn":null,"upstreamCertValidation":null,"auth":null},"secure":null}`},
		{"options of ssh", "§2.2 secure", given().bind("ssh", 61003, 0), "bindings.80.options", `{"preferredExternalPort":22,"addSsl":null,"secure":{"ssl":false}}`},
		{"ports", "§2.2 net", given().bind("https", 0, 61005), "bindings.80.net", `{"assignedPort":null,"assignedSslPort":61005}`},
		{"a plugin's address", "§2.2 plugin, port null", given().bind("raw", 0, 0).supply(&hostsv1.SuppliedAddress{PackageId: "tor", Internet: true, Hostname: "a.onion", RemoveAction: "remove", OverflowActions: []string{"key"}, Info: []byte(`{"a":1}`)}),
			"bindings.80.addresses.available", `[{"ssl":false,"public":true,"hostname":"a.onion","port":null,"metadata":{"kind":"plugin","packageId":"tor","removeAction":"remove","overflowActions":["key"],"info":{"a":1}}}]`},
		{"one without actions", "§2.2 plugin", given().bind("raw", 0, 0).supply(&hostsv1.SuppliedAddress{PackageId: "tor", Hostname: "a.onion", Port: 80}),
			"bindings.80.addresses.available", `[{"ssl":false,"public":false,"hostname":"a.onion","port":80,"metadata":{"kind":"plugin","packageId":"tor","removeAction":null,"overflowActions":[],"info":null}}]`},
		{"a name in .local", "§2.2 mdns", given(eth0()).named("home.local").bind("ssh", 61003, 0).disable("x", 1), "bindings.80.addresses.available",
			`[{"ssl":false,"public":false,"hostname":"10.0.3.1","port":61003,"metadata":{"kind":"ipv4","gateway":"lxcbr0"}},` +
				`{"ssl":false,"public":false,"hostname":"127.0.0.1","port":61003,"metadata":{"kind":"ipv4","gateway":"lo"}},` +
				`{"ssl":false,"public":false,"hostname":"home.local","port":61003,"metadata":{"kind":"mdns","gateways":["eth0"]}}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data := hosts.HostJSON(c.world.row, c.world.net)
			for _, key := range strings.FieldsFunc(c.path, func(r rune) bool { return r == '.' }) {
				var object map[string]json.RawMessage
				if err := json.Unmarshal(data, &object); err != nil {
					t.Fatal(err)
				}
				data = object[key]
			}
			if diff := cmp.Diff(c.want, string(data)); diff != "" {
				t.Errorf("%s: %s", c.section, diff)
			}
		})
	}
}
