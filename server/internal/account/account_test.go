package account_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/seal"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const (
	viewer   = optionsv1.Role_ROLE_VIEWER
	operator = optionsv1.Role_ROLE_OPERATOR
	admin    = optionsv1.Role_ROLE_ADMIN
	owner    = optionsv1.Role_ROLE_OWNER

	password = "correct horse battery"
)

// root is the server's own user on the local socket.
var root = account.Actor{Role: owner, Local: true, Source: "uid=0"}

// as is an account that calls.
func as(name string, role optionsv1.Role) account.Actor {
	return account.Actor{Account: name, Role: role, Source: "192.0.2.1"}
}

func newService(t testing.TB) (*account.Service, *store.Store) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return account.New(st, keysIn(t, t.TempDir()), slog.New(slog.DiscardHandler)), st
}

// keysIn is the custody of a root key in a folder.
func keysIn(t testing.TB, dir string) *custody.Service {
	t.Helper()
	ring, err := seal.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return custody.New(ring)
}

func claimed(t *testing.T, s *account.Service) bool {
	t.Helper()
	is, err := s.Claimed()
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func claimCode(t *testing.T, s *account.Service) string {
	t.Helper()
	code, err := s.ClaimCode()
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// newClaimed is a server whose owner is alex.
func newClaimed(t testing.TB) (*account.Service, *store.Store) {
	t.Helper()
	s, st := newService(t)
	if _, _, err := s.Claim(t.Context(), noon, root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password}); err != nil {
		t.Fatal(err)
	}
	return s, st
}

func addAccount(t *testing.T, s *account.Service, id string, role optionsv1.Role) {
	t.Helper()
	if _, err := s.Create(t.Context(), noon, root, &accountsv1.CreateAccountRequest{Id: id, Role: role, Password: password}); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, what string, err error, want metav1.Reason) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestServerIsClaimedOnce(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	req := func(code, name string) *accountsv1.ClaimServerRequest {
		return &accountsv1.ClaimServerRequest{Code: code, Account: name, Password: password}
	}
	far := account.Actor{Source: "192.0.2.1"}
	if claimed(t, s) || len(claimCode(t, s)) != 19 {
		t.Errorf("a fresh server: claimed %t, code %q", claimed(t, s), claimCode(t, s))
	}
	_, _, err := s.Claim(t.Context(), noon, far, req("", "alex"))
	refused(t, "without a code", err, metav1.Reason_REASON_CLAIM_CODE_WRONG)
	_, _, err = s.Claim(t.Context(), noon, far, req("aaaa-aaaa-aaaa-aaaa", "alex"))
	refused(t, "with a wrong code", err, metav1.Reason_REASON_CLAIM_CODE_WRONG)
	_, _, err = s.Claim(t.Context(), noon, far, req(claimCode(t, s), "local"))
	refused(t, "a reserved name", err, metav1.Reason_REASON_INVALID_ARGUMENT)
	_, err = s.Create(t.Context(), noon, root, &accountsv1.CreateAccountRequest{Id: "b", Role: viewer, Password: password})
	refused(t, "an account before the claim", err, metav1.Reason_REASON_SERVER_UNCLAIMED)
	_, err = s.Login(t.Context(), noon, account.LoginOptions{Source: "x"}, &accountsv1.LoginRequest{Password: password})
	refused(t, "a login before the claim", err, metav1.Reason_REASON_SERVER_UNCLAIMED)

	made, _, err := s.Claim(t.Context(), noon, far, req(" "+strings.ToUpper(claimCode(t, s))+"\n", "alex"))
	if err != nil || made.GetSpec().GetRole() != owner || made.GetMeta().GetId() != "alex" {
		t.Fatalf("Claim = %v, %v", made, err)
	}
	if !claimed(t, s) || claimCode(t, s) != "" {
		t.Error("there is still a code after the claim")
	}
	for _, by := range []account.Actor{far, root} {
		_, _, err = s.Claim(t.Context(), noon, by, req("", "eve"))
		refused(t, "a second claim", err, metav1.Reason_REASON_SERVER_CLAIMED)
	}
}

func TestCodeIsNotGuessedFromOneSource(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	guess := func(source string) error {
		_, _, err := s.Claim(t.Context(), noon, account.Actor{Source: source}, &accountsv1.ClaimServerRequest{Code: "a", Account: "alex", Password: password})
		return err
	}
	for range 5 {
		refused(t, "a guess", guess("192.0.2.1"), metav1.Reason_REASON_CLAIM_CODE_WRONG)
	}
	refused(t, "one too many", guess("192.0.2.1"), metav1.Reason_REASON_RATE_LIMITED)
	refused(t, "from elsewhere", guess("192.0.2.2"), metav1.Reason_REASON_CLAIM_CODE_WRONG)
	if _, _, err := s.Claim(t.Context(), noon, root, &accountsv1.ClaimServerRequest{Account: "alex", Password: password}); err != nil {
		t.Errorf("on the local socket: %v", err)
	}
}

func TestNobodyGivesOrTakesAGreaterRole(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	addAccount(t, s, "ada", admin)
	addAccount(t, s, "vic", viewer)
	ada := as("ada", admin)
	for role, want := range map[optionsv1.Role]bool{viewer: true, admin: true, owner: false} {
		_, err := s.Create(t.Context(), noon, ada, &accountsv1.CreateAccountRequest{Id: "new" + role.String()[5:6] + "x", Role: role, Password: password})
		if want && fault.Is(err, metav1.Reason_REASON_PERMISSION_DENIED) || !want && !fault.Is(err, metav1.Reason_REASON_PERMISSION_DENIED) {
			t.Errorf("an admin makes a %s: %v", role, err)
		}
		_, err = s.Update(t.Context(), noon, ada, &accountsv1.UpdateAccountRequest{Id: "vic", Role: &role})
		if (err == nil) != want {
			t.Errorf("an admin makes vic a %s: %v", role, err)
		}
	}
	title := "Eve"
	_, err := s.Update(t.Context(), noon, ada, &accountsv1.UpdateAccountRequest{Id: "alex", Title: &title})
	refused(t, "an admin changes the owner", err, metav1.Reason_REASON_PERMISSION_DENIED)
	refused(t, "an admin deletes the owner", s.Delete(t.Context(), noon, ada, "alex"), metav1.Reason_REASON_PERMISSION_DENIED)
	_, err = s.EndSessions(t.Context(), noon, ada, "alex")
	refused(t, "an admin ends the owner's sessions", err, metav1.Reason_REASON_PERMISSION_DENIED)
	_, _, err = s.CreateToken(t.Context(), noon, ada, &accountsv1.CreateTokenRequest{Name: "a", Role: owner})
	refused(t, "an admin makes an owner's token", err, metav1.Reason_REASON_PERMISSION_DENIED)
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	s, _ := newClaimed(t)
	role := admin
	down := &accountsv1.UpdateAccountRequest{Id: "alex", Role: &role}
	_, err := s.Update(t.Context(), noon, root, down)
	refused(t, "demoted", err, metav1.Reason_REASON_LAST_OWNER)
	refused(t, "deleted", s.Delete(t.Context(), noon, root, "alex"), metav1.Reason_REASON_LAST_OWNER)
	addAccount(t, s, "bo", owner)
	if _, err := s.Update(t.Context(), noon, as("bo", owner), down); err != nil {
		t.Errorf("with another owner: %v", err)
	}
	refused(t, "the other one, deleted", s.Delete(t.Context(), noon, root, "bo"), metav1.Reason_REASON_LAST_OWNER)
}

func TestWhatBelongsToAnAccountGoesWithIt(t *testing.T) {
	t.Parallel()
	s, st := newClaimed(t)
	addAccount(t, s, "vic", viewer)
	opened := login(t, s, "vic", accountsv1.Session_CLIENT_PROGRAM)
	_, token, err := s.CreateToken(t.Context(), noon, as("vic", viewer), &accountsv1.CreateTokenRequest{Name: "a", Role: viewer})
	if err != nil {
		t.Fatal(err)
	}
	kept := login(t, s, "alex", accountsv1.Session_CLIENT_PROGRAM)
	if err := s.Delete(t.Context(), noon, root, "vic"); err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{"session": opened.Secret, "token": token} {
		_, err := s.AuthenticateBearer(noon, secret, "x")
		refused(t, what+" of a deleted account", err, metav1.Reason_REASON_UNAUTHENTICATED)
	}
	if _, err := s.AuthenticateBearer(noon, kept.Secret, "x"); err != nil {
		t.Errorf("the session of another account: %v", err)
	}
	_ = st.View(func(tx *store.Tx) error {
		if _, found, _ := store.Lookup[*accountsv1.PasswordRecord](tx, "vic"); found {
			t.Error("the password stays")
		}
		return nil
	})
	_, err = s.Login(t.Context(), noon, account.LoginOptions{Source: "x"}, &accountsv1.LoginRequest{Account: "vic", Password: password})
	refused(t, "a login", err, metav1.Reason_REASON_LOGIN_FAILED)
}

func TestNoSecretIsStored(t *testing.T) {
	t.Parallel()
	s, st := newClaimed(t)
	browser := login(t, s, "alex", accountsv1.Session_CLIENT_BROWSER)
	program := login(t, s, "alex", accountsv1.Session_CLIENT_PROGRAM)
	_, token, err := s.CreateToken(t.Context(), noon, root, &accountsv1.CreateTokenRequest{Name: "a", Role: admin})
	if err != nil {
		t.Fatal(err)
	}
	parts := func(s string) []byte { return []byte(s[len(s)-43:]) }
	secrets := [][]byte{[]byte(password), parts(browser.Cookie), parts(browser.Secret), parts(program.Secret), parts(token)}
	rows := 0
	err = st.View(func(tx *store.Tx) error {
		var all []proto.Message
		sessions, err := store.List[*accountsv1.SessionRecord](tx, "")
		for _, r := range sessions {
			all = append(all, r)
		}
		tokens, terr := store.List[*accountsv1.TokenRecord](tx, "")
		for _, r := range tokens {
			all = append(all, r)
		}
		passwords, perr := store.List[*accountsv1.PasswordRecord](tx, "")
		for _, r := range passwords {
			all = append(all, r)
		}
		for _, r := range all {
			rows++
			raw, _ := proto.Marshal(r)
			for i, secret := range secrets {
				if bytes.Contains(raw, secret) {
					t.Errorf("secret %d is in %s", i, r.ProtoReflect().Descriptor().Name())
				}
			}
		}
		if err == nil {
			err = terr
		}
		if err == nil {
			err = perr
		}
		return err
	})
	if err != nil || rows != 4 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
