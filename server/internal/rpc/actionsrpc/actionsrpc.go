// Package actionsrpc answers hearth.actions.v1 from the area action.
package actionsrpc

import (
	"context"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"

	"github.com/hearthos/hearth/server/internal/action"
	"github.com/hearthos/hearth/server/internal/rpc"
)

// Server implements ActionServiceServer.
type Server struct {
	actionsv1.UnimplementedActionServiceServer
	actions *action.Service
	clock   func() time.Time
}

// New returns the server.
func New(actions *action.Service, clock func() time.Time) *Server {
	return &Server{actions: actions, clock: clock}
}

// ListActions implements ActionServiceServer.
func (s *Server) ListActions(_ context.Context, req *actionsv1.ListActionsRequest) (*actionsv1.ListActionsResponse, error) {
	list, err := s.actions.List(req.GetPackageId())
	return &actionsv1.ListActionsResponse{Actions: list}, err
}

// GetActionInput implements ActionServiceServer.
func (s *Server) GetActionInput(ctx context.Context, req *actionsv1.GetActionInputRequest) (*actionsv1.GetActionInputResponse, error) {
	input, err := s.actions.GetInput(ctx, s.clock(), req.GetPackageId(), req.GetActionId(), []byte(req.GetPrefill()))
	if err != nil || input == nil {
		return &actionsv1.GetActionInputResponse{}, err
	}
	return &actionsv1.GetActionInputResponse{EventId: input.EventID, Spec: string(input.Spec), Value: string(input.Value)}, nil
}

// RunAction implements ActionServiceServer.
func (s *Server) RunAction(ctx context.Context, req *actionsv1.RunActionRequest) (*actionsv1.RunActionResponse, error) {
	if req.GetRequestId() == "" {
		result, err := s.actions.Run(ctx, s.clock(), req.GetPackageId(), req.GetActionId(), req.GetEventId(), []byte(req.GetInput()))
		return &actionsv1.RunActionResponse{Result: string(result)}, err
	}
	asked, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	result, err := s.actions.RunOnce(ctx, s.clock(), asked, req.GetPackageId(), req.GetActionId(), req.GetEventId(), []byte(req.GetInput()))
	return &actionsv1.RunActionResponse{Result: string(result)}, err
}

// ListTasks implements ActionServiceServer.
func (s *Server) ListTasks(_ context.Context, req *actionsv1.ListTasksRequest) (*actionsv1.ListTasksResponse, error) {
	tasks, err := s.actions.Tasks(req.GetPackageId())
	return &actionsv1.ListTasksResponse{Tasks: tasks}, err
}

// DismissTask implements ActionServiceServer.
func (s *Server) DismissTask(ctx context.Context, req *actionsv1.DismissTaskRequest) (*actionsv1.DismissTaskResponse, error) {
	return &actionsv1.DismissTaskResponse{}, s.actions.Dismiss(ctx, s.clock(), req.GetPackageId(), req.GetReplayId(), req.GetForce())
}
