package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// recoveryGap is by how much a recovery raises the revision: logs cannot hold as many, so no revision that was lost is
// ever given out again, and bookmarks of before expire.
const recoveryGap = 1 << 20

// Recovery is what Recover did.
type Recovery struct {
	Copy   string // the folder that keeps the database as it was; empty: nothing was damaged, and nothing was done
	Before uint64 // newest revision that could be read
	Lost   uint64 // newest revision that was seen beyond; 0: none could be made out
	Now    uint64 // revision from which the store goes on
}

// Recover makes a store usable whose logs are damaged or whose newest log is gone: it keeps a copy of the database beside
// it, gives up what follows the first record that cannot be read, and lets the store go on so far from there that all
// bookmarks expire. The store keeps its id, by which what it made on the machine is found. After a crash it is called again.
func Recover(dir string, now time.Time, log *slog.Logger) (_ Recovery, err error) {
	if err := mustExist(dir); err != nil {
		return Recovery{}, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return Recovery{}, err
	}
	defer func() { err = errors.Join(err, unlockDir(lock)) }()
	if _, err := checkFormatFile(dir, latest(migrations())); err != nil {
		return Recovery{}, err
	}
	f, err := checkFiles(dir, true)
	if err != nil {
		return Recovery{}, err
	}
	var r Recovery
	for _, w := range f.wals {
		r.Lost = max(r.Lost, w.newest)
	}
	note := filepath.Join(dir, "recovering")
	raw, err := os.ReadFile(note)
	switch {
	case err == nil:
		r.Copy = string(raw)
	case !errors.Is(err, fs.ErrNotExist):
		return Recovery{}, fmt.Errorf("cannot read whether a recovery was interrupted: %w", err)
	default:
		there, err := f.look(log)
		if err != nil {
			return Recovery{}, err
		}
		marked, _, err := readMark(dir)
		if err != nil || f.checkLogs(dir) == nil && marked <= there.revision {
			return Recovery{}, err
		}
		if there.format == 0 {
			return Recovery{}, damaged(dir, "what can be read does not say which state it is; restore a copy")
		}
		r.Lost = max(r.Lost, marked)
		r.Copy = filepath.Join(dir, "db.damaged-"+now.UTC().Format("20060102T150405Z"))
		if err := f.keepCopy(r.Copy); err != nil {
			return Recovery{}, fmt.Errorf("cannot keep a copy of the damaged database: %w", err)
		}
		if err := atomicfile.Write(note, []byte(r.Copy), 0o600); err != nil {
			return Recovery{}, err
		}
	}
	if err := r.goOn(f.db, log); err != nil {
		return Recovery{}, err
	}
	return r, errors.Join(os.Remove(note), atomicfile.SyncDir(dir))
}

// goOn lets Badger cut its logs off, and raises the revision.
func (r *Recovery) goOn(dir string, log *slog.Logger) (err error) {
	if err := errors.Join(removeEmpty(dir), dropKeyRegistry(dir, log)); err != nil {
		return err
	}
	db, err := openDatabase(filepath.Dir(dir), badgerOptions(dir, log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f, err := readFacts(db)
	if err != nil {
		return err
	}
	r.Before = f.revision
	f.revision = max(f.revision, r.Lost) + recoveryGap
	f.compacted, r.Now = f.revision, f.revision
	return writeFacts(db, f)
}

// look reads what a database says of itself, without touching it.
func (f *files) look(log *slog.Logger) (_ facts, err error) {
	view, err := f.makeView()
	if err != nil {
		return facts{}, err
	}
	defer func() { err = errors.Join(err, removeView(view)) }()
	db, err := openDatabase(filepath.Dir(f.db), badgerOptions(view, log).WithReadOnly(true))
	if err != nil {
		return facts{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return readFacts(db)
}

// keepCopy copies the database as it is, complete or not at all. Tables never change, so a second name is a copy.
func (f *files) keepCopy(to string) error {
	half := to + "~"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.Mkdir(half, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(f.db)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, copied := filepath.Join(f.db, e.Name()), filepath.Join(half, e.Name())
		if filepath.Ext(e.Name()) == ".sst" {
			err = os.Link(from, copied)
		} else {
			err = copySynced(from, copied)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(atomicfile.SyncDir(half), os.Rename(half, to)); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(to))
}

// copySynced copies a file to its full length, without writing the hole at its end.
func copySynced(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := readWritten(from)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(to, data, 0o600); err != nil {
		return err
	}
	return os.Truncate(to, info.Size())
}
