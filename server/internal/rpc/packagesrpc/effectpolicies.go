package packagesrpc

import (
	"context"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/server/internal/effects"
)

// EffectPolicies implements EffectPolicyServiceServer.
type EffectPolicies struct {
	packagesv1.UnimplementedEffectPolicyServiceServer
	effects *effects.Service
	clock   func() time.Time
}

// NewEffectPolicies returns the server.
func NewEffectPolicies(fx *effects.Service, clock func() time.Time) *EffectPolicies {
	return &EffectPolicies{effects: fx, clock: clock}
}

// GetEffectPolicy implements EffectPolicyServiceServer.
func (s *EffectPolicies) GetEffectPolicy(_ context.Context, req *packagesv1.GetEffectPolicyRequest) (*packagesv1.GetEffectPolicyResponse, error) {
	policy, refused, err := s.effects.Policy(req.GetId())
	return &packagesv1.GetEffectPolicyResponse{Policy: policy, Refused: refused}, err
}

// SetEffectPolicy implements EffectPolicyServiceServer.
func (s *EffectPolicies) SetEffectPolicy(ctx context.Context, req *packagesv1.SetEffectPolicyRequest) (*packagesv1.SetEffectPolicyResponse, error) {
	policy, err := s.effects.SetPolicy(ctx, s.clock(), req.GetId(), req.GetLenient())
	return &packagesv1.SetEffectPolicyResponse{Policy: policy}, err
}
