package nft

import (
	"fmt"
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
	for _, s := range r.Services {
		senders.elements = append(senders.elements, element{s.Link, s.MAC, s.Address})
	}
	ours := linkPrefix(r.Tag)
	return table{name: tablePrefix + r.Tag, family: familyBridge, sets: []*set{senders}, chains: []chain{
		{
			name: "prerouting", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -300,
			rules: []rule{
				{not(inLinks(ours)), accept},
				{etherType(etherIPv4), in(senders, fieldInLink, fieldEtherSource, fieldIPSource), accept},
				{
					etherType(etherARP), in(senders, fieldInLink, fieldEtherSource, fieldARPSource),
					in(senders, fieldInLink, fieldARPEther, fieldARPSource), accept,
				},
				{drop},
			},
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

func inetTable(r Rules) table {
	pairs := &set{name: "pairs", parts: []part{partIPv4, partIPv4}}
	for _, p := range r.Allowed {
		pairs.elements = append(pairs.elements, element{p.From, p.To})
	}
	ports := &set{name: "ports", parts: []part{partPort}, interval: true}
	for _, p := range r.Ports {
		ports.elements = append(ports.elements, element{p})
	}
	uses := &set{name: "uses", parts: []part{partIPv4, partPort}}
	for _, u := range r.Uses {
		uses.elements = append(uses.elements, element{u.From, u.Port})
	}
	from, to := inLink(r.Bridge), outLink(r.Bridge)
	sets, maps := []*set{pairs, ports, uses}, forwardMaps(r)
	for _, m := range maps {
		sets = append(sets, m.set)
	}
	return table{name: tablePrefix + r.Tag, family: familyInet, sets: sets, chains: append(forwardChains(r, maps), []chain{
		{
			// What services answer to callers whose address the front door has kept is the door's, not theirs who have the address.
			name: callersChain, kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -149,
			rules: []rule{{from, nfproto(protoIPv4), l4proto(protoTCP), ofTransparent, setMark(CallerMark)}},
		},
		{
			name: "forward", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookForward, hookName: "forward", priority: 0,
			rules: append(append(closed(r), ledBack(r)...), []rule{
				{not(from), not(to), accept},
				{ctState(ctEstablished | ctRelated), accept},
				{ctState(ctInvalid), drop},
				{nfproto(protoIPv6), drop},
				{nfproto(protoIPv4), from, to, in(pairs, fieldIPSource, fieldIPDestination), accept},
				{from, to, l4proto(protoTCP), reset},
				{from, to, reject},
				{to, ctForwarded, accept},
				{to, drop},
				// Services do not ask the router for ports: SSDP, and NAT-PMP with PCP.
				{l4proto(protoUDP), destinationPort(1900), drop},
				{l4proto(protoUDP), destinationPort(5351), drop},
			}...),
		},
		{
			name: "input", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, hookName: "input", priority: 0,
			rules: []rule{
				// Linux answers for each of its addresses in every network; the one on the bridge is for services and the machine itself.
				{not(from), not(inLink("lo")), nfproto(protoIPv4), destination(r.Host.Addr()), drop},
				{not(from), accept},
				{ctState(ctEstablished | ctRelated), accept},
				{ctState(ctInvalid), drop},
				{nfproto(protoIPv6), drop},
				{nfproto(protoIPv4), l4proto(protoICMP), icmpType(icmpEcho), accept},
				{l4proto(protoUDP), destinationPort(53), accept},
				{l4proto(protoTCP), destinationPort(53), accept},
				{l4proto(protoTCP), in(ports, fieldDestinationPort), accept},
				{nfproto(protoIPv4), l4proto(protoTCP), in(uses, fieldIPSource, fieldDestinationPort), accept},
				{l4proto(protoTCP), reset},
				{reject},
			},
		},
		{
			name: "postrouting", kind: nftables.ChainTypeNAT, hook: nftables.ChainHookPostrouting, hookName: "postrouting", priority: 100,
			rules: append(returns(r), rule{nfproto(protoIPv4), sourceIn(r.Host.Masked()), not(to), masquerade}),
		},
	}...)}
}

// closed keep the machine from becoming a router: answers pass, of what others opened from a link that is routed for.
func closed(r Rules) (out []rule) {
	for _, name := range r.Closed {
		out = append(out, rule{inLink(name), not(outLink(r.Bridge)), nfproto(protoIPv4), ctState(ctNew | ctInvalid), drop})
	}
	return out
}

// flowsTable bounds how many connections of each service are tracked: the machine's table is one for all. It comes after
// connections have been looked up, so that those which are known are counted once. Its rules keep count of what they saw,
// so it is a table of its own, of which Ensure leaves those rules alone that stay.
func flowsTable(r Rules) table {
	c := chain{
		name: "flows", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting", priority: -150,
		rules: []rule{{not(inLink(r.Bridge)), accept}, {ctState(ctEstablished | ctRelated), accept}},
	}
	t := table{name: flowsName(r.Tag), family: familyInet, first: len(c.rules)}
	for _, s := range r.Services {
		if r.Flows > 0 {
			c.rules = append(c.rules, rule{nfproto(protoIPv4), source(s.Address), flowsOver(r.Flows), drop})
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
