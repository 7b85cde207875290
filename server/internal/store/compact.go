package store

import (
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// compaction is how the log is shortened.
type compaction struct {
	mu      sync.Mutex // held while it is shortened
	deleted uint64     // newest revision whose record is known to be gone

	told sync.Mutex // guards err; a leaf
	err  error      // why the log could not be shortened last
}

// lookEvery is how often tables and reserve are looked at.
const lookEvery = 10 * time.Minute

// views counts which revisions are being read, so that compaction keeps the rows as they were then.
type views struct {
	mu sync.Mutex // guards at and moves of the compaction point; a leaf
	at map[uint64]int
}

// pin keeps the newest published revision readable until unpin.
func (s *Store) pin() uint64 {
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	revision := s.published.Load()
	s.views.at[revision]++
	return revision
}

// pinAt keeps a revision readable until unpin, if it still is.
func (s *Store) pinAt(revision uint64) bool {
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	if revision < s.compacted.Load() {
		return false
	}
	s.views.at[revision]++
	return true
}

func (s *Store) unpin(revision uint64) {
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	if s.views.at[revision]--; s.views.at[revision] == 0 {
		delete(s.views.at, revision)
	}
}

// maintainLoop cuts the log off when it is long enough and looks at tables and reserve, until Close.
func (s *Store) maintainLoop() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.compactNow:
			if err := s.compact(s.opt.RetainRevisions); err != nil {
				s.opt.Logger.Warn("store cannot shorten its log", "error", err)
			}
		case <-tick.C:
			s.verify()
			s.keepReserve()
		}
	}
}

// Compact cuts the log off so that it holds the newest keep revisions, and gives the room of what is gone back to the
// disk. Bookmarks from before expire. A daemon does the first by itself; this is for a server that is stopped.
func (s *Store) Compact(keep uint64) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	if err := s.compact(keep); err != nil {
		return err
	}
	if err := s.db.Flatten(1); err != nil {
		return fmt.Errorf("cannot rewrite the tables: %w", err)
	}
	return nil
}

func (s *Store) compact(keep uint64) error {
	s.compaction.mu.Lock()
	defer s.compaction.mu.Unlock()
	err := s.cutOff(keep)
	s.compaction.told.Lock()
	defer s.compaction.told.Unlock()
	s.compaction.err = err
	return err
}

// cutOff forgets all but the newest revisions. What it moves first is the point in memory, then the one on disk, then
// it deletes: after a crash between, records up to the point are still there and the next run deletes them.
func (s *Store) cutOff(keep uint64) error {
	if err := checkSpace(s.dir, s.opt.MinFree/2); err != nil {
		return err
	}
	now, to, moved := s.choose(keep)
	if !moved {
		return nil
	}
	write := s.db.begin(now)
	defer write.discard()
	if err := write.set([]byte(keyCompacted), revisionBytes(to)); err != nil {
		return fmt.Errorf("cannot note the compaction: %w", err)
	}
	if err := write.commit(); err != nil {
		return fmt.Errorf("cannot note the compaction: %w", err)
	}
	if err := s.deleteRecords(now, s.compaction.deleted, to); err != nil {
		return err
	}
	s.compaction.deleted = to
	s.db.SetDiscardTs(to)
	return nil
}

// choose moves the compaction point in memory, not beyond what is being read, and answers it with the revision as which
// the compaction is written.
func (s *Store) choose(keep uint64) (now, to uint64, moved bool) {
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	now = s.published.Load()
	if now <= keep {
		return now, 0, false
	}
	to = now - keep
	for revision := range s.views.at {
		to = min(to, revision)
	}
	if to <= s.compacted.Load() {
		return now, to, false
	}
	s.compacted.Store(to)
	return now, to, true
}

// deleteRecords deletes the records of the revisions after from up to and including to.
func (s *Store) deleteRecords(now, from, to uint64) error {
	write := s.db.beginMany(now)
	defer write.discard()
	txn := s.db.NewTransactionAt(now, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte("l/")})
	defer it.Close()
	for it.Seek(logKey(from + 1)); it.Valid(); it.Next() {
		if revision, ok := logRevision(it.Item().Key()); ok && revision > to {
			break
		}
		if err := write.delete(it.Item().KeyCopy(nil)); err != nil {
			return fmt.Errorf("cannot delete old records: %w", err)
		}
	}
	if err := write.commit(); err != nil {
		return fmt.Errorf("cannot delete old records: %w", err)
	}
	return nil
}
