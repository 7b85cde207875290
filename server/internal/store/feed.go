package store

import (
	"context"
	"time"
)

// feedBytes is about how much one call of Feed.Next answers, as long as one batch fits.
const feedBytes = 1 << 20

// Feed follows several watchers for one reader. All wait for the same ring, so they need one goroutine and wake it once,
// however many they are. It is used by one goroutine at a time, and its watchers by nobody else.
type Feed struct {
	s        *Store
	watchers []*Watcher
	turn     int // the watcher that is asked first
}

// Piece is a batch of one watcher of a feed.
type Piece struct {
	Watcher int // its place among those given to Store.Feed
	Batch
}

// Feed makes a feed of watchers of this store.
func (s *Store) Feed(watchers ...*Watcher) *Feed { return &Feed{s: s, watchers: watchers} }

// Next answers what there is for the watchers, at most one batch of each, waiting until there is something. When there is
// more than fits, those that come last have the first turn next time. It fails as Watcher.Next does, when one of the
// watchers does.
func (f *Feed) Next(ctx context.Context) ([]Piece, error) {
	if err := f.s.enter(); err != nil {
		return nil, err
	}
	defer f.s.users.Done()
	var idle <-chan time.Time // runs while there is a bookmark to tell
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		pieces, more, wake, err := f.poll()
		if len(pieces) > 0 || err != nil {
			return pieces, err
		}
		if more {
			continue
		}
		if idle == nil && f.owes() {
			t := time.NewTimer(quiet)
			defer t.Stop()
			idle = t.C
		}
		select {
		case <-wake.durable:
		case <-wake.ephemeral:
		case <-idle:
			return f.bookmarks(), nil
		case <-f.s.closing:
			return nil, errClosed()
		case <-ctx.Done():
		}
	}
}

// poll asks every watcher once. more tells that one went over revisions that do not match and is not through.
func (f *Feed) poll() (pieces []Piece, more bool, wake wakes, err error) {
	size := 0
	for i := range f.watchers {
		at := (f.turn + i) % len(f.watchers)
		if size >= feedBytes {
			f.turn = at
			return pieces, more, wake, nil
		}
		w := f.watchers[at]
		b, ready, news, err := w.poll()
		if err != nil {
			return nil, false, wake, err
		}
		// The channel got first is closed by whatever any of them has not seen.
		if wake.durable == nil {
			wake.durable = news.durable
		}
		if wake.ephemeral == nil {
			wake.ephemeral = news.ephemeral
		}
		if ready {
			pieces = append(pieces, Piece{Watcher: at, Batch: b})
			size += b.size
		} else if w.at < f.s.published.Load() {
			more = true
		}
	}
	return pieces, more, wake, nil
}

// owes tells whether a watcher went over revisions of others since its last bookmark.
func (f *Feed) owes() bool {
	for _, w := range f.watchers {
		if w.at > w.told {
			return true
		}
	}
	return false
}

// bookmarks answers the bookmarks that are owed.
func (f *Feed) bookmarks() []Piece {
	var pieces []Piece
	for i, w := range f.watchers {
		if w.at > w.told {
			pieces = append(pieces, Piece{Watcher: i, Batch: w.bookmark(Batch{})})
		}
	}
	return pieces
}
