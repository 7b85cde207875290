package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// awaitCompaction commits until the log has been cut off beyond a revision; compaction runs beside the commits.
func awaitCompaction(t *testing.T, s *store.Store, beyond uint64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.Compacted() <= beyond; {
		if time.Now().After(deadline) {
			t.Fatalf("the log is not shortened: revision %d, compacted %d", s.Revision(), s.Compacted())
		}
		put(t, s, row("busy", fmt.Sprint(s.Revision())))
	}
}

func TestLogIsCutOffAndSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := store.Options{RingSize: 4, RetainRevisions: 20}
	s := openStore(t, dir, opt)
	put(t, s, row("kept", "since the beginning"))
	late := watch(t, s, store.WatchOptions{From: 2})
	paused := watch(t, s, store.WatchOptions{PageSize: 1})
	put(t, s, row("a", ""), row("b", ""))
	awaitCompaction(t, s, 50)
	for name, w := range map[string]*store.Watcher{"a cursor that fell behind": late, "a snapshot that was left": paused} {
		if _, err := w.Next(t.Context()); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Watch(store.WatchOptions{From: 3}); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
		t.Errorf("an old bookmark: %v", err)
	}
	// The oldest revision that is promised still works, from disk.
	w := watch(t, s, store.WatchOptions{From: s.Revision() - 20})
	for seen := uint64(0); seen < s.Revision(); {
		seen = next(t, w).Revision
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	compacted := s.Compacted()
	s = openStore(t, dir, opt)
	if s.Compacted() != compacted {
		t.Errorf("compacted %d, was %d", s.Compacted(), compacted)
	}
	if _, err := s.Watch(store.WatchOptions{From: compacted - 1}); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
		t.Errorf("an old bookmark after a restart: %v", err)
	}
	if got := get(t, s, "kept").GetSpec().GetTarget(); got != "since the beginning" {
		t.Errorf("a row older than the log is %q", got)
	}
}

// A view reads one revision however much is written and compacted meanwhile.
func TestViewHoldsItsRevision(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{RetainRevisions: 5})
	put(t, s, row("a", "old"), row("b", "old"))
	err := s.View(func(tx *store.Tx) error {
		at := tx.Revision()
		for range 50 {
			put(t, s, row("a", fmt.Sprint(s.Revision())), row("c", fmt.Sprint(s.Revision())))
		}
		if s.Compacted() > at {
			t.Errorf("compacted %d while %d is read", s.Compacted(), at)
		}
		rows, err := store.List[op](tx, "")
		if len(rows) != 2 || rows[0].GetSpec().GetTarget() != "old" {
			t.Errorf("the view shows %v", rows)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitCompaction(t, s, 10)
}

// Enough to rotate memtables, and to flush and compact tables.
func TestStoreSurvivesItsOwnBulk(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes 60 MB")
	}
	dir := t.TempDir()
	opt := store.Options{RetainRevisions: 50}
	s := openStore(t, dir, opt)
	large := strings.Repeat("x", 200<<10)
	want := map[string]string{}
	for i := range 150 {
		id, target := fmt.Sprintf("r%d", i%7), fmt.Sprint(i)+large
		put(t, s, row(id, target), row("small", fmt.Sprint(i)))
		want[id] = target
	}
	check := func() {
		t.Helper()
		for id, target := range want {
			if got := get(t, s, id).GetSpec().GetTarget(); got != target {
				t.Errorf("%s has %d bytes, want %d", id, len(got), len(target))
			}
		}
		w := watch(t, s, store.WatchOptions{From: s.Revision() - 50})
		seen := s.Revision() - 50
		for seen < s.Revision() {
			for _, c := range next(t, w).Changes {
				if c.Revision != seen && c.Revision != seen+1 {
					t.Fatalf("revision %d after %d", c.Revision, seen)
				}
				seen = c.Revision
			}
		}
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, opt)
	check()
}

func TestFeedNeverWaitsForOnesThatDoNotRead(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{RingSize: 8})
	var stuck []*store.Watcher
	for range 200 {
		stuck = append(stuck, watch(t, s, store.WatchOptions{}))
	}
	for i := range 100 {
		put(t, s, row("a", fmt.Sprint(i)))
	}
	for _, w := range stuck {
		var err error
		for b := (store.Batch{}); err == nil && b.Revision < s.Revision(); {
			b, err = w.Next(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
