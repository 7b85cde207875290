package store

import (
	"context"
	"slices"
	"time"
)

// feedBytes is about how much one call of Feed.Next answers, as long as one batch fits.
const feedBytes = 1 << 20

// Feed follows several watchers for one reader. All wait for the same ring, so they need one goroutine and wake it once,
// however many they are; and what several of them are shown just the same is answered once. It is used by one goroutine
// at a time, and its watchers by nobody else.
type Feed struct {
	s        *Store
	watchers []*Watcher
	turn     int // the watcher that is asked first
	next     time.Time
	look     glance
}

// Piece is a batch of some watchers of a feed: of each it is what Watcher.Next would have answered.
type Piece struct {
	Watchers []int // their places among those given to Store.Feed
	Batch
}

// Feed makes a feed of watchers of this store.
func (s *Store) Feed(watchers ...*Watcher) *Feed {
	for _, w := range watchers {
		if len(watchers) > 1 {
			w.own, w.call = nil, nil
		}
	}
	return &Feed{s: s, watchers: watchers}
}

// Rest has the next call of Next that has to wait for changes also wait until so much time has passed, so that it answers
// with all that came meanwhile.
func (f *Feed) Rest(d time.Duration) { f.next = time.Now().Add(d) }

// Next answers what there is for the watchers, at most one batch of each, waiting until there is something. When there is
// more than fits, those that come last have the first turn next time. It fails as Watcher.Next does, when one of the
// watchers does.
func (f *Feed) Next(ctx context.Context) ([]Piece, error) {
	if err := f.s.enter(); err != nil {
		return nil, err
	}
	defer f.s.users.Done()
	var idle <-chan time.Time // runs while there is a bookmark to tell
	done := ctx.Done()        // the context of a call is deep, and asked often
	for {
		select {
		case <-done:
			return nil, context.Cause(ctx)
		default:
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
		case <-done:
		}
		if err := f.rest(ctx); err != nil {
			return nil, err
		}
	}
}

// rest waits for what Rest was told.
func (f *Feed) rest(ctx context.Context) error {
	if f.next.IsZero() {
		return nil
	}
	left := time.Until(f.next)
	f.next = time.Time{}
	if left <= 0 {
		return nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-f.s.closing:
		return errClosed()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// poll asks every watcher once. more tells that one went over revisions that do not match and is not through.
func (f *Feed) poll() (pieces []Piece, more bool, wake wakes, err error) {
	var all gathered
	defer f.look.forget()
	for i := range f.watchers {
		at := (f.turn + i) % len(f.watchers)
		if all.size >= feedBytes {
			f.turn = at
			break
		}
		w := f.watchers[at]
		b, ready, news, err := w.poll(&f.look)
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
			all.add(at, b)
		} else if w.call == nil && w.at < f.s.published.Load() {
			more = true
		}
	}
	return all.pieces, more, wake, nil
}

// glance is what came after a place of the feed when it was looked at, for the next watcher that is there too. What has
// come since is found when there is nothing left to answer. Between two polls it still tells where the feed ended.
type glance struct {
	revision uint64
	limit    int // 0 before the first look
	entries  []*entry
	wake     <-chan struct{}
	end      uint64 // the newest revision there was; 0: not known
}

// after answers up to limit entries that follow a revision, from the ring or, where that does not reach back, from the log.
func (g *glance) after(s *Store, revision uint64, limit int) ([]*entry, <-chan struct{}, error) {
	if g.limit == limit && g.revision == revision {
		return g.entries, g.wake, nil
	}
	if g.end == revision && s.published.Load() == revision {
		return nil, g.wake, nil // as it was, so the channel is still the one
	}
	entries, held, wake := s.ring.after(revision, limit, g.entries[:0])
	end := uint64(0)
	if held && len(entries) < limit {
		end = revision + uint64(len(entries))
	}
	if !held {
		var err error
		if entries, err = s.readLog(revision, limit); err != nil {
			return nil, wake, err
		}
	}
	*g = glance{revision, limit, entries, wake, end}
	return entries, wake, nil
}

// forget lets go of the entries, which are others' to keep.
func (g *glance) forget() {
	clear(g.entries)
	g.limit, g.entries = 0, g.entries[:0]
}

// gathered are the pieces of one call, with what is the same for several watchers once.
type gathered struct {
	pieces []Piece
	places map[outline]int // of the newest piece with an outline; nil while there is one piece
	size   int
}

// outline is what batches that are the same have in common, and few others.
type outline struct {
	first, last        *shared
	changes            int
	bookmark, snapshot bool
	revision           uint64
	boot               string
}

func (g *gathered) add(watcher int, b Batch) {
	if len(g.pieces) > 0 && g.join(watcher, b) {
		return
	}
	g.pieces = append(g.pieces, Piece{Watchers: []int{watcher}, Batch: b})
	g.size += b.size
}

// join adds a watcher to the piece of others, if there is one for it, else notes that its piece comes next.
func (g *gathered) join(watcher int, b Batch) bool {
	if g.places == nil {
		g.places = make(map[outline]int)
		if first, whole := g.pieces[0].outline(); whole {
			g.places[first] = 0
		}
	}
	key, whole := b.outline()
	if !whole {
		return false
	}
	if place, ok := g.places[key]; ok && b.same(g.pieces[place].Batch) {
		g.pieces[place].Watchers = append(g.pieces[place].Watchers, watcher)
		return true
	}
	g.places[key] = len(g.pieces)
	return false
}

// outline answers that of a batch, or false where some change is not shared: then it cannot be told from others.
func (b Batch) outline() (o outline, whole bool) {
	o = outline{changes: len(b.Changes), bookmark: b.Bookmark, snapshot: b.Snapshot, revision: b.Revision, boot: b.Boot}
	if n := len(b.Changes); n > 0 {
		o.first, o.last = b.Changes[0].shared, b.Changes[n-1].shared
	}
	for _, c := range b.Changes {
		if c.shared == nil {
			return o, false
		}
	}
	return o, true
}

// same tells whether two batches of one outline hold the same changes.
func (b Batch) same(other Batch) bool {
	return slices.EqualFunc(b.Changes, other.Changes, func(x, y Change) bool { return x.shared == y.shared })
}

// owes tells whether a watcher went over revisions of others since its last bookmark.
func (f *Feed) owes() bool {
	for _, w := range f.watchers {
		if w.at > w.told && len(w.own) == 0 {
			return true
		}
	}
	return false
}

// bookmarks answers the bookmarks that are owed.
func (f *Feed) bookmarks() []Piece {
	var all gathered
	for i, w := range f.watchers {
		if w.at > w.told {
			all.add(i, w.bookmark(Batch{}))
		}
	}
	return all.pieces
}
