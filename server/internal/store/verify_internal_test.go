package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
)

// A table that goes bad while the store is open must not look like one with fewer rows.
func TestDamageWhileOpenStopsReadingAndWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir, Options{MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := s.Update(t.Context(), time.Now(), putting("a", strings.Repeat("text ", 2000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{MinFree: 1}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.verify()
	view := func() error { return s.View(func(*Tx) error { return nil }) }
	if err := view(); err != nil {
		t.Fatalf("a store that is well: %v", err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, path := range tables {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte("rotten"), 40)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.verify()
	if err := view(); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) {
		t.Errorf("read: %v", err)
	}
	if _, err := s.Update(t.Context(), time.Now(), putting("a", "x")); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) {
		t.Errorf("written: %v", err)
	}
	if _, err := s.Status(); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) {
		t.Errorf("asked how it does: %v", err)
	}
}
