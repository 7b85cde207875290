package store_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

func closeStore(t testing.TB, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// raw opens the database of a closed store as Badger sees it.
func raw(t testing.TB, dir string, fn func(db *badger.DB, txn *badger.Txn)) {
	t.Helper()
	db, err := badger.OpenManaged(badger.DefaultOptions(filepath.Join(dir, "db")).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	fn(db, txn)
}

// The layout on disk is a promise to later releases: this test changes only together with a migration.
func TestLayoutOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	id := s.ID()
	put(t, s, row("a/b", "x"))
	del(t, s, "a/b")
	put(t, s, row("c", "x"))
	closeStore(t, s)
	got := map[string]string{}
	raw(t, dir, func(_ *badger.DB, txn *badger.Txn) {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			v, err := it.Item().ValueCopy(nil)
			if err != nil {
				t.Fatal(err)
			}
			got[string(it.Item().Key())] = hex.EncodeToString(v)
		}
	})
	if got["m/store_id"] != hex.EncodeToString([]byte(id)) {
		t.Errorf("m/store_id is %s", got["m/store_id"])
	}
	delete(got, "m/store_id")
	if id, first := got["m/epochs"][:20], got["m/epochs"][20:]; id == strings.Repeat("0", 20) || first != "0000000000000002" {
		t.Errorf("m/epochs is %s", got["m/epochs"])
	}
	delete(got, "m/epochs")
	stamp := "320608c0e6deca06" // update_time: noon
	born := "2a0608c0e6deca06"  // create_time
	spec := "1203120178"        // spec {target: "x"}
	meta := func(id, revision string) string {
		body := "0a" + length(id) + hex.EncodeToString([]byte(id)) + "10" + revision + "18" + revision + "2001" + born + stamp
		return "0a" + hexLength(body) + body + spec
	}
	record := func(op, id, row string) string {
		body := op + "0001" + length(id) + hex.EncodeToString([]byte(id)) + "00" + row
		return "01" + hexLength(body) + body
	}
	want := map[string]string{
		"m/format":                           "00000001",
		"m/compacted":                        "0000000000000001",
		"r/\x00\x01/c":                       meta("c", "04"),
		"l/\x00\x00\x00\x00\x00\x00\x00\x02": record("01", "a/b", meta("a/b", "02")),
		"l/\x00\x00\x00\x00\x00\x00\x00\x03": record("02", "a/b", meta("a/b", "02")),
		"l/\x00\x00\x00\x00\x00\x00\x00\x04": record("01", "c", meta("c", "04")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "format")); err != nil || string(text) != "1\n" {
		t.Errorf("format file %q, %v", text, err)
	}
}

func length(s string) string    { return hex.EncodeToString([]byte{byte(len(s))}) }
func hexLength(s string) string { return hex.EncodeToString([]byte{byte(len(s) / 2)}) }

// tree answers the content of all files below dir.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// shout is a migration that changes rows, drops one and leaves one.
func shout(kind uint16, id string, row []byte) ([]byte, error) {
	if kind != 1 {
		return nil, errors.New("a kind that was never written")
	}
	switch id {
	case "drop":
		return nil, nil
	case "same":
		return row, nil
	}
	var op operationsv1.Operation
	if err := proto.Unmarshal(row, &op); err != nil {
		return nil, err
	}
	op.Spec.Target = strings.ToUpper(op.GetSpec().GetTarget())
	return proto.Marshal(&op)
}

func unchanged(_ uint16, _ string, row []byte) ([]byte, error) { return row, nil }

func TestOldFormatIsMigratedAndNewerOneRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	put(t, s, row("a", "word"), row("drop", ""), row("same", "as it was"))
	id, bookmark := s.ID(), s.Revision()
	closeStore(t, s)

	s, err := store.OpenWith(dir, store.Options{}, store.Migration{Name: "shout", Change: shout}, store.Migration{Name: "same", Change: unchanged})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "a").GetSpec().GetTarget(); got != "WORD" {
		t.Errorf("got %q", got)
	}
	if got := get(t, s, "same").GetSpec().GetTarget(); got != "as it was" || get(t, s, "drop") != nil {
		t.Errorf("got %q and %v", got, get(t, s, "drop"))
	}
	if s.ID() != id || s.Revision() != bookmark+2 {
		t.Errorf("id %s, revision %d", s.ID(), s.Revision())
	}
	if _, err := s.Watch(store.WatchOptions{From: bookmark}); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
		t.Errorf("a bookmark of before: %v", err)
	}
	put(t, s, row("b", ""))
	expect(t, watch(t, s, store.WatchOptions{From: bookmark + 2}), "5:b @5")
	closeStore(t, s)

	before := tree(t, dir)
	for range 2 {
		_, err = store.Open(dir, store.Options{})
		if f := fault.Proto(err); f.GetReason() != metav1.Reason_REASON_STORE_TOO_NEW || f.GetMetadata()["format"] != "3" || f.GetMetadata()["supported"] != "1" {
			t.Errorf("a newer format: %v", err)
		}
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error("something was touched")
	}
	// Without its file, the database itself says so.
	if err := os.Remove(filepath.Join(dir, "format")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir, store.Options{}); !fault.Is(err, metav1.Reason_REASON_STORE_TOO_NEW) {
		t.Errorf("a newer format without its file: %v", err)
	}
}

