package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// migration leads from one format to the next, in three parts that a crash may interrupt at any point:
//
//	Before ──▶ Change of every row ──▶ one commit: rows, format, "unfinished" ──▶ After ──▶ "unfinished" is taken away
//
// Before and After may touch the machine, get the store's folder, and are repeated after a crash until what follows them
// is on disk, so they must be harmless when done twice. Change must depend on nothing but its arguments: after a crash all
// rows are gone through again. A failing Before or Change leaves the rows as they are and the store closed. After a
// failing After the store opens; it is tried again each time, and no further migration begins before it has succeeded.
type migration struct {
	// Name says what it does; its golden file is testdata/migrations/<Name>.golden.
	Name string
	// Before makes ready what Change relies on; nil: nothing.
	Before func(dir string) error
	// Change is called once per row and answers the row as it should be, or nil to drop it.
	Change func(kind uint16, id string, row []byte) ([]byte, error)
	// After removes what only the old format needed; nil: nothing.
	After func(dir string) error
}

// migrations: the one at index i leads from format i+1 to format i+2. Only ever append: what stands here has run on
// somebody's machine. A change of the contract that protobuf reads anyway needs none.
func migrations() []migration { return nil }

// latest is the format to which the migrations lead.
func latest(steps []migration) uint32 { return uint32(1 + len(steps)) }

// checkFormatFile refuses a store of a newer release before the database is opened, since opening already writes. The
// file is raised before a migration begins, so an interrupted one cannot be opened by the older release either. It is
// first written when there is a store, so where it is, the database has rows.
func checkFormatFile(dir string, supported uint32) (exists bool, err error) {
	format, exists, err := readFormatFile(dir)
	if err != nil || !exists {
		return false, err // new, or the first start did not get this far; the database knows
	}
	return true, checkFormat(format, supported)
}

func readFormatFile(dir string) (format uint32, exists bool, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, "format"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("cannot read the store's format: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 32)
	if err != nil {
		return 0, false, damaged(dir, "its file format holds no number")
	}
	return uint32(n), true, nil
}

func checkFormat(have, supported uint32) error {
	if have <= supported {
		return nil
	}
	return fault.New(metav1.Reason_REASON_STORE_TOO_NEW, "cannot open the state: it has format %d, this release knows up to %d", have, supported).
		With("format", have).With("supported", supported)
}

func writeFormatFile(dir string, format uint32) error {
	return atomicfile.Ensure(filepath.Join(dir, "format"), fmt.Appendln(nil, format), 0o600)
}

// facts are what a store knows about itself when it is opened.
type facts struct {
	id         string
	format     uint32
	revision   uint64
	compacted  uint64
	unfinished uint32 // number of the migration whose After is to be done; 0: none
}

// prepare makes the first commit of a new store, or migrates an old one, and answers its facts.
func prepare(dir string, db *database, steps []migration, opt Options) (facts, error) {
	f, err := readFacts(db)
	if err != nil {
		return facts{}, err
	}
	if err := checkFormat(f.format, latest(steps)); err != nil {
		return facts{}, err
	}
	if _, exists, err := readFormatFile(dir); err != nil {
		return facts{}, err
	} else if f.format == 0 && (exists || opt.Known) {
		return facts{}, damaged(dir, "its database holds no rows")
	}
	if opt.Existing {
		if f.format != latest(steps) {
			return facts{}, fault.New(metav1.Reason_REASON_STORE_OLD, "cannot open the state as it is: it has format %d, this release has %d", f.format, latest(steps)).
				With("format", f.format).With("supported", latest(steps))
		}
		return f, nil
	}
	if f.format == 0 {
		if db.MaxVersion() != 0 {
			return facts{}, damaged(dir, "its database holds rows but not its format")
		}
		if f, err = create(db, latest(steps), opt.Claim); err != nil {
			return facts{}, err
		}
	}
	if err := writeFormatFile(dir, latest(steps)); err != nil {
		return facts{}, err
	}
	return f, migrateAll(dir, db, &f, steps, opt)
}

// migrateAll finishes the migration that is not through, and makes those that are still to come.
func migrateAll(dir string, db *database, f *facts, steps []migration, opt Options) error {
	for {
		if f.unfinished != 0 {
			step := steps[f.unfinished-1]
			if err := finish(dir, db, f, step); err != nil {
				opt.Logger.Warn("migration of the state is not finished and is tried again at the next start", "migration", step.Name, "error", err)
				if f.format < latest(steps) {
					return fmt.Errorf("cannot finish the migration %q, on which others wait: %w", step.Name, err)
				}
				return nil
			}
		}
		if f.format == latest(steps) {
			return nil
		}
		step := steps[f.format-1]
		if step.Before != nil {
			if err := step.Before(dir); err != nil {
				return fmt.Errorf("cannot begin the migration %q: %w", step.Name, err)
			}
		}
		if err := migrate(db, f, step); err != nil {
			return fmt.Errorf("cannot bring the state from format %d to %d (%s): %w", f.format, f.format+1, step.Name, err)
		}
	}
}

// finish does the last part of a migration and notes that it is done. The note has the revision of the commit of the
// migration: nothing was written since.
func finish(dir string, db *database, f *facts, step migration) error {
	if step.After != nil {
		if err := step.After(dir); err != nil {
			return err
		}
	}
	write := db.begin(f.revision)
	defer write.discard()
	if err := write.delete([]byte(keyUnfinished)); err != nil {
		return err
	}
	if err := write.commit(); err != nil {
		return err
	}
	f.unfinished = 0
	return nil
}

func readFacts(db *database) (f facts, err error) {
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	if f.format, err = readNumber(txn, keyFormat); err != nil || f.format == 0 {
		return f, err
	}
	if f.unfinished, err = readNumber(txn, keyUnfinished); err != nil {
		return f, err
	}
	if f.unfinished >= f.format {
		return f, fmt.Errorf("cannot use %s: it names migration %d of a state of format %d", keyUnfinished, f.unfinished, f.format)
	}
	id, err := readKey(txn, keyStoreID)
	if err != nil {
		return f, err
	}
	if _, err := ids.ParseULID(string(id)); err != nil {
		return f, fmt.Errorf("cannot use %s: %w", keyStoreID, err)
	}
	f.id = string(id)
	if f.compacted, err = readRevision(txn, keyCompacted); err != nil {
		return f, err
	}
	f.revision = max(f.compacted, newestRecord(txn))
	return f, nil
}

// readNumber reads a small number under a key of the store's own, 0 if it is not there.
func readNumber(txn *badger.Txn, key string) (uint32, error) {
	raw, err := readKey(txn, key)
	if err != nil || raw == nil {
		return 0, err
	}
	if len(raw) != 4 {
		return 0, fmt.Errorf("cannot use %s: it has %d bytes", key, len(raw))
	}
	return binary.BigEndian.Uint32(raw), nil
}

// newestRecord answers the revision of the last record in the log. It is the store's revision: Badger's own greatest
// version may be that of a migration which did not come to its end.
func newestRecord(txn *badger.Txn) uint64 {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte("l/"), Reverse: true})
	defer it.Close()
	it.Seek(logKey(math.MaxUint64))
	if !it.Valid() {
		return 0
	}
	revision, _ := logRevision(it.Item().Key())
	return revision
}

