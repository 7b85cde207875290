package proxy

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/store"
)

// Confined is a service whose package declares that it reaches less than everything by the names of others.
type Confined struct {
	// Addresses of the service, the one of IPv4 first.
	Addresses []netip.Addr
	// Asks is for one that reaches something without its name, and may ask for any.
	Asks bool
	// Names are those at which it reaches others, as they are declared; it may ask for them.
	Names []string
}

// confinement is what a service is held to.
type confinement struct {
	asks bool
	set  string // of the firewall, "" where it reaches nothing by names
}

func (c Confined) confinement() confinement {
	out := confinement{asks: c.Asks}
	if len(c.Names) > 0 {
		out.set = nft.NamedSet(c.Addresses[0], c.Names)
	}
	return out
}

func confinements(list []Confined) map[netip.Addr]confinement {
	out := make(map[netip.Addr]confinement, 2*len(list))
	for _, c := range list {
		for _, a := range c.Addresses {
			out[a] = c.confinement()
		}
	}
	return out
}

// EnsureConfined has the door know which names a package may ask for before its new container begins. It is called once the
// container's row is committed, and costs a look at the row where the table in force says so already. That it may ask for more than before can
// come after it.
func (s *Service) EnsureConfined(ctx context.Context, pkg string) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	var own *Confined
	err := s.opt.Store.View(func(tx *store.Tx) error {
		row, there, err := store.Lookup[*packagesv1.Container](tx, pkg)
		if err == nil && there {
			own, err = confinedTo(tx, row)
		}
		return err
	})
	if err != nil || own == nil {
		return err
	}
	for _, a := range own.Addresses {
		if there, ok := s.confined[a]; !ok || there != own.confinement() {
			return s.applyNow(ctx)
		}
	}
	return nil
}

// confined answers the services that may not ask for all names of others, or reach others by names: a name that somebody else is asked for
// carries something out.
func confined(tx *store.Tx) (out []Confined, err error) {
	rows, err := store.List[*packagesv1.Container](tx, "")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		own, err := confinedTo(tx, row)
		if err != nil {
			return nil, err
		}
		if own != nil {
			out = append(out, *own)
		}
	}
	return out, nil
}

// confinedTo answers what one container is held to, nil for nothing. With a file that cannot be read, or that the server does not know, it
// asks for nothing.
func confinedTo(tx *store.Tx, row *packagesv1.Container) (*Confined, error) {
	artifact := row.GetSpec().GetArtifact()
	if artifact == "" {
		return nil, nil // there is nobody who asks
	}
	art, there, err := store.Lookup[*packagesv1.Artifact](tx, artifact)
	if err != nil {
		return nil, err
	}
	var out Confined
	if declared, err := s9pk.ParseDeclared(art.GetSpec().GetManifest()); there && err == nil {
		reach := declared.Reach()
		if reach.Internet || reach.ByAddress() && len(reach.Names) == 0 {
			return nil, nil
		}
		out.Asks, out.Names = reach.ByAddress(), reach.NamesDeclared()
	}
	for _, text := range []string{row.GetSpec().GetIpv4(), row.GetSpec().GetIpv6()} {
		if a, err := netip.ParseAddr(text); err == nil {
			out.Addresses = append(out.Addresses, a)
		}
	}
	if len(out.Addresses) == 0 {
		return nil, nil
	}
	return &out, nil
}

// confine has the resolver hold services to the names that they may ask for. Those that ask for declared names alone are among its local
// sources, too: a door that does not know of names tells them none.
func (r *renderer) confine(out *doorv1.Resolver) {
	for _, c := range r.in.Confined {
		var addresses []string
		for _, a := range c.Addresses {
			addresses = append(addresses, a.String())
		}
		if !c.Asks {
			out.LocalSources = append(out.LocalSources, addresses...)
		}
		if set := c.confinement().set; set != "" {
			out.Named = append(out.Named, &doorv1.Named{Sources: addresses, Names: unique(c.Names), Set: set})
		}
	}
	out.LocalSources = unique(out.LocalSources)
	slices.SortFunc(out.Named, func(a, b *doorv1.Named) int { return strings.Compare(a.GetSet(), b.GetSet()) })
	if len(out.Named) > 0 {
		out.FirewallTag = r.in.Server.FirewallTag
	}
}
