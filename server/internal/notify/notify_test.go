package notify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/notify"
	"github.com/hearthos/hearth/server/internal/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// newKeeper is a keeper on a server with the packages "hello" and "other".
func newKeeper(t *testing.T) *notify.Keeper {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	for _, pkg := range []string{"hello", "other"} {
		_, err := st.Update(t.Context(), noon, func(tx *store.Tx) error {
			return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: pkg}, Spec: &packagesv1.PackageSpec{}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return notify.New(st)
}

func tell(t *testing.T, k *notify.Keeper, at time.Time, pkg, title string) {
	t.Helper()
	err := k.Tell(t.Context(), at, pkg, notify.Message{Level: notificationsv1.NotificationStatus_LEVEL_INFO, Title: title})
	if err != nil {
		t.Fatal(err)
	}
}

func titles(t *testing.T, k *notify.Keeper, pkg string, unseen bool) (list []string) {
	t.Helper()
	rows, err := k.List(pkg, unseen)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		list = append(list, r.GetStatus().GetTitle())
	}
	return list
}

func TestTheNewestComesFirstWhosesoeverItIs(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	tell(t, k, noon, "other", "first")
	tell(t, k, noon.Add(time.Second), "hello", "second")
	tell(t, k, noon.Add(2*time.Second), "other", "third")
	if got := titles(t, k, "", false); !slices.Equal(got, []string{"third", "second", "first"}) {
		t.Errorf("all: %v", got)
	}
	if got := titles(t, k, "other", false); !slices.Equal(got, []string{"third", "first"}) {
		t.Errorf("of one package: %v", got)
	}
}

func TestWhatIsToldAgainBeforeItWasSeenIsCounted(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	for i := range 3 {
		tell(t, k, noon.Add(time.Duration(i)*time.Second), "hello", "the disk is full")
	}
	rows, err := k.List("hello", true)
	if err != nil || len(rows) != 1 || rows[0].GetStatus().GetTimes() != 3 {
		t.Fatalf("%v, %v", rows, err)
	}
	if n, err := k.Mark(t.Context(), noon, []string{rows[0].GetMeta().GetId()}, true); err != nil || n != 1 {
		t.Fatalf("marked %d: %v", n, err)
	}
	tell(t, k, noon.Add(time.Minute), "hello", "the disk is full")
	if got := titles(t, k, "hello", false); len(got) != 2 {
		t.Errorf("after it was seen: %v", got)
	}
	if got := titles(t, k, "hello", true); len(got) != 1 {
		t.Errorf("not seen: %v", got)
	}
}

func TestAPackageKeepsItsNewestAndIsHeldToAPace(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	for i := range 100 {
		tell(t, k, noon.Add(time.Duration(i)*2*time.Second), "hello", fmt.Sprint(i))
	}
	if got := titles(t, k, "hello", false); len(got) != 64 || got[0] != "99" || got[63] != "36" {
		t.Errorf("%d are kept, from %s to %s", len(got), got[len(got)-1], got[0])
	}
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = k.Tell(t.Context(), noon.Add(time.Hour), "other", notify.Message{Title: fmt.Sprint(i)})
	}
	if !fault.Is(err, metav1.Reason_REASON_EFFECT_LIMIT) {
		t.Errorf("a hundred at once: %v", err)
	}
	tell(t, k, noon.Add(time.Hour), "hello", "another package is not held to it")
	tell(t, k, noon.Add(time.Hour+time.Minute), "other", "a minute later it goes on")
}

func TestTextsAreCutAtACharacter(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	long := strings.Repeat("ü", 10_000) + "\xff"
	if err := k.Tell(t.Context(), noon, "hello", notify.Message{Title: long, Message: long, Data: long}); err != nil {
		t.Fatal(err)
	}
	rows, err := k.List("hello", false)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v, %v", rows, err)
	}
	st := rows[0].GetStatus()
	for text, most := range map[string]int{st.GetTitle(): 256, st.GetMessage(): 4096, st.GetData(): 8192} {
		if len(text) > most || len(text) < most-4 || !strings.HasSuffix(text, "ü…") {
			t.Errorf("%d bytes of %d, at the end %q", len(text), most, text[len(text)-6:])
		}
	}
}

func TestNothingIsMarkedWhereOneIsMissing(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	tell(t, k, noon, "hello", "here")
	rows, err := k.List("", false)
	if err != nil {
		t.Fatal(err)
	}
	id := rows[0].GetMeta().GetId()
	if _, err := k.Mark(t.Context(), noon, []string{id, "hello/gone"}, true); !fault.Is(err, metav1.Reason_REASON_NOTIFICATION_NOT_FOUND) {
		t.Errorf("one is missing: %v", err)
	}
	if got := titles(t, k, "", true); len(got) != 1 {
		t.Error("the other was marked")
	}
	if n, err := k.Remove(t.Context(), noon, []string{id, "hello/gone"}); err != nil || n != 1 {
		t.Errorf("removed %d: %v", n, err)
	}
}

func TestAPackageThatIsGoneTellsNothing(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	tell(t, k, noon, "absent", "from the grave")
	if got := titles(t, k, "", false); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
