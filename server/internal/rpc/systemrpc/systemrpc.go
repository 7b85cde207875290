// Package systemrpc answers hearth.system.v1 from the store and what the daemon tells of itself.
package systemrpc

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/journal"
	"github.com/hearthos/hearth/server/internal/monitor"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Daemon is what the server tells of the process it runs in.
type Daemon interface {
	// DoorConnected tells whether the front door answers.
	DoorConnected() bool
	// RootFingerprint is that of the server's root certificate.
	RootFingerprint() string
	// Capabilities tells what the machine offers.
	Capabilities(ctx context.Context) []*systemv1.Capability
	// Platform tells what the server stands on.
	Platform() *systemv1.Platform
	// State tells how far the server is.
	State() *systemv1.GetStateResponse
	// FollowStart sends what is logged until the server runs.
	FollowStart(ctx context.Context, send func([]journal.Line) error) error
	// Shutdown stops the daemon, and all services before it where that is asked. It returns when the services have
	// stopped; the daemon ends a moment later.
	Shutdown(ctx context.Context, services bool) error
	// Restart restarts the machine where it is the server's, else the daemon, a moment after it returned.
	Restart(ctx context.Context) (machine bool, err error)
	// PowerOff stops the machine, or tells why it must not.
	PowerOff(ctx context.Context) error
}

// Server implements SystemServiceServer.
type Server struct {
	systemv1.UnimplementedSystemServiceServer
	daemon  Daemon
	version string
	started time.Time
	opened  atomic.Pointer[opened]
}

// opened is what can be told once the store is open.
type opened struct {
	store    *store.Store
	monitor  *monitor.Service
	hostname func() string
}

// New returns the server, which answers what needs no store. The rest is answered after Open, and called in the phase
// running alone.
func New(daemon Daemon, version string, started time.Time) *Server {
	return &Server{daemon: daemon, version: version, started: started}
}

// Open gives the server its store and what measures. It is called once, before the phase running.
func (s *Server) Open(st *store.Store, m *monitor.Service, hostname func() string) {
	s.opened.Store(&opened{st, m, hostname})
}

// GetState implements SystemServiceServer.
func (s *Server) GetState(context.Context, *systemv1.GetStateRequest) (*systemv1.GetStateResponse, error) {
	return s.daemon.State(), nil
}

// Ping implements SystemServiceServer.
func (s *Server) Ping(_ context.Context, req *systemv1.PingRequest) (*systemv1.PingResponse, error) {
	return &systemv1.PingResponse{Message: req.GetMessage()}, nil
}

// FollowStart implements SystemServiceServer.
func (s *Server) FollowStart(_ *systemv1.FollowStartRequest, stream grpc.ServerStreamingServer[systemv1.FollowStartResponse]) error {
	return s.daemon.FollowStart(stream.Context(), func(lines []journal.Line) error {
		resp := &systemv1.FollowStartResponse{}
		for _, l := range lines {
			resp.Lines = append(resp.Lines, &systemv1.StartLine{
				Time: timestamppb.New(l.Time), Level: strings.ToLower(l.Level.String()), Text: l.Text,
			})
		}
		return stream.Send(resp)
	})
}

// GetServer implements SystemServiceServer.
func (s *Server) GetServer(ctx context.Context, _ *systemv1.GetServerRequest) (*systemv1.GetServerResponse, error) {
	at := s.opened.Load()
	resp := &systemv1.GetServerResponse{
		StoreId: at.store.ID(), Tag: at.store.Tag(), Version: s.version, StartTime: timestamppb.New(s.started),
		Revision: at.store.Revision(), Hostname: at.hostname(), DoorConnected: s.daemon.DoorConnected(), MemoryBytes: resident(),
		RootFingerprint: s.daemon.RootFingerprint(),
		Time:            timestamppb.Now(),
	}
	role, scope := rpc.CallerRole(ctx), rpc.CallerScope(ctx)
	for _, k := range store.Kinds() {
		if rpc.MayRead(k, role, scope) {
			resp.Kinds = append(resp.Kinds, k.ID)
		}
	}
	err := at.store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, r := range rows {
			resp.InstalledPackages++
			if r.GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING {
				resp.RunningServices++
			}
		}
		return err
	})
	return resp, err
}

// GetCapabilities implements SystemServiceServer.
func (s *Server) GetCapabilities(ctx context.Context, _ *systemv1.GetCapabilitiesRequest) (*systemv1.GetCapabilitiesResponse, error) {
	return &systemv1.GetCapabilitiesResponse{Capabilities: s.daemon.Capabilities(ctx), Platform: s.daemon.Platform()}, nil
}

// GetServerUsage implements SystemServiceServer.
func (s *Server) GetServerUsage(context.Context, *systemv1.GetServerUsageRequest) (*systemv1.GetServerUsageResponse, error) {
	row, err := s.opened.Load().monitor.ServerUsage()
	return &systemv1.GetServerUsageResponse{Usage: row}, err
}

// GetHardware implements SystemServiceServer.
func (s *Server) GetHardware(context.Context, *systemv1.GetHardwareRequest) (*systemv1.GetHardwareResponse, error) {
	row, err := s.opened.Load().monitor.Hardware()
	return &systemv1.GetHardwareResponse{Hardware: row}, err
}

// Shutdown implements SystemServiceServer.
func (s *Server) Shutdown(ctx context.Context, req *systemv1.ShutdownRequest) (*systemv1.ShutdownResponse, error) {
	return &systemv1.ShutdownResponse{}, s.daemon.Shutdown(ctx, req.GetServices())
}

// Restart implements SystemServiceServer.
func (s *Server) Restart(ctx context.Context, _ *systemv1.RestartRequest) (*systemv1.RestartResponse, error) {
	machine, err := s.daemon.Restart(ctx)
	return &systemv1.RestartResponse{Machine: machine}, err
}

// PowerOff implements SystemServiceServer.
func (s *Server) PowerOff(ctx context.Context, _ *systemv1.PowerOffRequest) (*systemv1.PowerOffResponse, error) {
	return &systemv1.PowerOffResponse{}, s.daemon.PowerOff(ctx)
}

// resident is the resident memory of this process in bytes, 0 where /proc does not tell.
func resident() uint64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
