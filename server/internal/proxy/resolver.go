package proxy

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
)

// ResolverPort is where every network asks for names.
const ResolverPort = 53

// maxResolverAddresses is how many addresses the door listens on as a resolver.
const maxResolverAddresses = 64

// maxAnswer is how many addresses a record may have: the door refuses a table with one that has more, all of it. Who asks is at one of them, and
// has enough with the first.
const maxAnswer = 16

// resolver renders the resolver: the names of services and the server for services, and on the gateways that a private
// domain is for that domain for the network there. Elsewhere nothing is listened on: a network that has nothing to ask finds no
// resolver, and the machine's port stays free for others.
func (r *renderer) resolver() {
	s := r.in.Server
	out := &doorv1.Resolver{Addresses: unique(s.Resolver), Zones: unique(s.Zones), Upstreams: s.Upstreams, Records: slices.Clone(r.in.Records)}
	for _, label := range unique(r.in.Local) {
		out.Records = append(out.Records, inside(label+".local"))
	}
	asked := map[string]bool{} // gateways
	for name, gateways := range r.in.Private {
		out.Records = append(out.Records, inside(name))
		for _, id := range gateways {
			asked[id] = true
		}
		out.Records = append(out.Records, r.outside(name, gateways)...)
	}
	if len(s.Resolver) > 0 {
		for _, g := range r.gateways {
			if !g.Internal() && asked[g.ID] {
				out.Addresses = append(out.Addresses, listening(g)...)
			}
		}
	}
	out.Addresses = unique(out.Addresses)
	out.Addresses = out.Addresses[:min(len(out.Addresses), maxResolverAddresses)]
	out.AllowedSources = r.askers()
	r.confine(out)
	slices.SortFunc(out.Records, func(a, b *doorv1.Record) int {
		if c := strings.Compare(a.GetName(), b.GetName()); c != 0 {
			return c
		}
		return slices.Compare(a.GetAllowedSources(), b.GetAllowedSources())
	})
	r.table.Resolver = out
}

// listening are the resolver's sockets at a gateway.
func listening(g abi.Gateway) []string {
	var out []string
	for _, a := range addresses(g) {
		out = append(out, joinPort(a.String(), ResolverPort))
	}
	return out
}

// inside is a name as services and the machine itself have it.
func inside(name string) *doorv1.Record {
	return &doorv1.Record{
		Name: name, Ipv4: []string{abi.BridgeAddress.String()}, AllowedSources: []string{netip.PrefixFrom(abi.BridgeAddress, 24).Masked().String()},
	}
}

// outside are the records of a private domain. Who asks gets the server's addresses of the gateway he is at; private
// networks that no gateway is in, as behind a router of one, get those of the first. At other gateways the name is nobody's.
func (r *renderer) outside(name string, gateways []string) []*doorv1.Record {
	var out []*doorv1.Record
	for _, g := range r.gateways {
		if g.Internal() || !slices.Contains(gateways, g.ID) {
			continue
		}
		record := &doorv1.Record{Name: name}
		var sources []netip.Prefix
		for _, p := range g.Subnets {
			switch a := p.Addr(); {
			case a.Is4():
				record.Ipv4 = append(record.Ipv4, a.String())
			case !a.IsLinkLocalUnicast(): // it means something together with a link alone, which a record does not have
				record.Ipv6 = append(record.Ipv6, a.String())
			}
			if asks(p) {
				sources = append(sources, p.Masked())
			}
		}
		if len(record.Ipv4)+len(record.Ipv6) == 0 {
			continue
		}
		record.Ipv4 = record.Ipv4[:min(len(record.Ipv4), maxAnswer)]
		record.Ipv6 = record.Ipv6[:min(len(record.Ipv6), maxAnswer-len(record.Ipv4))]
		if len(out) == 0 {
			sources = append(sources, without(private, r.networks())...)
		}
		record.AllowedSources = canonical(sources)
		out = append(out, record)
	}
	return out
}

// networks are those the server is in.
func (r *renderer) networks() []netip.Prefix {
	var out []netip.Prefix
	for _, g := range r.gateways {
		for _, p := range g.Subnets {
			out = append(out, p.Masked())
		}
	}
	return out
}

// askers are who may ask the resolver at all: private sources, and neighbours.
func (r *renderer) askers() []string {
	sources := slices.Clone(private)
	for _, g := range r.gateways {
		for _, p := range g.Subnets {
			if asks(p) {
				sources = append(sources, p.Masked())
			}
		}
	}
	return canonical(sources)
}

// asks tells whether neighbours of a network may ask the resolver, which answers all names for them. In one of IPv6 they have public addresses; neighbours
// by a public IPv4 address are other people's machines.
func asks(network netip.Prefix) bool {
	return network.Addr().Is6() || slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(network.Addr()) })
}
