package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

func watch(t testing.TB, s *store.Store, opt store.WatchOptions) *store.Watcher {
	t.Helper()
	w, err := s.Watch(opt)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func next(t testing.TB, w *store.Watcher) store.Batch {
	t.Helper()
	b, err := take(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// take answers the next batch that tells more than the boot id.
func take(ctx context.Context, w *store.Watcher) (store.Batch, error) {
	for {
		b, err := w.Next(ctx)
		if err != nil || b.Snapshot || b.Bookmark || len(b.Changes) > 0 {
			return b, err
		}
	}
}

// told spells a batch: "S" for a snapshot, each change as revision:id with "-" for a deletion, "@" and the bookmark.
func told(b store.Batch) string {
	var text string
	if b.Snapshot {
		text = "S "
	}
	for _, c := range b.Changes {
		mark := ""
		if c.Row == nil {
			mark = "-"
		}
		text += fmt.Sprintf("%d:%s%s ", c.Revision, mark, c.ID)
	}
	if b.Bookmark {
		text += fmt.Sprintf("@%d", b.Revision)
	}
	return text
}

func expect(t testing.TB, w *store.Watcher, want ...string) {
	t.Helper()
	for _, want := range want {
		if diff := cmp.Diff(want, told(next(t, w))); diff != "" {
			t.Error(diff)
		}
	}
}

// expectNothing says that the watcher has nothing to tell now.
func expectNothing(t testing.TB, w *store.Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	quiet := errors.New("quiet")
	go cancel(quiet)
	if b, err := take(ctx, w); !errors.Is(err, quiet) {
		t.Errorf("got %q, %v", told(b), err)
	}
}

func del(t testing.TB, s *store.Store, id string) uint64 {
	t.Helper()
	return update(t, s, func(tx *store.Tx) error { return store.Delete[op](tx, id) })
}

func TestWatchBeginsWithASnapshotAndFollows(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	expect(t, watch(t, s, store.WatchOptions{}), "S @1")
	put(t, s, row("b", ""), row("a", ""), row("c", ""))
	w := watch(t, s, store.WatchOptions{PageSize: 2})
	put(t, s, row("d", ""))
	expect(t, w, "S 2:a 2:b ", "S 2:c @2", "3:d @3")
	expectNothing(t, w)
	put(t, s, row("a", "new"), row("e", ""))
	del(t, s, "b")
	expect(t, w, "4:a 4:e 5:-b @5")
}

func TestWatchResumesAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	put(t, s, row("a", ""))
	put(t, s, row("b", ""))
	rights := store.RightsOf("operation")
	mark := s.EncodeBookmark(s.Revision()-1, rights)
	del(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	from, err := s.DecodeBookmark(mark, rights)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, row("c", ""))
	// The first two come from the log, which ends where the ring begins.
	w := watch(t, s, store.WatchOptions{From: from})
	expect(t, w, "3:b 4:-a 5:c @5")
	expectNothing(t, w)
}

func TestBookmarksOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	s, other := newStore(t), newStore(t)
	rights := store.RightsOf("operation", "package")
	put(t, s, row("a", ""))
	good := s.EncodeBookmark(2, rights)
	if rev, err := s.DecodeBookmark(good, rights); err != nil || rev != 2 {
		t.Errorf("%d, %v", rev, err)
	}
	for _, r := range []store.Rights{"", store.RightsOf(), store.RightsOf("operation"), store.RightsOf("operationpackage")} {
		if _, err := s.DecodeBookmark(good, r); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_EXPIRED) {
			t.Errorf("with other rights: %v", err)
		}
	}
	for _, b := range []string{"", "x", other.EncodeBookmark(7, rights), good + "0", good[1:], good[:len(good)-1], s.EncodeBookmark(0, rights)} {
		if _, err := s.DecodeBookmark(b, rights); !fault.Is(err, metav1.Reason_REASON_BOOKMARK_FOREIGN) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func TestSelectorsMatchKindIDParentAndLabels(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	labelled := row("a/l", "")
	labelled.Meta.Labels = map[string]string{"tier": "web", "x": "y"}
	put(t, s, row("a", ""), row("a/b", ""), row("ab", ""), row("a0", ""), labelled)
	sel := func(sels ...store.Selector) *store.Watcher { return watch(t, s, store.WatchOptions{Selectors: sels}) }
	expect(t, sel(store.Selector{Kind: "operation"}), "S 2:a 2:a/b 2:a/l 2:a0 2:ab @2")
	expect(t, sel(store.Selector{Kind: "package"}), "S @2")
	expect(t, sel(store.Selector{ID: "a"}), "S 2:a @2")
	expect(t, sel(store.Selector{Parent: "a"}), "S 2:a/b 2:a/l @2")
	expect(t, sel(store.Selector{Parent: "a", ID: "ab"}), "S @2")
	expect(t, sel(store.Selector{Labels: map[string]string{"tier": "web"}}), "S 2:a/l @2")
	expect(t, sel(store.Selector{Labels: map[string]string{"tier": "db"}}), "S @2")
	expect(t, sel(store.Selector{Labels: map[string]string{"nothing": ""}}), "S @2")
	// Selectors that overlap show each row once.
	expect(t, sel(store.Selector{ID: "a/b"}, store.Selector{Parent: "a"}, store.Selector{Kind: "operation", ID: "ab"}), "S 2:a/b 2:a/l 2:ab @2")
	// The keys of the one end where those of the other begin.
	expect(t, sel(store.Selector{Parent: "a"}, store.Selector{ID: "a0"}), "S 2:a/b 2:a/l 2:a0 @2")
	if _, err := s.Watch(store.WatchOptions{Selectors: []store.Selector{{Kind: "pakage"}}}); !fault.Is(err, metav1.Reason_REASON_SELECTOR_INVALID) {
		t.Errorf("a misspelt kind: %v", err)
	}
}

// Revisions that do not match are gone over in pieces of limited size; there is more behind each.
func TestWatchGoesOnBehindLargeRevisionsOfOthers(t *testing.T) {
	t.Parallel()
	for _, ring := range []int{1, 100} {
		s := openStore(t, t.TempDir(), store.Options{RingSize: ring})
		w := watch(t, s, store.WatchOptions{From: 1, Selectors: []store.Selector{{Kind: "operation", ID: "mine"}}})
		large := strings.Repeat("x", 200<<10)
		for i := range 9 {
			put(t, s, row("others", fmt.Sprint(i)+large))
		}
		put(t, s, row("mine", ""))
		expect(t, w, "11:mine @11")
	}
}

func TestRowThatLeavesTheSelectionIsDeletedForItsWatcher(t *testing.T) {
	t.Parallel()
	for _, ring := range []int{1, 100} {
		s := openStore(t, t.TempDir(), store.Options{RingSize: ring})
		r := row("a", "")
		r.Meta.Labels = map[string]string{"tier": "web"}
		first := put(t, s, r)
		w := watch(t, s, store.WatchOptions{From: first, Selectors: []store.Selector{{Labels: r.Meta.Labels}}})
		r.Meta.Labels = map[string]string{"tier": "db"}
		put(t, s, r)
		r.Spec.Target = "unseen"
		put(t, s, r)
		r.Meta.Labels = map[string]string{"tier": "web"}
		put(t, s, r)
		del(t, s, "a")
		del(t, s, "a")
		expect(t, w, "3:-a 5:a 6:-a @6")
	}
}

func TestUnreadableRowsNeverLeak(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("a", ""))
	may := true
	w := watch(t, s, store.WatchOptions{Readable: func(*store.KindInfo, string) bool { return may }, PageSize: 1})
	put(t, s, row("b", ""))
	put(t, s, row("c", ""))
	expect(t, w, "S 2:a @2", "3:b @3")
	may = false
	del(t, s, "a")
	store.SetEphemeral(s, progress("p", 1))
	expect(t, w, "@4", "@5")
	expectNothing(t, w)
	expect(t, watch(t, s, store.WatchOptions{Readable: func(*store.KindInfo, string) bool { return may }}), "S @5")
}

// What several watchers of a feed are shown just the same comes once, however each of them selects it; what one of them may
// not see, or sees otherwise, comes by itself.
func TestAFeedTellsOnceWhatIsTheSame(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("a", "1"))
	from := func(hidden string, sels ...store.Selector) *store.Watcher {
		return watch(t, s, store.WatchOptions{From: s.Revision(), Selectors: sels, Readable: func(_ *store.KindInfo, id string) bool { return id != hidden }})
	}
	f := s.Feed(from("", store.Selector{Kind: "operation"}), from("", store.Selector{ID: "b"}),
		from("", store.Selector{Kind: "artifact"}, store.Selector{Kind: "operation"}), from("c"), from("", store.Selector{ID: "b"}, store.Selector{ID: "none"}))
	put(t, s, row("b", "1"), row("c", "1"))
	put(t, s, row("b", "2"))
	pieces, err := f.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range pieces {
		got = append(got, fmt.Sprint(p.Watchers, " ", told(p.Batch)))
	}
	if diff := cmp.Diff([]string{"[0 2] 3:b 3:c 4:b @4", "[1 3 4] 3:b 4:b @4"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFutureRevisionIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	w := watch(t, s, store.WatchOptions{From: 3})
	expectNothing(t, w)
	put(t, s, row("a", ""))
	put(t, s, row("b", ""))
	expectNothing(t, w)
	put(t, s, row("c", ""))
	expect(t, w, "4:c @4")
}

func TestCloseEndsWatchers(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	w := watch(t, s, store.WatchOptions{From: 1})
	ended := make(chan error)
	go func() {
		_, err := w.Next(t.Context())
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
		t.Error(err)
	}
}

func progress(id string, done uint64) *operationsv1.Progress {
	return &operationsv1.Progress{Meta: &metav1.Meta{Id: id}, Status: &operationsv1.ProgressStatus{Done: done}}
}

func TestEphemeralRowsTakeNoRevision(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	store.SetEphemeral(s, progress("p", 1))
	w := watch(t, s, store.WatchOptions{})
	expect(t, w, "S 0:p @1")
	store.SetEphemeral(s, progress("p", 1))
	expectNothing(t, w)
	store.SetEphemeral(s, progress("q", 1))
	store.SetEphemeral(s, progress("p", 2))
	expect(t, w, "0:q 0:p ")
	store.DropEphemeral[*operationsv1.Progress](s, "q")
	store.DropEphemeral[*operationsv1.Progress](s, "unknown")
	put(t, s, row("a", ""))
	expect(t, w, "0:-q 2:a @2")
	// A watcher that comes back gets them whole, whatever its bookmark.
	expect(t, watch(t, s, store.WatchOptions{From: 2}), "0:p ")
	if got, ok := store.Ephemeral[*operationsv1.Progress](s, "p"); !ok || got.GetStatus().GetDone() != 2 {
		t.Errorf("%v %v", got, ok)
	}
	if s.Revision() != 2 {
		t.Errorf("revision %d", s.Revision())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	expect(t, watch(t, s, store.WatchOptions{}), "S 2:a @2")
	expectNothing(t, watch(t, s, store.WatchOptions{From: 2}))
}

// A watcher that sleeps through other kinds misses nothing of its own, however far the ring and the log have gone.
func TestOwnKindsAloneWakeAWatcher(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{RingSize: 2, RetainRevisions: 4})
	w := watch(t, s, store.WatchOptions{From: 1, Selectors: []store.Selector{{Kind: "operation"}}, OwnKinds: true})
	for _, n := range []int{0, 1, 40} {
		for i := range n {
			update(t, s, func(tx *store.Tx) error {
				return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "other"}, Spec: &packagesv1.PackageSpec{Artifact: fmt.Sprint(n, i)}})
			})
			if b, ready, err := w.Poll(); ready || err != nil {
				t.Fatalf("of a change of others it is told %q, %v", told(b), err)
			}
		}
		got := make(chan string, 1)
		go func() {
			b, err := w.Next(t.Context())
			got <- fmt.Sprint(told(b), err)
		}()
		at := put(t, s, row("mine", fmt.Sprint(n)))
		if got, want := <-got, fmt.Sprintf("%d:mine @%d<nil>", at, at); got != want {
			t.Errorf("after %d changes of others: %q, want %q", n, got, want)
		}
	}
	// It is woken by the first of its own, and gets all that came before it looked.
	if _, ready, err := w.Poll(); ready || err != nil {
		t.Fatal(ready, err)
	}
	first := put(t, s, row("mine", "again"))
	put(t, s, row("mine", "and again"))
	expect(t, w, fmt.Sprintf("%d:mine %d:mine @%d", first, first+1, first+1))
}
