package packagesrpc

import (
	"context"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/update"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Updates implements UpdateServiceServer.
type Updates struct {
	packagesv1.UnimplementedUpdateServiceServer
	updates *update.Service
	clock   func() time.Time
}

// NewUpdates returns the server.
func NewUpdates(updates *update.Service, clock func() time.Time) *Updates {
	return &Updates{updates: updates, clock: clock}
}

// GetUpdatePolicy implements UpdateServiceServer.
func (s *Updates) GetUpdatePolicy(_ context.Context, req *packagesv1.GetUpdatePolicyRequest) (*packagesv1.GetUpdatePolicyResponse, error) {
	policy, found, next, err := s.updates.Policy(s.clock(), req.GetId())
	resp := &packagesv1.GetUpdatePolicyResponse{Policy: policy, Update: found}
	if !next.IsZero() {
		resp.NextWindow = timestamppb.New(next)
	}
	return resp, err
}

// SetUpdatePolicy implements UpdateServiceServer.
func (s *Updates) SetUpdatePolicy(ctx context.Context, req *packagesv1.SetUpdatePolicyRequest) (*packagesv1.SetUpdatePolicyResponse, error) {
	choice := update.Choice{Mode: req.GetMode(), Window: req.GetWindow()}
	if req.GetKeepPrevious() != nil {
		keep := req.GetKeepPrevious().AsDuration()
		choice.KeepPrevious = &keep
	}
	policy, err := s.updates.SetPolicy(ctx, s.clock(), req.GetId(), choice)
	return &packagesv1.SetUpdatePolicyResponse{Policy: policy}, err
}

// SkipVersion implements UpdateServiceServer.
func (s *Updates) SkipVersion(ctx context.Context, req *packagesv1.SkipVersionRequest) (*packagesv1.SkipVersionResponse, error) {
	policy, err := s.updates.Skip(ctx, s.clock(), req.GetId(), req.GetVersion(), req.GetUndo())
	return &packagesv1.SkipVersionResponse{Policy: policy}, err
}

// FindUpdates implements UpdateServiceServer.
func (s *Updates) FindUpdates(ctx context.Context, req *packagesv1.FindUpdatesRequest) (*packagesv1.FindUpdatesResponse, error) {
	found, err := s.updates.Find(ctx, req.GetIds())
	return &packagesv1.FindUpdatesResponse{Updates: found}, err
}

// UpdatePackages implements UpdateServiceServer.
func (s *Updates) UpdatePackages(ctx context.Context, req *packagesv1.UpdatePackagesRequest) (*packagesv1.UpdatePackagesResponse, error) {
	begun, held, err := s.updates.Update(ctx, s.clock(), rpc.Caller(ctx), req.GetIds(), req.GetAcceptChanges())
	return &packagesv1.UpdatePackagesResponse{Begun: begun, Held: held}, err
}
