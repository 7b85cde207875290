package nft

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

type family nftables.TableFamily

const (
	familyBridge = family(nftables.TableFamilyBridge)
	familyInet   = family(nftables.TableFamilyINet)
)

func (f family) String() string {
	if f == familyBridge {
		return "bridge"
	}
	return "inet"
}

// match is one word of a rule: a condition or a verdict.
type match interface {
	text() string
	exprs() []expr.Any
}

// reg is where conditions load what they compare. Concatenations take registers of four bytes from reg32 on.
const reg, reg32 = 1, 8

// word is a match whose two forms are known when it is made.
type word struct {
	words string
	code  []expr.Any
}

func (w word) text() string      { return w.words }
func (w word) exprs() []expr.Any { return w.code }

var (
	accept     = word{"accept", []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}}
	drop       = word{"drop", []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}}
	reject     = word{"reject with icmpx admin-prohibited", []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}}
	reset      = word{"reject with tcp reset", []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}}
	masquerade = word{"masquerade", []expr.Any{&expr.Masq{}}}
)

// linkMatch compares the name of a link.
type linkMatch struct {
	key     expr.MetaKey
	name    string
	prefix  bool
	negated bool
}

func inLink(name string) linkMatch  { return linkMatch{key: expr.MetaKeyIIFNAME, name: name} }
func outLink(name string) linkMatch { return linkMatch{key: expr.MetaKeyOIFNAME, name: name} }
func inLinks(prefix string) linkMatch {
	return linkMatch{key: expr.MetaKeyIIFNAME, name: prefix, prefix: true}
}
func outLinks(prefix string) linkMatch {
	return linkMatch{key: expr.MetaKeyOIFNAME, name: prefix, prefix: true}
}

func not(m linkMatch) linkMatch {
	m.negated = !m.negated
	return m
}

func (m linkMatch) text() string {
	var b strings.Builder
	b.WriteString("iifname ")
	if m.key == expr.MetaKeyOIFNAME {
		b.Reset()
		b.WriteString("oifname ")
	}
	if m.negated {
		b.WriteString("!= ")
	}
	star := ""
	if m.prefix {
		star = "*"
	}
	fmt.Fprintf(&b, "%q", m.name+star)
	return b.String()
}

func (m linkMatch) exprs() []expr.Any {
	data := []byte(m.name)
	if !m.prefix {
		data = ifName(m.name)
	}
	op := expr.CmpOpEq
	if m.negated {
		op = expr.CmpOpNeq
	}
	return []expr.Any{&expr.Meta{Key: m.key, Register: reg}, &expr.Cmp{Op: op, Register: reg, Data: data}}
}

func ifName(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

// Numbers of protocols and types rules speak of.
const (
	etherIPv4   = unix.ETH_P_IP
	etherIPv6   = unix.ETH_P_IPV6
	etherARP    = unix.ETH_P_ARP
	protoIPv4   = unix.NFPROTO_IPV4
	protoIPv6   = unix.NFPROTO_IPV6
	protoICMP   = unix.IPPROTO_ICMP
	protoICMPv6 = unix.IPPROTO_ICMPV6
	protoTCP    = unix.IPPROTO_TCP
	protoUDP    = unix.IPPROTO_UDP
	icmpEcho    = 8

	icmp6Echo            = 128
	icmp6RouterSolicit   = 133
	icmp6RouterAdvert    = 134
	icmp6NeighborSolicit = 135
	icmp6NeighborAdvert  = 136
	icmp6Redirect        = 137

	ctInvalid     = expr.CtStateBitINVALID
	ctNew         = expr.CtStateBitNEW
	ctEstablished = expr.CtStateBitESTABLISHED
	ctRelated     = expr.CtStateBitRELATED
	ctUntracked   = expr.CtStateBitUNTRACKED
)

func equal(words string, load expr.Any, data []byte) word {
	return word{words, []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: data}}}
}

func etherType(t uint16) word {
	name := map[uint16]string{etherIPv4: "ip", etherIPv6: "ip6", etherARP: "arp"}[t]
	load := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseLLHeader, Offset: 12, Len: 2}
	return equal("ether type "+name, load, binary.BigEndian.AppendUint16(nil, t))
}

func nfproto(p byte) word {
	name := map[byte]string{protoIPv4: "ipv4", protoIPv6: "ipv6"}[p]
	return equal("meta nfproto "+name, &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg}, []byte{p})
}

func l4proto(p byte) word {
	name := map[byte]string{protoICMP: "icmp", protoICMPv6: "ipv6-icmp", protoTCP: "tcp", protoUDP: "udp"}[p]
	return equal("meta l4proto "+name, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}, []byte{p})
}

func destinationPort(p uint16) word {
	load := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
	return equal(fmt.Sprintf("th dport %d", p), load, binary.BigEndian.AppendUint16(nil, p))
}

func icmpType(t byte) word {
	name := map[byte]string{icmpEcho: "echo-request"}[t]
	return equal("icmp type "+name, &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, []byte{t})
}

