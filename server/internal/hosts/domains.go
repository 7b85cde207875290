package hosts

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/fault"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// maxDomains bounds the names of one host, of each sort.
const maxDomains = 32

// AddPublicDomain gives a binding of a host a name that everybody may use, through a gateway; "" is the way out. Port 0 is
// the binding with a page, or the only one.
func (s *Service) AddPublicDomain(ctx context.Context, now time.Time, t Target, name, gateway string, port uint32) (*hostsv1.Host, error) {
	name, err := domain(name)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, now, t, func(tx *store.Tx, row *hostsv1.Host) error {
		if gateway == "" {
			if gateway = s.Outbound(); gateway == "" {
				return fault.New(metav1.Reason_REASON_NO_OUTBOUND_GATEWAY, "no connection leaves this machine: name the gateway that connections come in by")
			}
		}
		if err := s.leads(gateway); err != nil {
			return err
		}
		if row.Spec.PublicDomains == nil {
			row.Spec.PublicDomains = make(map[string]*hostsv1.PublicDomain)
		}
		if _, has := row.Spec.PublicDomains[name]; !has && len(row.Spec.PublicDomains) >= maxDomains {
			return argument("domain", "the host has %d public names already", maxDomains)
		}
		if err := s.claimName(tx, row, name); err != nil {
			return err
		}
		row.Spec.PublicDomains[name] = &hostsv1.PublicDomain{Gateway: gateway}
		return s.giveName(row, name, port)
	})
}

// AddPrivateDomain gives a binding of a host a name that only neighbours and private sources may use, through gateways; none
// is all that lead to a network.
func (s *Service) AddPrivateDomain(ctx context.Context, now time.Time, t Target, name string, gateways []string, port uint32) (*hostsv1.Host, error) {
	name, err := domain(name)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, now, t, func(tx *store.Tx, row *hostsv1.Host) error {
		if len(gateways) == 0 {
			for _, g := range s.Network().Gateways {
				if !g.Internal() {
					gateways = append(gateways, g.ID)
				}
			}
		}
		for _, g := range gateways {
			if err := s.leads(g); err != nil {
				return err
			}
		}
		if row.Spec.PrivateDomains == nil {
			row.Spec.PrivateDomains = make(map[string]*hostsv1.PrivateDomain)
		}
		if _, has := row.Spec.PrivateDomains[name]; !has && len(row.Spec.PrivateDomains) >= maxDomains {
			return argument("domain", "the host has %d private names already", maxDomains)
		}
		if err := s.claimName(tx, row, name); err != nil {
			return err
		}
		row.Spec.PrivateDomains[name] = &hostsv1.PrivateDomain{Gateways: slices.Sorted(slices.Values(gateways))}
		return s.giveName(row, name, port)
	})
}

// RemovePublicDomain takes a public name away.
func (s *Service) RemovePublicDomain(ctx context.Context, now time.Time, t Target, name string) (*hostsv1.Host, error) {
	return s.change(ctx, now, t, func(_ *store.Tx, row *hostsv1.Host) error {
		name = strings.ToLower(name)
		if _, has := row.Spec.PublicDomains[name]; !has {
			return noDomain(row, name)
		}
		delete(row.Spec.PublicDomains, name)
		forgetName(row, name)
		return nil
	})
}

// RemovePrivateDomain takes a private name away.
func (s *Service) RemovePrivateDomain(ctx context.Context, now time.Time, t Target, name string) (*hostsv1.Host, error) {
	return s.change(ctx, now, t, func(_ *store.Tx, row *hostsv1.Host) error {
		name = strings.ToLower(name)
		if _, has := row.Spec.PrivateDomains[name]; !has {
			return noDomain(row, name)
		}
		delete(row.Spec.PrivateDomains, name)
		forgetName(row, name)
		return nil
	})
}

func noDomain(row *hostsv1.Host, name string) error {
	return fault.New(metav1.Reason_REASON_DOMAIN_NOT_FOUND, "host %s has no name %q of that sort", row.GetMeta().GetId(), name).
		With("host", row.GetMeta().GetId()).With("domain", name)
}

// leads refuses a gateway that leads to no network.
func (s *Service) leads(id string) error {
	for _, g := range s.Network().Gateways {
		if g.ID == id && !g.Internal() {
			return nil
		}
	}
	return fault.New(metav1.Reason_REASON_GATEWAY_NOT_FOUND, "there is no gateway %q that leads to a network", id).With("gateway", id)
}

// claimName takes a name for a host. A host that nobody uses any more loses it silently; of the others each has its own.
func (s *Service) claimName(tx *store.Tx, mine *hostsv1.Host, name string) error {
	passed, err := store.List[*hostsv1.Passthrough](tx, "")
	if err != nil {
		return err
	}
	for _, p := range passed {
		if p.GetSpec().GetHostname() == name {
			return nameTaken(name, p.GetSpec().GetBackend())
		}
	}
	return s.takeFromHosts(tx, mine.GetMeta().GetId(), name)
}

