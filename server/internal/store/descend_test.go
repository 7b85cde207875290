package store_test

import (
	"fmt"
	"slices"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/hearthos/hearth/server/internal/store"
)

// What is read downwards is what a list says, backwards and from a place on, with rows of other kinds around it, deleted
// and rewritten ones, and after a restart.
func TestRowsAreReadDownwards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("r%02d", i))
		put(t, s, row(ids[i], "first"))
	}
	update(t, s, func(tx *store.Tx) error {
		if err := store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "r99"}}); err != nil {
			return err
		}
		return store.Delete[op](tx, "r20")
	})
	ids = slices.Delete(ids, 20, 21)
	put(t, s, row("r30", "second"))
	slices.Reverse(ids)
	check := func(s *store.Store) {
		t.Helper()
		for before, want := range map[string][]string{"": ids, "r40": ids, "zz": ids, "r25": ids[15:], "r20": ids[19:], "r00": nil, "r": nil} {
			var got []string
			err := s.View(func(tx *store.Tx) error {
				for r, err := range store.Descend[op](tx, before) {
					if err != nil {
						return err
					}
					if target := r.GetSpec().GetTarget(); (target == "second") != (r.GetMeta().GetId() == "r30") {
						t.Errorf("%s is %q", r.GetMeta().GetId(), target)
					}
					got = append(got, r.GetMeta().GetId())
				}
				return nil
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("before %q: %v, %v", before, got, err)
			}
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, store.Options{})
	check(s)
	update(t, s, func(tx *store.Tx) error {
		for _, err := range store.Descend[op](tx, "") {
			if err == nil {
				t.Error("an update is read downwards")
			}
		}
		return nil
	})
}
