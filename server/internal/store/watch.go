package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// WatchOptions say what to watch and from where.
type WatchOptions struct {
	// Selectors: rows that match any of them; none means all.
	Selectors []Selector
	// From is the revision the watcher already has; 0 begins with a snapshot. One that is still to come is waited for.
	From uint64
	// Readable tells whether a row may be shown; it is asked for every row at the moment it is handed out, so a right that
	// is withdrawn ends at once. A right that is given later shows changes from then on. nil: all rows.
	Readable func(kind *KindInfo, id string) bool
	// PageSize is how many rows of the snapshot, and how many revisions, come at a time. Default 256.
	PageSize int
	// OwnKinds has the watcher sleep through changes of other kinds than those it selects, for which it gets no bookmarks
	// then. It is for those who keep none. Beside other watchers in a Feed it means nothing.
	OwnKinds bool
}

// Batch is a piece of the feed.
type Batch struct {
	// Snapshot: Changes are rows as they are, not changes; what the watcher had before its first page is void.
	Snapshot bool
	Changes  []Change
	// Bookmark: everything up to Revision has been handed out.
	Bookmark bool
	Revision uint64
	// Boot, in the first Batch of a watcher that ephemeral kinds can match, is the boot id of the store: ephemeral rows
	// that were held from elsewhere are void, those that exist follow.
	Boot string

	size int // bytes of the rows or records in it
}

// Change is one row that was written or deleted.
type Change struct {
	Revision uint64 // 0 for ephemeral kinds; in a snapshot the row's own
	Kind, ID string
	// Row is the row as of Revision; nil: it was deleted, or no longer matches the selectors. It is shared with other
	// watchers and must not be changed.
	Row       Row
	Ephemeral bool

	shared *shared
}

// shared is what watchers put down for each other beside a change of the ring.
type shared struct{ encoded atomic.Pointer[[]byte] }

// Encoded answers what encode makes of the change. What it made of a change that other watchers are shown just the same
// is used again, so encode must depend on nothing but the change, and the bytes must not be changed.
func (c Change) Encoded(encode func(Change) ([]byte, error)) ([]byte, error) {
	if c.shared == nil {
		return encode(c)
	}
	if b := c.shared.encoded.Load(); b != nil {
		return *b, nil
	}
	b, err := encode(c)
	if err == nil {
		c.shared.encoded.Store(&b)
	}
	return b, err
}

const (
	defaultPage = 256
	pageBytes   = 512 << 10 // of stored rows or records in one batch, as long as one revision fits
	// quiet is how long a watcher whose rows do not change is left without a bookmark while others' rows change.
	quiet = 10 * time.Second
)

// Watcher is a cursor in the feed. It needs no closing and holds no resource but itself. It is used by one goroutine at
// a time.
//
//	           ┌─────────┐ last page ┌─────────┐
//	From 0 ───▶│ reading │──────────▶│following│◀─── From > 0
//	           └─────────┘           └─────────┘
//	            snapshot pages,       the ring, or the log where the ring does not reach back;
//	            then ephemeral rows   changes of ephemeral rows between
type Watcher struct {
	s        *Store
	want     selection
	readable func(kind *KindInfo, id string) bool
	page     int

	spans []span // left to read; nil when following
	start bool   // the snapshot is not complete
	at    uint64 // reading: revision of the snapshot; following: newest revision seen
	told  uint64 // newest bookmark handed out

	own    kindSet // with OwnKinds the kinds selected that are durable, else nil
	ownKey string
	call   *call // the wait for them, between two polls

	ephemeral bool // rows of ephemeral kinds can match
	booted    bool // the boot id was told, or does not matter
	number    uint64
	drops     uint64
	known     map[rowKey]struct{} // ephemeral rows shown
}

// Watch makes a watcher. From before what the log holds is refused with REASON_BOOKMARK_EXPIRED, a kind that does not
// exist with REASON_SELECTOR_INVALID. The snapshot is of the newest revision at the time of this call.
func (s *Store) Watch(opt WatchOptions) (*Watcher, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.users.Done()
	w := &Watcher{
		s: s, want: opt.Selectors, readable: opt.Readable, page: opt.PageSize, at: opt.From, told: opt.From,
		known: make(map[rowKey]struct{}),
	}
	if err := w.want.check(); err != nil {
		return nil, err
	}
	if w.page <= 0 {
		w.page = defaultPage
	}
	if w.readable == nil {
		w.readable = func(*KindInfo, string) bool { return true }
	}
	for _, k := range kinds().ordered {
		if !w.want.wants(k) {
			continue
		}
		w.ephemeral = w.ephemeral || k.Ephemeral()
		if opt.OwnKinds && !k.Ephemeral() {
			w.own = append(w.own, k.Number)
		}
	}
	w.ownKey = w.own.key()
	w.booted = !w.ephemeral
	if opt.From == 0 {
		w.at, w.start, w.spans = s.published.Load(), true, w.want.spans()
	} else if opt.From < s.compacted.Load() {
		if _, held, _ := s.ring.after(opt.From, 0, nil); !held {
			return nil, errExpired(opt.From)
		}
	}
	return w, nil
}

