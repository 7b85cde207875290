package hearth

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hearthos/hearth/api/fault"
)

func authorized(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// unary sends the token and makes errors the faults they were.
func unary(token string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return fault.FromStatus(invoke(authorized(ctx, token), method, req, reply, cc, opts...))
	}
}

func stream(token string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := open(authorized(ctx, token), desc, cc, method, opts...)
		if err != nil {
			return nil, fault.FromStatus(err)
		}
		return faultStream{s}, nil
	}
}

// faultStream is a stream whose errors are faults.
type faultStream struct{ grpc.ClientStream }

func (s faultStream) RecvMsg(m any) error { return fault.FromStatus(s.ClientStream.RecvMsg(m)) }

func (s faultStream) SendMsg(m any) error { return fault.FromStatus(s.ClientStream.SendMsg(m)) }

func (s faultStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return md, fault.FromStatus(err)
}