func icmp6Type(t byte) word {
	name := map[byte]string{
		icmp6Echo: "echo-request", icmp6RouterSolicit: "nd-router-solicit", icmp6RouterAdvert: "nd-router-advert",
		icmp6NeighborSolicit: "nd-neighbor-solicit", icmp6NeighborAdvert: "nd-neighbor-advert", icmp6Redirect: "nd-redirect",
	}[t]
	return equal("icmpv6 type "+name, &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}, []byte{t})
}

// protocolOf is the protocol of packets that have such an address.
func protocolOf(a netip.Addr) word {
	if a.Is4() {
		return nfproto(protoIPv4)
	}
	return nfproto(protoIPv6)
}

// loadSource and loadDestination load the addresses of packets that have such addresses as a.
func loadSource(a netip.Addr) (string, *expr.Payload) {
	if a.Is4() {
		return "ip saddr ", &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
	}
	return "ip6 saddr ", &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 8, Len: 16}
}

func loadDestination(a netip.Addr) (string, *expr.Payload) {
	if a.Is4() {
		return "ip daddr ", &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	}
	return "ip6 daddr ", &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 24, Len: 16}
}

func sourceIn(p netip.Prefix) word {
	words, load := loadSource(p.Addr())
	return addressIn(words, load, p)
}

func destinationIn(p netip.Prefix) word {
	words, load := loadDestination(p.Addr())
	return addressIn(words, load, p)
}

func addressIn(words string, load *expr.Payload, p netip.Prefix) word {
	size := p.Addr().BitLen() / 8
	return word{words + p.String(), []expr.Any{
		load,
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(size), Mask: net.CIDRMask(p.Bits(), size*8), Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: p.Masked().Addr().AsSlice()},
	}}
}

func source(a netip.Addr) word {
	words, load := loadSource(a)
	return equal(words+a.String(), load, a.AsSlice())
}

// ofTransparent holds for what comes to a socket of this machine that has an address of others.
var ofTransparent = word{"socket transparent 1", []expr.Any{
	&expr.Socket{Key: expr.SocketKeyTransparent, Register: reg}, &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{1}},
}}

// setMark marks a packet.
func setMark(mark uint32) word {
	return word{fmt.Sprintf("meta mark set 0x%08x", mark), []expr.Any{
		&expr.Immediate{Register: reg, Data: binaryutil.NativeEndian.PutUint32(mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg, SourceRegister: true},
	}}
}

// flowsOver holds from the connection on that is one too many of those that came to this rule and are still tracked.
func flowsOver(n uint32) word {
	return word{fmt.Sprintf("ct count over %d", n), []expr.Any{&expr.Connlimit{Count: n, Flags: expr.NFT_CONNLIMIT_F_INV}}}
}

func ctState(bits uint32) word {
	var names []string
	for _, s := range []struct {
		bit  uint32
		name string
	}{{ctNew, "new"}, {ctInvalid, "invalid"}, {ctEstablished, "established"}, {ctRelated, "related"}, {ctUntracked, "untracked"}} {
		if bits&s.bit != 0 {
			names = append(names, s.name)
		}
	}
	return word{"ct state " + strings.Join(names, ","), []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
	}}
}

// field is a part of a packet that is looked up in a set.
type field struct {
	words string
	load  func(register uint32) expr.Any
	part  part
}

func payload(words string, base expr.PayloadBase, offset, length uint32, p part) field {
	return field{words, func(r uint32) expr.Any {
		return &expr.Payload{DestRegister: r, Base: base, Offset: offset, Len: length}
	}, p}
}

var (
	fieldInLink          = field{"iifname", func(r uint32) expr.Any { return &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: r} }, partIfName}
	fieldEtherSource     = payload("ether saddr", expr.PayloadBaseLLHeader, 6, 6, partEther)
	fieldARPEther        = payload("arp saddr ether", expr.PayloadBaseNetworkHeader, 8, 6, partEther)
	fieldARPSource       = payload("arp saddr ip", expr.PayloadBaseNetworkHeader, 14, 4, partIPv4)
	fieldIPSource        = payload("ip saddr", expr.PayloadBaseNetworkHeader, 12, 4, partIPv4)
	fieldIPDestination   = payload("ip daddr", expr.PayloadBaseNetworkHeader, 16, 4, partIPv4)
	fieldIP6Source       = payload("ip6 saddr", expr.PayloadBaseNetworkHeader, 8, 16, partIPv6)
	fieldIP6Destination  = payload("ip6 daddr", expr.PayloadBaseNetworkHeader, 24, 16, partIPv6)
	fieldDestinationPort = payload("th dport", expr.PayloadBaseTransportHeader, 2, 2, partPort)
)

// lookup holds where the fields together are in the set. In the inet family the caller has settled the protocol.
type lookup struct {
	set     *set
	fields  []field
	negated bool
}

func in(s *set, fields ...field) lookup { return lookup{set: s, fields: fields} }

// notIn holds where one field is not in the set.
func notIn(s *set, f field) lookup { return lookup{set: s, fields: []field{f}, negated: true} }

