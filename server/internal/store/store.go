// Package store keeps the state of the server: typed rows in Badger, one revision per commit, and one feed of changes
// that every view of the system follows. It is the only importer of Badger.
//
// It is deliberately not a query engine (rows are found by kind and id, everything else is a list and a loop), not a
// place for large things (files are referenced by digest) and not a message queue: a watcher that was away gets what is,
// by way of what changed.
//
// The layout on disk:
//
//	<dir>/lock       flock'ed while a process has the store open
//	<dir>/format     the format as text; read before anything else is touched
//	<dir>/newest     the newest revision that was durable, see mark.go
//	<dir>/reserve    room for a full disk, see reserve.go
//	<dir>/recovering there while Recover is at work: the folder that keeps the damaged database
//	<dir>/db/        Badger, in managed mode; files.go looks at it before Badger does, ahead.go keeps room for its logs
//	  r/<kind u16 BE>/<id>     the row, protobuf
//	  l/<revision u64 BE>      what that revision changed, see log.go
//	  m/store_id               the store's ULID
//	  m/format                 u32 BE, see format.go
//	  m/compacted              u64 BE: the log holds every revision after this one and none up to it
//	  m/epochs                 when the store was open, see epoch.go
//	  m/unfinished             number of the migration whose last part is still to be done, u32 BE; see format.go
//
// The layout in memory:
//
//	Update ─▶ group (rows of revisions not yet durable) ─▶ one Badger transaction, one sync ─▶ ring ─▶ watchers
//	 tx.go     commit.go                                    commit.go                         ring.go  watch.go
//
// Invariants:
//   - A revision is durable and whole, or it never was. Revisions are handed out without gaps; a fresh store is at 1.
//   - Badger's version of what a group of revisions writes is the last revision of the group, and readers read at the
//     newest published revision, which is always the last of a group. So nobody sees half a group.
//   - A closure given to Update sees the rows of the groups before it that are still being written, kept in memory:
//     Badger shows a transaction only after it is done. When one such group cannot be written, all after it fail too.
//   - Entries of the ring are immutable and shared by all watchers; a watcher is a cursor and has no queue, so one that
//     does not read costs nothing and slows nobody.
//   - After a write error of unknown extent nothing is written any more until the store is opened again, because what
//     is on disk is then only known after a replay.
package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// Limits of what is stored.
const (
	MaxRow    = 256 << 10 // bytes of one row
	MaxCommit = 1 << 20   // bytes one commit writes, rows and log together
)

