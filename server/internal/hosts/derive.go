package hosts

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// maxAddresses bounds the addresses in a row, in bytes. Interfaces share it evenly, so that none is without an address
// because another has a very long one.
const maxAddresses = 128 << 10

// available answers every name and number under which a binding is reached.
func available(b *hostsv1.Binding, p *hostsv1.Ports, n Network) []abi.HostnameInfo {
	var out []abi.HostnameInfo
	add := func(host string, m abi.Metadata, plain, ssl bool) {
		if plain && p.GetAssignedPort() != 0 {
			out = append(out, abi.HostnameInfo{Hostname: host, Port: p.GetAssignedPort(), Metadata: m})
		}
		if ssl && p.GetAssignedSslPort() != 0 {
			out = append(out, abi.HostnameInfo{SSL: true, Hostname: host, Port: p.GetAssignedSslPort(), Metadata: m})
		}
	}
	var named []string
	for _, g := range n.Gateways {
		plain, ssl := g.Serves(b)
		for _, subnet := range g.Subnets {
			a := subnet.Addr()
			if a.Is4() {
				add(a.String(), abi.Metadata{Kind: abi.KindIPv4, Gateway: g.ID}, plain, ssl)
			} else {
				add(a.String(), abi.Metadata{Kind: abi.KindIPv6, Gateway: g.ID, ScopeID: g.ScopeID}, plain, ssl)
			}
		}
		if g.MDNS() {
			named = append(named, g.ID)
		}
	}
	if n.MDNS != "" && b.GetEnabled() && len(b.GetInterfaces()) > 0 {
		add(n.MDNS, abi.Metadata{Kind: abi.KindMDNS, Gateways: named},
			abi.HasPlainPort(b) && b.GetSecure() != nil, b.GetAddSsl() != nil)
	}
	return out
}

// HostJSON answers the object packages see for a host.
func HostJSON(row *hostsv1.Host, n Network) []byte {
	n.Gateways = abi.Gateways(n.Gateways)
	bindings := make(abi.Bindings, len(row.GetSpec().GetBindings()))
	for port, b := range row.GetSpec().GetBindings() {
		p := row.GetStatus().GetPorts()[port]
		bindings[port] = abi.BindingOf(hostID(row), port, b, p, available(b, p, n))
	}
	return abi.Encode(abi.HostOf(bindings))
}

// Addresses answers the addresses of a host for people: by interface, those for a browser first, and for each interface
// the one that works on this machine first. An address that begins with no scheme though the interface has one is left out.
func Addresses(row *hostsv1.Host, n Network) []*hostsv1.Address {
	n.Gateways = abi.Gateways(n.Gateways)
	var list []exported
	for port, b := range row.GetSpec().GetBindings() {
		found := available(b, row.GetStatus().GetPorts()[port], n)
		for _, i := range b.GetInterfaces() {
			list = append(list, exported{i, port, found, n})
		}
	}
	slices.SortFunc(list, func(a, b exported) int {
		return cmp.Or(cmp.Compare(a.GetType(), b.GetType()), cmp.Compare(a.port, b.port), strings.Compare(a.GetId(), b.GetId()))
	})
	var out []*hostsv1.Address
	for _, e := range list {
		budget := maxAddresses / len(list)
		for _, a := range e.addresses() {
			if budget -= proto.Size(a) + 8; budget < 0 {
				break
			}
			out = append(out, a)
		}
	}
	return out
}

// exported is an interface with the binding's port and what is found there.
type exported struct {
	*hostsv1.Interface
	port  uint32
	found []abi.HostnameInfo
	in    Network
}

func (e exported) addresses() []*hostsv1.Address {
	var out []*hostsv1.Address
	for _, h := range e.found {
		scheme, other := e.GetScheme(), e.GetSslScheme()
		if h.SSL {
			scheme, other = other, scheme
		}
		a, ok := address(h)
		if !ok || scheme == "" && other != "" {
			continue
		}
		a.InterfaceId = e.GetId()
		a.Unserved = e.in.unserved(h)
		a.Url = url(a, scheme, e.GetUsername(), e.GetSuffix())
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b *hostsv1.Address) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.GetHostname(), b.GetHostname()))
	})
	return out
}

