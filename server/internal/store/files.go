package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/proto"
)

// manifestHead begins Badger's list of its tables: a word, two bytes that are ours to use, and two of Badger's format.
const manifestHead = "Bdgr\x00\x00\x00\x08"

// maxManifest is far more than the list of a store's tables takes.
const maxManifest = 64 << 20

// files is what lies in the folder of the database.
type files struct {
	db       string
	manifest manifest
	tables   []uint64 // on disk
	mems     []string // paths, oldest first
	vlogs    []string
	wals     map[string]wal // of the logs that Badger would cut off
}

// manifest is Badger's list of its tables.
type manifest struct {
	there   bool
	tables  map[uint64]*pb.ManifestChange // as they were made
	deleted map[uint64]bool
	end     int64 // of its last whole record
	size    int64
}

// damaged is what all says about files that do not fit together.
func damaged(dir, format string, args ...any) error {
	return fault.New(metav1.Reason_REASON_STORE_DAMAGED, "the state in %s is damaged and was not touched: %w", dir, fmt.Errorf(format, args...)).With("path", dir)
}

// checkFiles looks, without touching anything, whether the files of the database fit together, since Badger makes them
// fit when it opens them: it deletes tables its list does not name and cuts its logs off at what it cannot read. exists
// says that there has been a store here. What a kill explains is no damage. Every block of every table is read: Badger
// takes one that it cannot read for the end of the table.
func checkFiles(dir string, exists bool) (*files, error) {
	f, err := listFiles(filepath.Join(dir, "db"))
	if err != nil {
		return nil, err
	}
	if !f.manifest.there {
		if exists || len(f.tables)+len(f.mems)+len(f.vlogs) > 0 {
			return nil, damaged(dir, "the list of its tables, db/MANIFEST, is missing")
		}
		return f, nil
	}
	for id, made := range f.manifest.tables {
		if !slices.Contains(f.tables, id) {
			return nil, damaged(dir, "the table db/%06d.sst is missing", id)
		}
		if err := f.checkTable(id, made); err != nil {
			return nil, damaged(dir, "the table db/%06d.sst cannot be read: %w", id, err)
		}
	}
	if err := f.readLogs(dir); err != nil {
		return nil, err
	}
	for _, id := range f.tables {
		if f.manifest.tables[id] == nil && !f.manifest.deleted[id] {
			if missing := f.onlyIn(id); missing != nil {
				return nil, damaged(dir, "the list of its tables, db/MANIFEST, does not name db/%06d.sst, which alone has the key %q", id, missing)
			}
		}
	}
	return f, nil
}

// checkLogs refuses logs of which Badger would drop what was acknowledged.
func (f *files) checkLogs(dir string) error {
	for _, path := range slices.Concat(f.mems, f.vlogs) {
		if w := f.wals[path]; w.damaged {
			return damaged(dir, "its log db/%s cannot be read from byte %d on, though more was written; "+
				"'hearthd store recover' keeps a copy and goes on with what was before that", filepath.Base(path), w.end)
		}
	}
	return nil
}

// checkTorn looks at a copy when Badger would cut something off: that it is what a kill left is only certain when nothing
// is missing without it.
func (f *files) checkTorn(dir string, log *slog.Logger) (err error) {
	torn := f.manifest.end < f.manifest.size
	for _, w := range f.wals {
		torn = torn || w.end < w.size
	}
	if !torn {
		return nil
	}
	view, err := f.makeView()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeView(view)) }()
	db, err := openDatabase(dir, badgerOptions(view, log).WithReadOnly(true))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return checkContent(dir, db)
}

func listFiles(db string) (*files, error) {
	f := &files{db: db, wals: map[string]wal{}}
	entries, err := os.ReadDir(db)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot look at the store's database: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("cannot look at the store's database: %w", err)
		}
		path := filepath.Join(db, e.Name())
		switch filepath.Ext(e.Name()) {
		case ".sst":
			if id, ok := table.ParseFileID(e.Name()); ok {
				f.tables = append(f.tables, id)
			}
		case ".mem":
			if info.Size() > 0 { // else a kill came while it was made
				f.mems = append(f.mems, path)
			}
		case ".vlog":
			if info.Size() > 0 {
				f.vlogs = append(f.vlogs, path)
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join(db, "MANIFEST"))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of the store's tables: %w", err)
	}
	if f.manifest, err = readManifest(raw); err != nil {
		return nil, damaged(filepath.Dir(db), "the list of its tables, db/MANIFEST, cannot be read: %w", err)
	}
	return f, nil
}