// Options say how a store behaves; the zero value is what a server uses.
type Options struct {
	// Logger hears about trouble with the disk. Default: nobody.
	Logger *slog.Logger
	// RingSize is how many revisions stay in memory for watchers; those further behind read the log. Default 1024.
	RingSize int
	// RetainRevisions is how many revisions the log keeps at least, and with them bookmarks. Default 100000.
	RetainRevisions uint64
	// MinFree is how many bytes of the disk must be free for a commit to be tried. Default 64 MiB: Badger writes through
	// memory maps, where a full disk is not an error but a signal that ends the process.
	MinFree uint64
	// Reserve is how much of the disk is set aside for when it is full, more than MinFree; see reserve.go. Room for commits is
	// then allocated ahead, too; see ahead.go. Default none.
	Reserve uint64
	// MemTable is how many bytes of changes are gathered in memory before they become a table, and bounds what one commit
	// may hold to an eighth of it. Default 8 MiB, all of which an opening takes: a test with hundreds of openings asks for
	// less. A store that was not closed is opened with no less than it had.
	MemTable int64
	// Existing refuses with REASON_NOT_FOUND to make a store where none is, and with REASON_STORE_OLD to change the format
	// of one.
	Existing bool
	// ReadOnly is Existing for those who only want to look: nothing in the folder is touched, and a change is refused with
	// REASON_STORE_READ_ONLY.
	ReadOnly bool
	// Known says that there has been a store in this folder: where there is none it is damaged, and no new one is begun.
	Known bool
	// Claim takes the tag of a store that is begun, and tells whether it was free: it is short, and whoever has the same on a machine takes
	// the store's things there for his own. Default: every tag is free.
	Claim func(tag string) (free bool, err error)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Claim == nil {
		o.Claim = func(string) (bool, error) { return true, nil }
	}
	if o.RingSize <= 0 {
		o.RingSize = 1024
	}
	if o.RetainRevisions == 0 {
		o.RetainRevisions = 100_000
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.MemTable == 0 {
		o.MemTable = memTable
	}
	o.Existing = o.Existing || o.ReadOnly
	return o
}

// Store is an open store. All methods may be called concurrently.
type Store struct {
	id    string
	boot  string
	opt   Options
	dir   string
	db    *database
	lock  *os.File
	mark  *os.File // nil with Options.ReadOnly, as ahead is
	ahead *ahead
	// markLost tells that there was no mark at the start though there must have been one.
	markLost bool
	epochs   epochs
	view     string // with Options.ReadOnly: the folder of the copy that is looked at

	published atomic.Uint64
	compacted atomic.Uint64 // moved only under views.mu
	ring      *ring
	eph       *ephemera

	writer writer
	views  views

	compaction compaction
	compactNow chan struct{} // has a token when the log has outgrown its bounds
	closing    chan struct{} // closed when Close begins
	stop       chan struct{} // closed when no call is under way any more
	background sync.WaitGroup

	mu     sync.Mutex // guards closed, rotten and the first Add of users
	closed bool
	rotten error          // why nothing may be read any more either
	users  sync.WaitGroup // calls under way
}

// Open opens the store in dir and makes both where they are not there. One process has a store open at a time; a second
// is refused with REASON_STORE_IN_USE. A store of a newer release is refused with REASON_STORE_TOO_NEW before anything of
// it is touched; an older one is brought to this release's format, which ends the validity of its bookmarks.
func Open(dir string, opt Options) (*Store, error) { return open(dir, opt, migrations()) }

func open(dir string, opt Options, steps []migration) (_ *Store, err error) {
	opt = opt.withDefaults()
	if opt.Existing {
		if err := mustExist(dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, readOnly(dir, fmt.Errorf("cannot make the store's folder: %w", err))
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unlockDir(lock))
		}
	}()
	if !opt.ReadOnly {
		if err := atomicfile.Sweep(filepath.Join(dir, "format")); err != nil {
			return nil, err
		}
	}
	db, view, err := openFiles(dir, opt, latest(steps))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close(), removeView(view))
		}
	}()
	if err := checkContent(dir, db); err != nil {
		return nil, err
	}
	state, err := prepare(dir, db, steps, opt)
	if err != nil {
		return nil, err
	}
	known, err := beginEpoch(db, state, !opt.ReadOnly)
	if err != nil {
		return nil, err
	}
	s := &Store{
		epochs: known, id: state.id, boot: rand.Text(), opt: opt, dir: dir, db: db, lock: lock, view: view,
		ring: newRing(opt.RingSize, state.revision), eph: newEphemera(),
		compactNow: make(chan struct{}, 1), closing: make(chan struct{}), stop: make(chan struct{}),
	}
	s.published.Store(state.revision)
	s.compacted.Store(state.compacted)
	s.views.at = make(map[uint64]int)
	s.writer.init(state.revision)
	if opt.ReadOnly {
		s.writer.broken = errReadOnly(dir, errors.New("it was opened to be looked at"))
		return s, nil
	}
	var none bool
	if s.mark, none, err = openMark(dir, state.revision); err != nil {
		return nil, err
	}
	if s.markLost = none && (len(known) > 1 || state.revision > state.compacted); s.markLost {
		opt.Logger.Warn("the mark of the newest revision is gone: whether the newest changes are there, nobody can tell", "revision", state.revision)
	}
	if s.ahead, err = newAhead(filepath.Join(dir, "db"), opt); err != nil {
		return nil, errors.Join(err, s.mark.Close())
	}
	db.SetDiscardTs(state.compacted)
	s.keepReserve()
	s.background.Go(s.commitLoop)
	s.background.Go(s.maintainLoop)
	return s, nil
}

// mustExist refuses a folder that was never a store.
func mustExist(dir string) error {
	_, database := os.Stat(filepath.Join(dir, "db"))
	if _, format := os.Stat(filepath.Join(dir, "format")); database == nil || format == nil {
		return nil
	}
	return fault.New(metav1.Reason_REASON_NOT_FOUND, "there is no state in %s: %w", dir, database).With("path", dir)
}

