package hosts

import (
	"context"
	"time"

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
		Workers: 1,
		List:    func() ([]string, error) { return []string{ControllerKey}, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			return 0, s.refresh(ctx, time.Now())
		},
	}
}

func (s *Service) refresh(ctx context.Context, now time.Time) error {
	n := s.Network()
	_, err := s.store.Update(ctx, now, func(tx *store.Tx) error {
		rows, err := s.own(tx, "")
		if err != nil {
			return err
		}
		for _, row := range rows {
			row.Status.Addresses = Addresses(row, n)
			if err := store.Put(tx, row); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
