package nft

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// table, chain and rule are the firewall before it is text or netlink.
type table struct {
	name   string
	family family
	sets   []*set
	chains []chain
	// first is not 0 for a table of one chain whose rules keep count: it is changed rule by rule, but for so many at the
	// beginning.
	first int
}

type chain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	hookName string
	priority nftables.ChainPriority
	rules    []rule
}

// rule is matches and a verdict; it applies where all of them hold.
type rule []match

func (r rule) exprs() (code []expr.Any) {
	for _, m := range r {
		code = append(code, m.exprs()...)
	}
	return code
}

// CallerMark marks packets that are this machine's though they are for an address of others; netdev.EnsureCallers has them delivered here.
const CallerMark = 0x00540001

// tables says what the rules come to. All chains accept at their end: other traffic of the machine is not ours.
func tables(r Rules) []table {
	return []table{flowsTable(r), bridgeTable(r), inetTable(r)}
}

// callersChain is the chain that needs more of the kernel than all others.
const callersChain = "callers"

// withoutCallers leaves it out.
func withoutCallers(all []table) []table {
	for i := range all {
		all[i].chains = slices.DeleteFunc(all[i].chains, func(c chain) bool { return c.name == callersChain })
	}
	return all
}

func bridgeTable(r Rules) table {
	senders := &set{name: "senders", parts: []part{partIfName, partEther, partIPv4}}
	senders6 := &set{name: "senders6", parts: []part{partIfName, partEther, partIPv6}}
	for _, s := range r.Services {
		senders.elements = append(senders.elements, element{s.Link, s.MAC, s.Address})
		if !s.Address6.IsValid() {
			continue
		}
		for _, a := range []netip.Addr{s.Address6, linkLocal(s.MAC)} {
			senders6.elements = append(senders6.elements, element{s.Link, s.MAC, a})
		}
	}
	ours := linkPrefix(r.Tag)
	return table{name: tablePrefix + r.Tag, family: familyBridge, sets: []*set{senders, senders6}, chains: []chain{
		{
			name: "prerouting", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -300,
			rules: append(append([]rule{
				{not(inLinks(ours)), accept},
				{etherType(etherIPv4), in(senders, fieldInLink, fieldEtherSource, fieldIPSource), accept},
				{
					etherType(etherARP), in(senders, fieldInLink, fieldEtherSource, fieldARPSource),
					in(senders, fieldInLink, fieldARPEther, fieldARPSource), accept,
				},
			}, neighbours(senders6)...), rule{drop}),
		},
		{
			name: "forward", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookForward, hookName: "forward", priority: 0,
			rules: []rule{
				{inLinks(ours), drop},
				{outLinks(ours), drop},
			},
		},
	}}
}

// neighbours let services send over IPv6 in their own names. None of them is a router, and none tells where an address is: the machine
// knows where they all are (netdev.EnsureNeighbours), and they need to know of the machine alone.
func neighbours(senders *set) (rules []rule) {
	ip6 := etherType(etherIPv6)
	for _, t := range []byte{icmp6NeighborAdvert, icmp6RouterSolicit, icmp6RouterAdvert, icmp6Redirect} {
		rules = append(rules, rule{ip6, l4proto(protoICMPv6), icmp6Type(t), drop})
	}
	return append(rules, rule{ip6, in(senders, fieldInLink, fieldEtherSource, fieldIP6Source), accept})
}

// linkLocal is the address that the kernel gives to a link with a hardware address.
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