// readManifest reads Badger's list of its tables. A last record that breaks off is what a kill leaves, and no error.
func readManifest(raw []byte) (manifest, error) {
	m := manifest{there: true, tables: map[uint64]*pb.ManifestChange{}, deleted: map[uint64]bool{}, end: 8, size: int64(len(raw))}
	if len(raw) > maxManifest {
		return m, fmt.Errorf("it has %d bytes", len(raw))
	}
	if !bytes.HasPrefix(raw, []byte(manifestHead)) {
		return m, errors.New("it does not begin as one")
	}
	for {
		rest := raw[m.end:]
		if len(rest) < 8 {
			return m, nil
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if size > m.size {
			return m, fmt.Errorf("the record at byte %d has %d bytes, by its head", m.end, size) // which Badger refuses too
		}
		if size > int64(len(rest)-8) {
			return m, nil
		}
		body := rest[8 : 8+size]
		if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(rest[4:]) {
			return m, fmt.Errorf("the record at byte %d has another checksum", m.end)
		}
		var set pb.ManifestChangeSet
		if err := proto.Unmarshal(body, &set); err != nil {
			return m, fmt.Errorf("the record at byte %d: %w", m.end, err)
		}
		for _, c := range set.GetChanges() {
			if c.GetOp() == pb.ManifestChange_DELETE {
				delete(m.tables, c.GetId())
				m.deleted[c.GetId()] = true
			} else {
				m.tables[c.GetId()] = c
				delete(m.deleted, c.GetId())
			}
		}
		m.end += 8 + size
	}
}

// checkTable opens a table, which reads its index, and reads all its blocks.
func (f *files) checkTable(id uint64, made *pb.ManifestChange) error {
	t, err := f.openTable(id, made.GetCompression(), options.OnTableRead)
	if err != nil {
		return err
	}
	return t.Close(-1)
}

func (f *files) openTable(id uint64, compression uint32, mode options.ChecksumVerificationMode) (_ *table.Table, err error) {
	// Badger panics over some tables that it cannot read.
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("its index or a block makes no sense")
		}
	}()
	if err := checkFooter(table.NewFilename(id, f.db)); err != nil {
		return nil, err
	}
	file, err := z.OpenMmapFile(table.NewFilename(id, f.db), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	set := badgerOptions(f.db, nil)
	return table.OpenTable(file, table.Options{
		ReadOnly: true, BlockSize: set.BlockSize, BloomFalsePositive: set.BloomFalsePositive, ChkMode: mode,
		Compression: options.CompressionType(compression),
	})
}

// checkFooter makes sure that the lengths at the end of a table lie within it: Badger ends the process where they do not.
func checkFooter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	at := info.Size()
	for range 2 { // the checksum, the index
		at -= 4
		var raw [4]byte
		if at < 0 {
			return errors.New("it is cut off")
		}
		if _, err := f.ReadAt(raw[:], at); err != nil {
			return err
		}
		if at -= int64(binary.BigEndian.Uint32(raw[:])); at < 0 {
			return errors.New("it is cut off")
		}
	}
	return nil
}

// readLogs reads all logs. Badger cuts off none but those of memory and the newest of large values; an older one of these
// ended with its last record when the next was begun.
func (f *files) readLogs(dir string) error {
	for i, path := range slices.Concat(f.vlogs, f.mems) {
		data, err := readWritten(path)
		if err != nil {
			return fmt.Errorf("cannot read the store's log: %w", err)
		}
		if len(data) >= 8 && binary.BigEndian.Uint64(data) != 0 {
			return damaged(dir, "its log db/%s begins with the number of a key, and there are none", filepath.Base(path))
		}
		w := readWAL(data, i >= len(f.vlogs))
		if i >= len(f.vlogs)-1 {
			f.wals[path] = w
		} else if w.end < w.size {
			return damaged(dir, "its log of large values db/%s cannot be read from byte %d on", filepath.Base(path), w.end)
		}
	}
	return nil
}

// onlyIn answers a key of a table the list does not name that is nowhere else, and nil where there is none: then it is
// what a kill left while memory was written down, whose log is still there, or while tables were merged.
func (f *files) onlyIn(id uint64) []byte {
	t, err := f.openTable(id, uint32(badgerOptions(f.db, nil).Compression), options.NoVerification)
	if err != nil {
		return nil // a kill came while it was written
	}
	defer t.Close(-1)
	elsewhere := map[string]bool{}
	for _, path := range f.mems {
		for _, key := range f.wals[path].keys {
			elsewhere[string(key)] = true
		}
	}
	for id, made := range f.manifest.tables {
		known, err := f.openTable(id, made.GetCompression(), options.NoVerification)
		if err != nil {
			continue
		}
		eachKey(known, func(key []byte) bool { elsewhere[string(key)] = true; return true })
		known.Close(-1)
	}
	var only []byte
	eachKey(t, func(key []byte) bool {
		if !elsewhere[string(key)] {
			only = slices.Clone(key[:len(key)-8])
		}
		return only == nil
	})
	return only
}

func eachKey(t *table.Table, fn func(key []byte) bool) {
	it := t.NewIterator(0)
	defer it.Close()
	for it.Rewind(); it.Valid() && fn(it.Key()); it.Next() {
	}
}
