// Package auditrpc answers hearth.audit.v1 from the area audit.
package auditrpc

import (
	"context"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"

	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Server implements AuditServiceServer.
type Server struct {
	auditv1.UnimplementedAuditServiceServer
	log *audit.Log
}

// New returns the server.
func New(log *audit.Log) *Server { return &Server{log: log} }

// ListEntries implements AuditServiceServer.
func (s *Server) ListEntries(_ context.Context, req *auditv1.ListEntriesRequest) (*auditv1.ListEntriesResponse, error) {
	entries, err := s.log.List(req)
	if err != nil {
		return nil, err
	}
	resp := &auditv1.ListEntriesResponse{}
	resp.Entries, resp.NextPageToken, err = rpc.Page(entries, req.GetPageSize(), 100, req.GetPageToken())
	return resp, err
}
