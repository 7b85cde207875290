package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/audit"
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
	// RequestID names the call in the log, in its error and in its answer.
	RequestID string
	// Stream tells that the call is not unary.
	Stream bool
	// Caller is who calls; set by the authenticate interceptor.
	Caller access.Caller

	m       *method // nil when there is no such method
	rule    access.Rule
	start   time.Time
	receive []func(proto.Message) error
	ahead   func() error   // runs once, when the first message has passed the checks and before the service sees it
	entry   *audit.Pending // of the audit log; nil for calls that are not recorded
	about   map[string]string
	read    func(any) error // reads the request of a unary call; nil once it was
	attrs   []slog.Attr
	end     context.CancelCauseFunc // ends a stream; nil for unary calls
	native  bool                    // came by grpc-go itself, whose answers have no other headers

	// The way through the interceptors: those still to come, and what stands behind them.
	rest  []Interceptor
	serve func(context.Context) error
	next  func(context.Context) error // what each interceptor is given
}

// OnReceive adds a check that every message of the caller must pass before the service sees it.
func (c *Call) OnReceive(check func(proto.Message) error) { c.receive = append(c.receive, check) }

// Annotate adds attributes to the one line the log has for the call.
func (c *Call) Annotate(attrs ...slog.Attr) { c.attrs = append(c.attrs, attrs...) }

// About adds to what the record of the call says that it is about: what is found out only while it is served. It is for the
// service, before its first commit.
func (c *Call) About(name, value string) {
	if c != nil && c.about != nil {
		c.about[name] = targetText(value)
	}
}

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
	if ahead := c.ahead; ahead != nil {
		c.ahead = nil
		return ahead()
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

// through leads the call through the interceptors to serve. The first is the outermost.
func (c *Call) through(ctx context.Context, list []Interceptor, serve func(context.Context) error) error {
	c.rest, c.serve, c.next = list, serve, c.step
	return c.step(ctx)
}

// step goes to the next interceptor, or behind the last.
func (c *Call) step(ctx context.Context) error {
	if len(c.rest) == 0 {
		return c.serve(ctx)
	}
	first := c.rest[0]
	c.rest = c.rest[1:]
	return first(ctx, c, c.next)
}

// newCall begins the record of a call. The rights of methods nobody knows are those of a viewer, so that strangers
// do not learn which exist. Nobody knows the methods of another kind of listener: for one who may read there is no such
// method, whatever is served elsewhere.
func (h *Hub) newCall(ctx context.Context, procedure string, m *method, stream bool) *Call {
	c := &Call{Procedure: procedure, Stream: stream, Wire: "grpc", rule: viewers, start: h.cfg.Now()}
	client := inprocgrpc.ClientContext(ctx)
	if client != nil {
		c.Wire = wireOf(client)
	}
	c.identify(ctx)
	c.Caller.Origin = origin.FromCall(ctx)
	if m != nil && m.service.class == classOf(c.Caller.Origin.Listener) {
		c.m, c.Method, c.rule = m, m.desc, m.rule
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

// unary carries out a call with one request, which recv reads once the caller has been let in, and one answer. The
// handler is the generated one.
func (h *Hub) unary(ctx context.Context, m *method, handler grpc.MethodHandler, recv func(any) error) (any, error) {
	c := h.newCall(ctx, m.procedure, m, false)
	c.read = recv
	var resp any
	err := c.through(context.WithValue(ctx, callKey{}, c), h.list, func(ctx context.Context) error {
		impl, err := h.answers(m)
		if err != nil {
			return err
		}
		resp, err = handler(impl, ctx, func(msg any) error {
			c.read = nil
			if err := recv(msg); err != nil {
				return readFault(err)
			}
			return c.received(msg)
		}, nil)
		return err
	})
	if err != nil {
		return nil, c.told(ctx, err)
	}
	return resp, nil
}

// stream carries out every other call.
func (h *Hub) stream(ss grpc.ServerStream, m *method, handler grpc.StreamHandler, early bool) error {
	c := h.newCall(ss.Context(), m.procedure, m, true)
	cancelled, end := context.WithCancelCause(ss.Context())
	defer end(nil)
	c.end = end
	err := c.through(context.WithValue(cancelled, callKey{}, c), h.list, func(ctx context.Context) error {
		impl, err := h.answers(m)
		if err != nil {
			return err
		}
		forget, err := h.streams.add(c)
		if err != nil {
			return err
		}
		defer forget()
		return handler(impl, &serverStream{ServerStream: ss, ctx: ctx, ended: cancelled, call: c, hub: h, early: early})
	})
	if err != nil {
		return c.told(cancelled, err)
	}
	return nil
}

// unknown answers calls of methods that do not exist: the interceptors refuse them.
func (h *Hub) unknown(_ any, ss grpc.ServerStream) error {
	procedure, _ := grpc.MethodFromServerStream(ss)
	c := h.newCall(ss.Context(), procedure, nil, true)
	return c.told(ss.Context(), c.through(ss.Context(), h.list, func(context.Context) error { return noMethod(procedure) }))
}

func noMethod(procedure string) error {
	return fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no method %q", procedure)
}

// answers returns what answers a method.
func (h *Hub) answers(m *method) (any, error) {
	if impl := m.service.impl.Load(); impl != nil {
		return *impl, nil
	}
	return nil, h.phase.Load().refusal()
}

// serverStream checks what the caller sends, and ends when its call is ended. Its headers go out as soon as the
// request has passed: a browser's fetch answers only then, and the first message may be long in coming.
type serverStream struct {
	grpc.ServerStream
	ctx   context.Context
	ended context.Context // what of ctx ends, which is quicker asked
	call  *Call
	hub   *Hub
	early bool // send headers after the first message received
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		if errors.Is(err, io.EOF) {
			return err
		}
		return readFault(err)
	}
	if err := s.call.received(m); err != nil {
		return err
	}
	if s.early {
		s.early = false
		return s.ServerStream.SendHeader(s.hub.headers(s.call))
	}
	return nil
}

func (s *serverStream) SendMsg(m any) error {
	if s.ended.Err() != nil {
		return context.Cause(s.ended)
	}
	return s.ServerStream.SendMsg(m)
}

// headers are those of an answer. They are never empty: the in-process channel sends no empty headers.
func (h *Hub) headers(c *Call) metadata.MD {
	values := []string{formatRevision(h.cfg.Revision()), c.RequestID}
	if c.native {
		return metadata.MD{RevisionHeader: values[:1:1], RequestIDHeader: values[1:]}
	}
	return metadata.MD{RevisionHeader: values[:1:1]}
}
