package store

import (
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Status says how the store does, for those who warn of it.
type Status struct {
	Revision uint64
	// Oldest is the oldest revision to which a bookmark leads back, and OldestTime when the one after it was committed,
	// as far as the times of its rows tell; zero when the log is empty.
	Oldest     uint64
	OldestTime time.Time
	// Retain is how many revisions are kept at least. The log is shortened when it has an eighth more.
	Retain uint64
	// DiskBytes is what the store takes on the disk, the reserve included.
	DiskBytes uint64
	// CompactError is why the log could not be shortened last; nil when it could, or did not need to be.
	CompactError error
	// WriteError is why nothing is written any more until the store is opened again; nil when all is well.
	WriteError error
	// MarkLost tells that the store was opened without the mark of its newest revision, which it had: if its newest changes
	// were lost with it, nobody can tell.
	MarkLost bool
}

// Status answers how the store does now. It reads one record from disk, and asks for the sizes of the files.
func (s *Store) Status() (Status, error) {
	if err := s.enter(); err != nil {
		return Status{}, err
	}
	defer s.users.Done()
	st := Status{Revision: s.published.Load(), Oldest: s.compacted.Load(), Retain: s.opt.RetainRevisions, MarkLost: s.markLost}
	st.DiskBytes = diskBytes(s.dir) + diskBytes(filepath.Join(s.dir, "db"))
	s.compaction.told.Lock()
	st.CompactError = s.compaction.err
	s.compaction.told.Unlock()
	s.writer.mu.Lock()
	st.WriteError = s.writer.broken
	s.writer.mu.Unlock()
	entries, err := s.readLog(st.Oldest, 1)
	if err != nil || len(entries) == 0 {
		return st, err
	}
	for _, c := range entries[0].changes {
		if t := c.row.GetMeta().GetUpdateTime().AsTime(); t.After(st.OldestTime) {
			st.OldestTime = t
		}
	}
	return st, nil
}

// diskBytes is what the files of a folder take on the disk, holes not counted. One that goes meanwhile takes nothing.
func diskBytes(dir string) (sum uint64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(dir, e.Name()), &st) == nil {
			sum += uint64(st.Blocks) * 512
		}
	}
	return sum
}
