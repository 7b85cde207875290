// Package hostsrpc answers hearth.hosts.v1.HostService from the areas hosts and reach. It decides nothing: who may call and
// what a request may hold is checked before, from the contract.
package hostsrpc

import (
	"context"
	"time"

	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/hosts"
)

// Reach knows what came of trying addresses.
type Reach interface {
	// Last answers what was last found, nil where a host was not tried.
	Last(id string) *hostsv1.Reachability
	// Try tries the addresses of a host now.
	Try(ctx context.Context, now time.Time, row *hostsv1.Host) *hostsv1.Reachability
}

// Door knows what the front door does.
type Door interface {
	// Routes answers every way through it.
	Routes() ([]*hostsv1.Route, error)
}

// Server implements the service. It is safe for concurrent use.
type Server struct {
	hostsv1.UnimplementedHostServiceServer
	hosts *hosts.Service
	reach Reach
	door  Door
	clock func() time.Time
}

var _ hostsv1.HostServiceServer = (*Server)(nil)

// New returns the service over its areas.
func New(h *hosts.Service, r Reach, d Door, clock func() time.Time) *Server {
	return &Server{hosts: h, reach: r, door: d, clock: clock}
}

// ListHosts answers the hosts of one package or of all, by id.
func (s *Server) ListHosts(_ context.Context, r *hostsv1.ListHostsRequest) (*hostsv1.ListHostsResponse, error) {
	list, err := s.hosts.List(r.GetPackageId())
	if err != nil {
		return nil, err
	}
	return &hostsv1.ListHostsResponse{Hosts: list}, nil
}

// ListAddresses answers the addresses of the hosts of one package or of all.
func (s *Server) ListAddresses(_ context.Context, r *hostsv1.ListAddressesRequest) (*hostsv1.ListAddressesResponse, error) {
	list, err := s.hosts.List(r.GetPackageId())
	if err != nil {
		return nil, err
	}
	resp := &hostsv1.ListAddressesResponse{}
	for _, row := range list {
		resp.Addresses = append(resp.Addresses, addresses(row, s.reach.Last(row.GetMeta().GetId()))...)
	}
	return resp, nil
}

// CheckAddresses tries the addresses of a host.
func (s *Server) CheckAddresses(ctx context.Context, r *hostsv1.CheckAddressesRequest) (*hostsv1.CheckAddressesResponse, error) {
	row, err := s.hosts.Host(hosts.Target{Package: r.GetPackageId(), Host: r.GetHost()})
	if err != nil {
		return nil, err
	}
	return &hostsv1.CheckAddressesResponse{Addresses: addresses(row, s.reach.Try(ctx, s.clock(), row))}, nil
}

// SetAddressAccess says who reaches an address.
func (s *Server) SetAddressAccess(ctx context.Context, r *hostsv1.SetAddressAccessRequest) (*hostsv1.SetAddressAccessResponse, error) {
	row, err := s.hosts.SetAccess(ctx, s.clock(), hosts.Target{Package: r.GetPackageId(), Host: r.GetHost()}, r.GetHostname(), r.GetPort(), r.GetAccess())
	if err != nil {
		return nil, err
	}
	return &hostsv1.SetAddressAccessResponse{Host: row}, nil
}

// AddPublicDomain gives a host a public name.
func (s *Server) AddPublicDomain(ctx context.Context, r *hostsv1.AddPublicDomainRequest) (*hostsv1.AddPublicDomainResponse, error) {
	row, err := s.hosts.AddPublicDomain(ctx, s.clock(), hosts.Target{Package: r.GetPackageId(), Host: r.GetHost()}, r.GetDomain(), r.GetGateway(), r.GetInternalPort())
	if err != nil {
		return nil, err
	}
	return &hostsv1.AddPublicDomainResponse{Host: row}, nil
}

// RemovePublicDomain takes a public name away.
func (s *Server) RemovePublicDomain(ctx context.Context, r *hostsv1.RemovePublicDomainRequest) (*hostsv1.RemovePublicDomainResponse, error) {
	row, err := s.hosts.RemovePublicDomain(ctx, s.clock(), hosts.Target{Package: r.GetPackageId(), Host: r.GetHost()}, r.GetDomain())
	if err != nil {
		return nil, err
	}
	return &hostsv1.RemovePublicDomainResponse{Host: row}, nil
}