func (l lookup) text() string {
	words := make([]string, len(l.fields))
	for i, f := range l.fields {
		words[i] = f.words
	}
	name := " @" + l.set.name
	if l.negated {
		name = " !=" + name
	}
	return strings.Join(words, " . ") + name
}

func (l lookup) exprs() []expr.Any {
	if len(l.fields) == 1 {
		return []expr.Any{l.fields[0].load(reg), &expr.Lookup{SourceRegister: reg, SetName: l.set.name, SetID: l.set.id, Invert: l.negated}}
	}
	var out []expr.Any
	r := uint32(reg32)
	for _, f := range l.fields {
		out = append(out, f.load(r))
		r += (f.part.size + 3) / 4
	}
	return append(out, &expr.Lookup{SourceRegister: reg32, SetName: l.set.name, SetID: l.set.id})
}

// part is a type of which keys of sets are made.
type part struct {
	name string
	size uint32
	kind nftables.SetDatatype
}

var (
	partIfName = part{"ifname", unix.IFNAMSIZ, nftables.TypeIFName}
	partEther  = part{"ether_addr", 6, nftables.TypeEtherAddr}
	partIPv4   = part{"ipv4_addr", 4, nftables.TypeIPAddr}
	partIPv6   = part{"ipv6_addr", 16, nftables.TypeIP6Addr}
	partPort   = part{"inet_service", 2, nftables.TypeInetService}
)

// set is a named set, or a map where it has values; those of an element stand in the order of its parts, key first.
type set struct {
	name     string
	parts    []part
	values   []part
	interval bool
	lasting  bool   // its elements are others', have their time, and are not the rules'
	size     uint32 // 0 for any
	elements []element
	id       uint32 // within one transaction
}

type element []any

func (s *set) render(b *strings.Builder) {
	what, kind := "set", names(s.parts)
	if len(s.values) > 0 {
		what, kind = "map", kind+" : "+names(s.values)
	}
	fmt.Fprintf(b, "\t%s %s {\n\t\ttype %s\n", what, s.name, kind)
	if s.interval {
		b.WriteString("\t\tflags interval\n")
	}
	if s.size > 0 {
		fmt.Fprintf(b, "\t\tsize %d\n", s.size)
	}
	if s.lasting {
		b.WriteString("\t\tflags timeout\n")
	}
	if len(s.elements) > 0 {
		rows := make([]string, len(s.elements))
		for i, e := range s.elements {
			if rows[i] = e[:len(s.parts)].text(); len(s.values) > 0 {
				rows[i] += " : " + e[len(s.parts):].text()
			}
		}
		fmt.Fprintf(b, "\t\telements = { %s }\n", strings.Join(rows, ",\n\t\t\t     "))
	}
	b.WriteString("\t}\n")
}

func names(parts []part) string {
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = p.name
	}
	return strings.Join(out, " . ")
}

// kind is the type of a concatenation, as the kernel takes it.
func kind(parts []part) (nftables.SetDatatype, error) {
	if len(parts) == 1 {
		return parts[0].kind, nil
	}
	kinds := make([]nftables.SetDatatype, len(parts))
	for i, p := range parts {
		kinds[i] = p.kind
	}
	return nftables.ConcatSetType(kinds...)
}

func (e element) text() string {
	values := make([]string, len(e))
	for i, v := range e {
		switch v := v.(type) {
		case string:
			values[i] = fmt.Sprintf("%q", v)
		case PortRange:
			if values[i] = fmt.Sprint(v.First); v.Last != v.First {
				values[i] = fmt.Sprintf("%d-%d", v.First, v.Last)
			}
		case addrRange:
			if values[i] = v.first.String(); v.last != v.first {
				values[i] += "-" + v.last.String()
			}
		default:
			values[i] = fmt.Sprint(v)
		}
	}
	return strings.Join(values, " . ")
}

// kernel returns an element as the kernel takes it; ranges have an end.
func (s *set) kernel(e element) []nftables.SetElement {
	if p, ok := e[0].(PortRange); ok {
		out := []nftables.SetElement{{Key: binary.BigEndian.AppendUint16(nil, p.First)}}
		if p.Last < 65535 {
			out = append(out, nftables.SetElement{Key: binary.BigEndian.AppendUint16(nil, p.Last+1), IntervalEnd: true})
		}
		return out
	}
	if r, ok := e[0].(addrRange); ok {
		out := []nftables.SetElement{{Key: r.first.AsSlice()}}
		if end := r.last.Next(); end.IsValid() {
			out = append(out, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
		return out
	}
	out := nftables.SetElement{Key: e[:len(s.parts)].bytes()}
	if len(s.values) > 0 {
		out.Val = e[len(s.parts):].bytes()
	}
	return []nftables.SetElement{out}
}

// bytes are concatenated values, each padded to registers.
func (e element) bytes() (out []byte) {
	for _, v := range e {
		switch v := v.(type) {
		case string:
			out = append(out, ifName(v)...)
		case net.HardwareAddr:
			out = append(append(out, v...), 0, 0)
		case netip.Addr:
			out = append(out, v.AsSlice()...)
		case uint16:
			out = append(binary.BigEndian.AppendUint16(out, v), 0, 0)
		}
	}
	return out
}
