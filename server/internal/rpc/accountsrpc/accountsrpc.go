// Package accountsrpc answers hearth.accounts.v1 from the area account. What it adds is what only the wire knows: who
// calls from where, and the cookie of a browser's session.
package accountsrpc

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
)

// Server implements AccountServiceServer.
type Server struct {
	accountsv1.UnimplementedAccountServiceServer
	accounts *account.Service
	cookie   string
	clock    func() time.Time
}

// New returns the server; cookie is the name of the cookie of browsers' sessions.
func New(accounts *account.Service, cookie string, clock func() time.Time) *Server {
	return &Server{accounts: accounts, cookie: cookie, clock: clock}
}

func caller(ctx context.Context) access.Caller {
	if c := rpc.CallFrom(ctx); c != nil {
		return c.Caller
	}
	return access.Caller{}
}

// actor is the caller as the area sees him.
func actor(ctx context.Context) account.Actor {
	c := caller(ctx)
	a := account.Actor{Account: c.Identity.Account, Role: c.Identity.Role, Local: c.Local(), Source: c.Origin.Source(), About: rpc.CallFrom(ctx).About}
	if c.Identity.Kind == access.Session {
		a.Session = c.Identity.ID
	}
	return a
}

// ClaimServer implements AccountServiceServer.
func (s *Server) ClaimServer(ctx context.Context, req *accountsv1.ClaimServerRequest) (*accountsv1.ClaimServerResponse, error) {
	owner, recovery, err := s.accounts.Claim(ctx, s.clock(), actor(ctx), req)
	return &accountsv1.ClaimServerResponse{Account: owner, RecoveryCode: recovery}, err
}

// GetCaller implements AccountServiceServer.
func (s *Server) GetCaller(ctx context.Context, _ *accountsv1.GetCallerRequest) (*accountsv1.GetCallerResponse, error) {
	id := caller(ctx).Identity
	resp := &accountsv1.GetCallerResponse{Id: id.ID, Account: id.Account, Role: id.Role}
	switch id.Kind {
	case access.Local:
		resp.Credential, resp.Id = accountsv1.GetCallerResponse_CREDENTIAL_LOCAL, ""
	case access.Session:
		resp.Credential = accountsv1.GetCallerResponse_CREDENTIAL_SESSION
	case access.Token:
		resp.Credential = accountsv1.GetCallerResponse_CREDENTIAL_TOKEN
	case access.Key:
		resp.Credential = accountsv1.GetCallerResponse_CREDENTIAL_KEY
	}
	if id.Scope.Narrowed() {
		resp.Scope = &accountsv1.Scope{Methods: id.Scope.Methods, Packages: id.Scope.Packages}
	}
	return resp, nil
}

// CreateAccount implements AccountServiceServer. A token with a scope must not make what has none.
func (s *Server) CreateAccount(ctx context.Context, req *accountsv1.CreateAccountRequest) (*accountsv1.CreateAccountResponse, error) {
	if caller(ctx).Identity.Scope.Narrowed() {
		return nil, fault.New(metav1.Reason_REASON_OUT_OF_SCOPE, "cannot make an account with this token: it has a scope, and an account has none")
	}
	made, err := s.accounts.Create(ctx, s.clock(), actor(ctx), req)
	return &accountsv1.CreateAccountResponse{Account: made}, err
}

// ListAccounts implements AccountServiceServer.
func (s *Server) ListAccounts(context.Context, *accountsv1.ListAccountsRequest) (*accountsv1.ListAccountsResponse, error) {
	all, err := s.accounts.Accounts()
	return &accountsv1.ListAccountsResponse{Accounts: all}, err
}

// UpdateAccount implements AccountServiceServer.
func (s *Server) UpdateAccount(ctx context.Context, req *accountsv1.UpdateAccountRequest) (*accountsv1.UpdateAccountResponse, error) {
	changed, err := s.accounts.Update(ctx, s.clock(), actor(ctx), req)
	return &accountsv1.UpdateAccountResponse{Account: changed}, err
}

// DeleteAccount implements AccountServiceServer.
func (s *Server) DeleteAccount(ctx context.Context, req *accountsv1.DeleteAccountRequest) (*accountsv1.DeleteAccountResponse, error) {
	return &accountsv1.DeleteAccountResponse{}, s.accounts.Delete(ctx, s.clock(), actor(ctx), req.GetId())
}

// ChangePassword implements AccountServiceServer.
func (s *Server) ChangePassword(ctx context.Context, req *accountsv1.ChangePasswordRequest) (*accountsv1.ChangePasswordResponse, error) {
	ended, err := s.accounts.ChangePassword(ctx, s.clock(), actor(ctx), req)
	return &accountsv1.ChangePasswordResponse{Ended: int32(ended)}, err
}

// ResetPassword implements AccountServiceServer.
func (s *Server) ResetPassword(ctx context.Context, req *accountsv1.ResetPasswordRequest) (*accountsv1.ResetPasswordResponse, error) {
	name, ended, err := s.accounts.ResetPassword(ctx, s.clock(), req)
	return &accountsv1.ResetPasswordResponse{Account: name, Ended: int32(ended)}, err
}

// CreateToken implements AccountServiceServer. A token must not outlive its revocation in tokens it made, and must not
// widen itself.
func (s *Server) CreateToken(ctx context.Context, req *accountsv1.CreateTokenRequest) (*accountsv1.CreateTokenResponse, error) {
	id := caller(ctx).Identity
	if id.Kind == access.Token && (id.Role < optionsv1.Role_ROLE_ADMIN || id.Scope.Narrowed()) {
		return nil, fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot make a token with this one: it is not an administrator's, or has a scope")
	}
	if err := rpc.CheckRequestID(req.GetRequestId()); err != nil {
		return nil, err
	}
	token, secret, err := s.accounts.CreateToken(ctx, s.clock(), actor(ctx), req)
	return &accountsv1.CreateTokenResponse{Token: token, Secret: secret}, err
}

// ListTokens implements AccountServiceServer.
func (s *Server) ListTokens(ctx context.Context, _ *accountsv1.ListTokensRequest) (*accountsv1.ListTokensResponse, error) {
	tokens, err := s.accounts.Tokens(actor(ctx))
	return &accountsv1.ListTokensResponse{Tokens: tokens}, err
}

// DeleteToken implements AccountServiceServer.
func (s *Server) DeleteToken(ctx context.Context, req *accountsv1.DeleteTokenRequest) (*accountsv1.DeleteTokenResponse, error) {
	return &accountsv1.DeleteTokenResponse{}, s.accounts.DeleteToken(ctx, s.clock(), actor(ctx), req.GetId())
}
