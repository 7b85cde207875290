package naming

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
)

// Known is what names are held against when a package asks for a certificate or a key.
type Known struct {
	Packages []*packagesv1.Package
	Hosts    []*hostsv1.Host
	Gateways []abi.Gateway
	// MDNS is what the server is called in .local, which is its page's name.
	MDNS string
}

// MayCertify refuses names that no certificate may be made for on behalf of a package: a certificate is public, so those
// of all packages and of the server itself are allowed, and nothing else.
func MayCertify(names []string, k Known) error {
	for _, name := range names {
		if !k.certifiable(normal(name)) {
			return unknownName(name)
		}
	}
	return nil
}

// MayHaveKey refuses names whose key pkg may not have: only its own names and addresses are allowed, since who has the
// key can stand in for the name.
func MayHaveKey(pkg string, names []string, k Known) error {
	for _, name := range names {
		if !k.owns(pkg, normal(name)) {
			return fault.New(metav1.Reason_REASON_EFFECT_DENIED, "cannot give package %s the key for %.80q: the name is not its own", pkg, name).
				With("package", pkg)
		}
	}
	return nil
}

// local are the domains that are in use within networks alone, by standard or by habit, and never bought by anybody.
var local = [...]string{"local", "lan", "home.arpa", "internal", "intranet", "localdomain", "home", "private", "corp"}

// shared are addresses that many networks use: those of carriers among them.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// MayGiveDevice refuses names that a device of the network may have no certificate and key for: those of the server and of
// packages, since the device could pass for them, and those that mean something in the whole Internet, since devices that trust the
// server's root would believe them of anybody. server are the names and addresses of the server itself.
func MayGiveDevice(names, server []string, k Known) error {
	for _, name := range names {
		n := normal(name)
		switch {
		case k.taken(n, server):
			return fault.New(metav1.Reason_REASON_CERTIFICATE_NAME_TAKEN, "cannot give a device the name %.80q: it is one of this server", name).With("name", name)
		case !k.ofNetwork(n):
			return fault.New(metav1.Reason_REASON_CERTIFICATE_NAME_FOREIGN, "cannot give a device the name %.80q: it is not one of your network alone", name).With("name", name)
		}
	}
	return nil
}

// taken tells whether a name, or one that a wildcard covers, is the server's or a package's.
func (k Known) taken(name string, server []string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.IsLoopback() || slices.Contains(server, name) || k.certifiable(name)
	}
	for _, zone := range zones {
		if name == zone || strings.HasSuffix(name, "."+zone) {
			return true
		}
	}
	covers := func(own string) bool {
		own = normal(own)
		if parent, wild := strings.CutPrefix(name, "*."); wild {
			_, above, _ := strings.Cut(own, ".")
			return above == parent
		}
		return own == name
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.ContainsFunc(server, covers) ||
		slices.ContainsFunc(k.Hosts, func(h *hostsv1.Host) bool {
			return slices.ContainsFunc(h.GetStatus().GetAddresses(), func(a *hostsv1.Address) bool { return covers(a.GetHostname()) })
		})
}

// ofNetwork tells whether a name or an address means something in networks of people alone. Names below a domain that
// leads to a service are its owner's; what another package supplies is that package's word alone.
func (k Known) ofNetwork(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a)
	}
	bare, wild := strings.CutPrefix(name, "*.")
	if !strings.Contains(bare, ".") {
		return !wild && !slices.Contains(local[:], bare)
	}
	below := func(domain string) bool {
		return strings.HasSuffix(bare, "."+domain) || wild && bare == domain && strings.Contains(domain, ".")
	}
	return slices.ContainsFunc(local[:], below) || slices.ContainsFunc(k.Hosts, func(h *hostsv1.Host) bool {
		return slices.ContainsFunc(h.GetStatus().GetAddresses(), func(a *hostsv1.Address) bool {
			name := normal(a.GetHostname())
			_, err := netip.ParseAddr(name)
			return err != nil && a.GetKind() != hostsv1.Address_KIND_SUPPLIED && strings.Contains(name, ".") && below(name)
		})
	})
}

func (k Known) certifiable(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		bridge, bridge6 := netip.PrefixFrom(abi.BridgeAddress, 24), netip.PrefixFrom(abi.BridgeAddress6, 64)
		return bridge.Contains(a) || bridge6.Contains(a) || slices.ContainsFunc(abi.Gateways(k.Gateways), func(g abi.Gateway) bool { return g.Has(a) })
	}
	if pkg, ok := packageOf(name); ok {
		return slices.ContainsFunc(k.Packages, func(p *packagesv1.Package) bool { return p.GetMeta().GetId() == pkg })
	}
	return k.addressed(name, "")
}

func (k Known) owns(pkg, name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return slices.ContainsFunc(k.Packages, func(p *packagesv1.Package) bool {
			own, ok := containerAddress(p)
			six, err := netip.ParseAddr(p.GetStatus().GetIpv6())
			return (ok && own == a || err == nil && six == a) && p.GetMeta().GetId() == pkg
		})
	}
	if of, ok := packageOf(name); ok {
		return of == pkg
	}
	return name != normal(k.MDNS) && k.addressed(name, pkg+"/")
}

// addressed tells whether a name is that of an address of a host whose row id has the prefix. The name that means the
// machine itself is nobody's. The server's own in .local is told to all that are reached under it; its key nobody else has, since who has it
// can stand in for the page where people give their passwords.
func (k Known) addressed(name, prefix string) bool {
	return slices.ContainsFunc(k.Hosts, func(h *hostsv1.Host) bool {
		return strings.HasPrefix(h.GetMeta().GetId(), prefix) &&
			slices.ContainsFunc(h.GetStatus().GetAddresses(), func(a *hostsv1.Address) bool {
				own := a.GetKind() != hostsv1.Address_KIND_LOCALHOST || prefix == ""
				// What another package supplies is its word alone: it would have any name certified that it can spell.
				return own && a.GetKind() != hostsv1.Address_KIND_SUPPLIED && strings.EqualFold(a.GetHostname(), name)
			})
	})
}

// packageOf answers the package a name of a service belongs to; labels before the package's own are its own business.
func packageOf(name string) (string, bool) {
	for _, zone := range zones {
		if rest, ok := strings.CutSuffix(name, "."+zone); ok {
			return rest[strings.LastIndexByte(rest, '.')+1:], true
		}
	}
	return "", false
}

func normal(name string) string {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

func unknownName(name string) error {
	return fault.New(metav1.Reason_REASON_EFFECT_DENIED, "cannot certify %.80q: it is neither an address of this server nor a name of a package", name).
		With("name", name)
}
