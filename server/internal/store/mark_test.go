package store_test

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// The newest log of memory is all that has the commits of the last seconds.
func TestStoreWithoutItsNewestLogIsRefusedAndRecovered(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	closeStore(t, openStore(t, from, store.Options{}))
	s := openStore(t, from, store.Options{})
	put(t, s, row("a", "acknowledged"))
	dir := copyLive(t, from)
	path, _ := newestLog(t, dir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	for _, opt := range []store.Options{{}, {Known: true}, {ReadOnly: true}} {
		if _, err := store.Open(dir, opt); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) || !strings.Contains(err.Error(), "store recover") {
			t.Errorf("%+v: %v", opt, err)
		}
	}
	if !maps.Equal(before, contents(t, dir)) {
		t.Error("something was changed")
	}
	r, err := store.Recover(dir, noon, slog.New(slog.DiscardHandler))
	if err != nil || r.Before != 1 || r.Lost != 2 || r.Now <= 2 || r.Copy == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	s = openStore(t, dir, store.Options{})
	defer closeStore(t, s)
	if put(t, s, row("b", "")) != r.Now+1 {
		t.Errorf("it goes on at revision %d", s.Revision())
	}
}

// A state that lost its mark, and perhaps with it its newest log, opens and says so.
func TestAStateWithoutItsMarkAndItsNewestLogSaysSo(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	s := openStore(t, from, store.Options{})
	if st, err := s.Status(); err != nil || st.MarkLost {
		t.Errorf("a new state is told as one that lost its mark: %v", err)
	}
	closeStore(t, s)
	s = openStore(t, from, store.Options{})
	put(t, s, row("a", "acknowledged"))
	dir := copyLive(t, from)
	path, _ := newestLog(t, dir)
	if err := errors.Join(os.Remove(path), os.Remove(filepath.Join(dir, "newest"))); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	defer closeStore(t, s)
	if st, err := s.Status(); err != nil || !st.MarkLost || s.Revision() != 1 {
		t.Errorf("revision %d, %+v, %v", s.Revision(), st, err)
	}
}

// The mark is a reminder: a state without one, or with one that is not whole, opens.
func TestStoreOpensWithoutAMark(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(string) error{
		"none":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
		"flipped": func(path string) error {
			raw, err := os.ReadFile(path)
			raw[0] ^= 0x80
			if err != nil {
				return err
			}
			return os.WriteFile(path, raw, 0o600)
		},
	} {
		dir := closedStore(t)
		if err := spoil(filepath.Join(dir, "newest")); err != nil {
			t.Fatal(err)
		}
		for _, opt := range []store.Options{{ReadOnly: true}, {}} {
			s := openStore(t, dir, opt)
			st, err := s.Status()
			if s.Revision() != 21 || err != nil || st.MarkLost == opt.ReadOnly {
				t.Errorf("%s, %+v: revision %d, %+v, %v", name, opt, s.Revision(), st, err)
			}
			closeStore(t, s)
		}
		s := openStore(t, dir, store.Options{})
		if st, err := s.Status(); err != nil || st.MarkLost {
			t.Errorf("%s: once it is there again it is told as lost: %v", name, err)
		}
		closeStore(t, s)
	}
}
