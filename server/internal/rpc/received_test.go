package rpc_test

import (
	"context"
	"strings"
	"testing"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (rawCodec) Name() string                         { return "proto" }

// What is wrong with a message itself is told as a fault by native gRPC too, in the status and not by a guess of the client.
func TestMessagesThatCannotBeReadHaveAFaultOnNativeGRPC(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	large, err := proto.Marshal(&packagesv1.GetPackageRequest{Id: strings.Repeat("x", 5<<20)})
	if err != nil {
		t.Fatal(err)
	}
	for where, conn := range map[string]*grpc.ClientConn{"unix": dialUnix(t, s.unix), "tls": s.dialTLS(t, s.grpc)} {
		for name, c := range map[string]struct {
			body []byte
			want metav1.Reason
		}{
			"too large":   {large, metav1.Reason_REASON_MESSAGE_TOO_LARGE},
			"no protobuf": {[]byte{0xff, 0xff}, metav1.Reason_REASON_INVALID_ARGUMENT},
		} {
			for _, call := range []string{procedure(methodOf("GetPackage")), logsv1.LogService_ReadLogs_FullMethodName} {
				got := rawFault(t, bearer(t.Context(), "admin"), conn, call, c.body)
				if got.GetReason() != c.want || got.GetMessage() == "" {
					t.Errorf("%s, %s by %s: %v", name, call, where, got)
				}
			}
		}
	}
}

// rawFault sends bytes as the message of a call and answers the fault in the details of its status.
func rawFault(t *testing.T, ctx context.Context, conn *grpc.ClientConn, procedure string, body []byte) *metav1.Fault {
	t.Helper()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, procedure, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SendMsg(body) // what is wrong with it, the answer tells
	_ = stream.CloseSend()
	for _, detail := range status.Convert(stream.RecvMsg(nil)).Details() {
		if f, ok := detail.(*metav1.Fault); ok {
			return f
		}
	}
	return nil
}