// openFiles opens the database after a look at its files. With Options.ReadOnly it opens a copy, view.
func openFiles(dir string, opt Options, supported uint32) (_ *database, view string, err error) {
	exists, err := checkFormatFile(dir, supported)
	if err != nil {
		return nil, "", err
	}
	if _, err := os.Lstat(filepath.Join(dir, "recovering")); err == nil {
		return nil, "", damaged(dir, "its recovery was interrupted; call 'hearthd store recover' again")
	}
	f, err := checkFiles(dir, exists || opt.Known)
	if err != nil {
		return nil, "", err
	}
	if err := f.checkLogs(dir); err != nil {
		return nil, "", err
	}
	if err := f.checkMark(dir, opt.Logger); err != nil {
		return nil, "", err
	}
	db := f.db
	set := badgerOptions(db, opt.Logger).WithMemTableSize(opt.MemTable).WithValueThreshold(min(MaxCommit, opt.MemTable/8))
	if opt.ReadOnly {
		if view, err = f.makeView(); err != nil {
			return nil, "", err
		}
		set = badgerOptions(view, opt.Logger).WithReadOnly(true)
	} else {
		if err := roomToOpen(dir, opt); err != nil {
			return nil, "", err
		}
		if err := f.checkTorn(dir, opt.Logger); err != nil {
			return nil, "", err
		}
		if err := errors.Join(removeEmpty(db), dropKeyRegistry(db, opt.Logger)); err != nil {
			return nil, "", err
		}
	}
	opened, err := openDatabase(dir, set)
	if err != nil {
		return nil, "", errors.Join(err, removeView(view))
	}
	return opened, view, nil
}

func removeView(view string) error {
	if view == "" {
		return nil
	}
	return os.RemoveAll(view)
}

// memTable is how many bytes of changes the database gathers in memory. It takes a seventh of it as one transaction, so
// MaxCommit is an eighth.
const memTable = 8 << 20

func badgerOptions(dir string, log *slog.Logger) badger.Options {
	// NumVersionsToKeep counts only versions at or below the discard timestamp, which is the compaction point: every
	// version a snapshot may still ask for is above it.
	return badger.DefaultOptions(dir).
		WithLogger(badgerLogger{log}).
		WithBypassLockGuard(true). // <dir>/lock guards the whole folder
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithBlockCacheSize(4 << 20).
		WithIndexCacheSize(4 << 20).
		WithValueLogFileSize(32 << 20).
		WithValueThreshold(MaxCommit). // no value is as long, so the log of large values stays empty
		WithVerifyValueChecksum(true).
		WithChecksumVerificationMode(options.OnBlockRead). // checkFiles has read the tables that were there
		WithNumCompactors(2).
		WithMetricsEnabled(false)
}

// Close ends all watchers, waits for the calls under way and closes the files. Rows of ephemeral kinds are gone.
//
// A second Close does nothing and does not wait for the first.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	s.users.Wait()
	close(s.stop)
	s.background.Wait()
	err := s.closeFiles()
	// Only now may another process open the folder.
	return errors.Join(err, unlockDir(s.lock))
}

// flushRoom is what Badger may write while it is closed.
const flushRoom = 32 << 20

// closeFiles closes the database. Where nothing can be written it is left as a kill leaves it, which loses nothing: Badger
// would try to write its memory down for ever, or be ended by a signal on a full disk.
func (s *Store) closeFiles() error {
	if s.opt.ReadOnly {
		return errors.Join(s.db.Close(), removeView(s.view))
	}
	defer s.mark.Close()
	defer s.ahead.close()
	if err := checkSpace(s.dir, min(s.opt.MinFree, flushRoom)); err != nil {
		s.opt.Logger.Warn("store is left without closing its files", "error", err)
		return nil
	}
	return s.db.Close()
}

// ID answers the ULID the store got when it was made.
func (s *Store) ID() string { return s.id }

// BootID answers a text that is another one each time the store is opened. Ephemeral rows live as long as it.
func (s *Store) BootID() string { return s.boot }

// Tag answers the four lower-case hex digits that mark what belongs to this instance on the machine.
func (s *Store) Tag() string { return tagOf(s.id) }

// Revision answers the newest published revision.
func (s *Store) Revision() uint64 { return s.published.Load() }

// enter notes a call under way, or refuses it after Close. The caller calls s.users.Done when it is through.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosed()
	case s.rotten != nil:
		return s.rotten
	}
	s.users.Add(1)
	return nil
}

func errClosed() error {
	return fault.New(metav1.Reason_REASON_UNAVAILABLE, "the store is closed")
}