func errExpired(revision uint64) error {
	return fault.New(metav1.Reason_REASON_BOOKMARK_EXPIRED, "the log no longer reaches back to revision %d", revision).
		With("revision", revision)
}

// Next answers the next piece of the feed, waiting for it if need be. All changes of a revision are in one Batch. It
// fails with the context's cause, with REASON_BOOKMARK_EXPIRED when the log was cut off before the cursor, and with
// REASON_UNAVAILABLE when the store is closed; after a failure of the context it can be called again.
func (w *Watcher) Next(ctx context.Context) (Batch, error) {
	pieces, err := (&Feed{s: w.s, watchers: []*Watcher{w}}).Next(ctx)
	if err != nil {
		return Batch{}, err
	}
	return pieces[0].Batch, nil
}

// poll answers the next piece if there is one; otherwise it may have moved the cursor over what does not match.
func (w *Watcher) poll(look *glance) (b Batch, ready bool, wake wakes, err error) {
	if w.start {
		b, err = w.read()
	} else {
		b, wake, err = w.follow(look)
	}
	if err != nil {
		return b, false, wake, err
	}
	if !w.booted {
		b.Boot, w.booted = w.s.boot, true
		if !w.start && w.at > w.told {
			b = w.bookmark(b)
		}
	}
	return b, b.Snapshot || len(b.Changes) > 0 || b.Bookmark || b.Boot != "", wake, nil
}

// wakes are the channels that say there may be more.
type wakes struct{ durable, ephemeral <-chan struct{} }

// bookmark completes a batch up to where the cursor is.
func (w *Watcher) bookmark(b Batch) Batch {
	b.Bookmark, b.Revision, w.told = true, w.at, w.at
	return b
}

// follow answers what came after the cursor; without anything, where to wait. A long run of revisions that do not match
// is reported by a bookmark, so that the caller's context is looked at.
func (w *Watcher) follow(look *glance) (Batch, wakes, error) {
	var wake wakes
	b := Batch{Revision: w.at}
	if w.ephemeral {
		b.Changes, _, wake.ephemeral = w.news(w.page)
	}
	if w.waits() {
		wake.durable = w.call.ended
		return b, wake, nil
	}
	entries, more, err := look.after(w.s, w.at, w.page)
	wake.durable = more
	if err != nil {
		return Batch{}, wake, err
	}
	if len(w.own) > 0 && len(entries) == 0 {
		// What comes between the look and this call has ended more.
		if w.call = w.s.ring.await(w.at, w.own, w.ownKey); w.call != nil {
			wake.durable = w.call.ended
		}
	}
	size, seen := 0, false
	for _, e := range entries {
		if size += e.size; seen && size > pageBytes {
			break
		}
		seen = true
		before := len(b.Changes)
		if b.Changes = w.pick(b.Changes, e); len(b.Changes) > before {
			b.size += e.size
		}
		w.at = e.revision
	}
	if seen && (len(b.Changes) > 0 || len(entries) == w.page) {
		b = w.bookmark(b)
	}
	return b, wake, nil
}

// waits tells whether a call for the watcher's own kinds has not ended. With one that has, the cursor goes over what was
// slept through.
func (w *Watcher) waits() bool {
	if w.call == nil {
		return false
	}
	select {
	case <-w.call.ended:
		w.at, w.call = max(w.at, w.call.before), nil
		return false
	default:
		return true
	}
}

// pick appends what of an entry matches.
func (w *Watcher) pick(changes []Change, e *entry) []Change {
	for i, c := range e.changes {
		kind := kinds().byNumber[c.key.kind]
		match := w.want.match(kind, c.key.id, c.row.GetMeta().GetLabels())
		left := !match && c.before != nil && w.want.match(kind, c.key.id, c.before)
		if !match && !left || !w.readable(kind, c.key.id) {
			continue
		}
		out := Change{Revision: e.revision, Kind: kind.ID, ID: c.key.id}
		if match {
			out.shared = &e.shared[i]
			if !c.deleted {
				out.Row = c.row
			}
		}
		changes = append(changes, out)
	}
	return changes
}

