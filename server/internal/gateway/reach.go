package gateway

import (
	"context"
	"net/netip"
	"reflect"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/store"
)

// EnsureReach has the firewall know what a package reaches before its new container begins. It is called once the container's row is
// committed, and costs a look at the row where the rules in force say so already.
func (s *Service) EnsureReach(ctx context.Context, pkg string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var want *nft.Reach
	err := s.store.View(func(tx *store.Tx) error {
		row, there, err := store.Lookup[*packagesv1.Container](tx, pkg)
		if err == nil && there {
			want, err = s.reachOf(ctx, tx, row)
		}
		return err
	})
	if err != nil || reflect.DeepEqual(s.reach[pkg], want) {
		return err
	}
	return s.ensure(ctx)
}

// reaches answers what packages with a container reach, nil for those that reach everything.
func (s *Service) reaches(ctx context.Context, tx *store.Tx) (map[string]*nft.Reach, error) {
	rows, err := store.List[*packagesv1.Container](tx, "")
	if err != nil {
		return nil, err
	}
	out := map[string]*nft.Reach{}
	left := nft.MaxRanges
	for _, r := range rows {
		reach, err := s.reachOf(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		if reach == nil {
			continue
		}
		if left -= len(reach.Ranges); left < 0 {
			s.log.WarnContext(ctx, "packages declare more networks than the firewall takes; this one's are out of its reach", "pkg", r.GetMeta().GetId())
			left, reach.Ranges = left+len(reach.Ranges), nil
		}
		out[r.GetMeta().GetId()] = reach
	}
	return out, nil
}

// reachOf is what the file declares that a container is made of; while there is none, the file of the package. A file that cannot be read,
// or that the server does not know, reaches nothing.
func (s *Service) reachOf(ctx context.Context, tx *store.Tx, row *packagesv1.Container) (*nft.Reach, error) {
	artifact := row.GetSpec().GetArtifact()
	if artifact == "" {
		pkg, _, err := store.Lookup[*packagesv1.Package](tx, row.GetMeta().GetId())
		if err != nil {
			return nil, err
		}
		artifact = pkg.GetSpec().GetArtifact()
	}
	art, there, err := store.Lookup[*packagesv1.Artifact](tx, artifact)
	if err != nil {
		return nil, err
	}
	if !there {
		return &nft.Reach{}, nil
	}
	declared, err := s9pk.ParseDeclared(art.GetSpec().GetManifest())
	if err != nil {
		s.log.WarnContext(ctx, "cannot read what a package declares; it reaches nothing", "pkg", row.GetMeta().GetId(), "error", err)
		return &nft.Reach{}, nil
	}
	r := declared.Reach()
	if r.All() {
		return nil, nil
	}
	out := &nft.Reach{Internet: r.Internet, Near: r.LAN, Ranges: r.Ranges}
	if !r.Internet {
		out.Names = r.NamesDeclared()
	}
	return out, nil
}

// near are the networks that are not of the Internet: those that are anybody's, and those that this machine is in.
func near(links []netdev.Link) []netip.Prefix {
	out := s9pk.LocalNetworks()
	for _, l := range links {
		if l.Kind == netdev.KindLoopback {
			continue
		}
		for _, p := range l.Subnets {
			// A network that holds half of all addresses, as some tunnels have it, would make everything near.
			if p = p.Masked(); p.Bits() > 1 && !p.Addr().Is4In6() && len(out) < nft.MaxNear {
				out = append(out, p)
			}
		}
	}
	return out
}
