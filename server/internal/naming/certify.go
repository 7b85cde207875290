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

func (k Known) certifiable(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		bridge := netip.PrefixFrom(abi.BridgeAddress, 24).Masked()
		return bridge.Contains(a) || slices.ContainsFunc(abi.Gateways(k.Gateways), func(g abi.Gateway) bool { return g.Has(a) })
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
			return ok && own == a && p.GetMeta().GetId() == pkg
		})
	}
	if of, ok := packageOf(name); ok {
		return of == pkg
	}
	return k.addressed(name, pkg+"/")
}

// addressed tells whether a name is that of an address of a host whose row id has the prefix. The name that means the
// machine itself is nobody's. The one in .local is shared by all that are reached under it: services that speak TLS
// themselves need it.
func (k Known) addressed(name, prefix string) bool {
	return slices.ContainsFunc(k.Hosts, func(h *hostsv1.Host) bool {
		return strings.HasPrefix(h.GetMeta().GetId(), prefix) &&
			slices.ContainsFunc(h.GetStatus().GetAddresses(), func(a *hostsv1.Address) bool {
				own := a.GetKind() != hostsv1.Address_KIND_LOCALHOST || prefix == ""
				return own && strings.EqualFold(a.GetHostname(), name)
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
