// Package gatewaysrpc answers hearth.gateways.v1.GatewayService from area gateway. It decides nothing: who may call and
// what a request may hold is checked before, from the contract.
package gatewaysrpc

import (
	"context"
	"time"

	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	"github.com/hearthos/hearth/server/internal/gateway"
)

// Forwards knows what the front door leads on.
type Forwards interface {
	Forwards(ctx context.Context) ([]*gatewaysv1.Forward, error)
}

// Server implements the service. It is safe for concurrent use.
type Server struct {
	gatewaysv1.UnimplementedGatewayServiceServer
	gateways *gateway.Service
	forwards Forwards
	clock    func() time.Time
}

var _ gatewaysv1.GatewayServiceServer = (*Server)(nil)

// New returns the service over an area.
func New(g *gateway.Service, f Forwards, clock func() time.Time) *Server {
	return &Server{gateways: g, forwards: f, clock: clock}
}

// ListForwards answers the ports that are led to services: those of the front door, then the ranges that the kernel leads.
func (s *Server) ListForwards(ctx context.Context, _ *gatewaysv1.ListForwardsRequest) (*gatewaysv1.ListForwardsResponse, error) {
	list, err := s.forwards.Forwards(ctx)
	if err != nil {
		return nil, err
	}
	ranges, err := s.gateways.Forwards()
	if err != nil {
		return nil, err
	}
	return &gatewaysv1.ListForwardsResponse{Forwards: append(list, ranges...)}, nil
}

// ListGateways answers the gateways by id.
func (s *Server) ListGateways(context.Context, *gatewaysv1.ListGatewaysRequest) (*gatewaysv1.ListGatewaysResponse, error) {
	rows, err := s.gateways.Gateways()
	if err != nil {
		return nil, err
	}
	return &gatewaysv1.ListGatewaysResponse{Gateways: rows}, nil
}

// RenameGateway says what people call a gateway.
func (s *Server) RenameGateway(ctx context.Context, r *gatewaysv1.RenameGatewayRequest) (*gatewaysv1.RenameGatewayResponse, error) {
	row, err := s.gateways.Rename(ctx, s.clock(), r.GetId(), r.GetName())
	if err != nil {
		return nil, err
	}
	return &gatewaysv1.RenameGatewayResponse{Gateway: row}, nil
}

// ForgetGateway removes a gateway whose interface is gone.
func (s *Server) ForgetGateway(ctx context.Context, r *gatewaysv1.ForgetGatewayRequest) (*gatewaysv1.ForgetGatewayResponse, error) {
	if err := s.gateways.Forget(ctx, s.clock(), r.GetId()); err != nil {
		return nil, err
	}
	return &gatewaysv1.ForgetGatewayResponse{}, nil
}
