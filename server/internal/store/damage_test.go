package store_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// closedStore makes a store with some rows in tables and answers its folder.
func closedStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir, store.Options{})
	for i := range 20 {
		put(t, s, row(fmt.Sprint("r", i), strings.Repeat("x", 100)))
	}
	closeStore(t, s)
	return dir
}

// killedStore answers the folder of a store as a kill leaves it after the rows r0 to r<n-1>, each a revision, and the
// bookmark of the newest.
func killedStore(t *testing.T, n int, target string) (dir, bookmark string) {
	t.Helper()
	from := t.TempDir()
	s := openStore(t, from, store.Options{})
	for i := range n {
		put(t, s, row(fmt.Sprint("r", i), target))
	}
	dir = filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir, s.EncodeBookmark(s.Revision(), "")
}

// copyLive copies a store that is open, as a kill would leave it: again while Badger changes its tables meanwhile.
func copyLive(t *testing.T, dir string) (to string) {
	t.Helper()
	look := func() string {
		names, err := filepath.Glob(filepath.Join(dir, "db", "*"))
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := os.ReadFile(filepath.Join(dir, "db", "MANIFEST"))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q %x", names, manifest)
	}
	for range 100 {
		to = filepath.Join(t.TempDir(), "store")
		before := look()
		if err := os.CopyFS(to, os.DirFS(dir)); err == nil && look() == before {
			return to
		}
	}
	t.Fatal("the files never rest")
	return ""
}

// contents tells what is in a folder, but for the lock.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		raw, err := os.ReadFile(path)
		all[path] = fmt.Sprintf("%d %x", len(raw), sha256.Sum256(raw))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// newestLog answers the path and the content of the log of memory that holds something.
func newestLog(t *testing.T, dir string) (path string, data []byte) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "db", "*.mem"))
	logs = slices.DeleteFunc(logs, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() == 0 // the next one, which was not begun
	})
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	data, err = os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	return logs[0], data
}

func putFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatDoNotFitTogetherAreRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	cut := func(name string, size int64) func(dir string) error {
		return func(dir string) error { return os.Truncate(filepath.Join(dir, name), size) }
	}
	flip := func(name string, fromEnd int) func(dir string) error {
		return func(dir string) error {
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			raw[len(raw)-fromEnd] ^= 0x55
			return os.WriteFile(filepath.Join(dir, name), raw, 0o600)
		}
	}
	for name, damage := range map[string]func(dir string) error{
		"no manifest":                func(dir string) error { return os.Remove(filepath.Join(dir, "db/MANIFEST")) },
		"a manifest cut in a record": cut("db/MANIFEST", 20),
		"a manifest cut at a record": cut("db/MANIFEST", 16),
		"a manifest without records": cut("db/MANIFEST", 8),
		"an empty manifest":          cut("db/MANIFEST", 0),
		"a manifest that is none":    flip("db/MANIFEST", 3),
		"no database":                func(dir string) error { return os.RemoveAll(filepath.Join(dir, "db")) },
		"an empty database": func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, "db")) // and made again
		},
		"no table":                        func(dir string) error { return os.Remove(filepath.Join(dir, "db/000001.sst")) },
		"a table that is cut off":         cut("db/000001.sst", 100),
		"an empty table":                  cut("db/000001.sst", 0),
		"a table with a damaged index":    flip("db/000001.sst", 60),
		"a table with a damaged checksum": flip("db/000001.sst", 3),
		"a format that is none":           cut("format", 0),
		"an interrupted recovery":         func(dir string) error { return os.WriteFile(filepath.Join(dir, "recovering"), nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := closedStore(t)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			if name == "an empty database" {
				if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			before := contents(t, dir)
			for _, opt := range []store.Options{{}, {Known: true}, {Existing: true}, {ReadOnly: true}} {
				s, err := store.Open(dir, opt)
				if !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) {
					t.Errorf("%+v: %v", opt, err)
				}
				if err == nil {
					closeStore(t, s)
				}
			}
			if !maps.Equal(before, contents(t, dir)) {
				t.Error("something was changed")
			}
		})
	}
}

// Badger keeps a list of keys, of which a store has none.
func TestDamagedListOfKeysIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"one byte": func(raw []byte) []byte { raw[len(raw)-3] ^= 0x55; return raw },
		"cut off":  func(raw []byte) []byte { return raw[:10] },
		"empty":    func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := closedStore(t)
			path := filepath.Join(dir, "db/KEYREGISTRY")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			putFile(t, path, damage(raw))
			for _, opt := range []store.Options{{ReadOnly: true}, {Existing: true}, {ReadOnly: true}} {
				s, err := store.Open(dir, opt)
				if err != nil {
					t.Fatalf("%+v: %v", opt, err)
				}
				closeStore(t, s)
			}
		})
	}
}

func TestKnownStoreIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := store.Open(dir, store.Options{Known: true}); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "db")); err == nil {
		t.Error("a database was made")
	}
}

func TestTableThatAKillLeftIsNoDamage(t *testing.T) {
	t.Parallel()
	dir, _ := killedStore(t, 20, "x")
	flushed := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(flushed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	closeStore(t, openStore(t, flushed, store.Options{}))
	table, err := os.ReadFile(filepath.Join(flushed, "db/000001.sst"))
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, filepath.Join(dir, "db/000001.sst"), table) // and the kill came before the manifest named it
	s := openStore(t, dir, store.Options{})
	if r, err := s.Check(); err != nil || r.Err() != nil || r.Revision != 21 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLookingTouchesNothing(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"closed": closedStore(t), "killed": func() string { d, _ := killedStore(t, 20, "x"); return d }()} {
		before := contents(t, dir)
		s := openStore(t, dir, store.Options{ReadOnly: true})
		if r, err := s.Check(); err != nil || r.Err() != nil || r.Revision != 21 || r.Rows["operation"] != 20 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row("a", "")) }); !fault.Is(err, metav1.Reason_REASON_STORE_READ_ONLY) {
			t.Errorf("%s: %v", name, err)
		}
		closeStore(t, s)
		if !maps.Equal(before, contents(t, dir)) {
			t.Errorf("%s: something was changed", name)
		}
	}
}

func TestDamagedLogIsRefusedAndRecoveredWithACopy(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"first record", "the middle", "last record"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			dir, bookmark := killedStore(t, 20, strings.Repeat("x", 40))
			path, data := newestLog(t, dir)
			end := len(bytes.TrimRight(data, "\x00"))
			copy(data[map[string]int{"first record": 40, "the middle": end / 2, "last record": end - 20}[at]:], "\xff\x00\xff")
			putFile(t, path, data)
			before := contents(t, dir)
			for _, opt := range []store.Options{{}, {ReadOnly: true}} {
				if _, err := store.Open(dir, opt); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) || !strings.Contains(err.Error(), "store recover") {
					t.Fatalf("%+v: %v", opt, err)
				}
			}
			if !maps.Equal(before, contents(t, dir)) {
				t.Error("something was changed")
			}
			r, err := store.Recover(dir, noon, slog.New(slog.DiscardHandler))
			if at == "first record" {
				// Nothing says any more which state it is.
				if !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) || !maps.Equal(before, contents(t, dir)) {
					t.Errorf("%+v, %v", r, err)
				}
				return
			}
			if err != nil || r.Before >= 21 || r.Lost > 21 || at == "the middle" && r.Lost != 21 || r.Now <= 21 {
				t.Fatalf("%+v, %v", r, err)
			}
			kept, err := os.ReadFile(filepath.Join(r.Copy, filepath.Base(path)))
			if err != nil || !bytes.Equal(kept, data) {
				t.Errorf("the copy has %d of %d bytes, %v", len(kept), len(data), err)
			}
			s := openStore(t, dir, store.Options{})
			if c, err := s.Check(); err != nil || c.Err() != nil || c.Revision != r.Now || c.Rows["operation"] != int(r.Before)-1 {
				t.Errorf("%+v, %v", c, err)
			}
			from, err := s.DecodeBookmark(bookmark, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Watch(store.WatchOptions{From: from}); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
				t.Error(err)
			}
			put(t, s, row("after", ""))
			closeStore(t, s)
			if again, err := store.Recover(dir, noon, slog.New(slog.DiscardHandler)); err != nil || again.Copy != "" {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

func TestCommitThatWasBrokenOffIsNoDamage(t *testing.T) {
	t.Parallel()
	dir, _ := killedStore(t, 3, strings.Repeat("y", 3000))
	if err := os.Remove(filepath.Join(dir, "newest")); err != nil { // it was broken off, so nobody noted it
		t.Fatal(err)
	}
	path, data := newestLog(t, dir)
	end := len(bytes.TrimRight(data, "\x00"))
	begin := bytes.LastIndex(data, []byte("r2")) // in the last commit
	torn := map[string]func([]byte){
		"a lost sector":       func(b []byte) { clear(b[(begin+1024)&^511:][:512]) },
		"all but the end":     func(b []byte) { clear(b[begin-100 : end-30]) },
		"only the first page": func(b []byte) { clear(b[(end-600)&^511:]) },
	}
	for size := end - 60; size < end; size += 7 {
		torn[fmt.Sprintf("%d bytes", size)] = func(b []byte) { clear(b[size:]) }
	}
	for name, tear := range torn {
		b := bytes.Clone(data)
		tear(b)
		putFile(t, path, b)
		s, err := store.Open(dir, store.Options{ReadOnly: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r, err := s.Check(); err != nil || r.Err() != nil || r.Revision != 3 && r.Revision != 4 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		closeStore(t, s)
	}
}
