package hosts

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// Name of the controller and its one key: the daemon wakes it when SetNetwork had news.
const (
	ControllerName = "hosts"
	ControllerKey  = "addresses"
)

// Controller keeps the addresses of all hosts true at boot and when the network changes. It has no source, since every
// write of a host brings its own addresses, and one key, since a change of the network concerns every host.
func (s *Service) Controller() reconcile.Controller {
	return reconcile.Controller{
		Name:    ControllerName,
		Writes:  []string{"host"},
		Workers: 1,
		List:    func() ([]string, error) { return []string{ControllerKey}, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			return 0, s.refresh(ctx, time.Now())
		},
	}
}

func (s *Service) refresh(ctx context.Context, now time.Time) error {
	n := s.Network()
	packages := map[string]bool{}
	err := s.store.View(func(tx *store.Tx) error {
		rows, err := s.own(tx, "")
		for _, row := range rows {
			packages[ids.Parent(row.GetMeta().GetId())] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	// One commit takes the hosts of one package, not those of all.
	for _, pkg := range slices.Sorted(maps.Keys(packages)) {
		_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
			rows, err := s.own(tx, pkg)
			for _, row := range rows {
				row.Status.Addresses, row.Status.AddressesOff = Addresses(row, n)
				err = errors.Join(err, store.Put(tx, row))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
