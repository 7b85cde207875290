package abi

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// Model is all that the addresses of a host follow from: what the package bound and exported, what people chose, the
// ports that were assigned, and the machine's network.
type Model struct {
	// HostID is the host's id within its package.
	HostID string
	Spec   *hostsv1.HostSpec
	// Ports are those that the bindings have outside.
	Ports map[uint32]*hostsv1.Ports
	// Gateways are as Gateways answers them.
	Gateways []Gateway
	// MDNS is the server's name in .local; empty while it has none.
	MDNS string
	// Service is the host's own name in .local, under which its page is reached; empty while it has none.
	Service string
	// Shared are the ports on which TLS is told apart by the name that is asked for, so that many hosts have them.
	Shared map[uint32]bool
}

// Derive answers the object packages see for a host. It is the one place where addresses are made: the Host object, what
// people are told and what the front door serves all come from here.
func Derive(m Model) Host {
	h := Host{
		Bindings: make(Bindings, len(m.Spec.GetBindings())), BindingRanges: make(ByPort[Range], len(m.Spec.GetRanges())),
		PublicDomains: make(map[string]PublicDomain), PrivateDomains: make(map[string][]string),
	}
	for name, d := range m.Spec.GetPublicDomains() {
		h.PublicDomains[name] = PublicDomain{Gateway: d.GetGateway()}
	}
	for name, d := range m.Spec.GetPrivateDomains() {
		h.PrivateDomains[name] = sorted(d.GetGateways())
	}
	for port, b := range m.Spec.GetBindings() {
		h.Bindings[port] = m.binding(port, b)
	}
	for port, r := range m.Spec.GetRanges() {
		h.BindingRanges[port] = m.portRange(r)
	}
	h.PortForwards = m.forwards(h)
	return h
}

func (m Model) binding(port uint32, b *hostsv1.Binding) Binding {
	v := Binding{
		Enabled: b.GetEnabled(),
		Options: BindOptions{
			PreferredExternalPort: b.GetPreferredExternalPort(),
			AddSSL:                addSSLOf(b.GetAddSsl()),
			Secure:                secureOf(b.GetSecure()),
		},
		Net:        NetOf(m.Ports[port]),
		Addresses:  chosen(b.GetChoices(), m.available(port, b, m.Ports[port])),
		Interfaces: make(map[string]ServiceInterface, len(b.GetInterfaces())),
	}
	for id, row := range b.GetInterfaces() {
		v.Interfaces[id] = Interface(m.HostID, port, row)
	}
	return v
}

func (m Model) portRange(r *hostsv1.BindingRange) Range {
	v := Range{
		Enabled: r.GetEnabled(), ExternalStartPort: r.GetExternalStartPort(), NumberOfPorts: r.GetNumberOfPorts(),
		Addresses: chosen(r.GetChoices(), m.availableRange(r)),
	}
	if i := r.GetRangeInterface(); i != nil {
		v.Interface = &RangeInterface{ID: i.GetId(), Name: i.GetName(), Description: i.GetDescription(), Scheme: nullable(i.GetScheme())}
	}
	return v
}

// chosen puts the choices of people beside the addresses. A global IPv6 address that is off is named among the disabled
// ones, too: that is where the code of packages looks.
func chosen(c *hostsv1.Choices, available []HostnameInfo) Addresses {
	slices.SortFunc(available, HostnameInfo.Compare)
	a := Addresses{
		Enabled: append([]string{}, sorted(c.GetEnabled())...), Disabled: []Endpoint{}, GUAAccess: make(map[string]string),
		Available: append([]HostnameInfo{}, available...),
	}
	for _, d := range c.GetDisabled() {
		a.Disabled = append(a.Disabled, Endpoint{d.GetHostname(), d.GetPort()})
	}
	for endpoint, access := range c.GetGlobalAccess() {
		a.GUAAccess[endpoint] = accessWords[access]
		if ap, err := netip.ParseAddrPort(endpoint); err == nil && access == hostsv1.Access_ACCESS_OFF {
			a.Disabled = append(a.Disabled, Endpoint{ap.Addr().String(), uint32(ap.Port())})
		}
	}
	slices.SortFunc(a.Disabled, func(x, y Endpoint) int {
		return cmp.Or(strings.Compare(x.Hostname, y.Hostname), cmp.Compare(x.Port, y.Port))
	})
	return a
}

