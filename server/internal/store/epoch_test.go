package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// commits makes commits and answers the bookmarks after each.
func commits(t *testing.T, s *store.Store, n int) (marks []string) {
	t.Helper()
	for i := range n {
		put(t, s, row(fmt.Sprint("r", i), fmt.Sprint(s.Revision())))
		marks = append(marks, s.EncodeBookmark(s.Revision(), ""))
	}
	return marks
}

func expectGood(t *testing.T, s *store.Store, marks []string) {
	t.Helper()
	for _, m := range marks {
		if _, err := s.DecodeBookmark(m, ""); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
}

func expectExpired(t *testing.T, s *store.Store, marks []string) {
	t.Helper()
	for _, m := range marks {
		if at, err := s.DecodeBookmark(m, ""); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
			t.Errorf("%s: %d, %v", m, at, err)
		}
	}
}

func TestBookmarkOfALostFutureIsRefused(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"a server that was stopped", "one that ran", "one that had just started"} {
		dir := filepath.Join(t.TempDir(), "store")
		s := openStore(t, dir, store.Options{})
		before := commits(t, s, 4)
		if from != "one that ran" {
			closeStore(t, s)
		}
		if from == "one that had just started" {
			s = openStore(t, dir, store.Options{})
			before = append(before, s.EncodeBookmark(s.Revision(), ""))
		}
		kept := copyLive(t, dir)
		if from == "a server that was stopped" {
			s = openStore(t, dir, store.Options{})
		}
		lost := commits(t, s, 3)
		closeStore(t, s)
		s = openStore(t, kept, store.Options{})
		expectGood(t, s, before)
		expectExpired(t, s, lost)
		after := commits(t, s, 6) // the same revisions, and more
		expectGood(t, s, before)
		expectExpired(t, s, lost)
		closeStore(t, s)
		s = openStore(t, kept, store.Options{})
		expectGood(t, s, append(before, after...))
		expectExpired(t, s, lost)
		closeStore(t, s)
	}
}

func TestBookmarksStayGoodOverKillsWithAndWithoutCommits(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	var marks []string
	for life := range 6 {
		s := openStore(t, dir, store.Options{})
		expectGood(t, s, marks)
		marks = append(marks, s.EncodeBookmark(s.Revision(), ""))
		marks = append(marks, commits(t, s, life%3)...)
		next := copyLive(t, dir)
		closeStore(t, s)
		dir = next
	}
	s := openStore(t, dir, store.Options{ReadOnly: true})
	expectGood(t, s, marks)
	closeStore(t, s)
}

func TestBookmarkOfBeforeEpochsHasExpired(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	body := s.ID() + ".1."
	sum := sha256.Sum256([]byte("bookmark " + body))
	expectExpired(t, s, []string{body + "." + hex.EncodeToString(sum[:4])})
}
