package rpc

import (
	"context"
	"log/slog"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// Call is one call, unary or stream, on any wire. It belongs to the goroutine that serves the call.
type Call struct {
	// Procedure is the path, as in "/hearth.packages.v1.PackageService/ListPackages".
	Procedure string
	// Method describes it; nil when there is no such method.
	Method protoreflect.MethodDescriptor
	// Wire names the protocol, for logs: grpc, connect, grpcweb, rest, jsonrpc.
	Wire string
	// Stream tells that the call is not unary.
	Stream bool
	// Caller is who calls; set by the authenticate interceptor.
	Caller access.Caller

	rule    access.Rule
	start   time.Time
	receive []func(proto.Message) error
	attrs   []slog.Attr
	end     context.CancelCauseFunc // ends a stream; nil for unary calls
}

// OnReceive adds a check that every message of the caller must pass before the service sees it.
func (c *Call) OnReceive(check func(proto.Message) error) { c.receive = append(c.receive, check) }

// Annotate adds attributes to the one line the log has for the call.
func (c *Call) Annotate(attrs ...slog.Attr) { c.attrs = append(c.attrs, attrs...) }

func (c *Call) received(msg any) error {
	m, ok := msg.(proto.Message)
	if !ok {
		return fault.New(metav1.Reason_REASON_INTERNAL, "cannot serve a %T", msg)
	}
	for _, check := range c.receive {
		if err := check(m); err != nil {
			return err
		}
	}
	return nil
}

type callKey struct{}

// CallFrom returns the call a service method serves; nil outside of one.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Interceptor wraps calls of every kind on every wire. It calls next once or refuses. What it answers goes through
// fault mapping like the answers of services.
type Interceptor func(ctx context.Context, c *Call, next func(context.Context) error) error

// chain makes one interceptor of several; the first is the outermost.
func chain(list []Interceptor) Interceptor {
	return func(ctx context.Context, c *Call, next func(context.Context) error) error {
		return run(list, ctx, c, next)
	}
}

func run(list []Interceptor, ctx context.Context, c *Call, next func(context.Context) error) error {
	if len(list) == 0 {
		return next(ctx)
	}
	return list[0](ctx, c, func(ctx context.Context) error { return run(list[1:], ctx, c, next) })
}

// newCall begins the record of a call. The rights of methods nobody knows are those of a viewer, so that strangers
// do not learn which exist. Nobody knows the methods of another kind of listener: for one who may read there is no such
// method, whatever is served elsewhere.
func (h *Hub) newCall(ctx context.Context, procedure string, stream bool) *Call {
	c := &Call{Procedure: procedure, Stream: stream, Wire: "grpc", rule: viewers, start: h.cfg.Now()}
	c.Caller.Origin = origin.FromCall(ctx)
	if m, ok := h.methods[procedure]; ok && m.rule.Class() == classOf(c.Caller.Origin.Listener) {
		c.Method, c.rule = m.desc, m.rule
	}
	if client := inprocgrpc.ClientContext(ctx); client != nil {
		c.Wire = wireOf(client)
	}
	return c
}

// classOf tells which services are on listeners of a kind.
func classOf(l origin.Listener) access.Class {
	switch l {
	case origin.Container:
		return access.Container
	case origin.Internal:
		return access.Internal
	}
	return access.Public
}

// unary is the one server interceptor for unary calls, of the gRPC servers and of the in-process channel.
func (h *Hub) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	c := h.newCall(ctx, info.FullMethod, false)
	var resp any
	err := h.intercept(context.WithValue(ctx, callKey{}, c), c, func(ctx context.Context) error {
		if err := c.received(req); err != nil {
			return err
		}
		var err error
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, fault.Status(err).Err()
	}
	return resp, nil
}

// stream is the one server interceptor for all other calls.
func (h *Hub) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	c := h.newCall(ss.Context(), info.FullMethod, true)
	ctx, end := context.WithCancelCause(ss.Context())
	defer end(nil)
	c.end = end
	err := h.intercept(context.WithValue(ctx, callKey{}, c), c, func(ctx context.Context) error {
		forget, err := h.streams.add(c)
		if err != nil {
			return err
		}
		defer forget()
		return handler(srv, &serverStream{ServerStream: ss, ctx: ctx, call: c, hub: h, early: !info.IsClientStream})
	})
	if err != nil {
		return fault.Status(err).Err()
	}
	return nil
}

// serverStream checks what the caller sends, and ends when its call is ended. Its headers go out as soon as the
// request has passed: a browser's fetch answers only then, and the first message may be long in coming.
type serverStream struct {
	grpc.ServerStream
	ctx   context.Context
	call  *Call
	hub   *Hub
	early bool // send headers after the first message received
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if err := s.call.received(m); err != nil {
		return err
	}
	if s.early {
		s.early = false
		return s.ServerStream.SendHeader(s.hub.revisionHeader())
	}
	return nil
}

func (s *serverStream) SendMsg(m any) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return s.ServerStream.SendMsg(m)
}

// revisionHeader is never empty: the in-process channel sends no empty headers.
func (h *Hub) revisionHeader() metadata.MD {
	return metadata.Pairs(RevisionHeader, formatRevision(h.cfg.Revision()))
}
