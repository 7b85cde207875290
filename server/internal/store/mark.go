package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/hearthos/hearth/server/internal/atomicfile"
)

// The mark is a file beside the database with the newest revision that was durable: without it nobody could tell a state
// whose newest log is gone from an older state. It is written after each commit and never synced, which costs no time; so a
// kill leaves the newest, and a loss of power one that is not newer than the state. Only that it is there is synced, once: a
// state that was open before and has none has lost it, and whoever opens it is told.
const (
	markName = "newest"
	markSize = 8 + crc32.Size // a revision and its checksum, big endian
)

// readMark answers the marked revision, and whether there is one that counts: it is no more than a reminder.
func readMark(dir string) (revision uint64, whole bool, err error) {
	f, err := os.Open(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("cannot read which revision is the newest: %w", err)
	}
	defer f.Close()
	var raw [markSize]byte
	_, err = io.ReadFull(f, raw[:])
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("cannot read which revision is the newest: %w", err)
	case crc32.ChecksumIEEE(raw[:8]) != binary.BigEndian.Uint32(raw[8:]):
		return 0, false, nil
	}
	return binary.BigEndian.Uint64(raw[:]), true, nil
}

// checkMark refuses, before anything is touched, a database that has lost its newest revisions. Most often the record of
// the marked revision is there; else the database is asked by way of a copy.
func (f *files) checkMark(dir string, log *slog.Logger) error {
	marked, _, err := readMark(dir)
	if err != nil || marked == 0 || !f.manifest.there || f.hasRecord(marked) {
		return err
	}
	there, err := f.look(log)
	if err != nil {
		return err
	}
	if marked > there.revision {
		return damaged(dir, "its newest revision is %d, and %d was written: a log is missing, or the database is older than the files beside it; "+
			"'hearthd store recover' keeps a copy and goes on with what there is", there.revision, marked)
	}
	return nil
}

// hasRecord looks for the record of a revision in the files.
func (f *files) hasRecord(revision uint64) bool {
	key := logKey(revision)
	for _, path := range f.mems {
		for _, k := range f.wals[path].keys {
			if bytes.Equal(k[:len(k)-8], key) {
				return true
			}
		}
	}
	for id, made := range f.manifest.tables {
		t, err := f.openTable(id, made.GetCompression(), options.NoVerification)
		if err != nil {
			continue
		}
		it := t.NewIterator(0)
		it.Seek(y.KeyWithTs(key, math.MaxUint64))
		found := it.Valid() && bytes.Equal(y.ParseKey(it.Key()), key)
		it.Close()
		t.Close(-1)
		if found {
			return true
		}
	}
	return false
}

// openMark opens the mark and writes the revision that is the newest. It answers, too, whether there was none that counts.
func openMark(dir string, newest uint64) (f *os.File, none bool, err error) {
	_, whole, err := readMark(dir)
	if err != nil {
		return nil, false, err
	}
	f, err = os.OpenFile(filepath.Join(dir, markName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("cannot note which revision is the newest: %w", err)
	}
	if err = writeMark(f, newest); err == nil && !whole {
		err = errors.Join(f.Sync(), atomicfile.SyncDir(dir))
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, !whole, nil
}

// writeMark notes a revision that is durable.
func writeMark(f *os.File, newest uint64) error {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, markSize), newest)
	if _, err := f.WriteAt(binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw)), 0); err != nil {
		return fmt.Errorf("cannot note which revision is the newest: %w", err)
	}
	return nil
}
