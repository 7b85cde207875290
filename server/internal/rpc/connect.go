package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// mountConnect puts Connect, gRPC-Web and gRPC of every public service on mux. The methods are built from the
// contract's descriptors; nothing is generated for them.
func (h *Hub) mountConnect(mux *http.ServeMux) error {
	server := connect.NewServer()
	for service := range h.channel.GetServiceInfo() {
		sd, err := serviceDescriptor(service)
		if err != nil {
			return err
		}
		for i := range sd.Methods().Len() {
			f, err := newForwarder(front{h.channel}, sd.Methods().Get(i))
			if err != nil {
				return err
			}
			server.Register(connect.Method{Spec: f.spec(), Handler: f.serve})
		}
	}
	connecthttp.Mount(worded{mux}, server,
		connecthttp.WithCodecs(connectproto.NewBinaryCodec(), codec.JSON()),
		connecthttp.WithReadMaxBytes(codec.MaxMessage),
		connecthttp.WithCompressMinBytes(1<<10),
	)
	return nil
}

// forwarder passes the calls of one method on to the channel.
type forwarder struct {
	conn      grpc.ClientConnInterface
	method    protoreflect.MethodDescriptor
	procedure string
	in, out   protoreflect.MessageType
	desc      grpc.StreamDesc
}

func newForwarder(conn grpc.ClientConnInterface, md protoreflect.MethodDescriptor) (*forwarder, error) {
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return nil, err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName())
	if err != nil {
		return nil, err
	}
	return &forwarder{
		conn: conn, method: md, procedure: procedure(md), in: in, out: out,
		desc: grpc.StreamDesc{
			StreamName: string(md.Name()), ClientStreams: md.IsStreamingClient(), ServerStreams: md.IsStreamingServer(),
		},
	}, nil
}

func (f *forwarder) spec() connect.Spec {
	spec := connect.Spec{Procedure: f.procedure, Schema: f.method}
	if f.method.IsStreamingClient() {
		spec.StreamType |= connect.StreamTypeClient
	}
	if f.method.IsStreamingServer() {
		spec.StreamType |= connect.StreamTypeServer
	}
	if opts, ok := f.method.Options().(*descriptorpb.MethodOptions); ok {
		spec.IdempotencyLevel = connect.IdempotencyLevel(opts.GetIdempotencyLevel())
	}
	return spec
}

// serve implements connect.ServerFunc.
func (f *forwarder) serve(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
	info, ok := connect.CallInfoForServerContext(ctx)
	if !ok {
		return connectError(ctx, errors.New("cannot tell what is called"))
	}
	ctx = withWire(ctx, info.Protocol)
	for _, v := range info.RequestHeader().Values("Authorization") {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	if spec.StreamType == connect.StreamTypeUnary {
		return f.unary(ctx, info, stream)
	}
	return f.stream(ctx, info, stream)
}

func (f *forwarder) unary(ctx context.Context, info *connect.CallInfo, stream connect.ServerStream) error {
	req, resp := f.in.New().Interface(), f.out.New().Interface()
	if err := stream.Receive(req); err != nil {
		return received(ctx, err)
	}
	var header, trailer metadata.MD
	err := f.conn.Invoke(ctx, f.procedure, req, resp, grpc.Header(&header), grpc.Trailer(&trailer))
	copyHeaders(header, info.ResponseHeader().Add)
	copyHeaders(trailer, info.ResponseTrailer().Add)
	if err != nil {
		return connectError(ctx, err)
	}
	return stream.Send(resp)
}

func (f *forwarder) stream(ctx context.Context, info *connect.CallInfo, stream connect.ServerStream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cs, err := f.conn.NewStream(ctx, &f.desc, f.procedure)
	if err != nil {
		return connectError(ctx, err)
	}
	var pumped chan error
	if f.desc.ClientStreams {
		readPatiently(ctx)
		pumped = make(chan error, 1)
		go func() { pumped <- f.pump(ctx, cs, stream, cancel) }()
	} else if err := f.request(ctx, cs, stream); err != nil {
		return err
	}
	header, err := cs.Header()
	if err == nil {
		copyHeaders(header, info.ResponseHeader().Add)
		err = f.relay(cs, stream)
	}
	copyHeaders(cs.Trailer(), info.ResponseTrailer().Add)
	if pumped != nil {
		stopReading(ctx)
		if perr := <-pumped; perr != nil && err != nil && connect.CodeOf(perr) != connect.CodeDeadlineExceeded {
			return perr // what the caller sent could not be read: that is the reason, not the cancelling
		}
	}
	if err != nil {
		return connectError(ctx, err)
	}
	return nil
}

// request passes on the one message of the caller.
func (f *forwarder) request(ctx context.Context, cs grpc.ClientStream, stream connect.ServerStream) error {
	req := f.in.New().Interface()
	if err := stream.Receive(req); err != nil {
		return received(ctx, err)
	}
	if err := cs.SendMsg(req); err != nil && !errors.Is(err, io.EOF) {
		return connectError(ctx, err)
	}
	return cs.CloseSend()
}

// pump passes on the messages of the caller until there are no more.
func (f *forwarder) pump(ctx context.Context, cs grpc.ClientStream, stream connect.ServerStream, cancel func()) error {
	for {
		req := f.in.New().Interface()
		err := stream.Receive(req)
		if errors.Is(err, io.EOF) {
			return cs.CloseSend()
		}
		if err != nil {
			cancel()
			return received(ctx, err)
		}
		if cs.SendMsg(req) != nil {
			return nil // the service has ended the call; its answer tells why
		}
	}
}

// relay passes on the messages of the service until it has answered.
func (f *forwarder) relay(cs grpc.ClientStream, stream connect.ServerStream) error {
	if err := stream.SendHeaders(); err != nil {
		return err
	}
	for {
		resp := f.out.New().Interface()
		err := cs.RecvMsg(resp)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
		if !f.desc.ServerStreams {
			return nil
		}
	}
}

// received turns what the Connect server says of a message it could not read into a fault.
func received(ctx context.Context, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return connectError(ctx, f)
	case connect.CodeOf(err) == connect.CodeResourceExhausted:
		return connectError(ctx, fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot read a message of more than %d bytes", codec.MaxMessage))
	case connect.CodeOf(err) == connect.CodeCanceled, errors.Is(err, context.Canceled):
		return connectError(ctx, context.Canceled)
	case connect.CodeOf(err) == connect.CodeDeadlineExceeded, errors.Is(err, context.DeadlineExceeded):
		return connectError(ctx, context.DeadlineExceeded)
	}
	return connectError(ctx, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the message"))
}

// connectError writes an error in the way of the Connect server, with the fault as its detail.
func connectError(ctx context.Context, err error) error {
	var done *connect.Error
	if errors.As(err, &done) {
		return err
	}
	st := fault.Status(err)
	if from, ok := status.FromError(err); ok {
		st = from
	}
	if len(st.Details()) > 0 {
		st = fault.Status(fault.FromProto(codec.Identified(fault.FromStatus(st.Err()), requestIDFrom(ctx))))
	}
	ce := connect.NewError(connect.Code(st.Code()), st.Message())
	for _, d := range st.Proto().GetDetails() {
		if detail, derr := connectproto.NewErrorDetail(proto.Message(d)); derr == nil {
			ce = ce.WithDetail(detail)
		}
	}
	return ce
}
