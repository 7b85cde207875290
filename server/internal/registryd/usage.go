package registryd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/store"
)

const (
	maxServers = 20_000 // of a day, that are told apart
	maxLabels  = 64     // architectures and versions of a day
	digestSize = 12
)

// unknown stands for what a server does not tell.
const unknown = "unknown"

// CheckIn notes that a server asked for versions of the system. Which one it is is kept as a digest with the id of the registry's store:
// enough to count servers, and nothing to follow one by elsewhere. Replicas note nothing.
func (s *Service) CheckIn(server, arch, version string) {
	if s.store == nil || server == "" {
		return
	}
	sum := sha256.Sum256([]byte(s.store.ID() + "\n" + server))
	day := s.opt.Clock().UTC().Format(time.DateOnly)
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	if len(s.counts.checkins) < maxCounts {
		s.counts.checkins = append(s.counts.checkins, checkin{day: day, server: string(sum[:digestSize]), arch: label(arch), version: label(version)})
	}
}

func label(text string) string {
	if text == "" {
		return unknown
	}
	return fault.Cut(text, 64)
}

type checkin struct{ day, server, arch, version string }

// writeCheckins writes down who checked in, a commit for each day.
func (s *Service) writeCheckins(ctx context.Context, list []checkin) error {
	byDay := map[string][]checkin{}
	for _, c := range list {
		byDay[c.day] = append(byDay[c.day], c)
	}
	for day, list := range byDay {
		_, err := s.store.Update(ctx, s.opt.Clock(), func(tx *store.Tx) error {
			row, ok, err := store.Lookup[*registryv1.RegistryCheckins](tx, day)
			if err != nil {
				return err
			}
			if !ok {
				row = &registryv1.RegistryCheckins{Meta: &metav1.Meta{Id: day}, Spec: &registryv1.RegistryCheckinsSpec{}}
			}
			for _, c := range list {
				row.Spec.Total++
				row.Spec.Architectures = bump(row.Spec.Architectures, c.arch)
				row.Spec.OsVersions = bump(row.Spec.OsVersions, c.version)
				at, there := slices.BinarySearchFunc(row.Spec.Servers, []byte(c.server), bytes.Compare)
				if !there && len(row.Spec.Servers) < maxServers {
					row.Spec.Servers = slices.Insert(row.Spec.Servers, at, []byte(c.server))
				}
			}
			return store.Put(tx, row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bump counts a label; what is too much is counted as unknown.
func bump(counts map[string]uint64, name string) map[string]uint64 {
	if counts == nil {
		counts = map[string]uint64{}
	}
	if _, there := counts[name]; !there && len(counts) >= maxLabels {
		name = unknown
	}
	counts[name]++
	return counts
}

// Usage tells who asked for versions of the system. after and before are days, empty for no bound.
func (s *Service) Usage(ctx context.Context, after, before string) (*registryv1.GetUsageResponse, error) {
	requests, _, err := s.Downloads(ctx, "", after, before)
	if err != nil {
		return nil, err
	}
	out := &registryv1.GetUsageResponse{PackageRequests: requests, Architectures: map[string]uint64{}, OsVersions: map[string]uint64{}}
	servers := map[string]struct{}{}
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*registryv1.RegistryCheckins](tx, "")
		for _, row := range rows {
			if day := row.GetMeta().GetId(); after != "" && day < after || before != "" && day >= before {
				continue
			}
			out.Checkins += row.GetSpec().GetTotal()
			for name, n := range row.GetSpec().GetArchitectures() {
				out.Architectures[name] += n
			}
			for name, n := range row.GetSpec().GetOsVersions() {
				out.OsVersions[name] += n
			}
			for _, server := range row.GetSpec().GetServers() {
				servers[string(server)] = struct{}{}
			}
		}
		return err
	})
	out.Servers = uint64(len(servers))
	return out, err
}
