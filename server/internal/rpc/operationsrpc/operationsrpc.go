// Package operationsrpc answers hearth.operations.v1 from the operation engine and the store.
package operationsrpc

import (
	"context"
	"slices"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/store"
)

// Server implements OperationServiceServer.
type Server struct {
	operationsv1.UnimplementedOperationServiceServer
	store  *store.Store
	engine *operation.Engine
	clock  func() time.Time
}

// New returns the server.
func New(st *store.Store, engine *operation.Engine, clock func() time.Time) *Server {
	return &Server{store: st, engine: engine, clock: clock}
}

// ListOperations implements OperationServiceServer.
func (s *Server) ListOperations(_ context.Context, req *operationsv1.ListOperationsRequest) (*operationsv1.ListOperationsResponse, error) {
	var rows []*operationsv1.Operation
	err := s.store.View(func(tx *store.Tx) error {
		var err error
		rows, err = store.List[*operationsv1.Operation](tx, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	if target := req.GetTarget(); target != "" {
		rows = slices.DeleteFunc(rows, func(o *operationsv1.Operation) bool { return o.GetSpec().GetTarget() != target })
	}
	slices.Reverse(rows) // ids are ULIDs: by id is by time
	page, token, err := rpc.Page(rows, req.GetPageSize(), 50, req.GetPageToken())
	return &operationsv1.ListOperationsResponse{Operations: page, NextPageToken: token}, err
}

// GetOperation implements OperationServiceServer.
func (s *Server) GetOperation(_ context.Context, req *operationsv1.GetOperationRequest) (*operationsv1.GetOperationResponse, error) {
	resp := &operationsv1.GetOperationResponse{}
	err := s.store.View(func(tx *store.Tx) error {
		row, ok, err := store.Lookup[*operationsv1.Operation](tx, req.GetId())
		if err == nil && !ok {
			err = fault.New(metav1.Reason_REASON_OPERATION_NOT_FOUND, "there is no operation %q", req.GetId())
		}
		resp.Operation = row
		return err
	})
	return resp, err
}

// CancelOperation implements OperationServiceServer.
func (s *Server) CancelOperation(ctx context.Context, req *operationsv1.CancelOperationRequest) (*operationsv1.CancelOperationResponse, error) {
	op, err := s.engine.Cancel(ctx, s.clock(), req.GetId())
	return &operationsv1.CancelOperationResponse{Operation: op}, err
}

// RetryOperation implements OperationServiceServer.
func (s *Server) RetryOperation(ctx context.Context, req *operationsv1.RetryOperationRequest) (*operationsv1.RetryOperationResponse, error) {
	again, err := rpc.Asked(ctx, s.clock(), req)
	if err != nil {
		return nil, err
	}
	op, err := s.engine.Retry(ctx, s.clock(), req.GetId(), again, mayBegin(ctx))
	return &operationsv1.RetryOperationResponse{Operation: op}, err
}

// mayBegin refuses to begin an operation anew for who may not begin it: those that can be repeated are administrators' to begin.
func mayBegin(ctx context.Context) error {
	role := rpc.CallerRole(ctx)
	if role >= optionsv1.Role_ROLE_ADMIN {
		return nil
	}
	return fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot begin an operation anew that administrators begin").
		With("needed", optionsv1.Role_ROLE_ADMIN.String()).With("role", role.String())
}

// GiveUpOperation implements OperationServiceServer.
func (s *Server) GiveUpOperation(ctx context.Context, req *operationsv1.GiveUpOperationRequest) (*operationsv1.GiveUpOperationResponse, error) {
	op, err := s.engine.GiveUp(ctx, s.clock(), req.GetId(), req.GetForce())
	return &operationsv1.GiveUpOperationResponse{Operation: op}, err
}
