package registryd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

const (
	countEvery = 30 * time.Second
	maxCounts  = 4096 // that wait to be written; what comes on top is not counted
)

// counts are requests that are not written yet, so that reading costs no commit. A crash loses those of countEvery.
type counts struct {
	mu       sync.Mutex // guards the rest
	waiting  map[counted]uint64
	checkins []checkin
}

type counted struct{ pkg, version, day string }

func newCounts() *counts { return &counts{waiting: map[counted]uint64{}} }

// Count notes that a version was asked for. Replicas count nothing.
func (s *Service) Count(pkg, version string) {
	if s.store == nil {
		return
	}
	day := s.opt.Clock().UTC().Format(time.DateOnly)
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	key := counted{pkg, version, day}
	if _, there := s.counts.waiting[key]; there || len(s.counts.waiting) < maxCounts {
		s.counts.waiting[key]++
	}
}

// Run does what goes on beside calls until ctx ends: what is counted is written down, replicas are served, or follow.
func (s *Service) Run(ctx context.Context) error {
	if s.follower != nil {
		return s.follower.run(ctx)
	}
	var wait sync.WaitGroup
	defer wait.Wait()
	if s.shared != nil {
		wait.Go(func() {
			if err := s.shared.run(ctx); err != nil {
				s.opt.Log.Warn("replicas do not have the last changes", "error", err)
			}
		})
	}
	wait.Go(func() { s.syncUpstreams(ctx) })
	return s.count(ctx)
}

// count writes down what is counted until ctx ends, and then once more.
func (s *Service) count(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.WriteCounts(context.WithoutCancel(ctx))
		case <-tick.C:
			if err := s.WriteCounts(ctx); err != nil {
				s.opt.Log.Warn("cannot write what was counted", "error", err)
			}
		}
	}
}

// WriteCounts writes down what is counted so far.
func (s *Service) WriteCounts(ctx context.Context) error {
	s.counts.mu.Lock()
	waiting := s.counts.waiting
	checkins := s.counts.checkins
	s.counts.waiting, s.counts.checkins = map[counted]uint64{}, nil
	s.counts.mu.Unlock()
	if err := s.writeCheckins(ctx, checkins); err != nil {
		return err
	}
	byRow := map[string]map[string]uint64{}
	for key, n := range waiting {
		id, err := ids.Join(key.pkg, key.day)
		if err != nil {
			continue // no package has this id
		}
		if byRow[id] == nil {
			byRow[id] = map[string]uint64{}
		}
		byRow[id][key.version] += n
	}
	for id, versions := range byRow {
		_, err := s.store.Update(ctx, s.opt.Clock(), func(tx *store.Tx) error {
			row, ok, err := store.Lookup[*registryv1.RegistryDay](tx, id)
			if err != nil {
				return err
			}
			if !ok {
				row = &registryv1.RegistryDay{Meta: &metav1.Meta{Id: id}, Spec: &registryv1.RegistryDaySpec{}}
			}
			if row.Spec.Requests == nil {
				row.Spec.Requests = map[string]uint64{}
			}
			for version, n := range versions {
				row.Spec.Requests[version] += n
			}
			return store.Put(tx, row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Downloads tells how often versions were asked for, those most asked for first. after and before are days, empty for no
// bound.
func (s *Service) Downloads(ctx context.Context, pkg, after, before string) (total uint64, list []*registryv1.Count, err error) {
	if s.follower != nil {
		return 0, nil, s.follower.refusal() // it counts nothing
	}
	if err := s.WriteCounts(ctx); err != nil {
		return 0, nil, err
	}
	sums := map[[2]string]uint64{}
	err = s.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*registryv1.RegistryDay](tx, pkg)
		for _, row := range rows {
			id, day, _ := strings.Cut(row.GetMeta().GetId(), "/")
			if after != "" && day < after || before != "" && day >= before {
				continue
			}
			for version, n := range row.GetSpec().GetRequests() {
				sums[[2]string{id, version}] += n
				total += n
			}
		}
		return err
	})
	for key, n := range sums {
		list = append(list, &registryv1.Count{PackageId: key[0], Version: key[1], Count: n})
	}
	slices.SortFunc(list, func(a, b *registryv1.Count) int {
		return cmp.Or(cmp.Compare(b.GetCount(), a.GetCount()), strings.Compare(a.GetPackageId(), b.GetPackageId()), strings.Compare(a.GetVersion(), b.GetVersion()))
	})
	return total, list, err
}
