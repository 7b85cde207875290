package bench_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// BenchmarkLoad reports how long the JavaScript host takes to answer, from the agent's first answer on. It loads the package's bundle then,
// which nobody is told of.
func BenchmarkLoad(b *testing.B) {
	s := newServer(b)
	s.install(b)
	told, err := s.client.Server(b.Context())
	must(b, err)
	socket := filepath.Join("/run/hearth", told.GetTag(), "s", sample, "meeting/rpc/agent.sock")
	var loaded []float64
	for b.Loop() {
		before := s.status(b, sample)
		_, err := s.client.Packages.RebuildPackage(b.Context(), &packagesv1.RebuildPackageRequest{Id: sample})
		must(b, err)
		var took time.Duration
		waitFor(b, time.Minute, func() bool {
			took = loads(b, socket, before.GetContainer())
			return took > 0
		})
		loaded = append(loaded, milliseconds(took))
		waitFor(b, time.Minute, func() bool {
			now := s.status(b, sample)
			return now.GetContainer() != before.GetContainer() && now.GetState() == packagesv1.PackageStatus_STATE_RUNNING
		})
	}
	report(b, median(loaded), "agent-to-host-ms")
	b.ReportMetric(0, "ns/op")
}

// loads watches another agent than that of a container from its first answer until its host answers; 0: it is not there.
func loads(b *testing.B, socket, not string) time.Duration {
	if _, err := os.Stat(socket); err != nil {
		return 0
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	agent := agentv1.NewAgentServiceClient(conn)
	first, err := agent.GetState(ctx, &agentv1.GetStateRequest{})
	if err != nil || first.GetContainer() == not {
		return 0
	}
	begun := time.Now()
	stream, err := agent.WatchState(ctx, &agentv1.WatchStateRequest{})
	must(b, err)
	for {
		st, err := stream.Recv()
		must(b, err)
		if st.GetState().GetPhase() != agentv1.State_PHASE_LOADING {
			return time.Since(begun)
		}
	}
}

// status is the status of a package.
func (s *server) status(b *testing.B, pkg string) *packagesv1.PackageStatus {
	b.Helper()
	resp, err := s.client.Packages.GetPackage(b.Context(), &packagesv1.GetPackageRequest{Id: pkg})
	must(b, err)
	return resp.GetPackage().GetStatus()
}
