package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ahead keeps room allocated for what commits write. Badger writes its logs through memory maps of files that are mostly
// a hole, and where there is no room for a page of it the kernel ends the process by SIGBUS. Looking at what is free
// before a commit does not do alone: another program can take all of it in one call just then. So the room of the log of
// memory that is being written is allocated, and so is the next one's, as an empty file with room that Badger finds when
// it begins that log:
//
//	00007.mem  16 MiB long, all it may come to hold allocated
//	00008.mem  0 bytes long, as much allocated
//
// What this does not reach are the tables: one is written when a log of memory is full, and some are merged now and then.
// Badger makes the file of a table itself, refuses one that is there, and maps and fills it with nothing in between where
// room could be seen to. Where ext4 keeps blocks for root, as it does unless told otherwise, they find room that no service
// can take; elsewhere a process may be ended there, and has lost nothing that it acknowledged.
//
// A file system that cannot promise room, or a disk that has none left, leaves a commit where it was without.
type ahead struct {
	db  string
	mem int64 // how much of a log of memory is allocated
	log *slog.Logger

	mu    sync.Mutex // guards the following
	off   bool       // nothing is allocated: it is not wanted, or the file system cannot promise room
	fid   int        // of the log of memory that is being written
	whole bool       // it has its room
	next  *os.File   // the log after it, until Badger begins it
	ready bool       // that one has its room
}

const (
	// memSlack is what part of a log of memory may be written after it is full: one more commit.
	memSlack = 4
	// nodeSize is what each record takes in memory beside its key and its value, at most.
	nodeSize = 128
	// discardSize is how large the file is in which Badger counts what may be deleted of the logs of large values.
	discardSize = 1 << 20
)

// newAhead allocates for a database that has just been opened for writing, and never anything where no reserve is wanted.
func newAhead(db string, opt Options) (*ahead, error) {
	a := &ahead{db: db, mem: opt.MemTable + opt.MemTable/memSlack, log: opt.Logger, off: opt.Reserve == 0}
	if a.off {
		return a, nil
	}
	_ = a.failed(a.promisePath(filepath.Join(db, "DISCARD"), discardSize))
	a.prepare()
	return a, nil
}

func (a *ahead) memPath(fid int) string { return filepath.Join(a.db, fmt.Sprintf("%05d.mem", fid)) }

// newestLog answers the number of the newest log of memory, -1 where there is none.
func newestLog(db string) (int, error) {
	entries, err := os.ReadDir(db)
	if err != nil {
		return -1, fmt.Errorf("cannot look at the store's database: %w", err)
	}
	newest := -1
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".mem")
		if number, err := strconv.Atoi(name); ok && err == nil {
			newest = max(newest, number)
		}
	}
	return newest, nil
}

// prepare allocates what a commit is going to need. It is called before each.
func (a *ahead) prepare() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.off {
		a.followMemory()
	}
}

// held answers how much is allocated.
func (a *ahead) held() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	held := uint64(0)
	if a.whole {
		held += uint64(a.mem)
	}
	if a.ready {
		held += uint64(a.mem)
	}
	return held
}

// holds reports whether a commit fits into what is allocated of the log of memory that is being written, so that Badger
// begins no other and writes no table. It reads that log.
func (a *ahead) holds(size int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.off {
		return false
	}
	if a.followMemory(); a.off || !a.whole {
		return false
	}
	data, err := readWritten(a.memPath(a.fid))
	if err != nil {
		return false
	}
	w := readWAL(data, true)
	return w.size+int64(len(w.keys)*nodeSize+size) < a.mem/(memSlack+1)*memSlack
}

// followMemory notices that Badger has begun the next log of memory, and sees to the room of it and of the one after it; what
// it cannot do it does with a later commit. The files are Badger's as soon as they are there: none is ever removed while the
// database is open.
func (a *ahead) followMemory() {
	var st unix.Stat_t
	if a.next != nil {
		if err := unix.Fstat(int(a.next.Fd()), &st); err != nil || st.Size > 0 || st.Nlink == 0 {
			a.next = closed(a.next)
		}
	}
	var err error
	if a.next == nil {
		err = a.makeNext()
	}
	if !a.whole && err == nil {
		err = a.promisePath(a.memPath(a.fid), a.mem)
		a.whole = err == nil
	}
	if !a.ready && err == nil {
		err = promise(a.next, a.mem)
		a.ready = err == nil
	}
	if a.failed(err) != nil {
		a.log.Debug("store has not all its room ahead", "error", err)
	}
}

// makeNext makes the next log of memory, empty and without room yet.
func (a *ahead) makeNext() error {
	for {
		fid, err := newestLog(a.db)
		if err != nil {
			return err
		}
		a.whole = a.whole && (fid == a.fid || a.ready && fid == a.fid+1)
		a.fid, a.ready = fid, false
		f, err := os.OpenFile(a.memPath(fid+1), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			writeInPlace(f, true)
			a.next = f
			return nil
		}
		if !errors.Is(err, fs.ErrExist) { // else Badger was faster
			return err
		}
	}
}

func (a *ahead) promisePath(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return promise(f, size)
}

// failed ends the allocating where the file system cannot promise room, which is no error.
func (a *ahead) failed(err error) error {
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	a.off = true
	a.log.Info("store allocates nothing ahead", "error", err)
	return nil
}

// promise allocates the begin of a file and leaves its length as it is.
func promise(f *os.File, size int64) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func closed(f *os.File) *os.File {
	_ = f.Close()
	return nil
}

// close lets the files go, and removes the log that was not begun. The database has been closed.
func (a *ahead) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.off = true
	if a.next != nil {
		if info, err := a.next.Stat(); err == nil && info.Size() == 0 {
			_ = os.Remove(a.next.Name())
		}
		a.next = closed(a.next)
	}
}