// takeFromHosts takes a name from every host but one. A host in use keeps it, and that is the error.
func (s *Service) takeFromHosts(tx *store.Tx, except, name string) error {
	all, err := store.List[*hostsv1.Host](tx, "")
	if err != nil {
		return err
	}
	for _, row := range all {
		_, public := row.GetSpec().GetPublicDomains()[name]
		_, private := row.GetSpec().GetPrivateDomains()[name]
		if row.GetMeta().GetId() == except || !public && !private {
			continue
		}
		if inUse(row) {
			return nameTaken(name, row.GetMeta().GetId())
		}
		delete(row.Spec.PublicDomains, name)
		delete(row.Spec.PrivateDomains, name)
		forgetName(row, name)
		if !row.GetSpec().GetKept() {
			row.Status.Addresses, row.Status.AddressesOff = Addresses(row, s.Network())
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
	}
	return nil
}

// giveName leads a name of a host to one of its bindings and ranges: there it is on, with what goes with it, and off at
// all others.
func (s *Service) giveName(row *hostsv1.Host, name string, port uint32) error {
	port, err := choosePort(row, port)
	if err != nil {
		return err
	}
	h := abi.Derive(model(row, s.Network()))
	give := func(c **hostsv1.Choices, all abi.Addresses, on bool) {
		if *c == nil {
			*c = &hostsv1.Choices{}
		}
		for _, i := range all.Available {
			if i.Hostname != name {
				continue
			}
			switchOne(*c, i, on)
			if on && i.Public {
				for _, member := range together(all.Available, i) {
					switchOne(*c, member, true)
				}
			}
		}
	}
	for p, b := range row.Spec.Bindings {
		give(&b.Choices, h.Bindings[p].Addresses, p == port)
	}
	for p, r := range row.Spec.Ranges {
		give(&r.Choices, h.BindingRanges[p].Addresses, p == port)
	}
	return nil
}

// choosePort answers the binding or range that is meant: the one named, else the one with a page, else the only one.
func choosePort(row *hostsv1.Host, port uint32) (uint32, error) {
	var exposed, pages []uint32
	for p, b := range row.Spec.Bindings {
		if !b.GetEnabled() || len(b.GetInterfaces()) == 0 {
			continue
		}
		exposed = append(exposed, p)
		for _, i := range b.GetInterfaces() {
			if i.GetType() == hostsv1.Interface_TYPE_UI && !slices.Contains(pages, p) {
				pages = append(pages, p)
			}
		}
	}
	for p, r := range row.Spec.Ranges {
		if r.GetEnabled() && r.GetRangeInterface() != nil {
			exposed = append(exposed, p)
		}
	}
	switch {
	case slices.Contains(exposed, port):
		return port, nil
	case port != 0:
		return 0, notFound(packageOf(row), hostID(row), port)
	case len(pages) == 1:
		return pages[0], nil
	case len(exposed) == 1:
		return exposed[0], nil
	}
	slices.Sort(exposed)
	return 0, argument("internal_port", "the host has several ports, and none of them is meant by itself: %d", exposed)
}

// forgetName takes the choices away that were made for a name which the host does not have any more.
func forgetName(row *hostsv1.Host, name string) {
	_, public := row.Spec.PublicDomains[name]
	_, private := row.Spec.PrivateDomains[name]
	if public || private {
		return
	}
	drop := func(c *hostsv1.Choices) {
		if c != nil {
			c.Disabled = slices.DeleteFunc(c.Disabled, func(e *hostsv1.Endpoint) bool { return e.GetHostname() == name })
		}
	}
	for _, b := range row.Spec.Bindings {
		drop(b.Choices)
	}
	for _, r := range row.Spec.Ranges {
		drop(r.Choices)
	}
}

// ownZones are the names whose meaning is not for people to choose.
var ownZones = []string{"local", "startos", "embassy", "localhost", "onion"}

// domain checks that a name can be one of a host, and answers it as it is kept.
func domain(name string) (string, error) {
	if plain, err := idna.Lookup.ToASCII(name); err == nil {
		name = plain // names of other scripts are kept as they are asked for
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	labels := strings.Split(name, ".")
	switch _, err := netip.ParseAddr(name); {
	case err == nil:
		return "", argument("domain", "%q is an address and not a name", name)
	case len(labels) < 2:
		return "", argument("domain", "%q has no dot in it, as in cloud.home.arpa", name)
	case len(name) > 253:
		return "", argument("domain", "it is longer than 253 bytes")
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", argument("domain", "%q is no name: between the dots it has letters, digits and hyphens", name)
		}
	}
	if slices.Contains(ownZones, labels[len(labels)-1]) {
		return "", argument("domain", "names in .%s are not given by people", labels[len(labels)-1])
	}
	return name, nil
}

func argument(field, format string, args ...any) error {
	f := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use "+field+": "+format, args...)
	return f.Violation(field, f.Error())
}
