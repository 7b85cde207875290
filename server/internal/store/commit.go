package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// maxWaiting is how many calls of Update may be under way at once; further ones wait for their turn or their context.
// It bounds what is held in memory while the disk is slow.
const maxWaiting = 64

// writeOverhead is what Badger adds to a key and its value, generously.
const writeOverhead = 96

// writer hands out revisions and gathers them in groups.
type writer struct {
	slots chan struct{}
	kick  chan struct{} // has a token when there is a group to write

	mu     sync.Mutex // guards the following; held while a closure runs; a leaf except for views.mu and the ring's lock
	last   uint64     // newest revision handed out
	groups []*group   // not yet published, oldest first; the first may be being written
	broken error      // why nothing is written any more
}

// group is a run of revisions that become durable together.
type group struct {
	entries []*entry
	rows    map[rowKey]*write // the newest of each row
	records [][]byte          // of entries
	size    int
	urgent  bool // one of them is
	sealed  bool // nothing is added any more
	done    chan struct{}
	err     error // valid after done is closed
}

func (w *writer) init(revision uint64) {
	w.slots = make(chan struct{}, maxWaiting)
	w.kick = make(chan struct{}, 1)
	w.last = revision
}

// Update runs fn once, alone among all updates, and makes what it wrote one commit with one revision, which it answers
// when it is durable and published. fn sees the commits before it and its own writes; it does no I/O and calls neither
// Update nor anything else that waits. If fn fails nothing is written and its error comes back as it is. If fn writes
// nothing there is no new revision: the newest one it could have read is answered, once that is durable.
//
// ctx is heeded until fn has run; what was written then cannot be taken back and is waited for.
func (s *Store) Update(ctx context.Context, now time.Time, fn func(tx *Tx) error) (revision uint64, err error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.users.Done()
	select {
	case s.writer.slots <- struct{}{}:
		defer func() { <-s.writer.slots }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	revision, g, err := s.join(now, urgent(ctx), ridden(ctx, fn))
	if err != nil || g == nil {
		return revision, err
	}
	select {
	case s.writer.kick <- struct{}{}:
	default:
	}
	<-g.done
	if g.err != nil {
		return 0, g.err
	}
	return revision, nil
}

// join runs fn and adds what it wrote to a group. The group is nil when there is nothing to wait for.
func (s *Store) join(now time.Time, urgent bool, fn func(tx *Tx) error) (revision uint64, g *group, err error) {
	w := &s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, nil, w.broken
	}
	tx := &Tx{
		db:       s.db.NewTransactionAt(s.published.Load(), false),
		revision: w.last + 1, now: now, layers: w.groups,
		writes: make(map[rowKey]*write), writable: true,
	}
	defer tx.end()
	if err := fn(tx); err != nil {
		return 0, nil, err
	}
	changes := tx.changes()
	if len(changes) == 0 {
		return w.last, w.newest(), nil
	}
	record, size, err := weigh(changes, int(s.db.limit))
	if err != nil {
		return 0, nil, err
	}
	g = w.open(size, int(s.db.limit))
	w.last++
	for i := range changes {
		changes[i].raw = nil // kept by the writes; the ring needs rows only
		g.rows[changes[i].key] = tx.writes[changes[i].key]
	}
	g.entries = append(g.entries, &entry{revision: w.last, changes: changes, shared: make([]shared, len(changes)), size: len(record)})
	g.records = append(g.records, record)
	g.size += size
	g.urgent = g.urgent || urgent
	return w.last, g, nil
}

// weigh encodes the record of a commit and answers how many bytes the commit writes; limit are allowed.
func weigh(changes []change, limit int) (record []byte, size int, err error) {
	for i, c := range changes {
		if c.deleted {
			if changes[i].raw, err = encodeRow(c.row); err != nil {
				return nil, 0, err
			}
		} else {
			size += len(c.raw)
		}
		size += rowHead + len(c.key.id) + writeOverhead
	}
	if record, err = encodeRecord(changes); err != nil {
		return nil, 0, err
	}
	size += len(record) + writeOverhead
	if size > limit {
		return nil, 0, fault.New(metav1.Reason_REASON_RESOURCE_TOO_LARGE, "cannot commit: %d bytes in %d rows would be written, %d are allowed",
			size, len(changes), limit).With("size", size).With("limit", limit)
	}
	return record, size, nil
}

