// Package diagnosticsrpc answers hearth.diagnostics.v1 from the warnings and what the daemon tells of itself.
package diagnosticsrpc

import (
	"context"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	"google.golang.org/grpc"

	"github.com/hearthos/hearth/server/internal/diagnose"
	"github.com/hearthos/hearth/server/internal/warn"
)

// Daemon is what the server tells of the process it runs in.
type Daemon interface {
	// Checks looks at the server.
	Checks(ctx context.Context) []*diagnosticsv1.Check
	// Metrics is what is measured, in the text format of Prometheus.
	Metrics() ([]byte, error)
	// CompactLog shortens the change log and answers how many revisions it holds.
	CompactLog(ctx context.Context) (uint64, error)
	// Report are the parts of a report about a defect.
	Report() []diagnose.Part
}

// Server implements DiagnosticsServiceServer.
type Server struct {
	diagnosticsv1.UnimplementedDiagnosticsServiceServer
	warnings *warn.Keeper
	daemon   Daemon
	clock    func() time.Time
}

// New returns the server.
func New(warnings *warn.Keeper, daemon Daemon, clock func() time.Time) *Server {
	return &Server{warnings: warnings, daemon: daemon, clock: clock}
}

// RunChecks implements DiagnosticsServiceServer.
func (s *Server) RunChecks(ctx context.Context, _ *diagnosticsv1.RunChecksRequest) (*diagnosticsv1.RunChecksResponse, error) {
	return &diagnosticsv1.RunChecksResponse{Checks: s.daemon.Checks(ctx)}, nil
}

// ListWarnings implements DiagnosticsServiceServer.
func (s *Server) ListWarnings(_ context.Context, req *diagnosticsv1.ListWarningsRequest) (*diagnosticsv1.ListWarningsResponse, error) {
	rows, err := s.warnings.List(req.GetDismissed())
	return &diagnosticsv1.ListWarningsResponse{Warnings: rows}, err
}

// DismissWarning implements DiagnosticsServiceServer.
func (s *Server) DismissWarning(ctx context.Context, req *diagnosticsv1.DismissWarningRequest) (*diagnosticsv1.DismissWarningResponse, error) {
	row, err := s.warnings.Dismiss(ctx, s.clock(), req.GetId())
	return &diagnosticsv1.DismissWarningResponse{Warning: row}, err
}

// GetMetrics implements DiagnosticsServiceServer.
func (s *Server) GetMetrics(context.Context, *diagnosticsv1.GetMetricsRequest) (*diagnosticsv1.GetMetricsResponse, error) {
	text, err := s.daemon.Metrics()
	return &diagnosticsv1.GetMetricsResponse{Text: string(text)}, err
}

// CompactLog implements DiagnosticsServiceServer.
func (s *Server) CompactLog(ctx context.Context, _ *diagnosticsv1.CompactLogRequest) (*diagnosticsv1.CompactLogResponse, error) {
	n, err := s.daemon.CompactLog(ctx)
	return &diagnosticsv1.CompactLogResponse{Revisions: n}, err
}

// CollectReport implements DiagnosticsServiceServer.
func (s *Server) CollectReport(_ *diagnosticsv1.CollectReportRequest, stream grpc.ServerStreamingServer[diagnosticsv1.CollectReportResponse]) error {
	return diagnose.Collect(stream.Context(), s.daemon.Report(), stream.Send)
}
