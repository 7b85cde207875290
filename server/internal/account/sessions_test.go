package account_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const day = 24 * time.Hour

func login(t testing.TB, s *account.Service, name string, client accountsv1.Session_Client) *account.Opened {
	t.Helper()
	return loginAt(t, s, noon, name, client, false)
}

func loginAt(t testing.TB, s *account.Service, now time.Time, name string, client accountsv1.Session_Client, lasting bool) *account.Opened {
	t.Helper()
	opened, err := s.Login(t.Context(), now, account.LoginOptions{Source: "192.0.2.1", Address: "192.0.2.1", UserAgent: "test"},
		&accountsv1.LoginRequest{Account: name, Password: password, Client: client, Lasting: lasting})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// enter shows the secrets of a session.
func enter(s *account.Service, now time.Time, o *account.Opened) (account.Identity, error) {
	if o.Cookie != "" {
		return s.AuthenticateBrowser(now, o.Cookie, o.Secret, "192.0.2.9")
	}
	return s.AuthenticateBearer(now, o.Secret, "192.0.2.9")
}

func TestLoginOpensASessionOfTheAccount(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	for _, client := range []accountsv1.Session_Client{accountsv1.Session_CLIENT_BROWSER, accountsv1.Session_CLIENT_PROGRAM} {
		// The only account needs no name.
		opened := login(t, s, "", client)
		id, err := enter(s, noon, opened)
		if err != nil || id.Account != "alex" || id.Role != owner || id.ID != opened.Session.GetId() || !id.Proven.Equal(noon) {
			t.Errorf("%s: %+v, %v", client, id, err)
		}
		if (opened.Cookie != "") != (client == accountsv1.Session_CLIENT_BROWSER) {
			t.Errorf("%s: cookie %q", client, opened.Cookie)
		}
	}
	list, err := s.Sessions(as("alex", owner), "", false)
	if err != nil || len(list) != 2 || list[0].GetAddress() != "192.0.2.9" || list[0].GetUserAgent() != "test" {
		t.Errorf("Sessions = %v, %v", list, err)
	}
	addAccount(t, s, "vic", viewer)
	_, err = s.Login(t.Context(), noon, account.LoginOptions{}, &accountsv1.LoginRequest{Password: password})
	refused(t, "no name of several accounts", err, metav1.Reason_REASON_INVALID_ARGUMENT)
}

func TestHalfOfASecretIsWorthNothing(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	a, b := login(t, s, "", accountsv1.Session_CLIENT_BROWSER), login(t, s, "", accountsv1.Session_CLIENT_BROWSER)
	program := login(t, s, "", accountsv1.Session_CLIENT_PROGRAM)
	for name, halves := range map[string][2]string{
		"cookie alone": {a.Cookie, ""}, "half alone": {"", a.Secret}, "half of another": {a.Cookie, b.Secret}, "cookie twice": {a.Cookie, a.Cookie},
		"cookie of another": {b.Cookie, a.Secret}, "id alone": {a.Session.GetId(), a.Secret}, "id and dot": {a.Session.GetId() + ".", a.Secret},
		"a program's secret": {program.Session.GetId() + ".", program.Secret}, "long": {a.Cookie + strings.Repeat("a", 1000), a.Secret},
	} {
		_, err := s.AuthenticateBrowser(noon, halves[0], halves[1], "x")
		refused(t, name, err, metav1.Reason_REASON_UNAUTHENTICATED)
	}
	for name, secret := range map[string]string{
		"half": a.Secret, "cookie": a.Cookie, "half as a bearer": "hearth_ses_" + a.Session.GetId() + "_" + a.Secret,
		"id": "hearth_ses_" + program.Session.GetId() + "_", "empty": "", "as a token": strings.Replace(program.Secret, "_ses_", "_tok_", 1),
	} {
		_, err := s.AuthenticateBearer(noon, secret, "x")
		refused(t, name, err, metav1.Reason_REASON_UNAUTHENTICATED)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		client      accountsv1.Session_Client
		lasting     bool
		idle, whole time.Duration
	}{
		"browser":         {accountsv1.Session_CLIENT_BROWSER, false, day, 7 * day},
		"trusted browser": {accountsv1.Session_CLIENT_BROWSER, true, 30 * day, 180 * day},
		"program":         {accountsv1.Session_CLIENT_PROGRAM, false, 90 * day, 365 * day},
	} {
		s, _ := newClaimed(t)
		idle := loginAt(t, s, noon, "", c.client, c.lasting)
		if _, err := enter(s, noon.Add(c.idle-time.Second), idle); err != nil {
			t.Errorf("%s, almost idle too long: %v", name, err)
		}
		if _, err := enter(s, noon.Add(2*c.idle-2*time.Second), idle); err != nil {
			t.Errorf("%s, used in between: %v", name, err)
		}
		other := loginAt(t, s, noon, "", c.client, c.lasting)
		_, err := enter(s, noon.Add(c.idle), other)
		refused(t, name+", idle too long", err, metav1.Reason_REASON_UNAUTHENTICATED)
		for at := noon; at.Before(noon.Add(c.whole - c.idle/2)); at = at.Add(c.idle / 2) {
			if _, err := enter(s, at, idle); err != nil {
				t.Errorf("%s, after %s: %v", name, at.Sub(noon), err)
			}
		}
		_, err = enter(s, noon.Add(c.whole), idle)
		refused(t, name+", over", err, metav1.Reason_REASON_UNAUTHENTICATED)
	}
}

func TestOnlyLookingAtASessionIsNoUse(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	opened := login(t, s, "", accountsv1.Session_CLIENT_PROGRAM)
	if _, err := s.AuthenticateBearer(noon.Add(89*day), opened.Secret, ""); err != nil {
		t.Fatal(err)
	}
	_, err := s.AuthenticateBearer(noon.Add(91*day), opened.Secret, "")
	refused(t, "looked at, never used", err, metav1.Reason_REASON_UNAUTHENTICATED)
}

func TestRotationReplacesTheSecrets(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	for _, client := range []accountsv1.Session_Client{accountsv1.Session_CLIENT_BROWSER, accountsv1.Session_CLIENT_PROGRAM} {
		before := login(t, s, "", client)
		after, err := s.Rotate(t.Context(), noon.Add(time.Hour), before.Session.GetId())
		if err != nil || after.Secret == before.Secret {
			t.Fatalf("Rotate: %v", err)
		}
		soon, late := noon.Add(time.Hour+50*time.Second), noon.Add(time.Hour+time.Minute)
		mixed := &account.Opened{Cookie: after.Cookie, Secret: before.Secret}
		for name, o := range map[string]*account.Opened{"new": after, "old": before, "new cookie, old half": mixed} {
			if _, err := enter(s, soon, o); err != nil {
				t.Errorf("%s, %s, at once: %v", client, name, err)
			}
			if _, err := enter(s, late, o); (err == nil) != (name == "new") {
				t.Errorf("%s, %s, later: %v", client, name, err)
			}
		}
		twice, err := s.Rotate(t.Context(), noon.Add(time.Hour+time.Second), before.Session.GetId())
		if err != nil {
			t.Fatal(err)
		}
		_, err = enter(s, noon.Add(time.Hour+2*time.Second), before)
		refused(t, "secrets of before the last two rotations", err, metav1.Reason_REASON_UNAUTHENTICATED)
		if _, err := enter(s, soon, twice); err != nil {
			t.Error(err)
		}
	}
}

func TestSessionsAreEndedByThoseWhoMay(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	addAccount(t, s, "vic", viewer)
	addAccount(t, s, "ada", admin)
	alex, vic, vic2 := login(t, s, "alex", 0), login(t, s, "vic", 0), login(t, s, "vic", 0)
	refused(t, "a viewer ends the owner's", s.EndSession(t.Context(), noon, as("vic", viewer), alex.Session.GetId()), metav1.Reason_REASON_NOT_FOUND)
	refused(t, "an admin ends the owner's", s.EndSession(t.Context(), noon, as("ada", admin), alex.Session.GetId()), metav1.Reason_REASON_PERMISSION_DENIED)
	_, err := s.Sessions(as("vic", viewer), "alex", false)
	refused(t, "a viewer lists the owner's", err, metav1.Reason_REASON_PERMISSION_DENIED)
	_, err = s.Sessions(as("vic", viewer), "", true)
	refused(t, "a viewer lists all", err, metav1.Reason_REASON_PERMISSION_DENIED)
	if list, err := s.Sessions(root, "", false); err != nil || len(list) != 3 {
		t.Errorf("root lists %d, %v", len(list), err)
	}
	if err := s.EndSession(t.Context(), noon, as("ada", admin), vic.Session.GetId()); err != nil {
		t.Error(err)
	}
	_, err = enter(s, noon, vic)
	refused(t, "an ended session", err, metav1.Reason_REASON_UNAUTHENTICATED)
	by := as("vic", viewer)
	by.Session = vic2.Session.GetId()
	third := login(t, s, "vic", 0)
	if n, err := s.EndSessions(t.Context(), noon, by, ""); n != 1 || err != nil {
		t.Errorf("ended %d, %v", n, err)
	}
	if _, err := enter(s, noon, vic2); err != nil {
		t.Errorf("the session that calls: %v", err)
	}
	_, err = enter(s, noon, third)
	refused(t, "another one", err, metav1.Reason_REASON_UNAUTHENTICATED)
}

func TestAnAccountHasOnlySoManySessions(t *testing.T) {
	t.Parallel()
	s, st := newClaimed(t)
	first, second := login(t, s, "", 0), login(t, s, "", 0)
	if _, err := enter(s, noon.Add(time.Minute), second); err != nil {
		t.Fatal(err)
	}
	_, err := st.Update(t.Context(), noon, func(tx *store.Tx) error {
		for i := range 98 {
			at := timestamppb.New(noon.Add(time.Duration(i+1) * time.Second))
			err := store.Put(tx, &accountsv1.SessionRecord{
				Meta: &metav1.Meta{Id: fmt.Sprintf("01arz3ndektsv4rrffq69g5f%02d", i)},
				Spec: &accountsv1.SessionRecordSpec{Account: "alex", ExpireTime: timestamppb.New(noon.Add(day))}, Status: &accountsv1.SessionRecordStatus{UseTime: at},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	login(t, s, "", 0)
	_, err = enter(s, noon, first)
	refused(t, "the one unused for longest", err, metav1.Reason_REASON_UNAUTHENTICATED)
	if _, err := enter(s, noon, second); err != nil {
		t.Errorf("one that was used, though it is not written down yet: %v", err)
	}
	if list, err := s.Sessions(root, "", false); err != nil || len(list) != 100 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

func TestSessionsAndTokensFollowTheRoleOfTheirAccount(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	addAccount(t, s, "ada", admin)
	session := login(t, s, "ada", 0)
	_, token, err := s.CreateToken(t.Context(), noon, as("ada", admin), &accountsv1.CreateTokenRequest{Name: "a", Role: operator})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ set, session, token optionsv1.Role }{{viewer, viewer, viewer}, {operator, operator, operator}, {owner, owner, operator}} {
		if _, err := s.Update(t.Context(), noon, root, &accountsv1.UpdateAccountRequest{Id: "ada", Role: &c.set}); err != nil {
			t.Fatal(err)
		}
		a, aerr := enter(s, noon, session)
		b, berr := s.AuthenticateBearer(noon, token, "x")
		if aerr != nil || berr != nil || a.Role != c.session || b.Role != c.token {
			t.Errorf("ada is %s: session %s (%v), token %s (%v)", c.set, a.Role, aerr, b.Role, berr)
		}
	}
}

func FuzzSecrets(f *testing.F) {
	s, _ := newClaimed(f)
	opened := login(f, s, "", accountsv1.Session_CLIENT_BROWSER)
	program := login(f, s, "", accountsv1.Session_CLIENT_PROGRAM)
	_, token, err := s.CreateToken(f.Context(), noon, root, &accountsv1.CreateTokenRequest{Name: "a", Role: viewer})
	if err != nil {
		f.Fatal(err)
	}
	id := program.Session.GetId()
	for _, seed := range []string{"", "hearth_tok_", "hearth_ses_" + id + "_", id + ".", "hearth_tok_\x00", "."} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		_, err := s.AuthenticateBearer(noon, a, "x")
		if good := a == program.Secret || a == token; good != (err == nil) || err != nil && !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("bearer %q: %v", a, err)
		}
		_, err = s.AuthenticateBrowser(noon, a, b, "x")
		if good := a == opened.Cookie && b == opened.Secret; good != (err == nil) || err != nil && !fault.Is(err, metav1.Reason_REASON_UNAUTHENTICATED) {
			t.Errorf("browser %q %q: %v", a, b, err)
		}
	})
}
