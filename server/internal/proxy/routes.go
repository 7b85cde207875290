package proxy

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/mdns"
)

// maxAnswers bounds the routes of one site, of names above all.
const maxAnswers = 2048

// site is what stands at one address and port, of this machine or of all its addresses.
type site struct {
	plain, server bool
	owner         string          // the package that has it; empty for the server
	named, any    []*doorv1.Route // those that are asked for by name come first
}

// Domains are the names of hosts that certificates are made for.
func Domains(hosts []*hostsv1.Host) []string {
	names := make(map[string]bool)
	for _, row := range hosts {
		if row.GetSpec().GetKept() {
			continue
		}
		for name := range row.GetSpec().GetPublicDomains() {
			names[name] = true
		}
		for name := range row.GetSpec().GetPrivateDomains() {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// serviceNames answers the labels by which hosts are to be called in .local, by row id: each package that has a page has its own
// id as a name there, which leads to the page that it bound first. What the server itself is called is no service's; where it has no name, services have none.
func serviceNames(hosts []*hostsv1.Host, server []string) map[string]string {
	if len(server) == 0 {
		return nil
	}
	byPackage := make(map[string]*hostsv1.Host)
	for _, row := range hosts {
		id := row.GetMeta().GetId()
		pkg := ids.Parent(id)
		_, has := abi.Page(row.GetSpec())
		if !has || row.GetSpec().GetKept() || ids.Package(pkg).Reserved() || slices.Contains(server, pkg) || mdns.Check(mdns.Config{Names: []string{pkg}}) != nil {
			continue
		}
		if first := byPackage[pkg]; first == nil ||
			cmp.Or(cmp.Compare(row.GetMeta().GetCreateRevision(), first.GetMeta().GetCreateRevision()), strings.Compare(id, first.GetMeta().GetId())) < 0 {
			byPackage[pkg] = row
		}
	}
	out := make(map[string]string, len(byPackage))
	for pkg, row := range byPackage {
		out[row.GetMeta().GetId()] = pkg
	}
	return out
}

// privateDomains are the private names of hosts with the gateways that each is for; the resolver answers them there.
func privateDomains(hosts []*hostsv1.Host) map[string][]string {
	out := make(map[string][]string)
	for _, row := range hosts {
		if row.GetSpec().GetKept() {
			continue
		}
		for name, d := range row.GetSpec().GetPrivateDomains() {
			out[name] = d.GetGateways()
		}
	}
	return out
}

// host answers the bindings of a host that a container or the server itself stands behind.
func (r *renderer) host(row *hostsv1.Host) (out []bound) {
	pkg := ids.Parent(row.GetMeta().GetId())
	container, running := r.containers[pkg]
	server := ids.Package(pkg).Reserved()
	if !running && !server {
		return nil
	}
	h := abi.Derive(abi.Model{
		Spec: row.GetSpec(), Ports: row.GetStatus().GetPorts(), Gateways: r.gateways, MDNS: r.in.MDNS, Service: r.in.Claimed[row.GetMeta().GetId()],
		Shared: map[uint32]bool{r.in.Server.RedirectPort: true},
	})
	for _, p := range slices.Sorted(maps.Keys(h.Bindings)) {
		b := row.GetSpec().GetBindings()[p]
		s := bound{pkg: pkg, plain: &doorv1.Route{Upstream: joinPort(container.String(), p), KeepSource: true}}
		if six, ok := r.containers6[pkg]; ok {
			s.plain.Upstream6 = joinPort(six.String(), p)
		}
		s.tls = s.plain
		if b.GetAddSsl() != nil {
			s.tls = r.terminate(row.GetMeta().GetId(), p, b, container)
		}
		if server {
			s.tls = &doorv1.Route{Upstream: r.in.Server.WebUpstream, ProxyProtocol: true}
			s.everywhere = quiet(b.GetChoices())
		}
		for _, i := range b.GetInterfaces() {
			if i.GetType() == hostsv1.Interface_TYPE_UI {
				s.page = 1
			}
		}
		s.all = r.in.usableOf(h.Bindings[p].Addresses)
		out = append(out, s)
	}
	return out
}

// quiet tells whether nothing is switched off, so that the page can be served at addresses that are not known yet, too.
func quiet(c *hostsv1.Choices) bool { return len(c.GetDisabled())+len(c.GetGlobalAccess()) == 0 }

// bound is a binding, its addresses and where its connections go.
type bound struct {
	pkg        string
	page       int // 1 for a page for people
	all        abi.Addresses
	plain, tls *doorv1.Route
	// everywhere has it served at all addresses of the machine that neighbours reach.
	everywhere bool
	// off are the networks in which it has no address that is on.
	off []netip.Prefix
}

// binding has every address of a binding served that is on.
func (r *renderer) binding(s bound) {
	all := s.all
	if s.everywhere {
		route := proto.CloneOf(s.tls)
		route.AllowedSources = canonical(r.neighbours())
		for address, at := range r.sites {
			if at.server {
				r.add(address, at, "", route)
			}
		}
	}
	// What is asked for by name comes last, so that what goes without saying is not said.
	s.off = r.off(all)
	var numbers []number
	list := slices.Clone(all.Available)
	slices.SortStableFunc(list, func(a, b abi.HostnameInfo) int { return cmp.Compare(rank(a), rank(b)) })
	for _, info := range list {
		if info.Port == 0 || info.Metadata.Kind == abi.KindPlugin || !all.On(info) || info.Indistinct() { // which is bound by its numbers
			continue
		}
		if info.SSL && info.Metadata.Kind == abi.KindPublicDomain && uint32(info.Port) == r.in.Server.RedirectPort && all.Open(info) {
			r.open[info.Hostname] = true
		}
		for _, g := range r.gateways {
			for _, a := range leads(info, g) {
				r.serve(s, info, a, r.allowed(s, g, a, all.Open(info)))
				if info.SSL && !isName(info) && !g.Internal() {
					numbers = append(numbers, number{a, uint32(info.Port)})
				}
			}
		}
	}
	for _, info := range list {
		if info.SSL && isName(info) && !all.On(info) {
			r.refuse(s.pkg, info, numbers)
		}
	}
}

// number is an address of the machine at which a binding is reached whatever name is asked for.
type number struct {
	a    netip.Addr
	port uint32
}

// nowhere is where a door leads refused names that does not know of such: TCP connects to no broadcast address.
const nowhere = "255.255.255.255:1"

// refuse has a name that is off refused at the numbers that are on: their route takes every name.
func (r *renderer) refuse(pkg string, info abi.HostnameInfo, numbers []number) {
	for _, n := range numbers {
		if n.port == uint32(info.Port) {
			r.place(pkg, n.a, n.port, false, &doorv1.Route{Names: []string{info.Hostname}, Refused: true, Upstream: nowhere})
		}
	}
}

func rank(info abi.HostnameInfo) int {
	if isName(info) {
		return 1
	}
	return 0
}

// isName tells whether connections over TLS can be told by what they ask for.
func isName(info abi.HostnameInfo) bool {
	k := info.Metadata.Kind
	return k == abi.KindPublicDomain || k == abi.KindPrivateDomain || k == abi.KindMDNS
}

// off answers the networks that no address of a binding which is on leads to.
func (r *renderer) off(all abi.Addresses) (out []netip.Prefix) {
	for _, g := range r.gateways {
		if !g.Internal() && !slices.ContainsFunc(all.Available, func(info abi.HostnameInfo) bool {
			return info.Port != 0 && info.Metadata.Kind != abi.KindPlugin && len(leads(info, g)) > 0 && all.OnAt(info, g.ID)
		}) {
			out = append(out, g.Subnets...)
		}
	}
	return out
}

// allowed answers who may use what is bound at an address; none means all.
func (r *renderer) allowed(s bound, g abi.Gateway, a netip.Addr, open bool) []string {
	switch server := ids.Package(s.pkg).Reserved(); {
	case open && server:
		return nil
	case open:
		return r.everybody(a, s.pkg)
	case server:
		return canonical(elsewhere(r.neighbours(), g, s.off))
	}
	return canonical(elsewhere(r.sources(g, a, s.pkg), g, s.off))
}

// elsewhere takes those out who are in a network where a binding is switched off: they must not find it at the server's address
// in another one, which Linux answers for, too. Where two gateways are in the same network it is on.
func elsewhere(allowed []netip.Prefix, g abi.Gateway, off []netip.Prefix) []netip.Prefix {
	for _, o := range off {
		if !slices.ContainsFunc(g.Subnets, o.Overlaps) {
			allowed = without(allowed, []netip.Prefix{o.Masked()})
		}
	}
	return allowed
}

// leads answers at which of the server's addresses on a gateway what a name or number says is reached.
func leads(info abi.HostnameInfo, g abi.Gateway) (out []netip.Addr) {
	m := info.Metadata
	if m.Gateway != g.ID && !slices.Contains(m.Gateways, g.ID) {
		return nil
	}
	for _, p := range g.Subnets {
		a := p.Addr()
		switch {
		case m.Kind == abi.KindIPv4 && info.Public: // what comes to the router comes here to any of them
			if a.Is4() {
				out = append(out, a)
			}
		case (m.Kind == abi.KindIPv4 || m.Kind == abi.KindIPv6) && info.Hostname != a.String():
		case a.Is6() && a.IsLinkLocalUnicast(): // it needs its interface to mean something
			out = append(out, a.WithZone(g.ID))
		default:
			out = append(out, a)
		}
	}
	return out
}

// serve has one address of a binding served at one address of the machine.
func (r *renderer) serve(s bound, info abi.HostnameInfo, a netip.Addr, sources []string) {
	route := proto.CloneOf(s.tls)
	if !info.SSL {
		route = proto.CloneOf(s.plain)
	}
	route.AllowedSources = sources
	if info.SSL && isName(info) {
		route.Names = []string{info.Hostname}
		if _, has := r.in.Domains[info.Hostname]; has && route.GetCertificate() != "" {
			route.Certificate = domainID(info.Hostname)
		}
	}
	r.place(s.pkg, a, uint32(info.Port), !info.SSL, route)
}

// passthrough has a name at a port lead to another machine. Services use it where neighbours do not: nowhere.
func (r *renderer) passthrough(p *hostsv1.PassthroughSpec) {
	for _, g := range r.gateways {
		if g.Internal() || len(p.GetGateways()) > 0 && !slices.Contains(p.GetGateways(), g.ID) {
			continue
		}
		for _, a := range addresses(g) {
			allowed := []netip.Prefix{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
			if a.Is4() {
				allowed[0] = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			}
			if p.GetAccess() != hostsv1.Access_ACCESS_INTERNET {
				allowed = slices.Clone(private)
				for _, s := range g.Subnets {
					allowed = append(allowed, s.Masked())
				}
			}
			allowed = slices.DeleteFunc(without(allowed, r.bridges()), func(n netip.Prefix) bool { return n.Addr().Is4() != a.Is4() })
			r.place(serverPackage, a, p.GetPort(), false, &doorv1.Route{
				Upstream: p.GetBackend(), Names: []string{p.GetHostname()}, AllowedSources: canonical(allowed),
			})
		}
	}
}

// serverPackage stands for what is no package's.
const serverPackage = "server"

// place puts a route at a port of one address of the machine.
func (r *renderer) place(pkg string, a netip.Addr, onPort uint32, plain bool, route *doorv1.Route) {
	address := joinPort(a.String(), onPort)
	at := r.sites[address]
	_, port, _ := net.SplitHostPort(address)
	switch {
	case at != nil:
	case r.ports[port]:
		if at = r.sites[net.JoinHostPort("0.0.0.0", port)]; at != nil && a.Is4() {
			address, route.LocalAddresses = net.JoinHostPort("0.0.0.0", port), []string{a.String()}
			break
		}
		if !a.Is6() || !r.tells(port) {
			return
		}
		at = &site{server: true}
	default:
		at = &site{plain: plain, owner: pkg}
	}
	r.add(address, at, pkg, route)
}

// tells tells whether the server has TLS at a port, so that names are told apart there.
func (r *renderer) tells(port string) bool {
	return port == strconv.FormatUint(uint64(r.in.Server.RedirectPort), 10)
}

// add adds a route to a site. A site belongs to one package, except that names of all stand beside the server's own page;
// should rows ever disagree, who came first stays.
func (r *renderer) add(address string, at *site, pkg string, route *doorv1.Route) {
	named := len(route.GetNames()) > 0
	own := at.owner == pkg || at.server && (named || pkg == "" || ids.Package(pkg).Reserved())
	if !own || at.plain && named {
		return
	}
	list := &at.any
	if named {
		if list = &at.named; slices.ContainsFunc(at.any, func(a *doorv1.Route) bool { return covers(a, route) }) {
			return
		}
	}
	for _, have := range *list {
		if merged(have, route) {
			return
		}
	}
	if pkg != "" && !ids.Package(pkg).Reserved() && !route.GetRefused() { // what is off is off whatever is left of the share
		full := r.sites[address] == nil && len(r.sites) >= maxListeners || len(at.named) >= maxAnswers
		if full || !r.take(pkg, address) {
			r.omitted = append(r.omitted, Omission{Address: address, Package: pkg, Share: !full})
			return
		}
	}
	r.sites[address] = at
	*list = append(*list, route)
}

// take counts a route of a package, or tells that it has its share.
func (r *renderer) take(pkg, address string) bool {
	s := r.share[pkg]
	if s == nil {
		s = &share{ports: make(map[string]bool)}
		r.share[pkg] = s
	}
	_, port, _ := net.SplitHostPort(address)
	if s.routes >= listenersOfPackage || !s.ports[port] && len(s.ports) >= portsOfPackage {
		return false
	}
	s.ports[port] = true
	s.routes++
	return true
}

// covers tells whether a route for all names leads a name where it is to go.
func covers(all, named *doorv1.Route) bool {
	n := proto.CloneOf(named)
	n.Names = nil
	if len(all.GetLocalAddresses()) == 0 {
		n.LocalAddresses = nil
	}
	if within(named.GetAllowedSources(), all.GetAllowedSources()) {
		n.AllowedSources = all.GetAllowedSources()
	}
	return proto.Equal(all, n)
}

// within tells whether all sources of the first are among those of the second; none means all.
func within(few, many []string) bool {
	if len(few) == 0 || len(many) == 0 {
		return len(many) == 0
	}
	for _, f := range few {
		p := netip.MustParsePrefix(f)
		if !slices.ContainsFunc(many, func(m string) bool {
			o := netip.MustParsePrefix(m)
			return o.Bits() <= p.Bits() && o.Contains(p.Addr())
		}) {
			return false
		}
	}
	return true
}

// merged lets a route that is there stand for another one where they differ only in the addresses of the machine, or where
// the other is for fewer sources; everybody's stand for all.
func merged(have, route *doorv1.Route) bool {
	a, b := proto.CloneOf(have), proto.CloneOf(route)
	a.LocalAddresses, b.LocalAddresses, a.AllowedSources, b.AllowedSources = nil, nil, nil, nil
	if !proto.Equal(a, b) {
		return false
	}
	switch {
	case slices.Equal(have.GetAllowedSources(), route.GetAllowedSources()):
		if len(have.GetLocalAddresses()) > 0 {
			have.LocalAddresses = unique(append(have.GetLocalAddresses(), route.GetLocalAddresses()...))
		}
		return true
	case slices.Equal(have.GetLocalAddresses(), route.GetLocalAddresses()):
		if len(have.GetAllowedSources()) == 0 || len(route.GetAllowedSources()) == 0 {
			have.AllowedSources = nil
		} else {
			have.AllowedSources = canonicalTexts(append(have.GetAllowedSources(), route.GetAllowedSources()...))
		}
		return true
	}
	return false
}

// canonicalTexts is canonical for prefixes that are text; they were made by it.
func canonicalTexts(list []string) []string {
	prefixes := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return canonical(prefixes)
}

// listeners makes the listeners of the table of the sites.
func (r *renderer) listeners() {
	used := make(map[string]bool)
	for _, address := range slices.Sorted(maps.Keys(r.sites)) {
		at := r.sites[address]
		if at.server && len(at.any) == 0 && r.pageless() {
			at.any = []*doorv1.Route{{Upstream: r.in.Server.WebUpstream, ProxyProtocol: true}}
		}
		slices.SortStableFunc(at.named, func(a, b *doorv1.Route) int { return strings.Compare(a.GetNames()[0], b.GetNames()[0]) })
		routes := slices.Concat(at.named, at.any)
		if len(routes) == 0 {
			continue
		}
		for _, route := range routes {
			used[route.GetCertificate()] = true
		}
		r.table.Listeners = append(r.table.Listeners, &doorv1.Listener{Address: address, Plain: at.plain, Routes: routes})
	}
	for _, name := range slices.Sorted(maps.Keys(r.in.Domains)) {
		if p := r.in.Domains[name]; used[domainID(name)] {
			r.table.Certificates = append(r.table.Certificates, &doorv1.Certificate{Id: domainID(name), Chain: p.Chain, Key: p.Key})
		}
	}
}

// pageless tells whether no row says how the server's page is reached: then it is reached everywhere.
func (r *renderer) pageless() bool {
	return !slices.ContainsFunc(r.in.Hosts, func(row *hostsv1.Host) bool {
		return ids.Package(ids.Parent(row.GetMeta().GetId())).Reserved()
	})
}

// domainID is the id of the certificate of a name within a table.
func domainID(name string) string { return "domain/" + name }

// neighbours are private sources and the networks that the server is in, its services among them: who reaches its page.
func (r *renderer) neighbours() []netip.Prefix {
	list := slices.Clone(private)
	for _, g := range r.gateways {
		for _, p := range g.Subnets {
			list = append(list, p.Masked())
		}
	}
	return list
}

// everybody are all sources, without the services that do not depend on the package: they are closed to each other, also by
// way of the Internet.
func (r *renderer) everybody(a netip.Addr, pkg string) []string {
	whole := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	if a.Is4() {
		whole = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	allowed := append(without([]netip.Prefix{whole}, r.bridges()), r.dependents(pkg)...)
	return canonical(slices.DeleteFunc(allowed, func(p netip.Prefix) bool { return p.Addr().Is4() != a.Is4() }))
}

// addresses are what is listened on at a gateway. A link-local number needs its interface to mean something.
func addresses(g abi.Gateway) []netip.Addr {
	out := make([]netip.Addr, 0, len(g.Subnets))
	for _, p := range g.Subnets {
		a := p.Addr()
		if a.Is6() && a.IsLinkLocalUnicast() {
			a = a.WithZone(g.ID)
		}
		out = append(out, a)
	}
	return out
}