// address says what a hostname is for people. Some are of no use to them: the second number of the machine itself, IPv6
// numbers that mean something only together with a scope, and a name in .local that nobody can ask for.
func address(h abi.HostnameInfo) (*hostsv1.Address, bool) {
	a := &hostsv1.Address{Hostname: h.Hostname, Port: h.Port, Ssl: h.SSL, Gateway: h.Metadata.Gateway}
	switch {
	case h.Metadata.Kind == abi.KindMDNS:
		a.Kind = hostsv1.Address_KIND_MDNS
		a.Gateway = strings.Join(h.Metadata.Gateways, ",")
		return a, len(h.Metadata.Gateways) > 0
	case h.Metadata.Gateway == abi.GatewayLoopback:
		a.Kind, a.Hostname = hostsv1.Address_KIND_LOCALHOST, "localhost"
		return a, h.Hostname == "127.0.0.1"
	case h.Metadata.Gateway == abi.GatewayBridge:
		a.Kind = hostsv1.Address_KIND_BRIDGE
		return a, h.Hostname == abi.BridgeAddress.String()
	case h.Metadata.Kind == abi.KindIPv6:
		a.Kind = hostsv1.Address_KIND_IPV6
		return a, !netip.MustParseAddr(h.Hostname).IsLinkLocalUnicast()
	}
	a.Kind = hostsv1.Address_KIND_IPV4
	return a, true
}

// unserved tells why nothing answers under a hostname now; empty where it is served. Names are those of the machine in its
// networks.
func (n Network) unserved(h abi.HostnameInfo) string {
	if a, err := netip.ParseAddr(h.Hostname); err == nil {
		return n.Unserved[netip.AddrPortFrom(a, uint16(h.Port))]
	}
	for _, g := range n.Gateways {
		if !slices.Contains(h.Metadata.Gateways, g.ID) {
			continue
		}
		for _, subnet := range g.Subnets {
			if why := n.Unserved[netip.AddrPortFrom(subnet.Addr(), uint16(h.Port))]; why != "" {
				return why
			}
		}
	}
	return ""
}

// ranks put first what works on this machine, then what works in the house, last what only services use.
var ranks = [...]hostsv1.Address_Kind{
	hostsv1.Address_KIND_LOCALHOST, hostsv1.Address_KIND_IPV4, hostsv1.Address_KIND_MDNS, hostsv1.Address_KIND_IPV6,
	hostsv1.Address_KIND_BRIDGE,
}

func rank(a *hostsv1.Address) int {
	r := 2 * slices.Index(ranks[:], a.GetKind())
	if !a.GetSsl() {
		r++
	}
	return r
}

// defaultPorts are left out of an address with their scheme, as packages do it.
var defaultPorts = map[string]uint32{"http": 80, "https": 443, "ws": 80, "wss": 443, "ssh": 22, "dns": 53}

func url(a *hostsv1.Address, scheme, username, suffix string) string {
	host := a.GetHostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if scheme == "" || defaultPorts[scheme] != a.GetPort() {
		host = net.JoinHostPort(a.GetHostname(), strconv.FormatUint(uint64(a.GetPort()), 10))
	}
	var b strings.Builder
	if scheme != "" {
		b.WriteString(scheme + "://")
	}
	if username != "" {
		b.WriteString(username + "@")
	}
	b.WriteString(host)
	// Otherwise the suffix of a package could continue the host or the port.
	if suffix != "" && !strings.HasPrefix(suffix, "/") && !strings.HasPrefix(suffix, "?") && !strings.HasPrefix(suffix, "#") {
		b.WriteByte('/')
	}
	b.WriteString(suffix)
	return b.String()
}
