// Package notify keeps what services tell people: notifications, which are there until somebody removes them.
//
// It deliberately calls nobody: people see notifications where they look, by the feed or by the list. What is the case for
// as long as a condition holds is a warning (area warn) and no notification.
//
// Invariants: a package has at most maxRows notifications, of which the oldest go; what is told again before anybody saw
// it is counted and not told twice; a package that tells without end is refused, and the server is not filled.
package notify

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Limits of one package. Texts beyond theirs are cut: what a service has to say is worth more than its end.
const (
	maxRows    = 64
	maxTitle   = 256
	maxMessage = 4 << 10
	maxData    = 8 << 10
	perMinute  = 60
	// perCommit is how many rows one commit changes; they fit it whatever their texts.
	perCommit = 64
)

type row = *notificationsv1.Notification

// Message is what is told.
type Message struct {
	Level                notificationsv1.NotificationStatus_Level
	Title, Message, Data string
}

// Keeper keeps notifications. It is safe for concurrent use.
type Keeper struct {
	store *store.Store

	mu   sync.Mutex // guards told
	told map[string]pace
}

// pace is how many notifications a package told in a minute.
type pace struct {
	since time.Time
	count int
}

// New returns the keeper of the notifications in st.
func New(st *store.Store) *Keeper { return &Keeper{store: st, told: make(map[string]pace)} }

// Tell adds a notification of an installed package.
func (k *Keeper) Tell(ctx context.Context, now time.Time, pkg string, m Message) error {
	if err := k.admit(now, pkg); err != nil {
		return err
	}
	made, err := ids.NewULID(now, rand.Reader)
	if err != nil {
		return err
	}
	m.Title, m.Message, m.Data = fault.Cut(m.Title, maxTitle), fault.Cut(m.Message, maxMessage), fault.Cut(m.Data, maxData)
	_, err = k.store.Update(ctx, now, func(tx *store.Tx) error {
		if _, there, err := store.Lookup[*packagesv1.Package](tx, pkg); err != nil || !there {
			return err
		}
		rows, err := store.List[row](tx, pkg)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !r.GetSpec().GetSeen() && m.is(r.GetStatus()) {
				r.Status.Times++
				return store.Put(tx, r)
			}
		}
		for i := 0; i <= len(rows)-maxRows; i++ {
			if err := store.Delete[row](tx, rows[i].GetMeta().GetId()); err != nil {
				return err
			}
		}
		return store.Put(tx, &notificationsv1.Notification{
			Meta: &metav1.Meta{Id: pkg + "/" + string(made)}, Spec: &notificationsv1.NotificationSpec{},
			Status: &notificationsv1.NotificationStatus{
				Level: m.Level, Title: m.Title, Message: m.Message, Data: m.Data, Time: timestamppb.New(now), Times: 1,
			},
		})
	})
	return err
}

// admit refuses a package that tells too much in a minute.
func (k *Keeper) admit(now time.Time, pkg string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.told[pkg]
	if now.Sub(p.since) >= time.Minute || now.Before(p.since) {
		p = pace{since: now}
	}
	if p.count >= perMinute {
		return fault.New(metav1.Reason_REASON_EFFECT_LIMIT, "cannot take more notifications of %q: at most %d in a minute are allowed", pkg, perMinute).
			With("what", "notifications").With("limit", perMinute)
	}
	p.count++
	k.told[pkg] = p
	return nil
}

func (m Message) is(st *notificationsv1.NotificationStatus) bool {
	return st.GetLevel() == m.Level && st.GetTitle() == m.Title && st.GetMessage() == m.Message && st.GetData() == m.Data
}

// List answers the notifications of a package, or of all where pkg is empty, the newest first.
func (k *Keeper) List(pkg string, unseen bool) (list []*notificationsv1.Notification, err error) {
	err = k.store.View(func(tx *store.Tx) error {
		list, err = store.List[row](tx, pkg)
		return err
	})
	list = slices.DeleteFunc(list, func(r row) bool { return unseen && r.GetSpec().GetSeen() })
	slices.SortFunc(list, func(a, b row) int { return Compare(b.GetMeta().GetId(), a.GetMeta().GetId()) })
	return list, err
}

// Compare orders the ids of notifications in time.
func Compare(a, b string) int {
	return cmp.Or(strings.Compare(a[strings.IndexByte(a, '/')+1:], b[strings.IndexByte(b, '/')+1:]), strings.Compare(a, b))
}

// Mark says of notifications whether somebody has seen them. Nothing is changed where one of them is not there.
func (k *Keeper) Mark(ctx context.Context, now time.Time, names []string, seen bool) (uint32, error) {
	err := k.store.View(func(tx *store.Tx) error {
		for _, id := range names {
			if _, there, err := store.Lookup[row](tx, id); err != nil || !there {
				return cmp.Or(err, missing(id))
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return k.each(ctx, now, names, func(tx *store.Tx, r row) (bool, error) {
		if r.GetSpec().GetSeen() == seen {
			return false, nil
		}
		r.Spec = &notificationsv1.NotificationSpec{Seen: seen}
		return true, store.Put(tx, r)
	})
}

func missing(id string) error {
	return fault.New(metav1.Reason_REASON_NOTIFICATION_NOT_FOUND, "there is no notification %q", id).With("id", id)
}

// Remove removes notifications for good.
func (k *Keeper) Remove(ctx context.Context, now time.Time, names []string) (uint32, error) {
	return k.each(ctx, now, names, func(tx *store.Tx, r row) (bool, error) {
		return true, store.Delete[row](tx, r.GetMeta().GetId())
	})
}

// each changes the notifications named that are there, so many in each commit, and counts those that were changed.
func (k *Keeper) each(ctx context.Context, now time.Time, names []string, change func(*store.Tx, row) (bool, error)) (uint32, error) {
	var all uint32
	for part := range slices.Chunk(names, perCommit) {
		var changed uint32
		_, err := k.store.Update(ctx, now, func(tx *store.Tx) error {
			changed = 0
			for _, id := range part {
				r, there, err := store.Lookup[row](tx, id)
				if err != nil || !there {
					if err != nil {
						return err
					}
					continue
				}
				did, err := change(tx, r)
				if err != nil {
					return fmt.Errorf("cannot change notification %q: %w", id, err)
				}
				if did {
					changed++
				}
			}
			return nil
		})
		if err != nil {
			return all, err
		}
		all += changed
	}
	return all, nil
}

// Forget deletes the notifications of a package, in the caller's transaction and as far as there is room.
func Forget(tx *store.Tx, pkg string, room *store.Room) error {
	return store.DeleteBelow[row](tx, pkg, room)
}
