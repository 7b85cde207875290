package store_test

import (
	"errors"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/store"
)

func TestARiderIsInTheSameCommit(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	put := func(id string) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: id}})
		}
	}
	rides := 0
	ctx := store.WithRider(t.Context(), func(tx *store.Tx) error {
		rides++
		return put("rider")(tx)
	})
	if _, err := st.Update(ctx, time.Now(), func(*store.Tx) error { return nil }); err != nil || rides != 0 {
		t.Errorf("a commit that writes nothing was ridden %d times, %v", rides, err)
	}
	failed := errors.New("no")
	if _, err := st.Update(ctx, time.Now(), func(*store.Tx) error { return failed }); !errors.Is(err, failed) || rides != 0 {
		t.Errorf("a commit that failed was ridden %d times, %v", rides, err)
	}
	revision, err := st.Update(ctx, time.Now(), put("own"))
	if err != nil || rides != 1 {
		t.Fatal(err)
	}
	err = st.View(func(tx *store.Tx) error {
		for _, id := range []string{"own", "rider"} {
			if row, err := store.Get[*packagesv1.Package](tx, id); err != nil || row.GetMeta().GetRevision() != revision {
				t.Errorf("%s is of revision %d, not %d, %v", id, row.GetMeta().GetRevision(), revision, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	refuse := store.WithRider(t.Context(), func(*store.Tx) error { return failed })
	if _, err := st.Update(refuse, time.Now(), put("refused")); !errors.Is(err, failed) {
		t.Errorf("a rider that refuses: %v", err)
	}
	if st.Revision() != revision {
		t.Error("what the rider refused was written")
	}
}