func readKey(txn *badger.Txn, key string) ([]byte, error) {
	item, err := txn.Get([]byte(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", key, err)
	}
	raw, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", key, err)
	}
	return raw, nil
}

// tagsTried bounds how many ids are made for one whose tag is free: of ten taken in a row something else is wrong.
const tagsTried = 10

// create makes the first commit. It is revision 1, so that no bookmark is ever 0.
func create(db *database, format uint32, claim func(tag string) (bool, error)) (facts, error) {
	for range tagsTried {
		id, err := ids.NewULID(time.Now(), rand.Reader)
		if err != nil {
			return facts{}, err
		}
		free, err := claim(tagOf(string(id)))
		if err != nil {
			return facts{}, fmt.Errorf("cannot take a tag for the new store: %w", err)
		}
		if free {
			f := facts{id: string(id), format: format, revision: 1, compacted: 1}
			return f, writeFacts(db, f)
		}
	}
	return facts{}, errors.New("cannot take a tag for the new store: all that were tried belong to others")
}

func writeFacts(db *database, f facts) error {
	write := db.begin(f.revision)
	defer write.discard()
	values := map[string][]byte{
		keyStoreID:   []byte(f.id),
		keyFormat:    binary.BigEndian.AppendUint32(nil, f.format),
		keyCompacted: revisionBytes(f.compacted),
	}
	if f.unfinished != 0 {
		values[keyUnfinished] = binary.BigEndian.AppendUint32(nil, f.unfinished)
	}
	for key, value := range values {
		if err := write.set([]byte(key), value); err != nil {
			return fmt.Errorf("cannot write %s: %w", key, err)
		}
	}
	if err := write.commit(); err != nil {
		return fmt.Errorf("cannot write the store's facts: %w", err)
	}
	return nil
}

// migrate rewrites all rows as the next revision, which becomes visible with the last commit, that of the facts. Until
// then everything is read as of the old revision, so that going through it again after a crash gives the same.
func migrate(db *database, f *facts, step migration) error {
	next := facts{id: f.id, format: f.format + 1, revision: f.revision + 1, compacted: f.revision + 1, unfinished: f.format}
	write := db.beginMany(next.revision)
	defer write.discard()
	txn := db.NewTransactionAt(f.revision, false)
	defer txn.Discard()
	it := txn.NewIterator(below([]byte("r/")))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		raw, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		kind, id := binary.BigEndian.Uint16(key[len("r/"):]), string(key[rowHead:])
		after, err := step.Change(kind, id, raw)
		switch {
		case err != nil:
			return fmt.Errorf("row %q of kind %d: %w", id, kind, err)
		case after == nil:
			err = write.delete(key)
		case len(after) > MaxRow:
			err = fmt.Errorf("row %q of kind %d grows to %d bytes", id, kind, len(after))
		case string(after) != string(raw):
			err = write.set(key, after)
		}
		if err != nil {
			return err
		}
	}
	if err := write.commit(); err != nil {
		return err
	}
	if err := writeFacts(db, next); err != nil {
		return err
	}
	*f = next
	return nil
}