func inetTable(r Rules) table {
	pairs := &set{name: "pairs", parts: []part{partIPv4, partIPv4}}
	pairs6 := &set{name: "pairs6", parts: []part{partIPv6, partIPv6}}
	for _, p := range r.Allowed {
		pairs.elements = append(pairs.elements, element{p.From, p.To})
		if from, to := r.six[p.From], r.six[p.To]; from.IsValid() && to.IsValid() {
			pairs6.elements = append(pairs6.elements, element{from, to})
		}
	}
	ports := &set{name: "ports", parts: []part{partPort}, interval: true}
	for _, p := range r.Ports {
		ports.elements = append(ports.elements, element{p})
	}
	uses := &set{name: "uses", parts: []part{partIPv4, partPort}}
	uses6 := &set{name: "uses6", parts: []part{partIPv6, partPort}}
	for _, u := range r.Uses {
		uses.elements = append(uses.elements, element{u.From, u.Port})
		if from := r.six[u.From]; from.IsValid() {
			uses6.elements = append(uses6.elements, element{from, u.Port})
		}
	}
	from, to := inLink(r.Bridge), outLink(r.Bridge)
	sets, maps := []*set{pairs, pairs6, ports, uses, uses6}, forwardMaps(r)
	for _, m := range maps {
		sets = append(sets, m.set)
	}
	bounds := boundsOf(r)
	sets = append(sets, bounds.sets()...)
	return table{name: tablePrefix + r.Tag, family: familyInet, sets: sets, chains: append(forwardChains(r, maps), []chain{
		{
			// What services answer to callers whose address the front door has kept is the door's, not theirs who have the address.
			name: callersChain, kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -149,
			rules: []rule{{from, l4proto(protoTCP), ofTransparent, setMark(CallerMark)}},
		},
		{
			name: "forward", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookForward, hookName: "forward", priority: 0,
			rules: slices.Concat(closed(r), ledBack(r), []rule{
				{not(from), not(to), accept},
				{ctState(ctEstablished | ctRelated), accept},
				{ctState(ctInvalid), drop},
			}, withoutIPv6(r), []rule{
				{nfproto(protoIPv4), from, to, in(pairs, fieldIPSource, fieldIPDestination), accept},
				{nfproto(protoIPv6), from, to, in(pairs6, fieldIP6Source, fieldIP6Destination), accept},
				{from, to, l4proto(protoTCP), reset},
				{from, to, reject},
				{to, ctForwarded, accept},
				{to, drop},
				// Services do not ask the router for ports: SSDP, and NAT-PMP with PCP.
				{l4proto(protoUDP), destinationPort(1900), drop},
				{l4proto(protoUDP), destinationPort(5351), drop},
			}, bounds.leaving()),
		},
		{
			name: "input", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, hookName: "input", priority: 0,
			rules: slices.Concat(bridgeAlone(r), []rule{
				{not(from), accept},
				{ctState(ctEstablished | ctRelated), accept},
				{ctState(ctInvalid), drop},
			}, withoutIPv6(r), []rule{
				{nfproto(protoIPv4), l4proto(protoICMP), icmpType(icmpEcho), accept},
				{nfproto(protoIPv6), l4proto(protoICMPv6), icmp6Type(icmp6Echo), accept},
				{nfproto(protoIPv6), l4proto(protoICMPv6), icmp6Type(icmp6NeighborSolicit), accept},
				{l4proto(protoUDP), destinationPort(53), accept},
				{l4proto(protoTCP), destinationPort(53), accept},
			}, bounds.outward(), []rule{
				{l4proto(protoTCP), in(ports, fieldDestinationPort), accept},
				{nfproto(protoIPv4), l4proto(protoTCP), in(uses, fieldIPSource, fieldDestinationPort), accept},
				{nfproto(protoIPv6), l4proto(protoTCP), in(uses6, fieldIP6Source, fieldDestinationPort), accept},
				{l4proto(protoTCP), reset},
				{reject},
			}),
		},
		{
			// The machine is the way from one service to another. Over IPv6 the kernel would tell them to go straight, which the bridge
			// does not let through, and has no setting against it.
			name: "redirects", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, hookName: "output", priority: 0,
			rules: []rule{{to, nfproto(protoIPv6), l4proto(protoICMPv6), icmp6Type(icmp6Redirect), drop}},
		},
		{
			name: "postrouting", kind: nftables.ChainTypeNAT, hook: nftables.ChainHookPostrouting, hookName: "postrouting", priority: 100,
			rules: append(returns(r), leaving(r)...),
		},
	}...)}
}

