package rpc_test

import (
	"context"
	"io"
	"testing"

	"google.golang.org/grpc"

	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/server/internal/rpc"
)

// ended is a call that was refused before its message came.
type ended struct{ grpc.ClientStream }

func (ended) Context() context.Context { return context.Background() }
func (ended) SendMsg(any) error        { return io.EOF }

func TestACallThatHasEndedIsAskedWhy(t *testing.T) {
	t.Parallel()
	if err := rpc.RESTStream(ended{}).SendMsg(&statev1.WatchRequest{}); err != nil {
		t.Errorf("what is sent too late is an error of its own: %v", err)
	}
}
