package fault

import (
	"errors"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// GRPCStatus lets grpc send the fault. Servers map with Status instead: grpc's own handling of a *wrapped* error would
// send the text of the wrapping.
func (e *Error) GRPCStatus() *status.Status { return toStatus(e.fault) }

// Status answers what is sent for err: the code of its reason, its message, and the fault as the only detail. For nil
// it is OK.
func Status(err error) *status.Status {
	if err == nil {
		return status.New(codes.OK, "")
	}
	return toStatus(Proto(err))
}

func toStatus(f *metav1.Fault) *status.Status {
	s := status.New(codes.Code(Info(f.GetReason()).GetCode()), f.GetMessage())
	detailed, err := s.WithDetails(f)
	if err != nil {
		// Only a code of OK refuses details, and no reason has it; the plain status is the best there is.
		return s
	}
	return detailed
}

// FromStatus is for clients: it turns an error of a gRPC call back into the *Error the server raised, so that Is and
// Reason work on both sides; a status without a fault becomes the nearest one and keeps its message, since it came from
// the transport on this side. Other errors, io.EOF of a stream among them, and nil are answered as they are. Errors
// below stay reachable by errors.Is.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	f, known := foreign(err)
	if !known {
		return err
	}
	e := FromProto(f)
	if s, ok := status.FromError(err); ok && s.Message() != "" {
		e.text = s.Message()
		if len(s.Details()) == 0 {
			e.fault.Message = Cut(s.Message(), maxMessage)
		}
	}
	e.cause = err
	return e
}
