package nft

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// MaxForwards bounds the forwards, counted as what they come to: a range that keeps its ports is two rules, all else is an entry of
// a map for each port.
const MaxForwards = 8192

// fewPorts is how many ports a range may have that is entries of a map and not rules, though its ports stay.
const fewPorts = 16

// Forward leads connections and datagrams, TCP and UDP, for ports of this machine to a service, of IPv4 or of IPv6. The packets keep their
// source. It is for those outside, for the service itself, which sees the machine as the source, and for services that may
// speak to it; any other service is refused, since the port is then no one's.
type Forward struct {
	// Address is one of this machine's, Ports are those at it.
	Address netip.Addr
	Ports   PortRange
	// Target is the service, First its port for the first of Ports; those after it follow.
	Target netip.Addr
	First  uint16
	// Source is who may use it; not valid for everybody.
	Source netip.Prefix
}

func (f Forward) check(r Rules) error {
	if err := r.member(f.Target); err != nil {
		return err
	}
	four := f.Target.Is4()
	n := f.Ports.Last - f.Ports.First
	switch {
	case f.Ports.First == 0 || f.Ports.Last < f.Ports.First || f.First == 0 || uint32(f.First)+uint32(n) > 65535:
		return fmt.Errorf("%w: forward of the ports %d to %d to %d", ErrInvalid, f.Ports.First, f.Ports.Last, f.First)
	case !f.Address.IsValid() || f.Address.Is4() != four || f.Address.IsUnspecified() || f.Address.IsLoopback() || f.Address.Zone() != "" || f.Address.Is4In6():
		return fmt.Errorf("%w: forward from %s", ErrInvalid, f.Address)
	case f.Source.IsValid() && f.Source.Addr().Is4() != four:
		return fmt.Errorf("%w: forward for %s", ErrInvalid, f.Source)
	}
	return nil
}

func (f Forward) compare(o Forward) int {
	return cmp.Or(f.Address.Compare(o.Address), cmp.Compare(f.Ports.First, o.Ports.First), cmp.Compare(f.Ports.Last, o.Ports.Last),
		f.Target.Compare(o.Target), cmp.Compare(f.First, o.First), cmp.Compare(f.Source.Bits(), o.Source.Bits()),
		bytes.Compare(f.Source.Addr().AsSlice(), o.Source.Addr().AsSlice()))
}

// size is how many rules or entries a forward comes to, for those outside and for so many services.
func (f Forward) size(callers int) int {
	if !f.mapped() {
		return 2 * (2 + callers)
	}
	return (1 + callers) * (int(f.Ports.Last-f.Ports.First) + 1)
}

// mapped tells whether a forward is entries of a map: thousands of those are put in force at once, and a packet is looked up
// once. A long range that keeps its ports is shorter as rules.
func (f Forward) mapped() bool {
	return f.First != f.Ports.First || f.Ports.Last-f.Ports.First < fewPorts
}

// rules are those of a forward that is not mapped, for packets that a match holds for.
func (f Forward) rules(who ...match) (out []rule) {
	for _, proto := range []byte{protoTCP, protoUDP} {
		base := append(append(rule{protocolOf(f.Address)}, who...), destination(f.Address), l4proto(proto))
		out = append(out, append(base, destinationPorts(f.Ports), dnat(f.Target)))
	}
	return out
}

// forwardMap has the mapped forwards that are for the same callers, of IPv4 or of IPv6: those outside, from one network or from all, or services.
type forwardMap struct {
	six      bool
	source   netip.Prefix
	services bool
	set      *set
}

// forwardMaps sorts mapped forwards by whom they are for. Where two are for the same port the first counts.
func forwardMaps(r Rules) (out []forwardMap) {
	taken := map[string]bool{}
	add := func(m forwardMap, key element, target netip.Addr, port uint16) {
		m.six = target.Is6()
		i := slices.IndexFunc(out, func(o forwardMap) bool { return o.six == m.six && o.source == m.source && o.services == m.services })
		if i < 0 {
			i = len(out)
			m.set = &set{name: fmt.Sprintf("forwards%d", i), parts: partsOf(key), values: partsOf(element{target, port})}
			out = append(out, m)
		}
		if id := fmt.Sprint(i, key); !taken[id] {
			taken[id] = true
			out[i].set.elements = append(out[i].set.elements, append(key, target, port))
		}
	}
	for _, f := range r.Forwards {
		if !f.mapped() {
			continue
		}
		callers := r.callers(f.Target)
		for n := range f.Ports.Last - f.Ports.First + 1 {
			port, to := f.Ports.First+n, f.First+n
			add(forwardMap{source: f.Source}, element{f.Address, port}, f.Target, to)
			for _, a := range callers {
				add(forwardMap{services: true}, element{a, f.Address, port}, f.Target, to)
			}
		}
	}
	return out
}