// A migration that is interrupted has written some rows under the next revision; nobody sees them, and the next start
// does it all again.
func TestInterruptedMigrationIsDoneAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	put(t, s, row("a", "word"), row("b", "word"))
	closeStore(t, s)
	halfway := errors.New("power cut")
	_, err := store.OpenWith(dir, store.Options{}, store.Migration{Change: func(kind uint16, id string, row []byte) ([]byte, error) {
		if id == "b" {
			return nil, halfway
		}
		return shout(kind, id, row)
	}})
	if !errors.Is(err, halfway) {
		t.Fatal(err)
	}
	// As after a crash behind the first batch of rows.
	raw(t, dir, func(db *badger.DB, txn *badger.Txn) {
		key := []byte("r/\x00\x01/a")
		item, err := txn.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := item.ValueCopy(nil)
		if err != nil {
			t.Fatal(err)
		}
		changed, err := shout(1, "a", v)
		if err != nil {
			t.Fatal(err)
		}
		w := db.NewTransactionAt(3, true)
		defer w.Discard()
		if err := errors.Join(w.Set(key, changed), w.CommitAt(3, nil)); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := store.Open(dir, store.Options{}); !fault.Is(err, metav1.Reason_REASON_STORE_TOO_NEW) {
		t.Errorf("the older release opens a half migrated store: %v", err)
	}
	s, err = store.OpenWith(dir, store.Options{}, store.Migration{Change: func(kind uint16, id string, row []byte) ([]byte, error) {
		if bytes.Contains(row, []byte("WORD")) {
			t.Errorf("%s is migrated twice", id)
		}
		return shout(kind, id, row)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if a, b := get(t, s, "a").GetSpec().GetTarget(), get(t, s, "b").GetSpec().GetTarget(); a != "WORD" || b != "WORD" || s.Revision() != 3 {
		t.Errorf("%q, %q, revision %d", a, b, s.Revision())
	}
}

func TestDamagedFactsAreRefused(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(t *testing.T, dir string){
		"format file is no number": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "format"), []byte("one"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"rows without a format":  func(t *testing.T, dir string) { overwrite(t, dir, "m/format", nil) },
		"format of other length": func(t *testing.T, dir string) { overwrite(t, dir, "m/format", []byte{1}) },
		"id is no ulid":          func(t *testing.T, dir string) { overwrite(t, dir, "m/store_id", []byte("me")) },
		"unfinished is to come":  func(t *testing.T, dir string) { overwrite(t, dir, "m/unfinished", []byte{0, 0, 0, 1}) },
		"compacted is no number": func(t *testing.T, dir string) { overwrite(t, dir, "m/compacted", []byte("12")) },
	} {
		dir := t.TempDir()
		s := openStore(t, dir, store.Options{})
		put(t, s, row("a", ""))
		closeStore(t, s)
		break_(t, dir)
		if s, err := store.Open(dir, store.Options{}); err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		}
	}
}

func overwrite(t *testing.T, dir, key string, value []byte) { overwriteAt(t, dir, key, value, 9) }

// overwriteAt writes a key as of a revision, or deletes it.
func overwriteAt(t *testing.T, dir, key string, value []byte, at uint64) {
	raw(t, dir, func(db *badger.DB, _ *badger.Txn) {
		txn := db.NewTransactionAt(at, true)
		defer txn.Discard()
		var err error
		if value == nil {
			err = txn.Delete([]byte(key))
		} else {
			err = txn.Set([]byte(key), value)
		}
		if err = errors.Join(err, txn.CommitAt(at, nil)); err != nil {
			t.Fatal(err)
		}
	})
}
