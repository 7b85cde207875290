package accountsrpc_test

import (
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
)

// tokenOf makes a token of the owner's account.
func (s *server) tokenOf(role optionsv1.Role, scope *accountsv1.Scope) (id, secret string) {
	s.t.Helper()
	by := account.Actor{Account: "alex", Role: optionsv1.Role_ROLE_OWNER}
	made, secret, err := s.accounts.CreateToken(s.t.Context(), time.Now(), by, &accountsv1.CreateTokenRequest{Name: "t", Role: role, Scope: scope})
	check(s.t, err)
	return made.GetId(), secret
}

// What Prometheus holds takes nothing from the owner whose it is.
func TestAnOwnersTokenOfASmallRoleTakesNothingGreater(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	session, opened := s.program("alex")
	big, _ := s.tokenOf(optionsv1.Role_ROLE_OWNER, nil)
	own, small := s.tokenOf(optionsv1.Role_ROLE_VIEWER, nil)
	ctx, client := as(t.Context(), small), accountsv1.NewAccountServiceClient(s.conn)
	for name, call := range map[string]func() error{
		"delete a token": func() error {
			_, err := client.DeleteToken(ctx, &accountsv1.DeleteTokenRequest{Id: big})
			return err
		},
		"end the sessions": func() error {
			_, err := client.DeleteSessions(ctx, &accountsv1.DeleteSessionsRequest{})
			return err
		},
		"end a session": func() error {
			_, err := client.DeleteSession(ctx, &accountsv1.DeleteSessionRequest{Id: session})
			return err
		},
		"list the sessions": func() error {
			_, err := client.ListSessions(ctx, &accountsv1.ListSessionsRequest{})
			return err
		},
		"change the password": func() error {
			_, err := client.ChangePassword(ctx, &accountsv1.ChangePasswordRequest{OldPassword: password, NewPassword: "another password"})
			return err
		},
	} {
		if err := fault.FromStatus(call()); !fault.Is(err, metav1.Reason_REASON_PERMISSION_DENIED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tokens, err := client.ListTokens(as(t.Context(), opened), &accountsv1.ListTokensRequest{})
	if err != nil || len(tokens.GetTokens()) != 2 {
		t.Errorf("the owner's session afterwards: %v, %v", tokens, err)
	}
	if _, err := client.DeleteToken(ctx, &accountsv1.DeleteTokenRequest{Id: own}); err != nil {
		t.Errorf("the token deletes itself: %v", err)
	}
}

// An account that a scoped token made could log in, and would have no scope.
func TestATokenWithAScopeMakesNoAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, secret := s.tokenOf(optionsv1.Role_ROLE_ADMIN, &accountsv1.Scope{Methods: []string{"hearth.accounts.v1.AccountService"}})
	_, err := accountsv1.NewAccountServiceClient(s.conn).CreateAccount(as(t.Context(), secret), &accountsv1.CreateAccountRequest{
		Id: "sam", Role: optionsv1.Role_ROLE_ADMIN, Password: password,
	})
	if err := fault.FromStatus(err); !fault.Is(err, metav1.Reason_REASON_OUT_OF_SCOPE) {
		t.Errorf("got %v", err)
	}
}
