package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// grownStore makes a store of several tables and, as earlier releases did, logs of large values, as a clean end and as a
// kill leave it.
func grownStore(t *testing.T) (closed, killed string) {
	t.Helper()
	closed = filepath.Join(t.TempDir(), "store")
	text := rand.New(rand.NewPCG(7, 7))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + text.IntN(26))
		}
		return string(b)
	}
	for life := range 3 {
		s := openStore(t, closed, store.Options{})
		for i := range 25 {
			put(t, s, row(fmt.Sprint("r", life, i), noise(300)), row("often", fmt.Sprint(i)))
		}
		put(t, s, row("l1", noise(150<<10)), row("l2", noise(150<<10)))
		closeStore(t, s)
		live := setApart(t, closed)
		if life == 2 {
			killed = live
		}
	}
	shorten(t, killed)
	return closed, killed
}

// setApart moves the large values of a closed store to a log of their own, and answers what a kill leaves just then.
func setApart(t *testing.T, dir string) (killed string) {
	t.Helper()
	db, err := badger.OpenManaged(badger.DefaultOptions(filepath.Join(dir, "db")).WithLogger(nil).
		WithMemTableSize(8 << 20).WithValueLogFileSize(1 << 20).WithValueThreshold(100 << 10))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.DefaultIteratorOptions)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if it.Item().ValueSize() < 100<<10 {
			continue
		}
		write := db.NewTransactionAt(it.Item().Version(), true)
		value, err := it.Item().ValueCopy(nil)
		if err = errors.Join(err, write.Set(it.Item().KeyCopy(nil), value), write.CommitAt(it.Item().Version(), nil)); err != nil {
			t.Fatal(err)
		}
	}
	return copyLive(t, dir)
}

// shorten takes away most of the hole at the end of each log.
func shorten(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		logs, err := filepath.Glob(filepath.Join(dir, "db", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range logs {
			data, err := readHead(path)
			if err == nil && len(data) > 0 {
				err = os.Truncate(path, int64(len(data))+4096)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wholeOf is all that a store tells, without its place on the disk.
func wholeOf(s *store.Store) (string, error) {
	h := sha256.New()
	r, err := s.Check()
	if err != nil {
		return "", err
	}
	if err := r.Err(); err != nil {
		return "", err
	}
	_, err = s.Export(func(kind store.KindInfo, row store.Row) error {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(row)
		fmt.Fprintf(h, "%s %x\n", kind.ID, raw)
		return err
	})
	return fmt.Sprintf("%d after %d, %d records of %d bytes, %v, %x", r.Revision, r.Compacted, r.Records, r.LogBytes, r.Rows, h.Sum(nil)), err
}

// tellAt opens a store and answers what it tells.
func tellAt(dir string, opt store.Options) (string, error) {
	s, err := store.Open(dir, opt)
	if err != nil {
		return "", err
	}
	all, err := wholeOf(s)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return all, err
}

// flips are places in a file: its ends, and some between.
func flips(rng *rand.Rand, size, n int) []int {
	at := []int{0, 4, 7, 8, 16, 20, size - 1, size - 4, size - 8, size - 12, size - 30, size - 100}
	for range n {
		at = append(at, rng.IntN(size))
	}
	rng.Shuffle(len(at), func(i, j int) { at[i], at[j] = at[j], at[i] })
	return at[:n]
}

func TestFlippedBytesAreRefusedOrChangeNothing(t *testing.T) {
	t.Parallel()
	each := 4
	if os.Getenv("HEARTH_SOAK") == "full" {
		each = 40
	}
	closed, killed := grownStore(t)
	rng := rand.New(rand.NewPCG(20, 26))
	kinds := map[string]int{}
	for _, from := range []string{closed, killed} {
		good, err := tellAt(from, store.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(from, "db", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			data, err := readHead(path)
			kind := strings.TrimPrefix(filepath.Ext(path), ".")
			if err != nil || len(data) <= 20 || kind != "sst" && kind != "vlog" && filepath.Base(path) != "MANIFEST" {
				continue
			}
			kinds[kind]++
			for i, at := range flips(rng, len(data), each) {
				at, width := max(at, 0), []int{1, 16}[i%2]
				t.Run(fmt.Sprintf("%s %d+%d", filepath.Base(path), at, width), func(t *testing.T) {
					t.Parallel()
					dir := filepath.Join(t.TempDir(), "store")
					if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
						t.Fatal(err)
					}
					flip(t, filepath.Join(dir, "db", filepath.Base(path)), at, width)
					refusedOrWhole(t, dir, good)
				})
			}
		}
	}
	if kinds["sst"] < 2 || kinds["vlog"] < 2 || kinds[""] != 2 {
		t.Errorf("flipped in %v", kinds)
	}
}

// The head of a large value says how long it is: where that is damaged Badger would take it for what a kill left, and cut it off.
func TestDamagedHeadOfALargeValueIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	closed, killed := grownStore(t)
	for name, from := range map[string]string{"closed": closed, "killed": killed} {
		for _, at := range []int{16, 20} {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "store")
				if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
					t.Fatal(err)
				}
				logs, err := filepath.Glob(filepath.Join(dir, "db", "*.vlog"))
				if err != nil || len(logs) == 0 {
					t.Fatal(logs, err)
				}
				flip(t, largest(t, logs), at, 16)
				refusedOrWhole(t, dir, "not this")
			})
		}
	}
}

// largest is the file in which most is written, the newest where there are several.
func largest(t *testing.T, paths []string) (path string) {
	t.Helper()
	most := 0
	for _, p := range paths {
		data, err := readHead(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) >= most {
			path, most = p, len(data)
		}
	}
	return path
}

// readHead reads a file up to the zeros at its end.
func readHead(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	return []byte(strings.TrimRight(string(data), "\x00")), err
}

// flip changes bytes of a file, as a failing disk does.
func flip(t *testing.T, path string, at, width int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := at; i < min(at+width, len(data)); i++ {
		data[i] ^= 0x5a
	}
	putFile(t, path, data)
}

// refusedOrWhole opens a store to look at it and to write; a refusal leaves it as it is.
func refusedOrWhole(t *testing.T, dir, good string) {
	t.Helper()
	before := contents(t, dir)
	for _, opt := range []store.Options{{ReadOnly: true}, {Known: true}} {
		got, err := tellAt(dir, opt)
		switch {
		case err == nil && got != good:
			t.Errorf("%+v: the store tells %s, it was %s", opt, got, good)
		case err != nil && !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED):
			t.Errorf("%+v: %v", opt, err)
		case err != nil && !maps.Equal(before, contents(t, dir)):
			t.Errorf("%+v: refused, and something was changed", opt)
		}
	}
}
