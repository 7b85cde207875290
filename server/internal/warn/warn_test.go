package warn_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/warn"
)

// world is a keeper of one condition whose findings the test says.
type world struct {
	t    *testing.T
	st   *store.Store
	k    *warn.Keeper
	says atomic.Pointer[[]warn.Finding] // nil: it cannot be looked at
}

func in(t *testing.T, stands bool, fn func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, st: st}
		w.run([]warn.Condition{{
			Name: "room", Text: "{{.Free}} are free on {{.Disk}}.", Remedy: "Make room on {{.Disk}}.", Stands: stands,
			Check: func(context.Context) ([]warn.Finding, error) {
				if says := w.says.Load(); says != nil {
					return *says, nil
				}
				return nil, errors.New("it cannot be seen")
			},
		}}, func() { fn(w) })
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) run(conditions []warn.Condition, fn func()) {
	quiet := slog.New(slog.DiscardHandler)
	w.k = warn.New(w.st, quiet, conditions...)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reconcile.New(w.st, quiet, w.k.Controller()).Run(ctx) }()
	fn()
	stop()
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
}

func (w *world) say(findings ...warn.Finding) {
	w.says.Store(&findings)
	time.Sleep(61 * time.Second)
	synctest.Wait()
}

// texts are the warnings that are shown, the gravest first.
func (w *world) texts(want ...string) {
	w.t.Helper()
	rows, err := w.k.List(false)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, r.GetMeta().GetId()+": "+r.GetStatus().GetText()+" "+r.GetStatus().GetRemedy())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Error(diff)
	}
}

func room(severity int, disk, free string) warn.Finding {
	return warn.Finding{About: disk, Severity: []warn.Severity{warn.Notice, warn.Warning, warn.Critical}[severity], Values: map[string]string{"Free": free, "Disk": disk}}
}

func TestWarningIsThereWhileItsConditionHolds(t *testing.T) {
	t.Parallel()
	in(t, false, func(w *world) {
		w.say()
		w.texts()
		w.say(room(1, "a", "5 GiB"), room(2, "b", "1 GiB"))
		w.texts("room/b: 1 GiB are free on b. Make room on b.", "room/a: 5 GiB are free on a. Make room on a.")
		rows, _ := w.k.List(false)
		since := rows[1].GetStatus().GetSince().AsTime()
		w.say(room(1, "a", "4 GiB"))
		w.texts("room/a: 4 GiB are free on a. Make room on a.")
		if rows, _ = w.k.List(false); !rows[0].GetStatus().GetSince().AsTime().Equal(since) {
			t.Error("it is forgotten since when it holds")
		}
		w.says.Store(nil)
		time.Sleep(10 * time.Minute)
		w.texts("room/a: 4 GiB are free on a. Make room on a.") // what cannot be seen has not ended
		w.say()
		time.Sleep(time.Minute)
		w.texts()
	})
}

func TestNothingIsWrittenWhileNothingChanges(t *testing.T) {
	t.Parallel()
	in(t, false, func(w *world) {
		w.say(room(1, "a", "5 GiB"))
		before := w.st.Revision()
		time.Sleep(10 * time.Minute)
		if after := w.st.Revision(); after != before {
			t.Errorf("%d revisions for nothing", after-before)
		}
	})
}

func TestDismissedUntilItBecomesGraverOrEnds(t *testing.T) {
	t.Parallel()
	in(t, false, func(w *world) {
		w.say(room(1, "a", "5 GiB"))
		for range 2 {
			if _, err := w.k.Dismiss(w.t.Context(), time.Now(), "room/a"); err != nil {
				t.Fatal(err)
			}
		}
		w.texts()
		w.say(room(1, "a", "4 GiB"))
		w.texts()
		w.say(room(2, "a", "1 GiB"))
		w.texts("room/a: 1 GiB are free on a. Make room on a.")
		if _, err := w.k.Dismiss(w.t.Context(), time.Now(), "room/a"); err != nil {
			t.Fatal(err)
		}
		w.say()
		w.say(room(1, "a", "5 GiB"))
		w.texts("room/a: 5 GiB are free on a. Make room on a.")
	})
}

func TestDismissingWhatIsNotThereOrStandsIsRefused(t *testing.T) {
	t.Parallel()
	in(t, true, func(w *world) {
		w.say(room(1, "a", "5 GiB"))
		if _, err := w.k.Dismiss(w.t.Context(), time.Now(), "room/a"); !fault.Is(err, metav1.Reason_REASON_WARNING_NOT_DISMISSABLE) {
			t.Errorf("got %v", err)
		}
		if _, err := w.k.Dismiss(w.t.Context(), time.Now(), "room/z"); !fault.Is(err, metav1.Reason_REASON_WARNING_NOT_FOUND) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWarningsOfConditionsThatAreNoMoreGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, st: st}
		found := func(context.Context) ([]warn.Finding, error) { return []warn.Finding{{Severity: warn.Notice}}, nil }
		w.run([]warn.Condition{{Name: "old", Text: "Old.", Check: found}}, func() { synctest.Wait(); w.texts("old: Old. ") })
		w.run([]warn.Condition{{Name: "new", Text: "New.", Check: found}}, func() { synctest.Wait(); w.texts("new: New. ") })
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}