// AddPrivateDomain gives a host a private name.
func (s *Server) AddPrivateDomain(ctx context.Context, r *hostsv1.AddPrivateDomainRequest) (*hostsv1.AddPrivateDomainResponse, error) {
	row, err := s.hosts.AddPrivateDomain(ctx, s.clock(), hosts.Target{Package: r.GetPackageId(), Host: r.GetHost()}, r.GetDomain(), r.GetGateways(), r.GetInternalPort())
	if err != nil {
		return nil, err
	}
	return &hostsv1.AddPrivateDomainResponse{Host: row}, nil
}

// RemovePrivateDomain takes a private name away.
func (s *Server) RemovePrivateDomain(ctx context.Context, r *hostsv1.RemovePrivateDomainRequest) (*hostsv1.RemovePrivateDomainResponse, error) {
	row, err := s.hosts.RemovePrivateDomain(ctx, s.clock(), hosts.Target{Package: r.GetPackageId(), Host: r.GetHost()}, r.GetDomain())
	if err != nil {
		return nil, err
	}
	return &hostsv1.RemovePrivateDomainResponse{Host: row}, nil
}

// ListRoutes answers every way through the front door.
func (s *Server) ListRoutes(context.Context, *hostsv1.ListRoutesRequest) (*hostsv1.ListRoutesResponse, error) {
	routes, err := s.door.Routes()
	if err != nil {
		return nil, err
	}
	return &hostsv1.ListRoutesResponse{Routes: routes}, nil
}

// ListPassthroughs answers the names that lead to other machines.
func (s *Server) ListPassthroughs(context.Context, *hostsv1.ListPassthroughsRequest) (*hostsv1.ListPassthroughsResponse, error) {
	rows, err := s.hosts.Passthroughs()
	if err != nil {
		return nil, err
	}
	return &hostsv1.ListPassthroughsResponse{Passthroughs: rows}, nil
}

// AddPassthrough has a name lead to another machine.
func (s *Server) AddPassthrough(ctx context.Context, r *hostsv1.AddPassthroughRequest) (*hostsv1.AddPassthroughResponse, error) {
	row, err := s.hosts.AddPassthrough(ctx, s.clock(), &hostsv1.PassthroughSpec{
		Hostname: r.GetHostname(), Port: r.GetPort(), Backend: r.GetBackend(), Gateways: r.GetGateways(), Access: r.GetAccess(),
	})
	if err != nil {
		return nil, err
	}
	return &hostsv1.AddPassthroughResponse{Passthrough: row}, nil
}

// DeletePassthrough has a name lead nowhere.
func (s *Server) DeletePassthrough(ctx context.Context, r *hostsv1.DeletePassthroughRequest) (*hostsv1.DeletePassthroughResponse, error) {
	if err := s.hosts.DeletePassthrough(ctx, s.clock(), r.GetId()); err != nil {
		return nil, err
	}
	return &hostsv1.DeletePassthroughResponse{}, nil
}

// addresses joins the addresses of a host with what was found.
func addresses(row *hostsv1.Host, found *hostsv1.Reachability) (out []*hostsv1.HostAddress) {
	pkg := ids.Parent(row.GetMeta().GetId())
	host := row.GetMeta().GetId()[len(pkg)+1:]
	for _, a := range row.GetStatus().GetAddresses() {
		v := &hostsv1.HostAddress{PackageId: pkg, Host: host, Address: a}
		for _, verdict := range found.GetStatus().GetVerdicts() {
			if verdict.GetHostname() == a.GetHostname() && verdict.GetPort() == a.GetPort() {
				v.Verdict = verdict
			}
		}
		out = append(out, v)
	}
	for _, a := range row.GetStatus().GetAddressesOff() {
		out = append(out, &hostsv1.HostAddress{PackageId: pkg, Host: host, Address: a})
	}
	return out
}
