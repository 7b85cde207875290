package account_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/reconcile"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	browser = accountsv1.Session_CLIENT_BROWSER
	program = accountsv1.Session_CLIENT_PROGRAM
)

// kept lists the ids of the sessions and tokens that are in the store.
func kept(t testing.TB, st *store.Store) []string {
	t.Helper()
	var ids []string
	err := st.View(func(tx *store.Tx) error {
		sessions, err := store.List[*accountsv1.SessionRecord](tx, "")
		if err != nil {
			return err
		}
		for _, r := range sessions {
			ids = append(ids, r.GetMeta().GetId())
		}
		tokens, err := store.List[*accountsv1.TokenRecord](tx, "")
		for _, r := range tokens {
			ids = append(ids, r.GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// tokenUntil makes a token that ends then; the zero time is never.
func tokenUntil(t testing.TB, s *account.Service, now, end time.Time) string {
	t.Helper()
	req := &accountsv1.CreateTokenRequest{Name: "t", Role: viewer}
	if !end.IsZero() {
		req.ExpireTime = timestamppb.New(end)
	}
	made, _, err := s.CreateToken(t.Context(), now, as("alex", owner), req)
	if err != nil {
		t.Fatal(err)
	}
	return made.GetId()
}

func TestWhatHasEndedIsDeletedAndNothingElse(t *testing.T) {
	t.Parallel()
	s, st := newClaimed(t)
	now := noon
	controller := s.Controller(func() time.Time { return now })
	reconcileOnce := func(want time.Duration) {
		t.Helper()
		keys, err := controller.List()
		if err != nil || len(keys) != 1 {
			t.Fatalf("the keys are %v, %v", keys, err)
		}
		if after, err := controller.Reconcile(t.Context(), keys[0]); err != nil || after != want {
			t.Errorf("at %s: looks again after %s, %v, want %s", now.Format(time.DateTime), after, err, want)
		}
	}
	reconcileOnce(0)

	names := map[string]string{
		tokenUntil(t, s, now, time.Time{}):             "token without end",
		tokenUntil(t, s, now, noon.Add(36*time.Hour)):  "token of 36 hours",
		tokenUntil(t, s, now, noon.Add(500*time.Hour)): "token of 500 hours",
	}
	reconcileOnce(36 * time.Hour) // no session: nothing to write down meanwhile
	idle := loginAt(t, s, now, "", browser, false)
	used := loginAt(t, s, now, "", browser, false)
	names[idle.Session.GetId()], names[used.Session.GetId()] = "idle for a day", "used"
	names[loginAt(t, s, now, "", browser, true).Session.GetId()] = "lasting browser"
	names[loginAt(t, s, now, "", program, false).Session.GetId()] = "program"
	reconcileOnce(time.Minute)

	want := slices.Sorted(func(yield func(string) bool) {
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	})
	expect := func(at time.Duration, after time.Duration, gone ...string) {
		t.Helper()
		now = noon.Add(at)
		reconcileOnce(after)
		want = slices.DeleteFunc(want, func(name string) bool { return slices.Contains(gone, name) })
		var got []string
		for _, id := range kept(t, st) {
			got = append(got, names[id])
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("after %s there are %q, want %q", at, got, want)
		}
	}
	use := func(at time.Duration) {
		t.Helper()
		if _, err := enter(s, noon.Add(at), used); err != nil {
			t.Fatal(err)
		}
	}
	use(23 * time.Hour)
	expect(24*time.Hour-time.Second, time.Second)
	expect(24*time.Hour, time.Minute, "idle for a day")
	expect(36*time.Hour-30*time.Second, 30*time.Second)
	expect(36*time.Hour, time.Minute, "token of 36 hours")
	for at := 40 * time.Hour; at < 7*24*time.Hour; at += 20 * time.Hour {
		use(at)
		expect(at+time.Hour, time.Minute)
	}
	expect(7*24*time.Hour, time.Minute, "used") // 7 days are its whole life, however often it is used
	expect(500*time.Hour, time.Minute, "token of 500 hours")
	expect(30*24*time.Hour, time.Minute, "lasting browser")
	expect(91*24*time.Hour, 0, "program")
}

// Under the engine: it is woken by what comes, sleeps until the first end, and looks again when something ends sooner.
func TestExpiryIsWokenWhenSomethingEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.TempDir(), store.Options{MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		s := account.New(st, keysIn(t, t.TempDir()), slog.New(slog.DiscardHandler))
		if _, _, err := s.Claim(t.Context(), time.Now(), root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password}); err != nil {
			t.Fatal(err)
		}
		manager := reconcile.New(st, slog.New(slog.DiscardHandler), s.Controller(time.Now))
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- manager.Run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}()
		start := time.Now()
		count := func(at time.Duration, want int) {
			t.Helper()
			time.Sleep(time.Until(start.Add(at)))
			synctest.Wait()
			if got := len(kept(t, st)); got != want {
				t.Errorf("after %s there are %d, want %d", at, got, want)
			}
		}
		tokenUntil(t, s, start, start.Add(10*time.Minute))
		count(time.Minute, 1)
		// Another one comes that ends sooner.
		tokenUntil(t, s, time.Now(), start.Add(2*time.Minute))
		count(2*time.Minute-time.Second, 2)
		count(2*time.Minute+time.Second, 1)
		count(10*time.Minute-time.Second, 1)
		count(10*time.Minute+time.Second, 0)
	})
}
