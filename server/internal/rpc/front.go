package rpc

import (
	"context"
	"net/http"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// front is the in-process channel as the fronts see it. Of the metadata they made from a request it lets through what
// is listed here and nothing else, so that no header of a stranger can pass for metadata of ours.
type front struct{ channel *inprocgrpc.Channel }

var allowedMetadata = []string{"authorization"}

func allowed(ctx context.Context) context.Context {
	given, _ := metadata.FromOutgoingContext(ctx)
	md := metadata.MD{}
	for _, key := range allowedMetadata {
		if values := given.Get(key); len(values) > 0 {
			md[key] = values
		}
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// Invoke implements grpc.ClientConnInterface.
func (f front) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return f.channel.Invoke(allowed(ctx), method, args, reply, opts...)
}

// NewStream implements grpc.ClientConnInterface.
func (f front) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return f.channel.NewStream(allowed(ctx), desc, method, opts...)
}

type wireKey struct{}

func withWire(ctx context.Context, wire string) context.Context {
	return context.WithValue(ctx, wireKey{}, wire)
}

func wireOf(ctx context.Context) string {
	wire, _ := ctx.Value(wireKey{}).(string)
	return wire
}

// onWire marks the requests of a handler with the name of its wire.
func onWire(wire string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(withWire(r.Context(), wire)))
	})
}

// copyHeaders puts the headers of an answer into h, all but those of the transport.
func copyHeaders(md metadata.MD, add func(key, value string)) {
	for key, values := range md {
		if key == "content-type" {
			continue
		}
		for _, v := range values {
			add(key, v)
		}
	}
}
