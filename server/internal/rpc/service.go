package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// service is one declared service. What answers it may come later.
type service struct {
	class access.Class
	impl  atomic.Pointer[any]
}

// method is what the hub knows of one RPC.
type method struct {
	desc      protoreflect.MethodDescriptor
	procedure string
	rule      access.Rule
	service   *service
	// phases has a bit for each phase in which the method answers.
	phases uint32
	// reads tells that the method changes nothing.
	reads bool
	// stepUp, recordFirst and recordFailure are its options of these names.
	stepUp, recordFirst, recordFailure bool
}

// Declare puts services on their wires before anything answers them: until they are registered their methods are
// refused with REASON_SERVER_STARTING. On which listeners a service is follows from the access options of its methods.
// It panics on a service that is not in the contract, lacks an option or mixes classes, and after Build: such a program
// must not start.
func (h *Hub) Declare(services ...*grpc.ServiceDesc) {
	for _, sd := range services {
		if h.web != nil {
			panic("rpc: " + sd.ServiceName + " declared after Build")
		}
		if err := h.declare(sd); err != nil {
			panic("rpc: " + err.Error())
		}
	}
}

// RegisterService implements grpc.ServiceRegistrar: impl answers the service from now on. It declares the service where
// that has not been done, and may be called while calls are served for one that is declared.
func (h *Hub) RegisterService(sd *grpc.ServiceDesc, impl any) {
	if h.services[sd.ServiceName] == nil {
		h.Declare(sd)
	}
	h.services[sd.ServiceName].impl.Store(&impl)
}

func (h *Hub) declare(sd *grpc.ServiceDesc) error {
	svc, err := h.learn(sd.ServiceName)
	if err != nil {
		return err
	}
	switch svc.class {
	case access.Container:
		h.container.RegisterService(h.native(sd), struct{}{})
	case access.Internal:
		h.internal.RegisterService(h.native(sd), struct{}{})
	default:
		h.public.RegisterService(h.native(sd), struct{}{})
		h.channel.RegisterService(h.inProcess(sd), struct{}{})
	}
	return nil
}

// native describes a service to grpc-go. Unary methods are streams to it: only so is nothing read of a request before
// the caller has been let in.
func (h *Hub) native(sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	out := &grpc.ServiceDesc{ServiceName: sd.ServiceName, HandlerType: (*any)(nil), Metadata: sd.Metadata}
	for _, md := range sd.Methods {
		m, handler := h.methods["/"+sd.ServiceName+"/"+md.MethodName], md.Handler
		out.Streams = append(out.Streams, grpc.StreamDesc{StreamName: md.MethodName, Handler: func(_ any, ss grpc.ServerStream) error {
			resp, err := h.unary(ss.Context(), m, handler, nativeStream{ss}.RecvMsg)
			if err != nil {
				return err
			}
			return ss.SendMsg(resp)
		}})
	}
	for _, desc := range h.streamDescs(sd) {
		inner := desc.Handler
		desc.Handler = func(srv any, ss grpc.ServerStream) error { return inner(srv, nativeStream{ss}) }
		out.Streams = append(out.Streams, desc)
	}
	return out
}

// nativeStream answers what is wrong with a message, where grpc-go's own would answer the caller with a status that has no
// fault. That one is left for messages which are so large that they are not received at all.
type nativeStream struct{ grpc.ServerStream }

func (s nativeStream) RecvMsg(m any) error {
	r := codec.Received{Message: m}
	if err := s.ServerStream.RecvMsg(&r); err != nil {
		return err
	}
	return r.Err
}

// inProcess describes a service to the channel.
func (h *Hub) inProcess(sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	out := &grpc.ServiceDesc{ServiceName: sd.ServiceName, HandlerType: (*any)(nil), Metadata: sd.Metadata}
	for _, md := range sd.Methods {
		m, handler := h.methods["/"+sd.ServiceName+"/"+md.MethodName], md.Handler
		out.Methods = append(out.Methods, grpc.MethodDesc{
			MethodName: md.MethodName,
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return h.unary(ctx, m, handler, decode)
			},
		})
	}
	out.Streams = h.streamDescs(sd)
	return out
}

func (h *Hub) streamDescs(sd *grpc.ServiceDesc) []grpc.StreamDesc {
	var list []grpc.StreamDesc
	for _, desc := range sd.Streams {
		m, handler, early := h.methods["/"+sd.ServiceName+"/"+desc.StreamName], desc.Handler, !desc.ClientStreams
		desc.Handler = func(_ any, ss grpc.ServerStream) error { return h.stream(ss, m, handler, early) }
		list = append(list, desc)
	}
	return list
}

// foreign services carry no option of ours; viewers may use them, in every phase.
func foreign(service string) bool {
	return strings.HasPrefix(service, "grpc.reflection.") || service == healthpb.Health_ServiceDesc.ServiceName
}

// learn reads a service and its methods from the contract.
func (h *Hub) learn(name string) (*service, error) {
	sd, err := serviceDescriptor(name)
	if err != nil {
		return nil, err
	}
	svc := &service{}
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		rule, ok := access.RuleOf(md)
		phases := phasesOf(md)
		if !ok && foreign(name) {
			rule, ok, phases = viewers, true, ^uint32(0)
		}
		if !ok {
			return nil, fmt.Errorf("method %s has no access option", md.FullName())
		}
		if i > 0 && rule.Class() != svc.class {
			return nil, fmt.Errorf("service %s mixes methods for containers, for the server and for the public", name)
		}
		svc.class = rule.Class()
		opts, _ := md.Options().(*descriptorpb.MethodOptions)
		m := &method{desc: md, procedure: procedure(md), rule: rule, service: svc, phases: phases}
		m.reads = opts.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS || foreign(name)
		m.stepUp, _ = proto.GetExtension(md.Options(), optionsv1.E_StepUp).(bool)
		m.recordFailure, _ = proto.GetExtension(md.Options(), optionsv1.E_RecordFailure).(bool)
		m.recordFirst, _ = proto.GetExtension(md.Options(), optionsv1.E_RecordFirst).(bool)
		h.methods[m.procedure] = m
	}
	h.services[name] = svc
	return svc, nil
}

// phasesOf reads in which phases a method answers, a bit for each.
func phasesOf(md protoreflect.MethodDescriptor) uint32 {
	list, _ := proto.GetExtension(md.Options(), optionsv1.E_Phases).([]optionsv1.Phase)
	if len(list) == 0 {
		return 1 << optionsv1.Phase_PHASE_RUNNING
	}
	var bits uint32
	for _, phase := range list {
		bits |= 1 << phase
	}
	return bits
}

func serviceDescriptor(service string) (protoreflect.ServiceDescriptor, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("service %s is not known: %w", service, err)
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", service)
	}
	return sd, nil
}

func procedure(md protoreflect.MethodDescriptor) string {
	return "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
}

// readFault tells what was wrong with a message that could not be read.
func readFault(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot read a message of more than %d bytes", codec.MaxMessage)
	case codes.Internal, codes.InvalidArgument:
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the message")
	}
	if errors.Is(err, io.EOF) {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot answer a call without a message")
	}
	return err
}
