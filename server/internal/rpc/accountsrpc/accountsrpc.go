// Package accountsrpc answers hearth.accounts.v1 from the area account.
package accountsrpc

import (
	"context"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"

	"github.com/hearthos/hearth/server/internal/account"
)

// Server implements AccountServiceServer.
type Server struct {
	accountsv1.UnimplementedAccountServiceServer
	accounts *account.Service
	clock    func() time.Time
}

// New returns the server.
func New(accounts *account.Service, clock func() time.Time) *Server {
	return &Server{accounts: accounts, clock: clock}
}

// CreateToken implements AccountServiceServer.
func (s *Server) CreateToken(ctx context.Context, req *accountsv1.CreateTokenRequest) (*accountsv1.CreateTokenResponse, error) {
	token, secret, err := s.accounts.Create(ctx, s.clock(), req)
	return &accountsv1.CreateTokenResponse{Token: token, Secret: secret}, err
}

// ListTokens implements AccountServiceServer.
func (s *Server) ListTokens(context.Context, *accountsv1.ListTokensRequest) (*accountsv1.ListTokensResponse, error) {
	tokens, err := s.accounts.List()
	return &accountsv1.ListTokensResponse{Tokens: tokens}, err
}

// DeleteToken implements AccountServiceServer.
func (s *Server) DeleteToken(ctx context.Context, req *accountsv1.DeleteTokenRequest) (*accountsv1.DeleteTokenResponse, error) {
	return &accountsv1.DeleteTokenResponse{}, s.accounts.Delete(ctx, s.clock(), req.GetId())
}
