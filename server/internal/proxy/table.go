package proxy

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/handout"
	"github.com/hearthos/hearth/server/internal/host/mdns"
)

// certificateID is the id of the one certificate of a table: services differ by port, not by name, so they share it.
const certificateID = "server"

// The protocols that can be offered where forwarded headers are added.
const http1, http2 = "http/1.1", "h2"

// The door takes so many listeners of a kind, and refuses a table that has more: each is a descriptor of two processes. A port of
// a service is one for each address of the machine, of which a machine with a few networks has some twenty and one that is told many
// more by its router hundreds. No package may be the reason that the others are not served, so each has a share that is far above what
// one needs: of ports, which are then served at all addresses, and where there are very many of these, of listeners. Ranges of ports
// are no listeners: the kernel leads them.
const (
	maxListeners       = 16000
	portsOfPackage     = 64
	listenersOfPackage = maxListeners / 8
	maxLinks           = 64 // on which names in .local are answered for
)

// private are the sources that are let in from a network besides its own: nobody has them on the Internet.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// Server is what the door does for the server itself, whatever services there are.
type Server struct {
	// Web are the addresses and ports of the server's own page and interfaces. Connections go unopened to WebUpstream,
	// "unix:" and a path, with the caller's address told by PROXY protocol.
	Web         []string
	WebUpstream string
	// Redirects are the addresses and ports where plain HTTP is sent on to RedirectPort and the root can be fetched, from networks.
	// The Internet is sent on to the public domains that are open to it, and finds nothing else there.
	Redirects    []string
	RedirectPort uint32
	// Root is the server's root certificate, PEM, Documents what else is answered by plain HTTP.
	Root      []byte
	Documents []handout.Document
	// Resolver are the addresses and ports where services find the resolver, none where there is none; Zones the domains that are
	// answered from records alone; Upstreams whom all else is asked from, none for the machine's own.
	Resolver  []string
	Zones     []string
	Upstreams []string
	// Socks are the addresses and ports where services and the machine itself find the way out by SOCKS; none where there is none.
	Socks []string
	// FirewallTag is that of the instance whose firewall lets services reach what they ask for by name.
	FirewallTag string
}

// Input is all a table follows from.
type Input struct {
	Server Server
	Hosts  []*hostsv1.Host
	// Gates are those whom gates let pass, by host and port inside the container. Nobody passes one that is not here.
	Gates        map[string]map[uint32]*hostsv1.GateCredentials
	Packages     []*packagesv1.Package
	Dependencies []*packagesv1.Dependency
	// Confined are the services that may not ask for all names of others, or reach others by names.
	Confined []Confined
	// Passthroughs are the names that lead to other machines.
	Passthroughs []*hostsv1.Passthrough
	Gateways     []abi.Gateway
	Records      []*doorv1.Record
	// Local are the labels by which the server is called in .local.
	Local []string
	// Services are the labels by which hosts are to be called in .local, Claimed the names that they have there by now; both by
	// row id.
	Services, Claimed map[string]string
	// Private are the private domains with the gateways that each is for.
	Private map[string][]string
	// MDNS is the server's name in .local, "" while it has none.
	MDNS string
	// Chain and Key are the certificate for all names and addresses of the server, PEM.
	Chain, Key []byte
	// Domains are the certificates of the names that Domains answers.
	Domains map[string]Pair

	unusable map[string]bool // names that are nobody's, since the door cannot use them
}

// Pair is a chain and its key, PEM.
type Pair struct{ Chain, Key []byte }

