// Package systemrpc answers hearth.system.v1 from the store and what the daemon tells of itself.
package systemrpc

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
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
	// Shutdown stops the daemon, and all services before it where that is asked. It returns when the services have
	// stopped; the daemon ends a moment later.
	Shutdown(ctx context.Context, services bool) error
}

// Server implements SystemServiceServer.
type Server struct {
	systemv1.UnimplementedSystemServiceServer
	store    *store.Store
	daemon   Daemon
	version  string
	hostname string
	started  time.Time
}

// New returns the server.
func New(st *store.Store, daemon Daemon, version, hostname string, started time.Time) *Server {
	return &Server{store: st, daemon: daemon, version: version, hostname: hostname, started: started}
}

// GetServer implements SystemServiceServer.
func (s *Server) GetServer(ctx context.Context, _ *systemv1.GetServerRequest) (*systemv1.GetServerResponse, error) {
	resp := &systemv1.GetServerResponse{
		StoreId: s.store.ID(), Tag: s.store.Tag(), Version: s.version, StartTime: timestamppb.New(s.started),
		Revision: s.store.Revision(), Hostname: s.hostname, DoorConnected: s.daemon.DoorConnected(), MemoryBytes: resident(),
		RootFingerprint: s.daemon.RootFingerprint(),
		Time:            timestamppb.Now(),
	}
	role, scope := rpc.CallerRole(ctx), rpc.CallerScope(ctx)
	for _, k := range store.Kinds() {
		if rpc.MayRead(k, role, scope) {
			resp.Kinds = append(resp.Kinds, k.ID)
		}
	}
	err := s.store.View(func(tx *store.Tx) error {
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

// Shutdown implements SystemServiceServer.
func (s *Server) Shutdown(ctx context.Context, req *systemv1.ShutdownRequest) (*systemv1.ShutdownResponse, error) {
	return &systemv1.ShutdownResponse{}, s.daemon.Shutdown(ctx, req.GetServices())
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
