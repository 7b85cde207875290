package account_test

import (
	"sync"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/store"
)

func try(t *testing.T, s *account.Service, now time.Time, source, name, secret string) error {
	t.Helper()
	_, err := s.Login(t.Context(), now, account.LoginOptions{Source: source}, &accountsv1.LoginRequest{Account: name, Password: secret})
	return err
}

func TestPasswordsAreHashedAtTheirCost(t *testing.T) {
	t.Parallel()
	_, st := newClaimed(t)
	_ = st.View(func(tx *store.Tx) error {
		r, err := store.Get[*accountsv1.PasswordRecord](tx, "alex")
		p := r.GetSpec()
		if err != nil || p.GetMemoryKib() != 19456 || p.GetPasses() != 2 || p.GetThreads() != 1 || len(p.GetSalt()) != 16 || len(p.GetHash()) != 32 {
			t.Errorf("%v, %v", r, err)
		}
		return nil
	})
}

// Whoever guesses shuts himself out and nobody else.
func TestNobodyLocksTheOwnerOut(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	addAccount(t, s, "vic", viewer)
	open := login(t, s, "alex", accountsv1.Session_CLIENT_BROWSER)
	const thief, home = "203.0.113.7", "192.0.2.1"
	for range 5 {
		refused(t, "a guess", try(t, s, noon, thief, "alex", "wrong password"), metav1.Reason_REASON_LOGIN_FAILED)
	}
	err := try(t, s, noon, thief, "alex", password)
	refused(t, "the right password after too many guesses", err, metav1.Reason_REASON_RATE_LIMITED)
	if wait := fault.Proto(err).GetRetryAfter().AsDuration(); wait < 29*time.Second || wait > 32*time.Second {
		t.Errorf("told to wait %s", wait)
	}
	if err := try(t, s, noon, home, "alex", password); err != nil {
		t.Errorf("from another place: %v", err)
	}
	if err := try(t, s, noon, thief, "vic", password); err != nil {
		t.Errorf("another account from the same place: %v", err)
	}
	if _, err := enter(s, noon, open); err != nil {
		t.Errorf("a session that is open: %v", err)
	}
	refused(t, "before the wait is over", try(t, s, noon.Add(29*time.Second), thief, "alex", password), metav1.Reason_REASON_RATE_LIMITED)
	if err := try(t, s, noon.Add(31*time.Second), thief, "alex", password); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	// A password that is right wipes the slate.
	for range 5 {
		refused(t, "a guess", try(t, s, noon.Add(32*time.Second), thief, "alex", "wrong password"), metav1.Reason_REASON_LOGIN_FAILED)
	}
}

func TestOneSourceGuessesOnlySoManyAccounts(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		addAccount(t, s, name, viewer)
	}
	limited := 0
	for _, name := range names {
		for range 5 {
			if fault.Is(try(t, s, noon, "203.0.113.7", name, "wrong password"), metav1.Reason_REASON_RATE_LIMITED) {
				limited++
			}
		}
	}
	if limited != 10 {
		t.Errorf("of 30 guesses %d were refused, want 10", limited)
	}
}

func TestNamesNobodyHasLookLikeWrongPasswords(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	wrong, none := try(t, s, noon, "a", "alex", "wrong password"), try(t, s, noon, "a", "nobody", "wrong password")
	if wrong == nil || none == nil || wrong.Error() != none.Error() || fault.Reason(wrong) != fault.Reason(none) {
		t.Errorf("%v; %v", wrong, none)
	}
}

func TestTooManyPasswordsAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	var group sync.WaitGroup
	errs := make(chan error, 60)
	for i := range 60 {
		group.Go(func() { errs <- try(t, s, noon, string(rune('a'+i%26))+string(rune('a'+i/26)), "alex", password) })
	}
	group.Wait()
	close(errs)
	in, limited := 0, 0
	for err := range errs {
		switch {
		case err == nil:
			in++
		case fault.Is(err, metav1.Reason_REASON_RATE_LIMITED) && fault.Proto(err).GetRetryAfter() != nil:
			limited++
		default:
			t.Error(err)
		}
	}
	if in < 18 || in+limited != 60 {
		t.Errorf("%d let in, %d refused for now", in, limited)
	}
}

func TestChangedPasswordEndsOtherSessions(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		s, _ := newClaimed(t)
		mine, other := login(t, s, "", 0), login(t, s, "", accountsv1.Session_CLIENT_BROWSER)
		by := as("alex", owner)
		by.Session = mine.Session.GetId()
		change := func(old string) (int, error) {
			return s.ChangePassword(t.Context(), noon.Add(time.Minute), by, &accountsv1.ChangePasswordRequest{OldPassword: old, NewPassword: "another password", KeepSessions: keep})
		}
		_, err := change("wrong password")
		refused(t, "a wrong old password", err, metav1.Reason_REASON_LOGIN_FAILED)
		ended, err := change(password)
		if want := map[bool]int{false: 1, true: 0}[keep]; err != nil || ended != want {
			t.Errorf("keep %t: ended %d, %v", keep, ended, err)
		}
		id, err := enter(s, noon, mine)
		if err != nil || !id.Proven.Equal(noon.Add(time.Minute)) {
			t.Errorf("keep %t: the session that called: %+v, %v", keep, id, err)
		}
		if _, err := enter(s, noon, other); (err == nil) != keep {
			t.Errorf("keep %t: the other session: %v", keep, err)
		}
		refused(t, "the old password", try(t, s, noon, "b", "alex", password), metav1.Reason_REASON_LOGIN_FAILED)
		if err := try(t, s, noon, "b", "alex", "another password"); err != nil {
			t.Error(err)
		}
	}
}

func TestResetPasswordNeedsNoOldOne(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	addAccount(t, s, "vic", viewer)
	vic, alex := login(t, s, "vic", 0), login(t, s, "alex", 0)
	_, _, err := s.ResetPassword(t.Context(), noon, &accountsv1.ResetPasswordRequest{NewPassword: "another password"})
	refused(t, "which account is not said", err, metav1.Reason_REASON_INVALID_ARGUMENT)
	_, _, err = s.ResetPassword(t.Context(), noon, &accountsv1.ResetPasswordRequest{Account: "nobody", NewPassword: "another password"})
	refused(t, "an account that is not there", err, metav1.Reason_REASON_NOT_FOUND)
	name, ended, err := s.ResetPassword(t.Context(), noon, &accountsv1.ResetPasswordRequest{Account: "vic", NewPassword: "another password"})
	if name != "vic" || ended != 1 || err != nil {
		t.Errorf("ResetPassword = %s, %d, %v", name, ended, err)
	}
	_, err = enter(s, noon, vic)
	refused(t, "a session of before", err, metav1.Reason_REASON_UNAUTHENTICATED)
	if _, err := enter(s, noon, alex); err != nil {
		t.Errorf("a session of another account: %v", err)
	}
	if err := try(t, s, noon, "b", "vic", "another password"); err != nil {
		t.Error(err)
	}
}
