package store_test

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

var updateGolden = flag.Bool("update", false, "write what migrations make into their golden files")

// moving is a migration with all three parts: rows name a file in upper case, and the file is given its new name before and
// loses the old one after.
func moving(at func(point string) error) store.Migration {
	word := func(dir, name string) string { return filepath.Join(dir, "..", name) }
	return store.Migration{
		Name: "moving",
		Before: func(dir string) error {
			if err := at("before"); err != nil {
				return err
			}
			if err := os.Link(word(dir, "word"), word(dir, "WORD")); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			return at("before-done")
		},
		Change: func(kind uint16, id string, row []byte) ([]byte, error) {
			if err := at("change-" + id); err != nil {
				return nil, err
			}
			return shout(kind, id, row)
		},
		After: func(dir string) error {
			if err := at("after"); err != nil {
				return err
			}
			if err := os.Remove(word(dir, "word")); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return at("after-done")
		},
	}
}

func never(string) error { return nil }

// Each migration makes of the rows in its golden file what stands there beside them. What a migration makes never changes
// again: it has run on somebody's machine.
func TestMigrationsMakeWhatTheirGoldenFilesSay(t *testing.T) {
	t.Parallel()
	for i, m := range append(store.Migrations(), moving(never)) {
		path := filepath.Join("testdata", "migrations", m.Name+".golden")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("migration %d has no golden file: %v", i+1, err)
		}
		var got strings.Builder
		rows := 0
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) == 0 || f[0] == "#" {
				got.WriteString(line)
				continue
			}
			kind, kerr := strconv.ParseUint(f[0], 10, 16)
			row, err := hex.DecodeString(f[2])
			if err := errors.Join(kerr, err); err != nil {
				t.Fatal(err)
			}
			after, err := m.Change(uint16(kind), f[1], row)
			if err != nil {
				t.Fatalf("%s: %s: %v", m.Name, f[1], err)
			}
			text := hex.EncodeToString(after)
			if after == nil {
				text = "dropped"
			}
			fmt.Fprintf(&got, "%s %s %s %s\n", f[0], f[1], f[2], text)
			rows++
		}
		if *updateGolden {
			if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(raw), got.String()); diff != "" || rows == 0 {
			t.Errorf("%s, %d rows: %s", m.Name, rows, diff)
		}
	}
}

// points are where the process is killed, each in a life of its own, and the next life goes on from what is left.
var points = []string{"before", "before-done", "change-a", "change-drop", "change-same", "after", "after-done"}

const migrationRows = 3

// prepareMigration makes the state that is migrated.
func prepareMigration(t *testing.T, dir string) (storeDir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "word"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	storeDir = filepath.Join(dir, "store")
	s := openStore(t, storeDir, store.Options{})
	put(t, s, row("a", "word"), row("drop", "word"), row("same", "as it was"))
	closeStore(t, s)
	return storeDir
}

func checkMigrated(t *testing.T, dir string, s *store.Store) {
	t.Helper()
	if got := get(t, s, "a").GetSpec().GetTarget(); got != "WORD" || get(t, s, "drop") != nil || get(t, s, "same").GetSpec().GetTarget() != "as it was" {
		t.Errorf("the rows are %q, %v, %v", got, get(t, s, "drop"), get(t, s, "same"))
	}
	if _, err := os.Stat(filepath.Join(dir, "word")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old file: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "WORD")); string(text) != "content" {
		t.Errorf("the new file holds %q, %v", text, err)
	}
	if r, err := s.Check(); err != nil || r.Err() != nil || r.Format != 2 || r.Rows["operation"] != migrationRows-1 {
		t.Errorf("%+v, %v", r, err)
	}
	if s.Revision() != 3 {
		t.Errorf("revision %d: the rows were migrated more than once", s.Revision())
	}
}

// childMigrates opens the store and is killed at the point given after the folder.
func childMigrates(t *testing.T, arg string) {
	dir, point, _ := strings.Cut(arg, " ")
	s, err := store.OpenWith(filepath.Join(dir, "store"), store.Options{}, moving(func(at string) error {
		if at == point {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
}

func TestMigrationSurvivesAKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	once := t.TempDir()
	prepareMigration(t, once)
	for _, point := range points {
		for _, dir := range []string{once, t.TempDir()} {
			// In the one folder every life adds its kill to those before it; in the other it is the only one.
			if dir != once {
				prepareMigration(t, dir)
			}
			p, _ := start(t, "migrates", dir+" "+point, nil)
			state, err := p.Wait()
			if err != nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("%s: the child ended by itself: %v, %v", point, state, err)
			}
			if dir == once {
				continue
			}
			s, err := store.OpenWith(filepath.Join(dir, "store"), store.Options{}, moving(never))
			if err != nil {
				t.Fatalf("%s: %v", point, err)
			}
			checkMigrated(t, dir, s)
			closeStore(t, s)
		}
	}
	s, err := store.OpenWith(filepath.Join(once, "store"), store.Options{}, moving(never))
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	checkMigrated(t, once, s)
}

func TestUnfinishedMigrationIsFinishedBeforeTheNext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storeDir := prepareMigration(t, dir)
	busy := errors.New("file is in use")
	failing := moving(func(at string) error {
		if at == "after" {
			return busy
		}
		return nil
	})
	for range 2 {
		s, err := store.OpenWith(storeDir, store.Options{}, failing)
		if err != nil {
			t.Fatalf("the state must be usable meanwhile: %v", err)
		}
		put(t, s, row("b", fmt.Sprint(s.Revision())))
		closeStore(t, s)
	}
	next := store.Migration{Name: "next", Change: unchanged}
	if _, err := store.OpenWith(storeDir, store.Options{}, failing, next); !errors.Is(err, busy) {
		t.Errorf("the next migration did not wait: %v", err)
	}
	s, err := store.OpenWith(storeDir, store.Options{}, moving(never), next)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if _, err := os.Stat(filepath.Join(dir, "word")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old file: %v", err)
	}
	if r, err := s.Check(); err != nil || r.Format != 3 || get(t, s, "b").GetSpec().GetTarget() != "4" {
		t.Errorf("%+v, %v, %v", r, err, get(t, s, "b"))
	}
}

func TestFailingBeforeLeavesTheRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storeDir := prepareMigration(t, dir)
	broken := errors.New("no room for a copy")
	if _, err := store.OpenWith(storeDir, store.Options{}, moving(func(string) error { return broken })); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	raw(t, storeDir, func(_ *badger.DB, txn *badger.Txn) {
		item, err := txn.Get([]byte("r/\x00\x01/a"))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := item.ValueCopy(nil); err != nil || !strings.Contains(string(v), "word") {
			t.Errorf("%q, %v", v, err)
		}
	})
}

func TestLookingDoesNotMigrate(t *testing.T) {
	t.Parallel()
	storeDir := prepareMigration(t, t.TempDir())
	before := tree(t, storeDir)
	if _, err := store.OpenWith(storeDir, store.Options{Existing: true}, moving(never)); !fault.Is(err, metav1.Reason_REASON_STORE_OLD) {
		t.Errorf("an old format: %v", err)
	}
	if before[filepath.Join(storeDir, "format")] != tree(t, storeDir)[filepath.Join(storeDir, "format")] {
		t.Error("the format was raised")
	}
	absent := filepath.Join(t.TempDir(), "absent")
	if _, err := store.Open(absent, store.Options{Existing: true}); !fault.Is(err, metav1.Reason_REASON_NOT_FOUND) {
		t.Errorf("no state: %v", err)
	}
	if _, err := os.Stat(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