// accessWords are how packages read who reaches a global IPv6 address.
var accessWords = map[hostsv1.Access]string{
	hostsv1.Access_ACCESS_OFF: "disabled", hostsv1.Access_ACCESS_LAN: "lan", hostsv1.Access_ACCESS_INTERNET: "lan-wan",
}

// available answers every name and number under which a binding is reached, in no order. One that is not bound any more has
// none; one without an interface is for other services alone.
func (m Model) available(port uint32, b *hostsv1.Binding, p *hostsv1.Ports) (out []HostnameInfo) {
	if !b.GetEnabled() {
		return nil
	}
	plain, tls := uint32(0), uint32(0)
	if HasPlainPort(b) {
		plain = p.GetAssignedPort()
	}
	if b.GetAddSsl() != nil {
		tls = p.GetAssignedSslPort()
	}
	add := func(h HostnameInfo, at uint32) {
		if h.Port = NullablePort(at); at != 0 {
			out = append(out, h)
		}
	}
	// What has no TLS has no gate either, so nothing plain of a binding with a gate leaves the machine.
	secure, exposed := b.GetSecure() != nil && b.GetAddSsl().GetGate() == nil, len(b.GetInterfaces()) > 0
	for _, g := range m.Gateways {
		for _, h := range g.own(exposed) {
			if secure || g.Internal() {
				add(h, plain)
			}
			h.SSL = true
			add(h, tls)
		}
		if h, ok := g.wan(); ok && exposed {
			if secure {
				add(h, plain)
			}
			h.SSL = true
			add(h, tls)
		}
	}
	if !exposed {
		return out
	}
	for _, n := range m.names() {
		if secure || n.Metadata.Kind == KindPrivateDomain && m.internal(n.Metadata.Gateways) {
			add(n, plain)
		}
		n.SSL = true
		add(n, m.port(n, b, p, tls))
	}
	if page, ok := Page(m.Spec); ok && page == port && m.Service != "" && len(m.Shared) > 0 {
		add(HostnameInfo{SSL: true, Hostname: m.Service, Metadata: Metadata{Kind: KindMDNS, Gateways: m.local()}}, slices.Min(slices.Collect(maps.Keys(m.Shared))))
	}
	for _, s := range b.GetSupplied() {
		out = append(out, HostnameInfo{SSL: s.GetSsl(), Public: s.GetInternet(), Hostname: s.GetHostname(), Port: NullablePort(s.GetPort()), Metadata: Metadata{
			Kind: KindPlugin, PackageID: s.GetPackageId(), RemoveAction: s.GetRemoveAction(), OverflowActions: s.GetOverflowActions(), Info: s.GetInfo(),
		}})
	}
	return out
}

// port answers the port at which a name has TLS, 0 for none. Domains share the port that the package would like, where
// names are told apart there; so do those of a service that speaks TLS itself, whose connections pass unopened.
func (m Model) port(n HostnameInfo, b *hostsv1.Binding, p *hostsv1.Ports, tls uint32) uint32 {
	switch {
	case n.Metadata.Kind == KindMDNS:
		return tls
	case b.GetAddSsl() != nil && m.Shared[b.GetAddSsl().GetPreferredExternalPort()]:
		return b.GetAddSsl().GetPreferredExternalPort()
	case b.GetAddSsl() != nil:
		return tls
	case b.GetSecure().GetSsl() && m.Shared[b.GetPreferredExternalPort()] && b.GetPreferredExternalPort() != p.GetAssignedPort():
		return b.GetPreferredExternalPort()
	}
	return 0
}

// availableRange answers every name and number under which a range is reached, each with the first of its ports. Ranges
// are forwarded, only over IPv4 and only from networks.
func (m Model) availableRange(r *hostsv1.BindingRange) (out []HostnameInfo) {
	if !r.GetEnabled() {
		return nil
	}
	exposed := r.GetRangeInterface() != nil
	for _, g := range m.Gateways {
		if g.Internal() {
			continue // services use the ports of the container itself
		}
		for _, h := range g.own(exposed) {
			if h.Metadata.Kind == KindIPv4 {
				out = append(out, h)
			}
		}
		if h, ok := g.wan(); ok && exposed {
			out = append(out, h)
		}
	}
	if exposed {
		out = append(out, m.names()...)
	}
	for i := range out {
		out[i].Port = NullablePort(r.GetExternalStartPort())
	}
	return out
}