// Table answers the whole table of the front door. It is a pure function: equal input, in whatever order, gives an equal
// table. Every address and port is listened on once; should rows ever disagree, the server's own comes first, then the
// host whose id is the smaller. What finds no place because there is too much is answered beside the table; pages for people come before all else.
func Table(in Input) (table *doorv1.Table, omitted []Omission) {
	r := renderer{
		in: in, gateways: abi.Gateways(in.Gateways), containers: containers(in.Packages, (*packagesv1.PackageStatus).GetIpv4),
		containers6: containers(in.Packages, (*packagesv1.PackageStatus).GetIpv6),
		sites:       make(map[string]*site), share: make(map[string]*share), open: make(map[string]bool), table: &doorv1.Table{},
	}
	r.table.Certificates = []*doorv1.Certificate{{Id: certificateID, Chain: in.Chain, Key: in.Key}}
	r.server()
	rows := slices.SortedFunc(slices.Values(in.Hosts), func(a, b *hostsv1.Host) int {
		return strings.Compare(a.GetMeta().GetId(), b.GetMeta().GetId())
	})
	var all []bound
	for _, row := range rows {
		all = append(all, r.host(row)...)
	}
	slices.SortStableFunc(all, func(a, b bound) int { return cmp.Compare(b.page, a.page) })
	for _, b := range all {
		r.binding(b)
	}
	passed := slices.SortedFunc(slices.Values(in.Passthroughs), func(a, b *hostsv1.Passthrough) int {
		return strings.Compare(a.GetMeta().GetId(), b.GetMeta().GetId())
	})
	for _, row := range passed {
		r.passthrough(row.GetSpec())
	}
	for _, to := range r.table.GetRedirects() {
		to.OpenNames = unique(slices.Collect(maps.Keys(r.open)))
	}
	r.listeners()
	r.local()
	r.resolver()
	r.table.KeptSources = r.kept()
	if s := r.in.Server; len(s.Socks) > 0 {
		r.table.Socks = &doorv1.Socks{Addresses: unique(s.Socks), AllowedSources: canonical(r.bridges())}
	}
	slices.SortStableFunc(r.table.Listeners, func(a, b *doorv1.Listener) int { return cmp.Compare(a.GetAddress(), b.GetAddress()) })
	return r.table, r.omitted
}

// containers answers the addresses of packages that have one.
func containers(packages []*packagesv1.Package, address func(*packagesv1.PackageStatus) string) map[string]netip.Addr {
	out := make(map[string]netip.Addr, len(packages))
	for _, p := range packages {
		if a, err := netip.ParseAddr(address(p.GetStatus())); err == nil {
			out[p.GetMeta().GetId()] = a
		}
	}
	return out
}

// share is what a package has of the door.
type share struct {
	ports  map[string]bool
	routes int
}

type renderer struct {
	in          Input
	gateways    []abi.Gateway
	containers  map[string]netip.Addr // by package
	containers6 map[string]netip.Addr
	ports       map[string]bool  // of the server
	sites       map[string]*site // by address and port
	share       map[string]*share
	open        map[string]bool // names that the Internet reaches where names are told apart
	table       *doorv1.Table
	omitted     []Omission
}

// Omission is an address and port at which a package is not served because there is too much, of the package alone where Share.
type Omission struct {
	Address, Package string
	Share            bool
}

// Why says why nothing is served there.
func (o Omission) Why() string {
	if o.Share {
		return "its package has used up the ports that one may have at the front door"
	}
	return "the front door has as many ports as it takes"
}

func (r *renderer) server() {
	s := r.in.Server
	for _, address := range unique(s.Web) {
		r.sites[address] = &site{server: true}
	}
	for _, address := range unique(r.everywhere(s.Redirects)) {
		to := &doorv1.Redirect{Address: address, TlsPort: s.RedirectPort, AllowedSources: canonical(r.neighbours())}
		s.document(to)
		r.table.Redirects = append(r.table.Redirects, to)
	}
	r.ports = s.ports()
}

// everywhere adds the server's IPv6 addresses to what is said for all those of IPv4: there each address has a socket of its own.
func (r *renderer) everywhere(list []string) []string {
	out := slices.Clone(list)
	for _, address := range list {
		port, all := strings.CutPrefix(address, "0.0.0.0:")
		for _, g := range r.gateways {
			for _, a := range addresses(g) {
				if all && a.Is6() {
					out = append(out, net.JoinHostPort(a.String(), port))
				}
			}
		}
	}
	return out
}

