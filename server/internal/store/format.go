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

// migration brings the rows of one format to the next. It is called once per row and answers the row as it should be, or
// nil to drop it. It must depend on nothing but its arguments: after a crash all rows are gone through again.
type migration func(kind uint16, id string, row []byte) ([]byte, error)

// migrations: the one at index i leads from format i+1 to format i+2. Only ever append: what stands here has run on
// somebody's machine. A change of the contract that protobuf reads anyway needs none.
var migrations []migration

// latest is the format to which the migrations lead.
func latest(steps []migration) uint32 { return uint32(1 + len(steps)) }

// checkFormatFile refuses a store of a newer release before the database is opened, since opening already writes. The
// file is raised before a migration begins, so an interrupted one cannot be opened by the older release either.
func checkFormatFile(dir string, supported uint32) error {
	raw, err := os.ReadFile(filepath.Join(dir, "format"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // new, or the first start did not get this far; the database knows
	}
	if err != nil {
		return fmt.Errorf("cannot read the store's format: %w", err)
	}
	format, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 32)
	if err != nil {
		return fmt.Errorf("cannot read the store's format: %w", err)
	}
	return checkFormat(uint32(format), supported)
}

func checkFormat(have, supported uint32) error {
	if have <= supported {
		return nil
	}
	return fault.New(metav1.Reason_REASON_STORE_TOO_NEW, "cannot open the state: it has format %d, this release knows up to %d", have, supported).
		With("format", have).With("supported", supported)
}

func writeFormatFile(dir string, format uint32) error {
	return atomicfile.Write(filepath.Join(dir, "format"), fmt.Appendln(nil, format), 0o600)
}

// facts are what a store knows about itself when it is opened.
type facts struct {
	id        string
	revision  uint64
	compacted uint64
}

// prepare makes the first commit of a new store, or migrates an old one, and answers its facts.
func prepare(dir string, db *badger.DB, steps []migration) (facts, error) {
	format, f, err := readFacts(db)
	if err != nil {
		return facts{}, err
	}
	if err := checkFormat(format, latest(steps)); err != nil {
		return facts{}, err
	}
	if err := writeFormatFile(dir, latest(steps)); err != nil {
		return facts{}, err
	}
	if format == 0 {
		if db.MaxVersion() != 0 {
			return facts{}, errors.New("cannot use the state: the database holds rows but not its format")
		}
		return create(db, latest(steps))
	}
	for ; format < latest(steps); format++ {
		if err := migrate(db, &f, steps[format-1], format+1); err != nil {
			return facts{}, fmt.Errorf("cannot bring the state from format %d to %d: %w", format, format+1, err)
		}
	}
	return f, nil
}

func readFacts(db *badger.DB) (format uint32, f facts, err error) {
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	raw, err := readKey(txn, keyFormat)
	if err != nil || raw == nil {
		return 0, f, err
	}
	if len(raw) != 4 {
		return 0, f, fmt.Errorf("cannot use %s: it has %d bytes", keyFormat, len(raw))
	}
	format = binary.BigEndian.Uint32(raw)
	id, err := readKey(txn, keyStoreID)
	if err != nil {
		return 0, f, err
	}
	if _, err := ids.ParseULID(string(id)); err != nil {
		return 0, f, fmt.Errorf("cannot use %s: %w", keyStoreID, err)
	}
	f.id = string(id)
	if f.compacted, err = readRevision(txn, keyCompacted); err != nil {
		return 0, f, err
	}
	f.revision = max(f.compacted, newestRecord(txn))
	return format, f, nil
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

// create makes the first commit. It is revision 1, so that no bookmark is ever 0.
func create(db *badger.DB, format uint32) (facts, error) {
	id, err := ids.NewULID(time.Now(), rand.Reader)
	if err != nil {
		return facts{}, err
	}
	f := facts{id: string(id), revision: 1, compacted: 1}
	return f, writeFacts(db, f, format)
}

func writeFacts(db *badger.DB, f facts, format uint32) error {
	txn := db.NewTransactionAt(f.revision, true)
	defer txn.Discard()
	for key, value := range map[string][]byte{
		keyStoreID:   []byte(f.id),
		keyFormat:    binary.BigEndian.AppendUint32(nil, format),
		keyCompacted: revisionBytes(f.compacted),
	} {
		if err := txn.Set([]byte(key), value); err != nil {
			return fmt.Errorf("cannot write %s: %w", key, err)
		}
	}
	if err := txn.CommitAt(f.revision, nil); err != nil {
		return fmt.Errorf("cannot write the store's facts: %w", err)
	}
	return nil
}

// migrate rewrites all rows as the next revision, which becomes visible with the last commit, that of the facts. Until
// then everything is read as of the old revision, so that going through it again after a crash gives the same.
func migrate(db *badger.DB, f *facts, step migration, format uint32) error {
	next := facts{id: f.id, revision: f.revision + 1, compacted: f.revision + 1}
	batch := db.NewWriteBatchAt(next.revision)
	defer batch.Cancel()
	txn := db.NewTransactionAt(f.revision, false)
	defer txn.Discard()
	opt := badger.DefaultIteratorOptions
	opt.Prefix = []byte("r/")
	it := txn.NewIterator(opt)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		raw, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		kind, id := binary.BigEndian.Uint16(key[len("r/"):]), string(key[rowHead:])
		after, err := step(kind, id, raw)
		switch {
		case err != nil:
			return fmt.Errorf("row %q of kind %d: %w", id, kind, err)
		case after == nil:
			err = batch.Delete(key)
		case len(after) > MaxRow:
			err = fmt.Errorf("row %q of kind %d grows to %d bytes", id, kind, len(after))
		case string(after) != string(raw):
			err = batch.Set(key, after)
		}
		if err != nil {
			return err
		}
	}
	if err := batch.Flush(); err != nil {
		return err
	}
	*f = next
	return writeFacts(db, next, format)
}
