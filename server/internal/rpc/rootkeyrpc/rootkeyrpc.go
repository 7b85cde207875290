// Package rootkeyrpc answers hearth.system.v1.RootKeyService from the area custody.
package rootkeyrpc

import (
	"context"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
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
	if err != nil {
		return nil, err
	}
	if kept != nil { // nobody is told which of the two codes counts, so a third one must
		return nil, fault.New(metav1.Reason_REASON_INTERNAL, "the recovery code could not be kept, and the one before may not count any more; make another once the disk can be written: %w", kept)
	}
	return &systemv1.CreateRecoveryCodeResponse{RecoveryCode: code}, nil
}
