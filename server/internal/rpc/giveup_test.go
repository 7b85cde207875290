package rpc_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/operationsrpc"
	"github.com/hearthos/hearth/server/internal/store"
)

// stuckEngine runs operations that can be neither done nor undone.
type stuckEngine struct {
	t  *testing.T
	st *store.Store
	e  *operation.Engine
}

func newStuckEngine(t *testing.T) *stuckEngine {
	t.Helper()
	st := must(store.Open(filepath.Join(t.TempDir(), "store"), store.Options{MinFree: 1}))(t)
	e := operation.New(st, discard(), operation.Definition{Kind: "stuck", Steps: []operation.Step{{
		Name: "wedge", Leaves: "a wedge",
		Do:   func(context.Context, *operation.Run) error { return errors.New("no") },
		Undo: func(context.Context, *operation.Run) error { return errors.New("never") },
	}}})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &stuckEngine{t, st, e}
}

// serve starts a server whose OperationService is that of the engine.
func (s *stuckEngine) serve() *server {
	s.t.Helper()
	return startServerWith(s.t, state{started: make(chan struct{}, 16)}, func(hub *rpc.Hub) grpc.ServiceRegistrar {
		operationsv1.RegisterOperationServiceServer(hub, operationsrpc.New(s.st, s.e, time.Now))
		hub.REST(rpc.NewGateway(operationsv1.RegisterOperationServiceHandlerClient, operationsv1.NewOperationServiceClient))
		return hub
	})
}

// begin answers the id of an operation that is stuck.
func (s *stuckEngine) begin() string {
	s.t.Helper()
	id := string(must(ids.NewULID(time.Now(), rand.Reader))(s.t))
	must(s.e.Begin(s.t.Context(), time.Now(), operation.Request{Asked: operation.Asked{ID: id}, Kind: "stuck", Target: "x"}))(s.t)
	s.await(id, func(op *operationsv1.Operation) bool { return op.GetStatus().GetStuck() != nil })
	return id
}

// await answers the operation when it is as ready wants it.
func (s *stuckEngine) await(id string, ready func(*operationsv1.Operation) bool) (op *operationsv1.Operation) {
	s.t.Helper()
	waitFor(s.t, func() bool {
		err := s.st.View(func(tx *store.Tx) (err error) {
			op, err = store.Get[*operationsv1.Operation](tx, id)
			return err
		})
		return err == nil && ready(op)
	})
	return op
}

func TestAnOperationIsGivenUpOnEveryWire(t *testing.T) {
	t.Parallel()
	engine := newStuckEngine(t)
	s := engine.serve()
	method := operationsv1.File_hearth_operations_v1_operations_proto.Services().ByName("OperationService").Methods().ByName("GiveUpOperation")
	for _, w := range wires() {
		t.Run(w.name, func(t *testing.T) {
			id := engine.begin()
			req := &operationsv1.GiveUpOperationRequest{Id: id}
			_, err := w.call(t, s, "operator", method, req, &operationsv1.GiveUpOperationResponse{})
			if got := faultOf(t, err); got.GetReason() != metav1.Reason_REASON_PERMISSION_DENIED {
				t.Errorf("an operator gives up: %v", got)
			}
			resp := &operationsv1.GiveUpOperationResponse{}
			if _, err := w.call(t, s, "admin", method, req, resp); err != nil {
				t.Fatal(err)
			}
			if spec := resp.GetOperation().GetSpec(); resp.GetOperation().GetMeta().GetId() != id || spec.GetGiveUpStep() != "wedge" {
				t.Errorf("answered %v", resp)
			}
			op := engine.await(id, func(op *operationsv1.Operation) bool { return op.GetStatus().GetEndTime() != nil })
			if left := op.GetStatus().GetLeftBehind(); op.GetStatus().GetState() != operationsv1.OperationStatus_STATE_FAILED || len(left) != 1 || left[0] != "a wedge" {
				t.Errorf("it ended as %v", op)
			}
			_, err = w.call(t, s, "admin", method, req, &operationsv1.GiveUpOperationResponse{})
			want := &metav1.Fault{
				Reason: metav1.Reason_REASON_OPERATION_FINAL, Message: "cannot give up operation " + id + ": it has ended",
				Metadata: map[string]string{"operation": id, "state": "failed"},
			}
			if got := faultOf(t, err); !proto.Equal(got, want) {
				t.Errorf("got  %v (%v)\nwant %v", got, err, want)
			}
		})
	}
}