// own are the server's own addresses on the gateway; those of gateways to networks only for what is exposed.
func (g Gateway) own(exposed bool) []HostnameInfo {
	if !exposed && !g.Internal() {
		return nil
	}
	out := make([]HostnameInfo, 0, len(g.Subnets))
	for _, subnet := range g.Subnets {
		a := subnet.Addr()
		md := Metadata{Kind: KindIPv4, Gateway: g.ID}
		if a.Is6() {
			md.Kind, md.ScopeID = KindIPv6, g.ScopeID
		}
		out = append(out, HostnameInfo{Hostname: a.String(), Metadata: md})
	}
	return out
}

func (g Gateway) wan() (HostnameInfo, bool) {
	return HostnameInfo{Public: true, Hostname: g.WAN.String(), Metadata: Metadata{Kind: KindIPv4, Gateway: g.ID}}, g.WAN.Is4()
}

// names are the names under which what is exposed is reached: the one in .local and the domains.
func (m Model) names() (out []HostnameInfo) {
	if m.MDNS != "" {
		out = append(out, HostnameInfo{Hostname: m.MDNS, Metadata: Metadata{Kind: KindMDNS, Gateways: m.local()}})
	}
	for _, name := range slices.Sorted(maps.Keys(m.Spec.GetPublicDomains())) {
		gateway := m.Spec.GetPublicDomains()[name].GetGateway()
		out = append(out, HostnameInfo{Public: true, Hostname: name, Metadata: Metadata{Kind: KindPublicDomain, Gateway: gateway}})
	}
	for _, name := range slices.Sorted(maps.Keys(m.Spec.GetPrivateDomains())) {
		gateways := sorted(m.Spec.GetPrivateDomains()[name].GetGateways())
		out = append(out, HostnameInfo{Hostname: name, Metadata: Metadata{Kind: KindPrivateDomain, Gateways: gateways}})
	}
	return out
}

// local are the gateways on which names in .local are asked and answered.
func (m Model) local() (gateways []string) {
	for _, g := range m.Gateways {
		if g.MDNS() {
			gateways = append(gateways, g.ID)
		}
	}
	return gateways
}

// Page answers the port inside the container of what people open in a browser: the first binding to which the front door adds
// TLS and that has an interface for them. A host without one needs no name of its own.
func Page(spec *hostsv1.HostSpec) (port uint32, ok bool) {
	for p, b := range spec.GetBindings() {
		if !b.GetEnabled() || b.GetAddSsl() == nil || ok && p > port {
			continue
		}
		for _, i := range b.GetInterfaces() {
			if i.GetType() == hostsv1.Interface_TYPE_UI {
				port, ok = p, true
			}
		}
	}
	return port, ok
}

// internal tells whether nobody outside the machine is behind any of the gateways.
func (m Model) internal(ids []string) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool {
		return !slices.ContainsFunc(m.Gateways, func(g Gateway) bool { return g.ID == id && g.Internal() })
	})
}

// forwards are what routers have to do for the addresses of the Internet that are on. Where the server has such an address
// itself there is no router.
func (m Model) forwards(h Host) []PortForward {
	out := []PortForward{}
	add := func(a Addresses, count uint32) {
		for _, info := range a.Available {
			if !info.Public || info.Metadata.Kind == KindPlugin || !a.On(info) {
				continue
			}
			for _, g := range m.Gateways {
				if g.ID == info.Metadata.Gateway && g.WAN.IsValid() && !g.Has(g.WAN) {
					out = append(out, g.forwards(uint32(info.Port), count)...)
				}
			}
		}
	}
	for _, b := range h.Bindings {
		add(b.Addresses, 1)
	}
	for _, r := range h.BindingRanges {
		add(r.Addresses, r.NumberOfPorts)
	}
	slices.SortFunc(out, func(a, b PortForward) int {
		return cmp.Or(strings.Compare(a.Src, b.Src), strings.Compare(a.Dst, b.Dst), strings.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Count, b.Count))
	})
	return slices.Compact(out)
}

