// Package logsrpc answers hearth.logs.v1 from the area logs.
package logsrpc

import (
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"

	"github.com/hearthos/hearth/server/internal/logs"
	"google.golang.org/grpc"
)

// Server implements LogServiceServer.
type Server struct {
	logsv1.UnimplementedLogServiceServer
	logs *logs.Keeper
}

// New returns the server.
func New(k *logs.Keeper) *Server { return &Server{logs: k} }

// ReadLogs implements LogServiceServer.
func (s *Server) ReadLogs(req *logsv1.ReadLogsRequest, stream grpc.ServerStreamingServer[logsv1.ReadLogsResponse]) error {
	return s.logs.Read(stream.Context(), req, func(entries []*logsv1.LogEntry) error {
		return stream.Send(&logsv1.ReadLogsResponse{Entries: entries})
	})
}
