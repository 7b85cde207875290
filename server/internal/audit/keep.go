package audit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

const (
	// gather is how long refused calls wait for others, to be written together.
	gather = time.Second
	// trimAge is how often entries that are too old are looked for.
	trimAge = time.Hour
	// perCommit bounds a commit of deletions.
	perCommit = 200
)

// Run writes refused calls and removes entries beyond the limits, until ctx ends; then it writes what is left.
func (l *Log) Run(ctx context.Context) error {
	if err := l.trim(ctx, l.surplus); err != nil && ctx.Err() == nil {
		return err
	}
	old := time.NewTimer(trimAge)
	defer old.Stop()
	next := time.NewTimer(trimAge) // of refused calls that are counted
	defer next.Stop()
	surplus := l.beyond
	for {
		select {
		case <-ctx.Done():
			_, err := l.flush(context.WithoutCancel(ctx), true, next)
			return err
		case <-l.kick:
			select {
			case <-ctx.Done():
				continue
			case <-time.After(gather):
			}
		case <-next.C:
		case <-old.C:
			l.written.Store(trimEvery)
			surplus = l.surplus
			old.Reset(trimAge)
		}
		refused, err := l.flush(ctx, false, next)
		if err != nil {
			l.log.WarnContext(ctx, "cannot record refused calls in the audit log", "error", err)
		}
		if refused {
			surplus = l.surplus
		}
		if l.written.Load() >= trimEvery {
			l.written.Store(0)
			if err := l.trim(ctx, surplus); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "cannot trim the audit log", "error", err)
				continue
			}
			surplus = l.beyond
		}
	}
}

// flush writes the refused calls that are due and tells whether there were any.
func (l *Log) flush(ctx context.Context, all bool, next *time.Timer) (refused bool, err error) {
	now := l.clock()
	entries, at := l.refusals.take(now, all)
	if !at.IsZero() {
		next.Reset(max(0, at.Sub(now)))
	}
	if len(entries) == 0 {
		return false, nil
	}
	l.written.Add(int64(len(entries)))
	_, err = l.store.Update(ctx, now, func(tx *store.Tx) error {
		for _, e := range entries {
			if err := store.Put(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return true, err
}

// trim removes what surplus finds.
func (l *Log) trim(ctx context.Context, surplus func(tx *store.Tx) ([]string, error)) error {
	var ids []string
	err := l.store.View(func(tx *store.Tx) (err error) {
		ids, err = surplus(tx)
		return err
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(ids, perCommit) {
		_, err := l.store.Update(ctx, l.clock(), func(tx *store.Tx) error {
			for _, id := range some {
				if err := store.Delete[*auditv1.Entry](tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beyond is surplus where no refused call was written since surplus was asked: there may be too many entries, and else
// nothing is to be removed.
func (l *Log) beyond(tx *store.Tx) ([]string, error) {
	all, err := store.IDs[*auditv1.Entry](tx, "")
	if err != nil || len(all) <= l.limits.Entries {
		return nil, err
	}
	return l.surplus(tx)
}

// surplus answers the ids of the entries that are beyond any of the limits.
func (l *Log) surplus(tx *store.Tx) ([]string, error) {
	all, err := store.List[*auditv1.Entry](tx, "") // in the order of time
	if err != nil {
		return nil, err
	}
	var ids []string
	oldest := l.clock().Add(-l.limits.Age)
	refused := 0
	var left []*auditv1.Entry // the newest first
	callers := map[string]int{}
	for _, e := range slices.Backward(all) {
		drop := e.GetMeta().GetCreateTime().AsTime().Before(oldest)
		if e.GetStatus().GetOutcome() == auditv1.EntryStatus_OUTCOME_REFUSED {
			drop = drop || refused >= l.limits.Refusals
			refused++
		}
		if drop {
			ids = append(ids, e.GetMeta().GetId())
			continue
		}
		left = append(left, e)
		callers[e.GetSpec().GetCaller()]++
	}
	share := shareOf(callers, l.limits.Entries)
	clear(callers)
	for _, e := range left {
		if callers[e.GetSpec().GetCaller()]++; callers[e.GetSpec().GetCaller()] > share {
			ids = append(ids, e.GetMeta().GetId())
		}
	}
	return ids, nil
}

// shareOf is how many entries a caller may have at most, so that all together have no more than limit. What callers with
// few entries leave of their share is for the others: so one who makes many calls pushes out his own entries first.
func shareOf(callers map[string]int, limit int) int {
	share, left := limit, limit
	for i, n := range slices.Sorted(maps.Values(callers)) {
		share = left / (len(callers) - i)
		if n > share {
			return share
		}
		left -= n
	}
	return limit
}

// List answers up to limit entries that a request asks for and whose ids are smaller than before, the newest first, and
// whether there are more. With "" it begins with the newest. Older entries than it answers are not read.
func (l *Log) List(req *auditv1.ListEntriesRequest, before string, limit int) (found []*auditv1.Entry, more bool, err error) {
	err = l.store.View(func(tx *store.Tx) error {
		for e, err := range store.Descend[*auditv1.Entry](tx, before) {
			switch {
			case err != nil:
				return err
			// An id is no older than its call: from here on all are too old.
			case req.GetSince() != nil && ids.ULID(e.GetMeta().GetId()).Time().Before(req.GetSince().AsTime().Truncate(time.Millisecond)):
				return nil
			case !matches(e, req):
			case len(found) == limit:
				more = true
				return nil
			default:
				found = append(found, e)
			}
		}
		return nil
	})
	return found, more, err
}

func matches(e *auditv1.Entry, req *auditv1.ListEntriesRequest) bool {
	at := e.GetSpec().GetCallTime().AsTime()
	switch {
	case req.GetCaller() != "" && e.GetSpec().GetCaller() != req.GetCaller() && e.GetSpec().GetCallerId() != req.GetCaller():
	case !strings.Contains(strings.ToLower(e.GetSpec().GetMethod()), strings.ToLower(req.GetMethod())):
	case req.GetOutcome() != 0 && e.GetStatus().GetOutcome() != req.GetOutcome():
	case req.GetSince() != nil && at.Before(req.GetSince().AsTime()):
	case req.GetUntil() != nil && !at.Before(req.GetUntil().AsTime()):
	default:
		return true
	}
	return false
}