func (g Gateway) forwards(port, count uint32) (out []PortForward) {
	for _, s := range g.Subnets {
		if s.Addr().Is4() {
			out = append(out, PortForward{Src: endpoint(g.WAN.String(), port), Dst: endpoint(s.Addr().String(), port), Gateway: g.ID, Count: count})
		}
	}
	return out
}

// On tells whether an address is on: the machine's own and the bridge's always, one of the Internet by number when it was
// switched on, all else unless it was switched off.
func (a Addresses) On(h HostnameInfo) bool {
	switch {
	case h.Internal():
		return true
	case h.Global():
		return a.GUAAccess[h.Endpoint()] != accessWords[hostsv1.Access_ACCESS_OFF]
	case h.Public && h.Metadata.Kind == KindIPv4:
		return slices.Contains(a.Enabled, h.Endpoint())
	case h.Indistinct():
		return slices.ContainsFunc(h.Metadata.Gateways, func(id string) bool { return a.OnAt(h, id) })
	}
	return !a.disabled(h)
}

// OnAt tells whether an address is on at one of its gateways. An indistinct name is where one of the numbers that it leads to is.
func (a Addresses) OnAt(h HostnameInfo, gateway string) bool {
	if !h.Indistinct() {
		return a.On(h)
	}
	numbers := slices.DeleteFunc(slices.Clone(a.Available), func(o HostnameInfo) bool {
		return o.SSL || o.Public || o.Metadata.Kind != KindIPv4 && o.Metadata.Kind != KindIPv6 || o.Metadata.Gateway != gateway || o.Port != h.Port
	})
	if len(numbers) == 0 {
		return !a.disabled(h)
	}
	return slices.ContainsFunc(numbers, a.On)
}

// disabled tells whether somebody has switched an address off. A name in .local is the server's or the service's at its port whatever it is
// called by now: others in the network may have taken the one that it had.
func (a Addresses) disabled(h HostnameInfo) bool {
	return slices.ContainsFunc(a.Disabled, func(e Endpoint) bool {
		return e.Port == h.ChoicePort() && (e.Hostname == h.Hostname || h.Metadata.Kind == KindMDNS && strings.HasSuffix(e.Hostname, ".local"))
	})
}

// Indistinct tells whether nothing tells connections to a name of a network from those to the numbers that it leads to, for want of TLS.
func (h HostnameInfo) Indistinct() bool {
	return !h.SSL && !h.Public && (h.Metadata.Kind == KindMDNS || h.Metadata.Kind == KindPrivateDomain)
}

// Open tells whether the Internet reaches an address.
func (a Addresses) Open(h HostnameInfo) bool {
	return a.On(h) && (h.Public || h.Global() && a.GUAAccess[h.Endpoint()] == accessWords[hostsv1.Access_ACCESS_INTERNET])
}

// Internal tells whether nobody outside the machine uses the address.
func (h HostnameInfo) Internal() bool {
	ip := h.Metadata.Kind == KindIPv4 || h.Metadata.Kind == KindIPv6
	return ip && !h.Public && (h.Metadata.Gateway == GatewayLoopback || h.Metadata.Gateway == GatewayBridge)
}

// Global tells whether it is an IPv6 address that is valid everywhere.
func (h HostnameInfo) Global() bool {
	a, err := netip.ParseAddr(h.Hostname)
	return err == nil && h.Metadata.Kind == KindIPv6 && a.IsGlobalUnicast() && !a.IsPrivate()
}

// Endpoint is the name or number with its port, as choices name it.
func (h HostnameInfo) Endpoint() string { return endpoint(h.Hostname, h.ChoicePort()) }

// ChoicePort is the port by which choices name the address: that of its scheme where it has none.
func (h HostnameInfo) ChoicePort() uint32 {
	switch {
	case h.Port != 0:
		return uint32(h.Port)
	case h.SSL:
		return 443
	}
	return 80
}

func endpoint(host string, port uint32) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
