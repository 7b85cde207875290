// Package execrpc answers hearth.exec.v1 from the area exec.
package execrpc

import (
	"context"
	"crypto/rand"
	"time"

	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/exec"
	"github.com/hearthos/hearth/server/internal/rpc"
	"google.golang.org/grpc"
)

// Server implements ExecServiceServer.
type Server struct {
	execv1.UnimplementedExecServiceServer
	exec  *exec.Service
	clock func() time.Time
}

// New returns the server.
func New(e *exec.Service, clock func() time.Time) *Server { return &Server{exec: e, clock: clock} }

// owner is to whom a session belongs: the credential, so that a token does not attach to what another of the same account
// has opened.
func owner(ctx context.Context) string {
	id := rpc.CallFrom(ctx).Caller.Identity
	return id.Account + "/" + id.ID
}

// ListSubcontainers implements ExecServiceServer.
func (s *Server) ListSubcontainers(_ context.Context, req *execv1.ListSubcontainersRequest) (*execv1.ListSubcontainersResponse, error) {
	list, err := s.exec.Subcontainers(req.GetPackageId())
	return &execv1.ListSubcontainersResponse{Subcontainers: list}, err
}

// OpenSession implements ExecServiceServer.
func (s *Server) OpenSession(ctx context.Context, req *execv1.OpenSessionRequest) (*execv1.OpenSessionResponse, error) {
	id, err := ids.NewULID(s.clock(), rand.Reader)
	if err != nil {
		return nil, err
	}
	where, err := s.exec.Open(owner(ctx), string(id), req)
	return &execv1.OpenSessionResponse{SessionId: string(id), Subcontainer: where}, err
}

// Attach implements ExecServiceServer.
func (s *Server) Attach(stream grpc.BidiStreamingServer[execv1.AttachRequest, execv1.AttachResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	next := first.GetInput()
	in := func() (*execv1.Input, error) {
		if input := next; input != nil {
			next = nil
			return input, nil
		}
		req, err := stream.Recv()
		return req.GetInput(), err
	}
	return s.exec.Run(stream.Context(), owner(stream.Context()), first.GetSessionId(), in, func(o *execv1.Output) error {
		return stream.Send(&execv1.AttachResponse{Output: o})
	})
}

// ReadSession implements ExecServiceServer.
func (s *Server) ReadSession(req *execv1.ReadSessionRequest, stream grpc.ServerStreamingServer[execv1.ReadSessionResponse]) error {
	return s.exec.Run(stream.Context(), owner(stream.Context()), req.GetSessionId(), nil, func(o *execv1.Output) error {
		return stream.Send(&execv1.ReadSessionResponse{Output: o})
	})
}

// WriteSession implements ExecServiceServer.
func (s *Server) WriteSession(ctx context.Context, req *execv1.WriteSessionRequest) (*execv1.WriteSessionResponse, error) {
	return &execv1.WriteSessionResponse{}, s.exec.Write(ctx, owner(ctx), req.GetSessionId(), req.GetInput())
}
