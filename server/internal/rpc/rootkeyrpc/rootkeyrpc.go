// Package rootkeyrpc answers hearth.system.v1.RootKeyService from the area custody.
package rootkeyrpc

import (
	"context"
	"errors"
	"time"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Server implements RootKeyServiceServer.
type Server struct {
	systemv1.UnimplementedRootKeyServiceServer
	custody *custody.Service
	engine  *operation.Engine
	clock   func() time.Time
}

// New returns the server.
func New(keys *custody.Service, engine *operation.Engine, clock func() time.Time) *Server {
	return &Server{custody: keys, engine: engine, clock: clock}
}

// GetRootKey implements RootKeyServiceServer.
func (s *Server) GetRootKey(context.Context, *systemv1.GetRootKeyRequest) (*systemv1.GetRootKeyResponse, error) {
	return s.custody.Describe()
}

// RotateRootKey implements RootKeyServiceServer.
func (s *Server) RotateRootKey(ctx context.Context, req *systemv1.RotateRootKeyRequest) (*systemv1.RotateRootKeyResponse, error) {
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.custody.Rotate(ctx, s.clock(), s.engine, asked)
	if err != nil {
		return nil, err
	}
	return &systemv1.RotateRootKeyResponse{Operation: op}, nil
}

// CreateRecoveryCode implements RootKeyServiceServer.
func (s *Server) CreateRecoveryCode(context.Context, *systemv1.CreateRecoveryCodeRequest) (*systemv1.CreateRecoveryCodeResponse, error) {
	code, kept, err := s.custody.NewRecoveryCode(s.clock(), func() error { return nil })
	if err := errors.Join(err, kept); err != nil {
		return nil, err
	}
	return &systemv1.CreateRecoveryCodeResponse{RecoveryCode: code}, nil
}
