// Package dnsrpc answers hearth.dns.v1.DNSService from the settings and the front door. It decides nothing.
package dnsrpc

import (
	"context"
	"net/netip"
	"slices"
	"time"

	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/settings"
)

// Network knows what the resolver does and where it is.
type Network interface {
	// GetStatus asks the front door, which is the resolver.
	GetStatus(ctx context.Context) (*doorv1.GetStatusResponse, error)
	// Render answers the front door's table.
	Render() (*doorv1.Table, error)
	// Follow returns when the front door does what is committed.
	Follow(ctx context.Context) error
	// Own are the server's addresses and the networks of its services, Routers the addresses of the routers of its networks.
	Own() []netip.Prefix
	Routers() []netip.Addr
}

// Server implements the service. It is safe for concurrent use.
type Server struct {
	dnsv1.UnimplementedDNSServiceServer
	settings *settings.Keeper
	network  Network
	clock    func() time.Time
}

var _ dnsv1.DNSServiceServer = (*Server)(nil)

// New returns the service.
func New(k *settings.Keeper, n Network, clock func() time.Time) *Server {
	return &Server{settings: k, network: n, clock: clock}
}

// GetServers tells whom the resolver asks.
func (s *Server) GetServers(ctx context.Context, _ *dnsv1.GetServersRequest) (*dnsv1.GetServersResponse, error) {
	chosen, err := s.settings.DNS()
	if err != nil {
		return nil, err
	}
	status, err := s.network.GetStatus(ctx)
	if err != nil {
		return nil, err
	}
	resp := &dnsv1.GetServersResponse{Settings: chosen, InUse: status.GetUpstreams(), Circular: status.GetCircularUpstreams()}
	routers := s.network.Routers()
	for _, text := range resp.InUse {
		if a, err := netip.ParseAddrPort(text); err == nil && slices.Contains(routers, a.Addr()) {
			resp.Routers = append(resp.Routers, text)
		}
	}
	return resp, nil
}

// SetServers chooses whom the resolver asks. They are asked when it answers, unless the front door is away: then they are when it is back.
func (s *Server) SetServers(ctx context.Context, r *dnsv1.SetServersRequest) (*dnsv1.SetServersResponse, error) {
	row, err := s.settings.SetDNS(ctx, s.clock(), r.GetServers(), s.network.Own())
	if err != nil {
		return nil, err
	}
	_ = s.network.Follow(ctx) // what was chosen is kept, and the controller of the front door tries again and tells
	return &dnsv1.SetServersResponse{Settings: row}, nil
}

// ListRecords lists the names the resolver answers itself.
func (s *Server) ListRecords(context.Context, *dnsv1.ListRecordsRequest) (*dnsv1.ListRecordsResponse, error) {
	table, err := s.network.Render()
	if err != nil {
		return nil, err
	}
	resp := &dnsv1.ListRecordsResponse{Zones: table.GetResolver().GetZones()}
	for _, r := range table.GetResolver().GetRecords() {
		resp.Records = append(resp.Records, &dnsv1.DnsRecord{
			Name: r.GetName(), Addresses: slices.Concat(r.GetIpv4(), r.GetIpv6()), Sources: r.GetAllowedSources(), Subdomains: r.GetSubdomains(),
		})
	}
	return resp, nil
}
