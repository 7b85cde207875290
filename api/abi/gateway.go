package abi

import (
	"net/netip"
	"slices"
	"strings"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
)

// Names packages rely on.
const (
	// GatewayLoopback is the gateway of the machine itself.
	GatewayLoopback = "lo"
	// GatewayBridge is the gateway between services, whatever the bridge is called on the machine: packages look for
	// this name to find the address under which they reach each other.
	GatewayBridge = "lxcbr0"
)

// BridgeAddress is the server's address on the bridge; packages have it as a literal.
var BridgeAddress = netip.MustParseAddr("10.0.3.1")

// BridgeAddress6 is its IPv6 address there, where it has one, as in StartOS.
var BridgeAddress6 = netip.MustParseAddr("fd00:3::1")

// GatewayType is what kind of network interface a gateway is.
type GatewayType int

// The types of gateways. Only the bridge between services is GatewayTypeBridge; another bridge of the machine leads to
// a network like any cable and is GatewayTypeEthernet.
const (
	GatewayTypeOther GatewayType = iota
	GatewayTypeLoopback
	GatewayTypeBridge
	GatewayTypeEthernet
	GatewayTypeWireless
	GatewayTypeWireGuard
)

// Gateway is a network interface of the machine that leads somewhere: to itself, to the services, to a network.
type Gateway struct {
	// ID is the name of the interface, or one of the names packages rely on.
	ID   string
	Type GatewayType
	// ScopeID is the index of the interface.
	ScopeID uint32
	// Subnets are the server's own addresses there, each with the length of its network's prefix.
	Subnets []netip.Prefix
	// WAN is the IPv4 address under which the Internet knows the gateway; invalid where that is not known.
	WAN netip.Addr
	// Outbound tells that connections to the Internet leave the machine there.
	Outbound bool
}

// Internal tells whether nobody outside the machine is behind the gateway.
func (g Gateway) Internal() bool {
	return g.Type == GatewayTypeLoopback || g.Type == GatewayTypeBridge
}

// MDNS tells whether names in .local are asked and answered there.
func (g Gateway) MDNS() bool { return g.Type == GatewayTypeEthernet || g.Type == GatewayTypeWireless }

// HasPlainPort tells whether a binding has a port without TLS of the host: not where the host unwraps the service's own
// TLS and wraps it anew.
func HasPlainPort(b *hostsv1.Binding) bool { return !(b.GetSecure().GetSsl() && b.GetAddSsl() != nil) }

// Gateways answers gateways as they are used everywhere: ordered by id, and always with the machine itself and the
// bridge, which services may rely on before the bridge is made. Numbers that are valid only together with a scope are
// left out of the two, since nothing needs them there.
func Gateways(list []Gateway) []Gateway {
	always := []Gateway{
		{ID: GatewayLoopback, Type: GatewayTypeLoopback, ScopeID: 1, Subnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{ID: GatewayBridge, Type: GatewayTypeBridge, Subnets: []netip.Prefix{netip.PrefixFrom(BridgeAddress, 24)}},
	}
	out := make([]Gateway, 0, len(list)+len(always))
	for _, g := range list {
		subnets := make([]netip.Prefix, 0, len(g.Subnets)+1)
		for _, p := range g.Subnets {
			a := p.Addr().WithZone("")
			if !(g.Internal() && a.IsLinkLocalUnicast()) {
				subnets = append(subnets, netip.PrefixFrom(a, p.Bits()))
			}
		}
		g.Subnets = subnets
		out = append(out, g)
	}
	for _, must := range always {
		i := slices.IndexFunc(out, func(g Gateway) bool { return g.ID == must.ID })
		if i < 0 {
			out = append(out, must)
		} else if !out[i].Has(must.Subnets[0].Addr()) {
			out[i].Subnets = append(out[i].Subnets, must.Subnets[0])
		}
	}
	slices.SortStableFunc(out, func(a, b Gateway) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b Gateway) bool { return a.ID == b.ID })
}

// Has tells whether an address is the server's own on the gateway.
func (g Gateway) Has(a netip.Addr) bool {
	return slices.ContainsFunc(g.Subnets, func(p netip.Prefix) bool { return p.Addr() == a })
}