// withoutIPv6 let nothing pass over IPv6 where services have none.
func withoutIPv6(r Rules) []rule {
	if r.Host6.IsValid() {
		return nil
	}
	return []rule{{nfproto(protoIPv6), drop}}
}

// bridgeAlone keep the machine's addresses on the bridge for services and the machine itself: Linux answers for each of its
// addresses in every network.
func bridgeAlone(r Rules) (out []rule) {
	for _, p := range []netip.Prefix{r.Host, r.Host6} {
		if p.IsValid() {
			out = append(out, rule{not(inLink(r.Bridge)), not(inLink("lo")), protocolOf(p.Addr()), destination(p.Addr()), drop})
		}
	}
	return out
}

// leaving have the machine stand for its services where they leave it. What it sends to itself leaves nothing.
func leaving(r Rules) (out []rule) {
	for _, p := range []netip.Prefix{r.Host, r.Host6} {
		if p.IsValid() {
			out = append(out, rule{protocolOf(p.Addr()), sourceIn(p.Masked()), not(outLink(r.Bridge)), not(outLink("lo")), masquerade})
		}
	}
	return out
}

// closed keep the machine from becoming a router: answers pass, of what others opened from a link that is routed for.
func closed(r Rules) (out []rule) {
	for _, name := range r.Closed {
		out = append(out, rule{inLink(name), not(outLink(r.Bridge)), nfproto(protoIPv4), ctState(ctNew | ctInvalid), drop})
	}
	for _, name := range r.Closed6 {
		out = append(out, rule{inLink(name), not(outLink(r.Bridge)), nfproto(protoIPv6), ctState(ctNew | ctInvalid), drop})
	}
	return out
}

// flowsTable bounds how many connections of each service are tracked: the machine's table is one for all. It comes after
// connections have been looked up, so that those which are known are counted once. Its rules keep count of what they saw,
// so it is a table of its own, of which Ensure leaves those rules alone that stay.
func flowsTable(r Rules) table {
	c := chain{
		name: "flows", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -150,
		rules: []rule{{not(inLink(r.Bridge)), accept}, {ctState(ctEstablished | ctRelated | ctUntracked), accept}},
	}
	t := table{name: flowsName(r.Tag), family: familyInet, first: len(c.rules)}
	for _, s := range r.Services {
		if r.Flows > 0 {
			c.rules = append(c.rules, rule{nfproto(protoIPv4), source(s.Address), flowsOver(r.Flows), drop})
		}
		if r.Flows > 0 && s.Address6.IsValid() {
			c.rules = append(c.rules, rule{nfproto(protoIPv6), source(s.Address6), flowsOver(max(r.Flows/4, 1)), drop})
		}
	}
	t.chains = []chain{c}
	return t
}

func flowsName(tag string) string { return tablePrefix + tag + "_flows" }

// Render returns the rules as a script of the nft program: what Ensure puts into the kernel, for people and tests.
func Render(r Rules) (string, error) {
	r, err := r.normal()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range tables(r) {
		t.render(&b)
	}
	return b.String(), nil
}

func (t table) render(b *strings.Builder) {
	fmt.Fprintf(b, "table %s %s {\n", t.family, t.name)
	for _, s := range t.sets {
		s.render(b)
	}
	for i, c := range t.chains {
		if i > 0 || len(t.sets) > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "\tchain %s {\n\t\ttype %s hook %s priority %d; policy accept;\n", c.name, c.kind, c.hookName, c.priority)
		for _, r := range c.rules {
			words := make([]string, 0, len(r))
			for _, m := range r {
				if w := m.text(); w != "" {
					words = append(words, w)
				}
			}
			fmt.Fprintf(b, "\t\t%s\n", strings.Join(words, " "))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
}
