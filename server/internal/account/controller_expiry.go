package account

import (
	"context"
	"maps"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
)

// writeUse is how often the use of sessions is written down. What a crash loses of it makes a session end that much
// earlier.
const writeUse = time.Minute

// expiryKey is the one key of the controller: all that has ended goes in one commit.
const expiryKey = "expiry"

// Controller deletes sessions and tokens that have ended, when they end, and writes down when sessions were used. What
// has ended is refused in any case, by the clock.
func (s *Service) Controller(clock func() time.Time) reconcile.Controller {
	keys := []string{expiryKey}
	c := reconcile.Controller{
		Name: "account-expiry", Area: "account", Writes: []string{"session", "token"},
		List: func() ([]string, error) { return keys, nil },
		Reconcile: func(ctx context.Context, _ string) (time.Duration, error) {
			return s.expire(ctx, clock())
		},
	}
	for _, kind := range []string{"session", "token"} {
		c.Sources = append(c.Sources, reconcile.Source{
			Selector: store.Selector{Kind: kind}, Keys: func(store.Change) []string { return keys },
		})
	}
	return c
}

// expire deletes what has ended and answers when to look again, 0 for when something changes.
func (s *Service) expire(ctx context.Context, now time.Time) (after time.Duration, err error) {
	s.mu.Lock()
	used := maps.Clone(s.used)
	s.mu.Unlock()
	next := time.Time{}
	soonest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	_, err = s.store.Update(ctx, now, func(tx *store.Tx) error {
		next = time.Time{}
		if err := expireSessions(tx, now, used, soonest); err != nil {
			return err
		}
		return expireTokens(tx, now, soonest)
	})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	maps.DeleteFunc(s.used, func(id string, u use) bool { return used[id] == u }) // newer use is for the next time
	s.mu.Unlock()
	if next.IsZero() {
		return 0, nil
	}
	return max(next.Sub(now), time.Second), nil
}

func expireSessions(tx *store.Tx, now time.Time, used map[string]use, soonest func(time.Time)) error {
	rows, err := store.List[*accountsv1.SessionRecord](tx, "")
	if err != nil {
		return err
	}
	for _, r := range rows {
		id := r.GetMeta().GetId()
		u, news := used[id]
		if news {
			r.Status = u.status()
		}
		end := sessionEnd(r)
		if !end.After(now) {
			err = store.Delete[*accountsv1.SessionRecord](tx, id)
		} else {
			soonest(end)
			soonest(now.Add(writeUse))
			if news {
				err = store.Put(tx, r)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func expireTokens(tx *store.Tx, now time.Time, soonest func(time.Time)) error {
	rows, err := store.List[*accountsv1.TokenRecord](tx, "")
	if err != nil {
		return err
	}
	for _, r := range rows {
		switch {
		case tokenExpired(r, now):
			if err := store.Delete[*accountsv1.TokenRecord](tx, r.GetMeta().GetId()); err != nil {
				return err
			}
		case r.GetSpec().GetExpireTime() != nil:
			soonest(r.GetSpec().GetExpireTime().AsTime())
		}
	}
	return nil
}
