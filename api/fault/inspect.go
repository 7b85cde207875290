package fault

import (
	"context"
	"errors"
	"sync"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Is tells whether err stands for the reason: Reason(err) == reason, through wrapping and over the wire. Of a fault that
// wraps another only the outer one counts, since the inner one does not travel.
func Is(err error, reason metav1.Reason) bool { return err != nil && Reason(err) == reason }

// Reason answers why err happened: the reason of the outermost fault, that of a context's end, that which fits the code
// of a foreign gRPC status, or REASON_INTERNAL. For nil it is REASON_UNSPECIFIED.
func Reason(err error) metav1.Reason {
	if err == nil {
		return metav1.Reason_REASON_UNSPECIFIED
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.fault.GetReason()
	}
	f, _ := foreign(err)
	return f.GetReason()
}

// Proto answers what a caller may know of err, as a message of its own. It is nil for nil. Neither causes nor the text
// of unknown errors are in it.
func Proto(err error) *metav1.Fault {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return proto.Clone(e.fault).(*metav1.Fault)
	}
	f, _ := foreign(err)
	return f
}

// Info answers what the contract says about a reason. It is shared: do not change it. A reason this program does not
// know, as sent by a newer server, has CODE_UNKNOWN.
func Info(reason metav1.Reason) *optionsv1.ReasonInfo {
	if info, ok := infos()[reason]; ok {
		return info
	}
	return unknown()
}

var unknown = sync.OnceValue(func() *optionsv1.ReasonInfo {
	return &optionsv1.ReasonInfo{Code: optionsv1.Code_CODE_UNKNOWN}
})

var infos = sync.OnceValue(func() map[metav1.Reason]*optionsv1.ReasonInfo {
	values := metav1.Reason(0).Descriptor().Values()
	m := make(map[metav1.Reason]*optionsv1.ReasonInfo, values.Len())
	for i := range values.Len() {
		v := values.Get(i)
		if info := reasonInfo(v); info != nil {
			m[metav1.Reason(v.Number())] = info
		}
	}
	return m
})

func reasonInfo(v protoreflect.EnumValueDescriptor) *optionsv1.ReasonInfo {
	if !proto.HasExtension(v.Options(), optionsv1.E_Reason) {
		return nil
	}
	info, _ := proto.GetExtension(v.Options(), optionsv1.E_Reason).(*optionsv1.ReasonInfo)
	return info
}

// find answers the fault in the chain of a format argument.
func find(arg any) (*metav1.Fault, bool) {
	err, ok := arg.(error)
	if !ok {
		return nil, false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.fault, true
	}
	return nil, false
}

// foreign answers the fault for an error that is none of ours, and whether anything is known about it.
func foreign(err error) (f *metav1.Fault, known bool) {
	if s, ok := status.FromError(err); ok {
		return fromStatus(s), true
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &metav1.Fault{Reason: metav1.Reason_REASON_CANCELLED, Message: "the call was withdrawn"}, true
	case errors.Is(err, context.DeadlineExceeded):
		return &metav1.Fault{Reason: metav1.Reason_REASON_DEADLINE_EXCEEDED, Message: "the time for the call ran out"}, true
	}
	return &metav1.Fault{Reason: metav1.Reason_REASON_INTERNAL, Message: internalMessage}, false
}

const internalMessage = "an internal error occurred"

// fromStatus answers the fault a status carries, or the nearest one to its code. Statuses are made to be sent, so the
// message is kept, except with the codes that libraries give to errors they do not understand.
func fromStatus(s *status.Status) *metav1.Fault {
	for _, d := range s.Details() {
		if f, ok := d.(*metav1.Fault); ok {
			return FromProto(f).fault
		}
	}
	reason := reasonOf(s.Code())
	message := Cut(s.Message(), maxMessage)
	if reason == metav1.Reason_REASON_INTERNAL {
		message = internalMessage
	}
	return &metav1.Fault{Reason: reason, Message: message}
}

func reasonOf(code codes.Code) metav1.Reason {
	switch code {
	case codes.Canceled:
		return metav1.Reason_REASON_CANCELLED
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		return metav1.Reason_REASON_INVALID_ARGUMENT
	case codes.DeadlineExceeded:
		return metav1.Reason_REASON_DEADLINE_EXCEEDED
	case codes.NotFound:
		return metav1.Reason_REASON_NOT_FOUND
	case codes.AlreadyExists:
		return metav1.Reason_REASON_ALREADY_EXISTS
	case codes.PermissionDenied:
		return metav1.Reason_REASON_PERMISSION_DENIED
	case codes.ResourceExhausted:
		return metav1.Reason_REASON_MESSAGE_TOO_LARGE // the only use grpc itself makes of the code
	case codes.Aborted:
		return metav1.Reason_REASON_CONFLICT
	case codes.Unimplemented:
		return metav1.Reason_REASON_METHOD_NOT_FOUND
	case codes.Unavailable:
		return metav1.Reason_REASON_UNAVAILABLE
	case codes.Unauthenticated:
		return metav1.Reason_REASON_UNAUTHENTICATED
	}
	return metav1.Reason_REASON_INTERNAL
}