// newest answers the last group, or nil.
func (w *writer) newest() *group {
	if len(w.groups) == 0 {
		return nil
	}
	return w.groups[len(w.groups)-1]
}

// open answers a group that takes size more bytes, of limit in all.
func (w *writer) open(size, limit int) *group {
	if g := w.newest(); g != nil && !g.sealed && g.size+size <= limit {
		return g
	}
	g := &group{rows: make(map[rowKey]*write), done: make(chan struct{})}
	// A new slice: a transaction may still hold the old one.
	w.groups = append(w.groups[:len(w.groups):len(w.groups)], g)
	return g
}

// commitLoop writes groups one after the other. Close stops it after every Update has returned, and each of them waits
// for its group, so none is left.
func (s *Store) commitLoop() {
	for {
		select {
		case <-s.writer.kick:
			s.commitAll()
		case <-s.stop:
			return
		}
	}
}

func (s *Store) commitAll() {
	w := &s.writer
	for {
		w.mu.Lock()
		if len(w.groups) == 0 {
			w.mu.Unlock()
			return
		}
		g := w.groups[0]
		g.sealed = true
		w.mu.Unlock()
		if err := s.write(g); err != nil {
			s.abort(err)
			return
		}
		w.mu.Lock()
		w.groups = w.groups[1:]
		s.publish(g)
		w.mu.Unlock()
		close(g.done)
	}
}

// write makes a group durable.
func (s *Store) write(g *group) error {
	if err := s.room(g.urgent, g.size); err != nil {
		return err
	}
	s.ahead.prepare()
	last := g.entries[len(g.entries)-1].revision
	write := s.db.begin(last)
	defer write.discard()
	for i, e := range g.entries {
		if err := write.set(logKey(e.revision), g.records[i]); err != nil {
			return fmt.Errorf("cannot write the log: %w", err)
		}
	}
	for key, w := range g.rows {
		var err error
		if w.row == nil {
			err = write.delete(key.bytes())
		} else {
			err = write.set(key.bytes(), w.raw)
		}
		if err != nil {
			return fmt.Errorf("cannot write a row: %w", err)
		}
	}
	if err := write.commit(); err != nil {
		return s.fail(err)
	}
	if err := writeMark(s.mark, last); err != nil {
		s.opt.Logger.Warn("store goes on without a mark", "error", err) // the commit stands
	}
	return nil
}

// fail notes that the extent of what is on disk is unknown.
func (s *Store) fail(cause error) error {
	s.opt.Logger.Error("store cannot write", "error", cause)
	w := &s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = fault.New(metav1.Reason_REASON_UNAVAILABLE, "the state can no longer be written: %w", cause)
	return w.broken
}

// abort fails all groups: those after the first were made in the belief that it would be written.
func (s *Store) abort(err error) {
	w := &s.writer
	w.mu.Lock()
	groups := w.groups
	w.groups = nil
	w.last = s.published.Load()
	w.mu.Unlock()
	for _, g := range groups {
		g.err = err
		close(g.done)
	}
}

// publish shows a durable group to readers and watchers. Called with the writer's lock, so that no closure sees rows
// neither in a group nor in Badger.
func (s *Store) publish(g *group) {
	last := g.entries[len(g.entries)-1].revision
	s.ring.add(g.entries, func() { s.published.Store(last) })
	if last-s.compacted.Load() > s.opt.RetainRevisions+s.opt.RetainRevisions/8 {
		select {
		case s.compactNow <- struct{}{}:
		default:
		}
	}
}

func revisionBytes(revision uint64) []byte { return binary.BigEndian.AppendUint64(nil, revision) }

// readRevision reads a revision under a key of the store's own, 0 if it is not there.
func readRevision(txn *badger.Txn, key string) (uint64, error) {
	raw, err := readKey(txn, key)
	if err != nil || raw == nil {
		return 0, err
	}
	if len(raw) != 8 {
		return 0, fmt.Errorf("cannot use %s: it has %d bytes", key, len(raw))
	}
	return binary.BigEndian.Uint64(raw), nil
}
