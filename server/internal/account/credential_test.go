package account_test

import (
	"testing"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/account"
)

// whole is what the owner alex has, to be taken away.
type whole struct {
	s           *account.Service
	session     string
	viewer, big string // tokens by role
	signing     string // a key
}

func newWhole(t *testing.T) whole {
	t.Helper()
	s, _ := newClaimed(t)
	w := whole{s: s, session: login(t, s, "alex", 0).Session.GetId()}
	token := func(role optionsv1.Role) string {
		made, _, err := s.CreateToken(t.Context(), noon, as("alex", owner), &accountsv1.CreateTokenRequest{Name: "t", Role: role})
		if err != nil {
			t.Fatal(err)
		}
		return made.GetId()
	}
	w.viewer, w.big = token(viewer), token(owner)
	public := sign.FromSeed([32]byte{7}).Public()
	key, err := s.AddKey(t.Context(), noon, as("alex", owner), &accountsv1.AddKeyRequest{Name: "k", PublicKey: public[:]})
	if err != nil {
		t.Fatal(err)
	}
	w.signing = key.GetId()
	return w
}

// taken are all calls that concern what an account has, each with the least role of a credential of the owner's account
// that may do it.
func taken() map[string]struct {
	least optionsv1.Role
	call  func(t *testing.T, w whole, by account.Actor) error
} {
	type step = struct {
		least optionsv1.Role
		call  func(t *testing.T, w whole, by account.Actor) error
	}
	change := func(change *accountsv1.UpdateAccountRequest) step {
		change.Id = "alex"
		return step{owner, func(t *testing.T, w whole, by account.Actor) error {
			_, err := w.s.Update(t.Context(), noon, by, change)
			return err
		}}
	}
	title, role := "Alex", owner
	return map[string]step{
		"delete a token of its own role": {viewer, func(t *testing.T, w whole, by account.Actor) error {
			return w.s.DeleteToken(t.Context(), noon, by, w.viewer)
		}},
		"delete a token of an owner": {owner, func(t *testing.T, w whole, by account.Actor) error {
			return w.s.DeleteToken(t.Context(), noon, by, w.big)
		}},
		"delete a key": {owner, func(t *testing.T, w whole, by account.Actor) error {
			return w.s.DeleteKey(t.Context(), noon, by, w.signing)
		}},
		"add a key": {owner, func(t *testing.T, w whole, by account.Actor) error {
			public := sign.FromSeed([32]byte{8}).Public()
			_, err := w.s.AddKey(t.Context(), noon, by, &accountsv1.AddKeyRequest{Name: "mine", PublicKey: public[:]})
			return err
		}},
		"make a token of an owner": {owner, func(t *testing.T, w whole, by account.Actor) error {
			_, _, err := w.s.CreateToken(t.Context(), noon, by, &accountsv1.CreateTokenRequest{Name: "t", Role: owner})
			return err
		}},
		"end a session": {owner, func(t *testing.T, w whole, by account.Actor) error {
			return w.s.EndSession(t.Context(), noon, by, w.session)
		}},
		"end all sessions": {owner, func(t *testing.T, w whole, by account.Actor) error {
			_, err := w.s.EndSessions(t.Context(), noon, by, "")
			return err
		}},
		"end all sessions of the account by name": {owner, func(t *testing.T, w whole, by account.Actor) error {
			_, err := w.s.EndSessions(t.Context(), noon, by, "alex")
			return err
		}},
		"list sessions": {admin, func(t *testing.T, w whole, by account.Actor) error { // administrators see those of all
			_, err := w.s.Sessions(by, "", false)
			return err
		}},
		"list sessions of the account by name": {admin, func(t *testing.T, w whole, by account.Actor) error {
			_, err := w.s.Sessions(by, "alex", false)
			return err
		}},
		"change the password": {owner, func(t *testing.T, w whole, by account.Actor) error {
			_, err := w.s.ChangePassword(t.Context(), noon, by, &accountsv1.ChangePasswordRequest{OldPassword: password, NewPassword: "another password"})
			return err
		}},
		"change the title": change(&accountsv1.UpdateAccountRequest{Title: &title}),
		"change the role":  change(&accountsv1.UpdateAccountRequest{Role: &role}),
	}
}

func TestTheRoleOfTheCredentialBoundsWhatItTakesAway(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	for name, c := range taken() {
		for role := viewer; role < c.least; role++ {
			refused(t, name+" as "+role.String(), c.call(t, w, as("alex", role)), metav1.Reason_REASON_PERMISSION_DENIED)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.call(t, newWhole(t), as("alex", c.least)); err != nil {
				t.Error(err)
			}
		})
	}
	tokens, terr := w.s.Tokens(root)
	keys, kerr := w.s.Keys(root)
	sessions, serr := w.s.Sessions(root, "", true)
	if len(tokens) != 2 || len(keys) != 1 || len(sessions) != 1 || terr != nil || kerr != nil || serr != nil {
		t.Errorf("after the refusals there are %d, %d, %d (%v, %v, %v)", len(tokens), len(keys), len(sessions), terr, kerr, serr)
	}
}

func TestASessionAlwaysEndsItself(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	by := as("alex", viewer)
	by.Session = w.session
	if err := w.s.EndSession(t.Context(), noon, by, w.session); err != nil {
		t.Error(err)
	}
}

// A token may do no more than its account now, so its account's sessions may take it away whatever it was made with.
func TestAccountsTakeAwayTokensOfARoleTheyHadBefore(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	addAccount(t, s, "ada", admin)
	made, _, err := s.CreateToken(t.Context(), noon, as("ada", admin), &accountsv1.CreateTokenRequest{Name: "t", Role: admin})
	if err != nil {
		t.Fatal(err)
	}
	lower := viewer
	if _, err := s.Update(t.Context(), noon, root, &accountsv1.UpdateAccountRequest{Id: "ada", Role: &lower}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteToken(t.Context(), noon, as("ada", viewer), made.GetId()); err != nil {
		t.Error(err)
	}
}