// partsOf are the types of an element of addresses and ports.
func partsOf(e element) (out []part) {
	for _, v := range e {
		switch a, isAddress := v.(netip.Addr); {
		case !isAddress:
			out = append(out, partPort)
		case a.Is4():
			out = append(out, partIPv4)
		default:
			out = append(out, partIPv6)
		}
	}
	return out
}

// rules have packets looked up that a match holds for.
func (m forwardMap) rules(who ...match) (out []rule) {
	fields, from, family := []field{fieldIPDestination, fieldDestinationPort}, fieldIPSource, byte(protoIPv4)
	if m.six {
		fields, from, family = []field{fieldIP6Destination, fieldDestinationPort}, fieldIP6Source, protoIPv6
	}
	if m.services {
		fields = append([]field{from}, fields...)
	}
	for _, proto := range []byte{protoTCP, protoUDP} {
		out = append(out, append(append(rule{nfproto(family)}, who...), l4proto(proto), dnatBy{in(m.set, fields...), family}))
	}
	return out
}

// callers are the services that may use the forwards to a service: itself and those that may speak to it, if any can.
func (r Rules) callers(target netip.Addr) []netip.Addr {
	if !r.Hairpin {
		return nil
	}
	out := []netip.Addr{target}
	to := r.named(target)
	for _, p := range r.Allowed {
		from := p.From
		if p.To != to || from == to {
			continue
		}
		if target.Is6() {
			from = r.six[from]
		}
		if from.IsValid() {
			out = append(out, from)
		}
	}
	return out
}

// forwardChains change destinations before anything is routed. Addresses are those of this machine, so what leaves it for
// itself is changed, too.
func forwardChains(r Rules, maps []forwardMap) []chain {
	if len(r.Forwards) == 0 {
		return nil
	}
	arriving := chain{name: "prerouting", kind: nftables.ChainTypeNAT, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -100}
	leaving := chain{name: "output", kind: nftables.ChainTypeNAT, hook: nftables.ChainHookOutput, hookName: "output", priority: -100}
	outside := func(source netip.Prefix) []match {
		out := []match{not(inLink(r.Bridge))}
		if source.IsValid() {
			out = append(out, sourceIn(source.Masked()))
		}
		return out
	}
	for _, m := range maps {
		if m.services {
			arriving.rules = append(arriving.rules, m.rules(inLink(r.Bridge))...)
			continue
		}
		arriving.rules = append(arriving.rules, m.rules(outside(m.source)...)...)
		leaving.rules = append(leaving.rules, m.rules()...)
	}
	var last Forward
	for _, f := range r.Forwards {
		if f.mapped() {
			continue
		}
		arriving.rules = append(arriving.rules, f.rules(outside(f.Source)...)...)
		if f.Source = (netip.Prefix{}); f == last {
			continue
		}
		leaving.rules = append(leaving.rules, f.rules()...)
		for _, a := range r.callers(f.Target) {
			arriving.rules = append(arriving.rules, f.rules(inLink(r.Bridge), sourceIn(netip.PrefixFrom(a, a.BitLen())))...)
		}
		last = f
	}
	return []chain{arriving, leaving}
}

// ledBack lets pass what forwards lead from services to services: nobody's destination was changed who may not.
func ledBack(r Rules) []rule {
	if len(r.Forwards) == 0 || !r.Hairpin {
		return nil
	}
	return []rule{{inLink(r.Bridge), outLink(r.Bridge), ctForwarded, accept}}
}

// returns have services that reach themselves by a forward see the machine as the source: nobody takes a packet of its own.
func returns(r Rules) (out []rule) {
	if !r.Hairpin {
		return nil
	}
	targets := make([]netip.Addr, 0, len(r.Forwards))
	for _, f := range r.Forwards {
		targets = append(targets, f.Target)
	}
	slices.SortFunc(targets, netip.Addr.Compare)
	for _, a := range slices.Compact(targets) {
		out = append(out, rule{protocolOf(a), sourceIn(netip.PrefixFrom(a, a.BitLen())), destination(a), masquerade})
	}
	return out
}

