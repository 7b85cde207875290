// Package naming is what things are called: the server in its network and to itself, and services among each other.
//
// It deliberately answers no question on the wire - the front door does, from the records made here - and keeps no state:
// every function is pure. Invariants: a host name made here is one DNS label of lower-case letters, digits and single
// hyphens; records come in one order; a name below a zone that has no record does not exist, it is never asked of others.
package naming

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/abi"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/api/ids"
)

const (
	minHostname = 4
	maxHostname = 63
)

// zones are the domains of services; packages know them both.
var zones = [...]string{"startos", "embassy"}

// Zones answers the domains that are answered from Records alone.
func Zones() []string { return slices.Clone(zones[:]) }

// Hostname turns what a person calls the server, or what the machine is called, into a host name: "Anna's Büro" becomes
// "annas-bro". What is too short to be one becomes hearth-<tag>.
func Hostname(name, tag string) string {
	name, _, _ = strings.Cut(name, ".")
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == ' ' || r == '-' || r == '_':
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
		}
	}
	host := b.String()
	host = strings.TrimRight(host[:min(len(host), maxHostname)], "-")
	if len(host) < minHostname {
		return "hearth-" + tag
	}
	return host
}

// Server is the names of a server.
type Server struct {
	// Hostname is one label, made by Hostname.
	Hostname string
}

// MDNS answers the server's name in .local.
func (s Server) MDNS() string { return s.Hostname + ".local" }

// Certificate answers the names of the certificate under which the server and its services are reached: its names, those
// that always mean the machine itself, and its addresses on all gateways.
func (s Server) Certificate(gateways []abi.Gateway) []string {
	names := []string{"localhost", s.Hostname, s.MDNS(), "startos", "::1"}
	for _, g := range abi.Gateways(gateways) {
		for _, p := range g.Subnets {
			names = append(names, p.Addr().String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Records answers the names of services for the resolver: each package that has a container, with whatever labels before
// it, and the server itself. The name of a service is told to itself, to those that depend on it and to the machine: to
// others it is a name that nobody has.
func Records(packages []*packagesv1.Package, dependencies []*packagesv1.Dependency) []*doorv1.Record {
	var out []*doorv1.Record
	sources := askers(packages, dependencies)
	for _, zone := range zones {
		out = append(out, &doorv1.Record{Name: zone, Ipv4: []string{abi.BridgeAddress.String()}})
		for _, p := range packages {
			id, err := ids.ParsePackage(p.GetMeta().GetId())
			addr, ok := containerAddress(p)
			if err != nil || !ok {
				continue
			}
			out = append(out, &doorv1.Record{Name: string(id) + "." + zone, Ipv4: []string{addr.String()}, AllowedSources: sources[string(id)], Subdomains: true})
		}
	}
	slices.SortFunc(out, func(a, b *doorv1.Record) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

// askers are who is told the address of each package.
func askers(packages []*packagesv1.Package, dependencies []*packagesv1.Dependency) map[string][]string {
	addresses := map[string]string{}
	out := map[string][]string{}
	for _, p := range packages {
		if a, ok := containerAddress(p); ok {
			id := p.GetMeta().GetId()
			addresses[id] = a.String() + "/32"
			out[id] = []string{abi.BridgeAddress.String() + "/32", addresses[id]}
		}
	}
	for _, d := range dependencies {
		from, on, _ := strings.Cut(d.GetMeta().GetId(), "/")
		if a, ok := addresses[from]; ok && out[on] != nil && from != on {
			out[on] = append(out[on], a)
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

func containerAddress(p *packagesv1.Package) (netip.Addr, bool) {
	a, err := netip.ParseAddr(p.GetStatus().GetIpv4())
	return a, err == nil && a.Is4()
}