// local has the names of the server and its services in .local answered for where such names are asked.
func (r *renderer) local() {
	l := &doorv1.Local{Names: unique(r.in.Local)}
	for _, label := range unique(slices.Collect(maps.Values(r.in.Services))) {
		if !slices.Contains(l.Names, label) && len(l.Names) < mdns.MaxNames {
			l.Names = append(l.Names, label)
		}
	}
	for _, g := range r.gateways {
		if g.MDNS() && len(l.Links) < maxLinks {
			l.Links = append(l.Links, g.ID)
		}
	}
	if len(l.Names) > 0 && len(l.Links) > 0 {
		r.table.Local = l
	}
}

// terminate answers the route of a binding with TLS. What is offered in the handshake is what the package says; where it
// says nothing, HTTP offers the version every service speaks, and all else what the two ends agree on. With a gate it is HTTP
// whatever the package says.
func (r *renderer) terminate(id string, port uint32, b *hostsv1.Binding, container netip.Addr) *doorv1.Route {
	ssl := b.GetAddSsl()
	route := &doorv1.Route{
		Certificate: certificateID,
		Upstream:    joinPort(container.String(), port),
		UpstreamTls: b.GetSecure().GetSsl() && len(ssl.GetAlpn()) == 0 && !ssl.GetAlpnReflect(),
		Http:        ssl.GetAddXForwardedHeaders() || ssl.GetGate() != nil,
		Gate:        doorGate(ssl.GetGate(), r.in.Gates[id][port]),
	}
	if route.UpstreamTls {
		route.UpstreamCheck = r.check(ids.Parent(id), ssl, container)
	}
	if !route.Http {
		route.Alpn, route.AlpnReflect = ssl.GetAlpn(), len(ssl.GetAlpn()) == 0
		return route
	}
	route.WithoutForwarded = !ssl.GetAddXForwardedHeaders()
	for _, p := range ssl.GetAlpn() {
		if p == http1 || p == http2 {
			route.Alpn = append(route.Alpn, p)
			route.UpstreamHttp2 = route.UpstreamHttp2 || p == http2
		}
	}
	if len(route.Alpn) == 0 {
		route.Alpn = []string{http1}
	}
	return route
}

// doorGate answers the gate of a binding with those whom it lets pass; nil for none.
func doorGate(gate *hostsv1.Gate, known *hostsv1.GateCredentials) *doorv1.Gate {
	if gate == nil {
		return nil
	}
	out := &doorv1.Gate{Realm: cmp.Or(gate.GetRealm(), abi.DefaultRealm), Scheme: doorv1.Gate_SCHEME_BEARER}
	if gate.GetScheme() == hostsv1.Gate_SCHEME_BASIC {
		out.Scheme = doorv1.Gate_SCHEME_BASIC
	}
	for _, c := range known.GetCredentials() {
		out.Credentials = append(out.Credentials, &doorv1.Credential{Digest: c.GetDigest(), User: c.GetUser()})
	}
	return out
}

// check answers which certificates of a service that speaks TLS itself are good: those it has of this server for its own name or
// address, unless it says otherwise. One that is pinned is good whatever its names are.
func (r *renderer) check(pkg string, ssl *hostsv1.AddSsl, container netip.Addr) *doorv1.UpstreamCheck {
	switch {
	case ssl.GetUpstreamUnchecked():
		return nil
	case len(ssl.GetUpstreamCertificates()) > 0:
		return &doorv1.UpstreamCheck{Roots: ssl.GetUpstreamCertificates()}
	}
	return &doorv1.UpstreamCheck{Roots: r.in.Server.Root, Names: []string{container.String(), pkg + ".startos"}}
}

