package reconcile

import (
	"context"
	"fmt"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Time wakes a key at the times of a calendar. Times that passed while the machine slept or was off, or that the clock
// jumped over, are made up for by one run. A time counts as dealt with when a run that began after it ended well; which
// ones are is kept in the store.
type Time struct {
	Calendar Calendar
	Key      string
}

// lookAgain is how often the wall clock is looked at: timers stand still while a machine sleeps, and know nothing of a
// clock that is set.
const lookAgain = time.Minute

// appointment is one Time of a controller at work.
type appointment struct {
	Time

	// The loop's mu guards:
	dealt time.Time // all up to here are dealt with
	due   time.Time // when it was seen that one is not; zero: none is
	after time.Time // what next was reckoned from
	next  time.Time
}

// keepTime wakes the key of an appointment when it is due, until ctx ends.
func (l *loop) keepTime(ctx context.Context, a *appointment) {
	for failures := 1; ; failures++ {
		dealt, err := l.recall(ctx, a)
		if err == nil {
			l.mu.Lock()
			a.dealt = dealt
			l.mu.Unlock()
			break
		}
		l.log.Warn("cannot tell which times are dealt with", "key", a.Key, "error", err)
		if !sleep(ctx, delay(failures)) {
			return
		}
	}
	for {
		now := wallClock()
		next := l.look(a, now)
		wait := lookAgain
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(now), time.Second)) // overdue: it is being dealt with, or was this moment
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// look wakes the key if it is due and answers when it is next.
func (l *loop) look(a *appointment, now time.Time) time.Time {
	l.mu.Lock()
	if a.dealt.After(now) {
		a.dealt = now // the clock was put back: what was dealt with in the future is not
	}
	if a.due.After(now) {
		a.due = now
	}
	from := a.dealt
	if !a.due.IsZero() {
		from = a.due
	}
	if !from.Equal(a.after) || a.next.IsZero() {
		a.after, a.next = from, a.Calendar.Next(from)
	}
	next := a.next
	overdue := !next.IsZero() && !next.After(now)
	news := overdue && a.due.IsZero()
	if news {
		a.due = now
	}
	l.mu.Unlock()
	if news {
		l.wake(a.Key)
	}
	return next
}

// wallClock is the time without what a machine that slept does not know.
func wallClock() time.Time { return time.Now().Round(0) }

// recall reads up to when all times are dealt with. A calendar that was never seen begins now.
func (l *loop) recall(ctx context.Context, a *appointment) (time.Time, error) {
	var dealt time.Time
	err := l.st.View(func(tx *store.Tx) error {
		entry, there, err := store.Lookup[*systemv1.CalendarEntry](tx, l.entryID(a))
		if there {
			dealt = entry.GetStatus().GetDealtTime().AsTime()
		}
		return err
	})
	if err != nil || !dealt.IsZero() {
		return dealt, err
	}
	now := wallClock()
	return now, l.record(ctx, a, now)
}

func (l *loop) record(ctx context.Context, a *appointment, dealt time.Time) error {
	_, err := l.st.Update(ctx, dealt, func(tx *store.Tx) error {
		return store.Put(tx, &systemv1.CalendarEntry{
			Meta: &metav1.Meta{Id: l.entryID(a)}, Status: &systemv1.CalendarEntryStatus{DealtTime: timestamppb.New(dealt)},
		})
	})
	if err != nil {
		return fmt.Errorf("cannot record which times are dealt with: %w", err)
	}
	return nil
}

func (l *loop) entryID(a *appointment) string { return l.Name + "/" + a.Key }

// appointed lists the appointments of a key that are due; asked before its run.
func (l *loop) appointed(key string) []*appointment {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*appointment
	for _, a := range l.appointments {
		if a.Key == key && !a.due.IsZero() {
			list = append(list, a)
		}
	}
	return list
}

// kept records appointments with which a run that ended well has dealt.
func (l *loop) kept(ctx context.Context, list []*appointment) error {
	for _, a := range list {
		l.mu.Lock()
		dealt := a.due
		l.mu.Unlock()
		if err := l.record(ctx, a, dealt); err != nil {
			return err
		}
		l.mu.Lock()
		a.dealt, a.due = dealt, time.Time{}
		l.mu.Unlock()
	}
	return nil
}
