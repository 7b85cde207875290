package nft

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// MaxForwards bounds the forwards, counted as the rules they come to: one that changes the ports is a rule for each.
const MaxForwards = 8192

// Forward leads connections and datagrams, TCP and UDP, for ports of this machine to a service. The packets keep their
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
	n := f.Ports.Last - f.Ports.First
	switch {
	case f.Ports.First == 0 || f.Ports.Last < f.Ports.First || f.First == 0 || uint32(f.First)+uint32(n) > 65535:
		return fmt.Errorf("%w: forward of the ports %d to %d to %d", ErrInvalid, f.Ports.First, f.Ports.Last, f.First)
	case !f.Address.Is4() || f.Address.IsUnspecified() || f.Address.IsLoopback():
		return fmt.Errorf("%w: forward from %s", ErrInvalid, f.Address)
	case f.Source.IsValid() && !f.Source.Addr().Is4():
		return fmt.Errorf("%w: forward for %s", ErrInvalid, f.Source)
	}
	return nil
}

func (f Forward) compare(o Forward) int {
	return cmp.Or(f.Address.Compare(o.Address), cmp.Compare(f.Ports.First, o.Ports.First), cmp.Compare(f.Ports.Last, o.Ports.Last),
		f.Target.Compare(o.Target), cmp.Compare(f.First, o.First), cmp.Compare(f.Source.Bits(), o.Source.Bits()),
		bytes.Compare(f.Source.Addr().AsSlice(), o.Source.Addr().AsSlice()))
}

// size is how many rules a forward comes to, for those outside and for so many services.
func (f Forward) size(callers int) int {
	ways := 2 + callers
	if f.First == f.Ports.First {
		return 2 * ways
	}
	return 2 * ways * (int(f.Ports.Last-f.Ports.First) + 1)
}

// rules are those of a forward for packets that a match holds for.
func (f Forward) rules(who ...match) (out []rule) {
	for _, proto := range []byte{protoTCP, protoUDP} {
		base := append(append(rule{nfproto(protoIPv4)}, who...), destination(f.Address), l4proto(proto))
		if f.First == f.Ports.First {
			out = append(out, append(base, destinationPorts(f.Ports), dnat(f.Target, 0)))
			continue
		}
		for i := range f.Ports.Last - f.Ports.First + 1 {
			out = append(out, append(slices.Clone(base), destinationPort(f.Ports.First+i), dnat(f.Target, f.First+i)))
		}
	}
	return out
}

// callers are the services that may use the forwards to a service: itself and those that may speak to it, if any can.
func (r Rules) callers(target netip.Addr) []netip.Addr {
	if !r.Hairpin {
		return nil
	}
	out := []netip.Addr{target}
	for _, p := range r.Allowed {
		if p.To == target && p.From != target {
			out = append(out, p.From)
		}
	}
	return out
}

// forwardChains change destinations before anything is routed. Addresses are those of this machine, so what leaves it for
// itself is changed, too.
func forwardChains(r Rules) []chain {
	if len(r.Forwards) == 0 {
		return nil
	}
	arriving := chain{name: "prerouting", kind: nftables.ChainTypeNAT, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -100}
	leaving := chain{name: "output", kind: nftables.ChainTypeNAT, hook: nftables.ChainHookOutput, hookName: "output", priority: -100}
	var last Forward
	for _, f := range r.Forwards {
		outside := []match{not(inLink(r.Bridge))}
		if f.Source.IsValid() {
			outside = append(outside, sourceIn(f.Source.Masked()))
		}
		arriving.rules = append(arriving.rules, f.rules(outside...)...)
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
		out = append(out, rule{nfproto(protoIPv4), sourceIn(netip.PrefixFrom(a, a.BitLen())), destination(a), masquerade})
	}
	return out
}

func destination(a netip.Addr) word {
	return equal("ip daddr "+a.String(), &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}, a.AsSlice())
}

func destinationPorts(p PortRange) word {
	return word{fmt.Sprintf("th dport %d-%d", p.First, p.Last), []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: reg, FromData: binary.BigEndian.AppendUint16(nil, p.First), ToData: binary.BigEndian.AppendUint16(nil, p.Last)},
	}}
}

// dnat changes the destination; port 0 leaves the port as it is.
func dnat(to netip.Addr, port uint16) word {
	code := []expr.Any{&expr.Immediate{Register: reg, Data: to.AsSlice()}}
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg}
	words := "dnat ip to " + to.String()
	if port != 0 {
		code = append(code, &expr.Immediate{Register: reg + 1, Data: binary.BigEndian.AppendUint16(nil, port)})
		nat.RegProtoMin = reg + 1
		words = fmt.Sprintf("%s:%d", words, port)
	}
	return word{words, append(code, nat)}
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
