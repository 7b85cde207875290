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
const maxAddresses = 112 << 10

// model is what the addresses of a row follow from.
func model(row *hostsv1.Host, n Network) abi.Model {
	return abi.Model{
		HostID: hostID(row), Spec: row.GetSpec(), Ports: row.GetStatus().GetPorts(),
		Gateways: abi.Gateways(n.Gateways), MDNS: n.MDNS, Service: n.Services[row.GetMeta().GetId()], Shared: n.Shared,
	}
}

// HostJSON answers the object packages see for a host.
func HostJSON(row *hostsv1.Host, n Network) []byte { return abi.Encode(abi.Derive(model(row, n))) }

// Addresses answers the addresses of a host for people, those that are on and those that are off: by interface, those for
// a browser first, and for each interface the one that works on this machine first. An address that begins with no scheme
// though the interface has one is left out.
func Addresses(row *hostsv1.Host, n Network) (on, off []*hostsv1.Address) {
	var list []exported
	h := abi.Derive(model(row, n))
	for port, b := range row.GetSpec().GetBindings() {
		for _, i := range b.GetInterfaces() {
			list = append(list, exported{Interface: i, host: row.GetMeta().GetId(), port: port, found: h.Bindings[port].Addresses, in: n})
		}
	}
	for port, r := range row.GetSpec().GetRanges() {
		if i := r.GetRangeInterface(); i != nil {
			list = append(list, exported{
				Interface: &hostsv1.Interface{Id: i.GetId(), Name: i.GetName(), Type: hostsv1.Interface_TYPE_API, Scheme: i.GetScheme()},
				host:      row.GetMeta().GetId(),
				port:      port, count: r.GetNumberOfPorts(), found: h.BindingRanges[port].Addresses, in: n,
			})
		}
	}
	slices.SortFunc(list, func(a, b exported) int {
		return cmp.Or(cmp.Compare(a.GetType(), b.GetType()), cmp.Compare(a.port, b.port), strings.Compare(a.GetId(), b.GetId()))
	})
	for _, e := range list {
		budget := maxAddresses / len(list)
		for _, a := range e.addresses() {
			if budget -= proto.Size(a) + 8; budget < 0 {
				break
			}
			if a.GetAccess() == hostsv1.Access_ACCESS_OFF {
				off = append(off, a)
			} else {
				on = append(on, a)
			}
		}
	}
	return on, off
}

// exported is an interface with the binding's port, or a range's first one and their number, and what is found there.
type exported struct {
	*hostsv1.Interface
	host        string // row id
	port, count uint32
	found       abi.Addresses
	in          Network
}

func (e exported) addresses() []*hostsv1.Address {
	var out []*hostsv1.Address
	for _, h := range e.found.Available {
		scheme, other := e.GetScheme(), e.GetSslScheme()
		if h.SSL {
			scheme, other = other, scheme
		}
		a, ok := address(h)
		if !ok || scheme == "" && other != "" {
			continue
		}
		a.InterfaceId, a.InternalPort, a.NumberOfPorts = e.GetId(), e.port, e.count
		a.Access = access(e.found, h)
		if a.Unserved = e.in.Unserved.of(h, e.in.Gateways); e.count == 0 && e.in.Unserved.Hosts[e.host] != "" { // the kernel leads ranges
			a.Unserved = e.in.Unserved.Hosts[e.host]
		}
		a.Url = url(a, scheme, e.GetUsername(), e.GetSuffix())
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b *hostsv1.Address) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.GetHostname(), b.GetHostname()))
	})
	return out
}

// access tells who reaches an address.
func access(all abi.Addresses, h abi.HostnameInfo) hostsv1.Access {
	switch {
	case all.Open(h):
		return hostsv1.Access_ACCESS_INTERNET
	case all.On(h):
		return hostsv1.Access_ACCESS_LAN
	}
	return hostsv1.Access_ACCESS_OFF
}

// address says what a hostname is for people. Some are of no use to them: the second number of the machine itself, IPv6
// numbers that mean something only together with a scope, and a name in .local that nobody can ask for.
func address(h abi.HostnameInfo) (*hostsv1.Address, bool) {
	a := &hostsv1.Address{Hostname: h.Hostname, Port: uint32(h.Port), Ssl: h.SSL, Internet: h.Public, Gateway: h.Metadata.Gateway, Kind: addressKinds[h.Metadata.Kind]}
	switch {
	case h.Metadata.Kind == abi.KindMDNS:
		a.Gateway = strings.Join(h.Metadata.Gateways, ",")
		return a, len(h.Metadata.Gateways) > 0
	case h.Metadata.Kind == abi.KindPrivateDomain:
		a.Gateway = strings.Join(h.Metadata.Gateways, ",")
	case h.Metadata.Kind == abi.KindPlugin:
		a.SuppliedBy, a.RemoveAction, a.OverflowActions = h.Metadata.PackageID, h.Metadata.RemoveAction, h.Metadata.OverflowActions
	case h.Metadata.Gateway == abi.GatewayLoopback:
		a.Kind, a.Hostname = hostsv1.Address_KIND_LOCALHOST, "localhost"
		return a, h.Hostname == "127.0.0.1"
	case h.Metadata.Gateway == abi.GatewayBridge:
		a.Kind = hostsv1.Address_KIND_BRIDGE
		return a, h.Hostname == abi.BridgeAddress.String()
	case h.Metadata.Kind == abi.KindIPv6:
		return a, !netip.MustParseAddr(h.Hostname).IsLinkLocalUnicast()
	}
	return a, true
}

// of tells why nothing answers under a hostname now; empty where it is served. Names are those of the machine in its
// networks.
func (u Unserved) of(h abi.HostnameInfo, gateways []abi.Gateway) string {
	if a, err := netip.ParseAddr(h.Hostname); err == nil {
		return u.At[netip.AddrPortFrom(a, uint16(h.Port))]
	}
	if why := u.Names[h.Hostname]; why != "" {
		return why
	}
	for _, g := range gateways {
		if !slices.Contains(h.Metadata.Gateways, g.ID) {
			continue
		}
		for _, subnet := range g.Subnets {
			if why := u.At[netip.AddrPortFrom(subnet.Addr(), uint16(h.Port))]; why != "" {
				return why
			}
		}
	}
	return ""
}

// addressKinds are the kinds of addresses by the kinds of packages.
var addressKinds = map[string]hostsv1.Address_Kind{
	abi.KindIPv4: hostsv1.Address_KIND_IPV4, abi.KindIPv6: hostsv1.Address_KIND_IPV6, abi.KindMDNS: hostsv1.Address_KIND_MDNS,
	abi.KindPrivateDomain: hostsv1.Address_KIND_PRIVATE_DOMAIN, abi.KindPublicDomain: hostsv1.Address_KIND_PUBLIC_DOMAIN,
	abi.KindPlugin: hostsv1.Address_KIND_SUPPLIED,
}

// ranks put first what works on this machine, then names that people chose, then what works in the house, last what only
// services use.
var ranks = [...]hostsv1.Address_Kind{
	hostsv1.Address_KIND_LOCALHOST, hostsv1.Address_KIND_PUBLIC_DOMAIN, hostsv1.Address_KIND_PRIVATE_DOMAIN, hostsv1.Address_KIND_SUPPLIED, hostsv1.Address_KIND_IPV4, hostsv1.Address_KIND_MDNS, hostsv1.Address_KIND_IPV6,
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
	if a.GetPort() != 0 && (scheme == "" || defaultPorts[scheme] != a.GetPort()) {
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