func destination(a netip.Addr) word {
	words, load := loadDestination(a)
	return equal(words+a.String(), load, a.AsSlice())
}

func destinationPorts(p PortRange) word {
	return word{fmt.Sprintf("th dport %d-%d", p.First, p.Last), []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: reg, FromData: binary.BigEndian.AppendUint16(nil, p.First), ToData: binary.BigEndian.AppendUint16(nil, p.Last)},
	}}
}

// dnat changes the destination and leaves the port as it is.
func dnat(to netip.Addr) word {
	words, family := "dnat ip to ", uint32(unix.NFPROTO_IPV4)
	if to.Is6() {
		words, family = "dnat ip6 to ", unix.NFPROTO_IPV6
	}
	return word{words + to.String(), []expr.Any{
		&expr.Immediate{Register: reg, Data: to.AsSlice()},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: family, RegAddrMin: reg},
	}}
}

// dnatBy changes destination and port to what a map has for a packet; one that it has nothing for stays as it is.
type dnatBy struct {
	lookup
	family byte
}

func (d dnatBy) text() string {
	fields, name, _ := strings.Cut(d.lookup.text(), " @")
	word := map[byte]string{protoIPv4: "ip", protoIPv6: "ip6"}[d.family]
	return "dnat " + word + " to " + fields + " map @" + name
}

func (d dnatBy) exprs() []expr.Any {
	code := d.lookup.exprs()
	if l, ok := code[len(code)-1].(*expr.Lookup); ok {
		l.DestRegister, l.IsDestRegSet = reg32, true
	}
	port := uint32(reg32 + 1)
	if d.family == protoIPv6 {
		port = reg32 + 4
	}
	return append(code, &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(d.family), RegAddrMin: reg32, RegProtoMin: port})
}

// ctForwarded holds for packets of connections whose destination was changed.
var ctForwarded = word{"ct status dnat", []expr.Any{
	&expr.Ct{Key: expr.CtKeySTATUS, Register: reg},
	&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: nativeUint32(ipsDstNAT), Xor: make([]byte, 4)},
	&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
}}

// ipsDstNAT is the kernel's bit for a connection whose destination was changed.
const ipsDstNAT = 1 << 5

func nativeUint32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// unforwarded tells whether a connection was led to a service by a forward that is not there any more.
func (s strangers) unforwarded(flow *netlink.ConntrackFlow) bool {
	to, ok1 := netip.AddrFromSlice(flow.Forward.DstIP)
	service, ok2 := netip.AddrFromSlice(flow.Reverse.SrcIP)
	from, ok3 := netip.AddrFromSlice(flow.Forward.SrcIP)
	to, service, from = to.Unmap(), service.Unmap(), from.Unmap()
	if !ok1 || !ok2 || !ok3 || to == service || s.rules.member(service) != nil {
		return false
	}
	if s.rules.member(from) == nil && !slices.Contains(s.rules.callers(service), from) {
		return true
	}
	return !slices.ContainsFunc(s.rules.Forwards, func(f Forward) bool {
		return f.Address == to && f.Target == service && f.Ports.First <= flow.Forward.DstPort && flow.Forward.DstPort <= f.Ports.Last &&
			flow.Reverse.SrcPort == f.First+flow.Forward.DstPort-f.Ports.First && (!f.Source.IsValid() || f.Source.Contains(from) || s.own(from) || s.rules.member(from) == nil)
	})
}

// forwarded tells whether a connection was led to a service by a forward.
func (s strangers) forwarded(flow *netlink.ConntrackFlow) bool {
	to, ok1 := netip.AddrFromSlice(flow.Forward.DstIP)
	service, ok2 := netip.AddrFromSlice(flow.Reverse.SrcIP)
	return ok1 && ok2 && to.Unmap() != service.Unmap() && s.rules.member(service.Unmap()) == nil
}

// own tells whether forwards are at an address, which is then one of this machine.
func (s strangers) own(a netip.Addr) bool {
	return slices.ContainsFunc(s.rules.Forwards, func(f Forward) bool { return f.Address == a })
}