// news answers ephemeral rows that changed since the watcher looked last, whether there may be more of them, and a
// channel closed at the next change. It looks on until it finds some or has seen all.
func (w *Watcher) news(limit int) (changes []Change, more bool, wake <-chan struct{}) {
	for more = true; more && len(changes) == 0; {
		var rows []*ephemeral
		rows, wake = w.s.eph.since(w.number, limit)
		more = len(rows) == limit
		for _, r := range rows {
			w.number = r.number
			if c, ok := w.pickEphemeral(r); ok {
				changes = append(changes, c)
			}
		}
	}
	gone, drops := w.s.eph.dropped(w.known, w.drops)
	w.drops = drops
	for _, key := range gone {
		delete(w.known, key)
		if kind := kinds().byNumber[key.kind]; w.readable(kind, key.id) {
			changes = append(changes, Change{Kind: kind.ID, ID: key.id, Ephemeral: true})
		}
	}
	return changes, more, wake
}

// pickEphemeral answers what a changed row means to the watcher, if anything.
func (w *Watcher) pickEphemeral(r *ephemeral) (c Change, ok bool) {
	_, shown := w.known[r.key]
	match := w.want.match(r.kind, r.key.id, r.row.GetMeta().GetLabels())
	if !match && !shown || !w.readable(r.kind, r.key.id) {
		return c, false
	}
	c = Change{Kind: r.kind.ID, ID: r.key.id, Ephemeral: true}
	if match {
		c.Row = r.row
		w.known[r.key] = struct{}{}
	} else {
		delete(w.known, r.key)
	}
	return c, true
}

// readLog reads up to limit revisions after a revision from disk.
func (s *Store) readLog(revision uint64, limit int) ([]*entry, error) {
	if revision < s.compacted.Load() {
		return nil, errExpired(revision)
	}
	rev := s.pin()
	defer s.unpin(rev)
	txn := s.db.NewTransactionAt(rev, false)
	defer txn.Discard()
	it := txn.NewIterator(below([]byte("l/")))
	defer it.Close()
	var entries []*entry
	size := 0
	for it.Seek(logKey(revision + 1)); it.Valid() && len(entries) < limit && size < pageBytes; it.Next() {
		at, ok := logRevision(it.Item().Key())
		if !ok || at != revision+1 {
			// Cut off between the look at the compaction point and here, or damaged: never skip.
			return nil, errExpired(revision)
		}
		err := it.Item().Value(func(raw []byte) error {
			e, err := decodeRecord(at, raw)
			if err == nil {
				entries = append(entries, e)
				size += e.size
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("cannot read revision %d of the log: %w", at, err)
		}
		revision = at
	}
	return entries, nil
}

// read answers the next page of the snapshot: rows, then ephemeral rows, and with the last one the bookmark.
func (w *Watcher) read() (Batch, error) {
	b := Batch{Snapshot: true, Revision: w.at}
	if len(w.spans) > 0 {
		if err := w.readRows(&b); err != nil {
			return Batch{}, err
		}
	}
	if len(w.spans) > 0 {
		return b, nil
	}
	if w.ephemeral {
		changes, more, _ := w.news(w.page)
		b.Changes = append(b.Changes, changes...)
		if more {
			return b, nil
		}
	}
	w.start = false
	return w.bookmark(b), nil
}

// readRows fills a page and leaves in w.spans what is still to be read. Each page is a transaction of its own at the
// snapshot's revision, so that a watcher that does not come back holds nothing.
func (w *Watcher) readRows(b *Batch) error {
	s := w.s
	if !s.pinAt(w.at) {
		return errExpired(w.at)
	}
	defer s.unpin(w.at)
	txn := s.db.NewTransactionAt(w.at, false)
	defer txn.Discard()
	it := txn.NewIterator(below([]byte("r/")))
	defer it.Close()
	size := 0
	for ; len(w.spans) > 0; w.spans = w.spans[1:] {
		for it.Seek(w.spans[0].start); it.Valid(); it.Next() {
			item := it.Item()
			if string(item.Key()) >= string(w.spans[0].end) {
				break
			}
			if len(b.Changes) >= w.page || size >= pageBytes {
				w.spans[0].start = item.KeyCopy(nil)
				return nil
			}
			change, ok, err := w.readRow(item)
			if err != nil {
				return err
			}
			if ok {
				b.Changes = append(b.Changes, change)
				size += int(item.ValueSize())
				b.size += int(item.ValueSize())
			}
		}
	}
	return nil
}

func (w *Watcher) readRow(item *badger.Item) (c Change, ok bool, err error) {
	kind := kinds().byNumber[binary.BigEndian.Uint16(item.Key()[len("r/"):])]
	id := string(item.Key()[rowHead:])
	if !w.readable(kind, id) {
		return c, false, nil
	}
	err = item.Value(func(raw []byte) error {
		row, err := decodeRow(kind, raw)
		if err != nil || !w.want.match(kind, id, row.GetMeta().GetLabels()) {
			return err
		}
		c = Change{Revision: row.GetMeta().GetRevision(), Kind: kind.ID, ID: id, Row: row}
		ok = true
		return nil
	})
	if err != nil {
		return c, false, fmt.Errorf("cannot read %s %q: %w", kind.ID, id, err)
	}
	return c, ok, nil
}
