package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/server/internal/atomicfile"
	"golang.org/x/sys/unix"
)

// database is Badger, whose transactions it makes durable with one flush of the device. Badger by itself makes two: of the
// log of memory, and of the log of large values, to which nothing is written here (batch.set refuses what would go there).
//
// Badger begins another log of memory (00017.mem after 00016.mem) before it writes a transaction, never within one.
// Transactions are made durable one after the other, so the log that is synced, the newest, has the whole of the one
// just written, and those before it were synced when they were the newest. Badger deletes a log when what it holds is
// durable as a table.
type database struct {
	*badger.DB
	dir   string
	limit int64 // bytes; a longer value would go to the log of large values

	mu     sync.Mutex // guards the following, and is held from when a transaction is written until it is durable
	number int        // of log
	log    *os.File   // the newest log of memory; nil where nothing may be written
	next   string     // the path of the one after it
	named  bool       // its entry in the folder is durable
	failed error      // why nothing is written any more: a sync after one that failed tells nothing
}

// openDatabase opens the database. What makes Badger panic is damage.
func openDatabase(dir string, set badger.Options) (_ *database, err error) {
	defer recoverDamage(dir, &err)
	if !set.ReadOnly {
		if err := syncLogs(set.Dir); err != nil {
			return nil, fmt.Errorf("cannot make the logs of the store's database durable: %w", err)
		}
	}
	var db *badger.DB
	open := func() (err error) {
		db, err = badger.OpenManaged(set.WithSyncWrites(false))
		return err
	}
	if set.ReadOnly {
		err = open()
	} else {
		err = whileInPlace(set.Dir, open) // it begins its first log now; the others are made ahead
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the store's database: %w", err)
	}
	d := &database{DB: db, dir: set.Dir, limit: set.ValueThreshold}
	if set.ReadOnly {
		return d, nil
	}
	if err := d.findLog(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot find the newest log of the store's database: %w", err), db.Close())
	}
	return d, nil
}

// findLog opens the newest log of memory, which Badger began when it was opened.
func (d *database) findLog() (err error) {
	if d.number, err = newestLog(d.dir); err == nil {
		d.log, err = os.Open(d.logPath(d.number))
	}
	d.next = d.logPath(d.number + 1)
	return err
}

func (d *database) logPath(number int) string {
	return filepath.Join(d.dir, fmt.Sprintf("%05d.mem", number))
}

// Close closes the database. Nothing is written any more.
func (d *database) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log == nil {
		return d.DB.Close()
	}
	return errors.Join(d.DB.Close(), d.log.Close())
}

// commit writes a transaction and makes it durable.
func (d *database) commit(txn *badger.Txn, version uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return d.failed
	}
	if err := txn.CommitAt(version, nil); err != nil {
		return err
	}
	if err := d.sync(); err != nil {
		d.failed = fmt.Errorf("cannot make a transaction durable: %w", err)
		return d.failed
	}
	return nil
}

// sync makes the transaction that was written last durable.
func (d *database) sync() error {
	if err := d.follow(); err != nil {
		return err
	}
	// The pages that Badger wrote through its memory map are those of the file.
	if err := datasync(d.log); err != nil {
		return err
	}
	if !d.named {
		if err := atomicfile.SyncDir(d.dir); err != nil {
			return err
		}
		d.named = true
	}
	return nil
}

// follow notices that Badger has begun the next log. It gives a log its length when it begins it: one that is empty is room that
// was made ahead for it. It is asked at each commit, so it opens nothing that it need not.
func (d *database) follow() error {
	info, err := os.Stat(d.next)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	next, err := os.Open(d.next)
	if err != nil {
		return err
	}
	d.log.Close()
	d.log, d.number, d.named = next, d.number+1, false
	d.next = d.logPath(d.number + 1)
	return nil
}

// datasync makes the content of a file durable.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync "+f.Name(), err)
		}
	}
}

// syncLogs makes durable what a kill left in logs of memory: whoever opens the store sees it, and goes on from there.
func syncLogs(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(datasync(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// below is how the keys with a prefix are read. Values lie beside their keys, so there is nothing to fetch ahead, for which
// Badger would start a goroutine with each value.
func below(prefix []byte) badger.IteratorOptions {
	return badger.IteratorOptions{Prefix: prefix}
}

// batch gathers writes of one version.
type batch struct {
	db      *database
	version uint64
	split   bool // into as many transactions as they need
	txn     *badger.Txn
}

// begin begins a batch that becomes one transaction. The caller calls discard when it is through with it.
func (d *database) begin(version uint64) *batch {
	return &batch{db: d, version: version, txn: d.NewTransactionAt(version, true)}
}

// beginMany begins a batch of any size. Its transactions become durable in order, and a part of them may be after a crash.
func (d *database) beginMany(version uint64) *batch {
	b := d.begin(version)
	b.split = true
	return b
}

func (b *batch) set(key, value []byte) error {
	if int64(len(value)) >= b.db.limit {
		return fmt.Errorf("the value of %q has %d bytes, of %d that it may have", key, len(value), b.db.limit-1)
	}
	return b.add(func() error { return b.txn.Set(key, value) })
}

func (b *batch) delete(key []byte) error {
	return b.add(func() error { return b.txn.Delete(key) })
}

func (b *batch) add(write func() error) error {
	err := write()
	if !b.split || !errors.Is(err, badger.ErrTxnTooBig) {
		return err
	}
	if err := b.commit(); err != nil {
		return err
	}
	b.txn = b.db.NewTransactionAt(b.version, true)
	return write()
}

// commit answers when all is durable.
func (b *batch) commit() error {
	defer b.discard()
	return b.db.commit(b.txn, b.version)
}

// discard forgets what was not committed; after commit it does nothing.
func (b *batch) discard() { b.txn.Discard() }
