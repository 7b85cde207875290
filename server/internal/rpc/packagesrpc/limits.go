package packagesrpc

import (
	"context"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/runner"
)

// Limits implements LimitServiceServer.
type Limits struct {
	packagesv1.UnimplementedLimitServiceServer
	runner *runner.Service
	clock  func() time.Time
}

// NewLimits returns the server.
func NewLimits(r *runner.Service, clock func() time.Time) *Limits {
	return &Limits{runner: r, clock: clock}
}

// GetPackageLimits implements LimitServiceServer.
func (s *Limits) GetPackageLimits(_ context.Context, req *packagesv1.GetPackageLimitsRequest) (*packagesv1.GetPackageLimitsResponse, error) {
	return s.runner.Limits(req.GetId())
}

// SetPackageLimits implements LimitServiceServer.
func (s *Limits) SetPackageLimits(ctx context.Context, req *packagesv1.SetPackageLimitsRequest) (*packagesv1.SetPackageLimitsResponse, error) {
	row, err := s.runner.SetLimits(ctx, s.clock(), req)
	return &packagesv1.SetPackageLimitsResponse{Limits: row}, err
}