// sources answers who may use a listener; none means all. From networks only neighbours are let in, even where an
// address of the machine is a public one. Between services the bridge is open to those that declared that they depend
// on the package, to the package itself and to the machine, since services are otherwise closed to each other. They find it
// no more open at an address in another network: the bridge's addresses are private ones, and taken out of those.
func (r *renderer) sources(g abi.Gateway, a netip.Addr, pkg string) []netip.Prefix {
	var allowed []netip.Prefix
	switch {
	case g.Type == abi.GatewayTypeLoopback:
		return nil
	case g.Internal():
		allowed = append(allowed, one(a))
		allowed = append(allowed, r.dependents(pkg)...)
		allowed = slices.DeleteFunc(allowed, func(p netip.Prefix) bool { return p.Addr().Is4() != a.Is4() })
	default:
		for _, p := range slices.Concat(private, g.Subnets) {
			allowed = append(allowed, p.Masked())
		}
		allowed = without(allowed, r.bridges())
		allowed = append(allowed, r.dependents(pkg)...)
		allowed = slices.DeleteFunc(allowed, func(p netip.Prefix) bool { return p.Addr().Is4() != a.Is4() })
	}
	return allowed
}

// kept are the callers whose address services see: all but the machine itself and the services, whose answers would not come back by
// the door. Link-local ones mean something on a link alone, which is not that of the services.
func (r *renderer) kept() []string {
	bridges := r.bridges()
	var all []netip.Prefix
	for _, whole := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if slices.ContainsFunc(bridges, func(b netip.Prefix) bool { return b.Addr().BitLen() == whole.BitLen() }) {
			all = append(all, netip.PrefixFrom(whole, 0))
		}
	}
	return canonical(without(all, append(bridges, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::/127"), netip.MustParsePrefix("fe80::/10"))))
}

// bridges are the networks of the services.
func (r *renderer) bridges() []netip.Prefix {
	var out []netip.Prefix
	for _, g := range r.gateways {
		if g.Type == abi.GatewayTypeBridge {
			for _, p := range g.Subnets {
				out = append(out, p.Masked())
			}
		}
	}
	return out
}

// without answers what is left of the first networks when the second are taken out.
func without(from, out []netip.Prefix) []netip.Prefix {
	for _, o := range out {
		var left []netip.Prefix
		for _, p := range from {
			left = append(left, minus(p, o)...)
		}
		from = left
	}
	return from
}

// minus answers the halves of p that do not hold o, each as large as can be.
func minus(p, o netip.Prefix) []netip.Prefix {
	if !p.Overlaps(o) {
		return []netip.Prefix{p}
	}
	var left []netip.Prefix
	for p.Bits() < o.Bits() {
		low, high := halves(p)
		if low.Contains(o.Addr()) {
			p, left = low, append(left, high)
		} else {
			p, left = high, append(left, low)
		}
	}
	return left
}

// halves answers the two networks that a network is made of.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bytes := p.Addr().AsSlice()
	bytes[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	upper, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(upper, p.Bits()+1)
}

func (r *renderer) dependents(pkg string) []netip.Prefix {
	var out []netip.Prefix
	for _, all := range []map[string]netip.Addr{r.containers, r.containers6} {
		if a, ok := all[pkg]; ok {
			out = append(out, one(a))
		}
		for _, d := range r.in.Dependencies {
			dependent, on, _ := strings.Cut(d.GetMeta().GetId(), "/")
			if a, ok := all[dependent]; ok && on == pkg {
				out = append(out, one(a))
			}
		}
	}
	return out
}

func one(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a.WithZone(""), a.BitLen()) }

// canonical orders prefixes and leaves out those that lie within another.
func canonical(list []netip.Prefix) []string {
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	var kept []netip.Prefix
	for _, p := range list {
		if !slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Overlaps(p) }) {
			kept = append(kept, p)
		}
	}
	slices.SortFunc(kept, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	out := make([]string, len(kept))
	for i, p := range kept {
		out[i] = p.String()
	}
	return out
}

func unique(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

func joinPort(host string, port uint32) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}
