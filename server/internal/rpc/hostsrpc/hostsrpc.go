// Package hostsrpc answers hearth.hosts.v1.HostService from area hosts. It decides nothing: who may call and what a
// request may hold is checked before, from the contract.
package hostsrpc

import (
	"context"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/server/internal/hosts"
)

// Server implements the service. It is safe for concurrent use.
type Server struct {
	hostsv1.UnimplementedHostServiceServer
	hosts *hosts.Service
}

var _ hostsv1.HostServiceServer = (*Server)(nil)

// New returns the service over an area.
func New(h *hosts.Service) *Server { return &Server{hosts: h} }

// ListHosts answers the hosts of one package or of all, by id.
func (s *Server) ListHosts(_ context.Context, r *hostsv1.ListHostsRequest) (*hostsv1.ListHostsResponse, error) {
	list, err := s.hosts.List(r.GetPackageId())
	if err != nil {
		return nil, err
	}
	return &hostsv1.ListHostsResponse{Hosts: list}, nil
}
