package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

type op = *operationsv1.Operation

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// openStore opens a store that ends with the test.
func openStore(t testing.TB, dir string, opt store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t testing.TB) *store.Store { return openStore(t, t.TempDir(), store.Options{}) }

func row(id, target string) op {
	return &operationsv1.Operation{Meta: &metav1.Meta{Id: id}, Spec: &operationsv1.OperationSpec{Target: target}}
}

// update runs a commit that must work and answers its revision.
func update(t testing.TB, s *store.Store, fn func(tx *store.Tx) error) uint64 {
	t.Helper()
	rev, err := s.Update(t.Context(), noon, fn)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func put(t testing.TB, s *store.Store, rows ...op) uint64 {
	t.Helper()
	return update(t, s, func(tx *store.Tx) error {
		for _, r := range rows {
			if err := store.Put(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func get(t testing.TB, s *store.Store, id string) op {
	t.Helper()
	var got op
	err := s.View(func(tx *store.Tx) error {
		var err error
		got, _, err = store.Lookup[op](tx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func listIDs(t testing.TB, s *store.Store, parent string) []string {
	t.Helper()
	var got []string
	err := s.View(func(tx *store.Tx) error {
		rows, err := store.List[op](tx, parent)
		for _, r := range rows {
			got = append(got, r.GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPutKeepsMetaOfTheStore(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	given := row("a", "x")
	given.Meta.Labels = map[string]string{"l": "1"}
	given.Meta.CreateRevision, given.Meta.Generation = 77, 99
	first := put(t, s, given)
	if first != 2 || s.Revision() != 2 {
		t.Fatalf("first commit is revision %d, store at %d", first, s.Revision())
	}
	got := get(t, s, "a")
	want := &metav1.Meta{
		Id: "a", Labels: map[string]string{"l": "1"}, CreateRevision: 2, Revision: 2, Generation: 1,
		CreateTime: got.GetMeta().GetCreateTime(), UpdateTime: got.GetMeta().GetCreateTime(),
	}
	if diff := cmp.Diff(want, got.GetMeta(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if !got.GetMeta().GetCreateTime().AsTime().Equal(noon) {
		t.Error("the time given is not the time of creation")
	}

	got.Status = &operationsv1.OperationStatus{Current: 1}
	if rev := put(t, s, got); rev != 3 {
		t.Errorf("status change is revision %d", rev)
	}
	if m := get(t, s, "a").GetMeta(); m.GetGeneration() != 1 || m.GetCreateRevision() != 2 || m.GetRevision() != 3 {
		t.Errorf("after a change of the status: %v", m)
	}
	got.Spec.Target = "y"
	put(t, s, got)
	if m := get(t, s, "a").GetMeta(); m.GetGeneration() != 2 || m.GetRevision() != 4 {
		t.Errorf("after a change of the spec: %v", m)
	}
	if rev := put(t, s, got); rev != 4 {
		t.Errorf("an equal row was written as revision %d", rev)
	}
}

func TestGenerationCountsOncePerCommit(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("a", "1"))
	put(t, s, row("a", "2"), row("a", "3"))
	if m := get(t, s, "a").GetMeta(); m.GetGeneration() != 2 || m.GetRevision() != 3 {
		t.Errorf("%v", m)
	}
	if rev := put(t, s, row("a", "4"), row("a", "3")); rev != 3 {
		t.Errorf("a change that was taken back became revision %d", rev)
	}
	rev := update(t, s, func(tx *store.Tx) error {
		return errors.Join(store.Put(tx, row("b", "1")), store.Delete[op](tx, "b"))
	})
	if rev != 3 {
		t.Errorf("a row that came and went became revision %d", rev)
	}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(store.Delete[op](tx, "a"), store.Put(tx, row("a", "3")))
	})
	if m := get(t, s, "a").GetMeta(); m.GetGeneration() != 1 || m.GetCreateRevision() != 4 {
		t.Errorf("a row made again in one commit is the old one: %v", m)
	}
}

func TestRowsHandedOutAreCopies(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mine := row("a", "x")
	update(t, s, func(tx *store.Tx) error {
		if err := store.Put(tx, mine); err != nil {
			return err
		}
		mine.Spec.Target = "changed after"
		seen, err := store.Get[op](tx, "a")
		seen.Spec.Target = "changed by reader"
		list, err2 := store.List[op](tx, "")
		list[0].Spec.Target = "changed by lister"
		return errors.Join(err, err2)
	})
	if got := get(t, s, "a").GetSpec().GetTarget(); got != "x" {
		t.Errorf("stored %q", got)
	}
}

func TestListIsOrderedAndByParent(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("b", ""), row("a", ""), row("a/y", ""), row("a/x", ""), row("a-b/z", ""), row("a/x/deep", ""))
	if diff := cmp.Diff([]string{"a", "a-b/z", "a/x", "a/x/deep", "a/y", "b"}, listIDs(t, s, "")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a/x", "a/x/deep", "a/y"}, listIDs(t, s, "a")); diff != "" {
		t.Error(diff)
	}
	if got := listIDs(t, s, "none"); got != nil {
		t.Error(got)
	}
}

func TestTransactionSeesItsOwnWritesAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put(t, s, row("a", "1"), row("b", "1"))
	refused := errors.New("refused")
	_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
		if tx.Revision() != 3 || !tx.Now().Equal(noon) {
			t.Errorf("revision %d, time %v", tx.Revision(), tx.Now())
		}
		if err := errors.Join(store.Put(tx, row("c", "1")), store.Delete[op](tx, "a"), store.Put(tx, row("b", "2"))); err != nil {
			return err
		}
		rows, err := store.List[op](tx, "")
		if err != nil || len(rows) != 2 || rows[0].GetSpec().GetTarget() != "2" || rows[1].GetMeta().GetId() != "c" {
			t.Errorf("inside: %v, %v", rows, err)
		}
		if _, ok, _ := store.Lookup[op](tx, "a"); ok {
			t.Error("a deleted row is still seen inside")
		}
		if diff := cmp.Diff([]string{"a", "b"}, listIDs(t, s, "")); diff != "" {
			t.Errorf("a view sees an open commit: %s", diff)
		}
		return refused
	})
	if !errors.Is(err, refused) || s.Revision() != 2 {
		t.Errorf("err %v, revision %d", err, s.Revision())
	}
	if got := get(t, s, "b").GetSpec().GetTarget(); got != "1" {
		t.Errorf("a failed closure wrote %q", got)
	}
}

func TestMissingRowIsAFault(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	err := s.View(func(tx *store.Tx) error {
		_, err := store.Get[op](tx, "nobody")
		return err
	})
	f := fault.Proto(err)
	if f.GetReason() != metav1.Reason_REASON_NOT_FOUND || f.GetMetadata()["kind"] != "operation" || f.GetMetadata()["id"] != "nobody" {
		t.Errorf("got %v", f)
	}
	if rev := update(t, s, func(tx *store.Tx) error { return store.Delete[op](tx, "nobody") }); rev != 1 {
		t.Errorf("deleting what is not there became revision %d", rev)
	}
}

func TestFinalizersDelayDeletion(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	r := row("a", "x")
	r.Meta.Finalizers = []string{"net", "disk"}
	put(t, s, r)
	del := func() uint64 {
		return update(t, s, func(tx *store.Tx) error { return store.Delete[op](tx, "a") })
	}
	if rev := del(); rev != 3 || !get(t, s, "a").GetMeta().GetDeleteTime().AsTime().Equal(noon) {
		t.Fatalf("revision %d, row %v", rev, get(t, s, "a"))
	}
	if rev := del(); rev != 3 {
		t.Errorf("a second deletion became revision %d", rev)
	}
	r = get(t, s, "a")
	r.Meta.Finalizers = []string{"disk"}
	put(t, s, r)
	if m := get(t, s, "a").GetMeta(); m.GetDeleteTime() == nil || len(m.GetFinalizers()) != 1 {
		t.Errorf("got %v", m)
	}
	r.Meta.Finalizers = nil
	if rev := put(t, s, r); rev != 5 || get(t, s, "a") != nil {
		t.Errorf("the row outlives its last finalizer")
	}
}

func TestBadIdsAndSizesAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, id := range []string{"", "/", "a/", "/a", "a//b", "..", "a\x00", strings.Repeat("x", 1025)} {
		_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row(id, "")) })
		if !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if _, err := s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, &operationsv1.Operation{}) }); err == nil {
		t.Error("a row without meta was stored")
	}
	_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error { return store.Put(tx, row("a", strings.Repeat("x", store.MaxRow))) })
	if !fault.Is(err, metav1.Reason_REASON_RESOURCE_TOO_LARGE) {
		t.Errorf("large row: %v", err)
	}
	_, err = s.Update(t.Context(), noon, func(tx *store.Tx) error {
		for i := range 5 {
			if err := store.Put(tx, row(fmt.Sprint(i), strings.Repeat("x", store.MaxRow-100))); err != nil {
				return err
			}
		}
		return nil
	})
	if !fault.Is(err, metav1.Reason_REASON_RESOURCE_TOO_LARGE) {
		t.Errorf("large commit: %v", err)
	}
	if s.Revision() != 1 {
		t.Errorf("something was written: revision %d", s.Revision())
	}
	put(t, s, row("a", strings.Repeat("x", store.MaxRow-100)))
	if got := len(get(t, s, "a").GetSpec().GetTarget()); got != store.MaxRow-100 {
		t.Errorf("the largest row came back with %d bytes", got)
	}
}

// A commit of very many small rows is the other way to reach what Badger takes in one transaction.
func TestCommitOfManySmallRowsIsWrittenOrRefusedByName(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var last int
	for _, n := range []int{1000, 2000, 4000, 8000} {
		_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
			for i := range n {
				if err := store.Put(tx, row(fmt.Sprintf("%d-%d", n, i), "")); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !fault.Is(err, metav1.Reason_REASON_RESOURCE_TOO_LARGE) {
			t.Fatalf("%d rows: %v", n, err)
		}
		if err == nil {
			last = n
		}
	}
	if last < 2000 || last == 8000 {
		t.Errorf("the largest commit that worked had %d rows", last)
	}
}

func TestTransactionIsDeadAfterItsClosure(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var kept *store.Tx
	update(t, s, func(tx *store.Tx) error { kept = tx; return nil })
	if _, err := store.List[op](kept, ""); err == nil {
		t.Error("List worked")
	}
	if err := store.Put(kept, row("a", "")); err == nil {
		t.Error("Put worked")
	}
	err := s.View(func(tx *store.Tx) error { return store.Put(tx, row("a", "")) })
	if err == nil {
		t.Error("Put worked in a view")
	}
}

func TestPanicInAClosureHarmsOnlyItsCaller(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = s.Update(t.Context(), noon, func(*store.Tx) error { panic("broken") })
	}()
	if rev := put(t, s, row("a", "")); rev != 2 {
		t.Errorf("revision %d", rev)
	}
}

func TestStateSurvivesReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	put(t, s, row("a", "1"))
	put(t, s, row("b", "1"))
	update(t, s, func(tx *store.Tx) error { return store.Delete[op](tx, "a") })
	before, id := get(t, s, "b"), s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	if s.Revision() != 4 || s.ID() != id || len(s.Tag()) != 4 {
		t.Errorf("revision %d, id %s, tag %s", s.Revision(), s.ID(), s.Tag())
	}
	if got := get(t, s, "b"); !proto.Equal(got, before) {
		t.Errorf("got %v, want %v", got, before)
	}
	if rev := put(t, s, row("a", "2")); rev != 5 {
		t.Errorf("revision %d", rev)
	}
}

// A store that is begun has a tag that nobody has; one that is there keeps its own.
func TestANewStoreTakesAFreeTag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var asked []string
	s := openStore(t, dir, store.Options{Claim: func(tag string) (bool, error) {
		asked = append(asked, tag)
		return len(asked) == 3, nil
	}})
	tag := s.Tag()
	if len(asked) != 3 || tag != asked[2] {
		t.Errorf("it has the tag %s and asked for %v", tag, asked)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	none := store.Options{Claim: func(string) (bool, error) { return false, nil }}
	if s = openStore(t, dir, none); s.Tag() != tag {
		t.Errorf("opened again it has the tag %s, before %s", s.Tag(), tag)
	}
	if _, err := store.Open(t.TempDir(), none); err == nil {
		t.Error("a store was begun where no tag is free")
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	if _, err := store.Open(dir, store.Options{}); !fault.Is(err, metav1.Reason_REASON_STORE_IN_USE) {
		t.Errorf("a second open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	if err := s.View(func(*store.Tx) error { return nil }); !fault.Is(err, metav1.Reason_REASON_UNAVAILABLE) {
		t.Errorf("a view of a closed store: %v", err)
	}
	openStore(t, dir, store.Options{})
}

func TestUpdateHonoursItsContext(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Update(ctx, noon, func(*store.Tx) error { t.Error("the closure ran"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Many writers that read before they write: an update lost to one whose predecessor was not yet visible would show.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
					for _, id := range []string{"all", fmt.Sprintf("own/%d", w)} {
						r, ok, err := store.Lookup[*packagesv1.Artifact](tx, id)
						if err != nil {
							return err
						}
						if !ok {
							r = &packagesv1.Artifact{Meta: &metav1.Meta{Id: id}, Spec: &packagesv1.ArtifactSpec{}}
						}
						r.Spec.Size++
						if err := store.Put(tx, r); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	err := s.View(func(tx *store.Tx) error {
		r, err := store.Get[*packagesv1.Artifact](tx, "all")
		if err != nil {
			return err
		}
		if r.GetSpec().GetSize() != writers*each || r.GetMeta().GetGeneration() != writers*each {
			t.Errorf("counted %d, generation %d", r.GetSpec().GetSize(), r.GetMeta().GetGeneration())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s.Revision() != 1+writers*each {
		t.Errorf("revision %d", s.Revision())
	}
}

func TestRowsBelowAParentAreDeletedInAsManyCommitsAsItTakes(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{})
	const rows = 40
	for i := range rows {
		put(t, s, row(fmt.Sprintf("a/%d", i), strings.Repeat("x", store.MaxCommit/16)))
	}
	put(t, s, row("b/0", "stays"))
	commits, all := 0, false
	for ; !all; commits++ {
		_, err := s.Update(t.Context(), noon, func(tx *store.Tx) error {
			room := store.NewRoom()
			err := store.DeleteBelow[*operationsv1.Operation](tx, "a", room)
			all = room.Left()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if commits < 2 {
		t.Errorf("%d rows of %d bytes went in %d commits", rows, store.MaxCommit/16, commits)
	}
	err := s.View(func(tx *store.Tx) error {
		left, err := store.List[*operationsv1.Operation](tx, "")
		if len(left) != 1 {
			t.Errorf("%d rows are left", len(left))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
