package accountsrpc

import (
	"context"
	"net/http"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// Login implements AccountServiceServer.
func (s *Server) Login(ctx context.Context, req *accountsv1.LoginRequest) (*accountsv1.LoginResponse, error) {
	c := caller(ctx)
	if req.GetClient() == accountsv1.Session_CLIENT_BROWSER {
		if c.Origin.Listener != origin.Web && c.Origin.Listener != origin.Door {
			return nil, fault.New(metav1.Reason_REASON_REQUEST_FOREIGN, "cannot open a browser's session but on the web port")
		}
		if err := c.Browser.Usable(); err != nil {
			return nil, err
		}
	}
	opened, err := s.accounts.Login(ctx, s.clock(), account.LoginOptions{
		Source: c.Origin.Source(), Address: c.Origin.Address(), UserAgent: rpc.UserAgent(ctx),
	}, req)
	if err != nil {
		return nil, err
	}
	if err := s.setCookie(ctx, opened); err != nil {
		return nil, err
	}
	return &accountsv1.LoginResponse{Session: opened.Session, Secret: opened.Secret, RotateTime: timestamppb.New(opened.RotateTime)}, nil
}

// current is the session that calls.
func current(ctx context.Context) (string, error) {
	if id := caller(ctx).Identity; id.Kind == access.Session {
		return id.ID, nil
	}
	return "", fault.New(metav1.Reason_REASON_NO_SESSION, "cannot do this without a session")
}

// Logout implements AccountServiceServer.
func (s *Server) Logout(ctx context.Context, _ *accountsv1.LogoutRequest) (*accountsv1.LogoutResponse, error) {
	id, err := current(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.accounts.EndSession(ctx, s.clock(), actor(ctx), id); err != nil {
		return nil, err
	}
	if caller(ctx).Credential.Cookie != "" {
		err = grpc.SetHeader(ctx, metadata.Pairs(rpc.CookieHeader, s.newCookie("", -1).String()))
	}
	return &accountsv1.LogoutResponse{}, err
}

// RotateSession implements AccountServiceServer.
func (s *Server) RotateSession(ctx context.Context, _ *accountsv1.RotateSessionRequest) (*accountsv1.RotateSessionResponse, error) {
	id, err := current(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := s.accounts.Rotate(ctx, s.clock(), id)
	if err != nil {
		return nil, err
	}
	if err := s.setCookie(ctx, opened); err != nil {
		return nil, err
	}
	return &accountsv1.RotateSessionResponse{Secret: opened.Secret, RotateTime: timestamppb.New(opened.RotateTime)}, nil
}

// ListSessions implements AccountServiceServer.
func (s *Server) ListSessions(ctx context.Context, req *accountsv1.ListSessionsRequest) (*accountsv1.ListSessionsResponse, error) {
	sessions, err := s.accounts.Sessions(actor(ctx), req.GetAccount(), req.GetAll())
	return &accountsv1.ListSessionsResponse{Sessions: sessions}, err
}

// DeleteSession implements AccountServiceServer.
func (s *Server) DeleteSession(ctx context.Context, req *accountsv1.DeleteSessionRequest) (*accountsv1.DeleteSessionResponse, error) {
	return &accountsv1.DeleteSessionResponse{}, s.accounts.EndSession(ctx, s.clock(), actor(ctx), req.GetId())
}

// DeleteSessions implements AccountServiceServer.
func (s *Server) DeleteSessions(ctx context.Context, req *accountsv1.DeleteSessionsRequest) (*accountsv1.DeleteSessionsResponse, error) {
	ended, err := s.accounts.EndSessions(ctx, s.clock(), actor(ctx), req.GetAccount())
	return &accountsv1.DeleteSessionsResponse{Ended: int32(ended)}, err
}

// setCookie gives a browser its half. Where the session is not lasting the cookie has no age, and goes with the browser.
func (s *Server) setCookie(ctx context.Context, opened *account.Opened) error {
	if opened.Cookie == "" {
		return nil
	}
	age := 0
	if opened.Session.GetLasting() {
		age = int(opened.Session.GetExpireTime().AsTime().Sub(s.clock()) / time.Second)
	}
	return grpc.SetHeader(ctx, metadata.Pairs(rpc.CookieHeader, s.newCookie(opened.Cookie, age).String()))
}

// newCookie makes a cookie that no script reads, no plain connection carries and no page of another site sends. The prefix
// of its name keeps other hosts of the domain from setting it.
func (s *Server) newCookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: s.cookie, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
