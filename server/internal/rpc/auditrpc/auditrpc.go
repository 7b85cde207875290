// Package auditrpc answers hearth.audit.v1 from the area audit.
package auditrpc

import (
	"cmp"
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
	before, err := rpc.PageAfter(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	entries, more, err := s.log.List(req, before, int(cmp.Or(req.GetPageSize(), 100)))
	if err != nil {
		return nil, err
	}
	resp := &auditv1.ListEntriesResponse{Entries: entries}
	if more {
		resp.NextPageToken = rpc.PageToken(entries[len(entries)-1].GetMeta().GetId())
	}
	return resp, nil
}
