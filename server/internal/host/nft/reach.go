package nft

import (
	"fmt"
	"net/netip"
	"slices"
)

// Reach is what a service may open connections to beyond this machine. Other services are the matter of pairs.
type Reach struct {
	// Internet is every address that is not near, Near every one that is; Rules.Near tells.
	Internet, Near bool
	// Ranges are reached wherever they are.
	Ranges []netip.Prefix
	// Names are what it may look up; addresses that are not near are reached once Open was told of them. To the firewall they are words:
	// with other names nothing is open.
	Names []string
}

// addrRange is all addresses from first to last.
type addrRange struct{ first, last netip.Addr }

func (r addrRange) contains(a netip.Addr) bool { return !a.Less(r.first) && !r.last.Less(a) }

// covers tells whether a connection to an address may go on. One that began by a name may, also when what was told of the name is over, but
// not when the service has other names now.
func (r *Reach) covers(a netip.Addr, near []addrRange, renamed bool) bool {
	if slices.ContainsFunc(r.Ranges, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	if slices.ContainsFunc(near, func(n addrRange) bool { return n.contains(a) }) {
		return r.Near
	}
	return r.Internet || len(r.Names) > 0 && !renamed
}

func (r Rules) checkReach() error {
	ranges := slices.Clone(r.Near)
	for _, s := range r.Services {
		if s.Reach != nil {
			ranges = append(ranges, s.Reach.Ranges...)
		}
	}
	if len(r.Near) > MaxNear || len(ranges)-len(r.Near) > MaxRanges {
		return fmt.Errorf("%w: more than %d ranges or %d networks that are near", ErrInvalid, MaxRanges, MaxNear)
	}
	for _, p := range ranges {
		if !p.IsValid() || p.Addr().Is4In6() || p.Masked() != p {
			return fmt.Errorf("%w: network %s", ErrInvalid, p)
		}
	}
	return nil
}

// reaches answers the bounds of services that have some, and where near is. Services must be in order.
func (r Rules) reaches() (map[netip.Addr]*Reach, []addrRange) {
	bounds := make(map[netip.Addr]*Reach)
	for _, s := range r.Services {
		if s.Reach != nil {
			bounds[s.Address] = s.Reach
		}
	}
	return bounds, joined(r.Near)
}

// joined returns networks in order, those that overlap or touch as one.
func joined(networks []netip.Prefix) (out []addrRange) {
	networks = slices.Clone(networks)
	slices.SortFunc(networks, netip.Prefix.Compare)
	for _, p := range networks {
		r := addrRange{p.Addr(), lastOf(p)}
		if n := len(out); n > 0 && out[n-1].first.BitLen() == r.first.BitLen() {
			if next := out[n-1].last.Next(); !next.IsValid() || !next.Less(r.first) {
				if out[n-1].last.Less(r.last) {
					out[n-1].last = r.last
				}
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// bounds is what the tables have of services that do not reach everything, for each protocol; nothing where there are none.
type bounds struct {
	rules Rules
	each  []*boundsOfProtocol
}

type boundsOfProtocol struct {
	proto                                  byte
	source, destination                    field
	near, bounded, internet, lan, shutAway *set
	named                                  []*set
	ranges, names                          []rule
}

func boundsOf(r Rules) bounds {
	b := bounds{rules: r}
	if len(r.bounds) == 0 {
		return b
	}
	for _, p := range []*boundsOfProtocol{
		newBounds("", protoIPv4, partIPv4, fieldIPSource, fieldIPDestination), newBounds("6", protoIPv6, partIPv6, fieldIP6Source, fieldIP6Destination),
	} {
		for _, n := range r.near {
			if n.first.Is4() == (p.proto == protoIPv4) {
				p.near.elements = append(p.near.elements, element{n})
			}
		}
		b.each = append(b.each, p)
	}
	for _, s := range r.Services {
		if s.Reach == nil {
			continue
		}
		named := NamedSet(s.Address, s.Reach.Names)
		b.each[0].add(s.Address, s.Reach, named)
		if s.Address6.IsValid() {
			b.each[1].add(s.Address6, s.Reach, named)
		}
	}
	return b
}

func newBounds(suffix string, proto byte, address part, source, destination field) *boundsOfProtocol {
	named := func(name string) *set { return &set{name: name + suffix, parts: []part{address}} }
	p := &boundsOfProtocol{
		proto: proto, source: source, destination: destination,
		near: named("near"), bounded: named("bounded"), internet: named("internet"), lan: named("lan"), shutAway: named("shutaway"),
	}
	p.near.interval = true
	return p
}

func (p *boundsOfProtocol) add(a netip.Addr, r *Reach, named string) {
	to := func(s *set) { s.elements = append(s.elements, element{a}) }
	to(p.bounded)
	if r.Internet {
		to(p.internet)
	} else {
		to(p.shutAway)
	}
	if r.Near {
		to(p.lan)
	}
	for _, network := range r.Ranges {
		if network.Addr().Is4() == a.Is4() {
			p.ranges = append(p.ranges, rule{nfproto(p.proto), source(a), destinationIn(network), accept})
		}
	}
	if len(r.Names) > 0 {
		p.addNamed(a, named)
	}
}

// addNamed has a service reach what it is told of names.
func (p *boundsOfProtocol) addNamed(a netip.Addr, named string) {
	own := namedSets(named, a.Is4())
	p.named = append(p.named, own[:]...)
	far := notIn(p.near, p.destination)
	p.names = append(p.names, rule{nfproto(p.proto), source(a), far, in(own[0], p.destination), accept})
	for _, transport := range []byte{protoTCP, protoUDP} {
		p.names = append(p.names, rule{nfproto(p.proto), source(a), far, l4proto(transport), in(own[1], p.destination, fieldDestinationPort), accept})
	}
}

func (b bounds) sets() (out []*set) {
	for _, p := range b.each {
		out = append(append(out, p.near, p.bounded, p.internet, p.lan, p.shutAway), p.named...)
	}
	return out
}

// leaving judges what services send beyond this machine.
func (b bounds) leaving() (out []rule) {
	for _, p := range b.each {
		proto := nfproto(p.proto)
		out = append(out,
			rule{proto, in(p.lan, p.source), in(p.near, p.destination), accept},
			rule{proto, in(p.internet, p.source), notIn(p.near, p.destination), accept})
		out = append(append(out, p.ranges...), p.names...)
		out = append(out, rule{proto, in(p.bounded, p.source), l4proto(protoTCP), reset}, rule{proto, in(p.bounded, p.source), reject})
	}
	return out
}

// outward keeps those who do not reach the Internet from the ports of this machine that lead there.
func (b bounds) outward() (out []rule) {
	for _, p := range b.each {
		for _, port := range b.rules.Outward {
			out = append(out, rule{nfproto(p.proto), in(p.shutAway, p.source), l4proto(protoTCP), destinationPort(port), reset})
		}
	}
	return out
}
