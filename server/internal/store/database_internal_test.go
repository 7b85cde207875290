package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

func openSmall(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{MemTable: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func update(t *testing.T, s *Store, id, target string) {
	t.Helper()
	if _, err := s.Update(t.Context(), time.Now(), putting(id, target)); err != nil {
		t.Fatal(err)
	}
}

// Only the log to which Badger writes is synced, so that must be the one which is known as the newest, be there room for the next
// one or not.
func TestSyncFollowsTheLogsOfMemory(t *testing.T) {
	t.Parallel()
	for name, reserve := range map[string]uint64{"alone": 0, "with room ahead": 65 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.TempDir(), Options{MemTable: 1 << 20, Reserve: reserve})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			first, ahead := s.db.number, false
			for i := range 60 {
				update(t, s, "a", strings.Repeat(fmt.Sprint(i%10), 50<<10))
				next, err := os.Stat(s.db.logPath(s.db.number + 1))
				switch {
				case err == nil && next.Size() == 0:
					ahead = true
				case !errors.Is(err, fs.ErrNotExist):
					t.Fatalf("log %d is synced, and the next is %v, %v", s.db.number, next, err)
				}
				if end, err := writtenEnd(s.db.log); err != nil || end == 0 {
					t.Fatalf("the log that is synced is written up to %d, %v", end, err)
				}
			}
			if s.db.number < first+2 || ahead != (reserve > 0) {
				t.Errorf("there were the logs %d to %d; room ahead: %v", first, s.db.number, ahead)
			}
		})
	}
}

func TestLogOfLargeValuesStaysEmpty(t *testing.T) {
	t.Parallel()
	s := openInternal(t)
	large := string(make([]byte, MaxRow-2000))
	if _, err := s.Update(t.Context(), time.Now(), func(tx *Tx) error {
		return errors.Join(putting("a", large)(tx), putting("b", large)(tx))
	}); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(s.dir, "db", "*.vlog"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		if data, err := readWritten(path); err != nil || lastByte(data) > walHeader {
			t.Errorf("%s holds %d bytes, %v", path, lastByte(data), err)
		}
	}
	write := s.db.begin(s.Revision())
	defer write.discard()
	if err := write.set([]byte("m/large"), make([]byte, MaxCommit)); err == nil {
		t.Error("a value that would go there is taken")
	}
}

// After a sync that failed nobody knows what is durable.
func TestFailedSyncEndsWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openSmall(t, dir)
	update(t, s, "a", "acknowledged")
	s.db.log.Close()
	for range 2 {
		if _, err := s.Update(t.Context(), time.Now(), putting("a", "lost")); !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
			t.Errorf("%v", err)
		}
	}
	if err := s.compact(0); err == nil {
		t.Error("the log is shortened")
	}
	_ = s.Close()
	s = openSmall(t, dir)
	defer s.Close()
	update(t, s, "a", "goes on")
}

func TestLargeBatchIsManyTransactions(t *testing.T) {
	t.Parallel()
	s := openSmall(t, t.TempDir())
	defer s.Close()
	at := s.Revision()
	write := s.db.beginMany(at)
	defer write.discard()
	const n = 5000
	for i := range n {
		if err := write.set(logKey(1_000_000+uint64(i)), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := write.commit(); err != nil {
		t.Fatal(err)
	}
	txn := s.db.NewTransactionAt(at, false)
	defer txn.Discard()
	for _, i := range []uint64{0, n / 2, n - 1} {
		if _, err := txn.Get(logKey(1_000_000 + i)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
