package hearth

import (
	"context"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hearthos/hearth/api/fault"
)

// told makes an error the fault it was. What has no fault in it did not come from the server: then it could not be
// reached, and the transport knows why.
func told(err error, cc *grpc.ClientConn) error {
	st, ok := status.FromError(err)
	if err == nil || !ok || st.Code() != codes.Unavailable || len(st.Details()) > 0 {
		return fault.FromStatus(err)
	}
	why := strings.TrimSuffix(st.Message(), `"`)
	for _, noise := range []string{`connection error: desc = "transport: `, "Error while dialing: "} {
		why = strings.TrimPrefix(why, noise)
	}
	at := strings.TrimPrefix(cc.Target(), "dns:///")
	if _, doubt, ok := strings.Cut(why, "tls: failed to verify certificate: "); ok { // gRPC keeps the text alone
		return fault.New(metav1.Reason_REASON_SERVER_UNTRUSTED, "cannot trust the server at %s: %s", at, doubt)
	}
	return fault.New(metav1.Reason_REASON_UNAVAILABLE, "cannot reach the server at %s: %s", at, why)
}

func authorized(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// unary sends the token and makes errors the faults they were.
func unary(token string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return told(invoke(authorized(ctx, token), method, req, reply, cc, opts...), cc)
	}
}

func stream(token string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := open(authorized(ctx, token), desc, cc, method, opts...)
		if err != nil {
			return nil, told(err, cc)
		}
		return faultStream{s, cc}, nil
	}
}

// faultStream is a stream whose errors are faults.
type faultStream struct {
	grpc.ClientStream
	cc *grpc.ClientConn
}

func (s faultStream) RecvMsg(m any) error { return told(s.ClientStream.RecvMsg(m), s.cc) }

func (s faultStream) SendMsg(m any) error { return told(s.ClientStream.SendMsg(m), s.cc) }

func (s faultStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return md, told(err, s.cc)
}
