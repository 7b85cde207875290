package codec

import (
	"fmt"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
)

// Encoded is an answer that its service has encoded itself, in pieces that many callers share: what a service may give to
// SendMsg instead of a message. It is not changed once it was sent.
type Encoded struct {
	// Message is an empty message of the type the bytes are of.
	Message proto.Message
	Bytes   []byte
}

// Received is a message to be read by RecvMsg of a native stream. What is wrong with it is in Err and no error of RecvMsg,
// which grpc-go tells the caller in its own words before anybody can say which fault it is.
type Received struct {
	Message any
	Err     error
}

// Server is the codec of the gRPC servers: protobuf, with Encoded written as it is.
func Server() encoding.CodecV2 { return serverCodec{encoding.GetCodecV2(grpcproto.Name)} }

type serverCodec struct{ encoding.CodecV2 }

func (c serverCodec) Marshal(v any) (mem.BufferSlice, error) {
	if e, ok := v.(*Encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(e.Bytes)}, nil
	}
	return c.CodecV2.Marshal(v)
}

func (c serverCodec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*Received)
	switch {
	case !ok:
		return c.CodecV2.Unmarshal(data, v)
	case data.Len() > MaxMessage:
		r.Err = fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot read a message of more than %d bytes", MaxMessage)
	case c.CodecV2.Unmarshal(data, r.Message) != nil:
		r.Err = fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the message")
	}
	return nil
}

// Cloner passes messages through the in-process channel. What is encoded is read where it arrives.
func Cloner() inprocgrpc.Cloner { return cloner{} }

type cloner struct{ inprocgrpc.ProtoCloner }

func (c cloner) Clone(in any) (any, error) {
	if e, ok := in.(*Encoded); ok {
		return e, nil // immutable
	}
	return c.ProtoCloner.Clone(in)
}

func (c cloner) Copy(out, in any) error {
	e, ok := in.(*Encoded)
	if !ok {
		return c.ProtoCloner.Copy(out, in)
	}
	m, ok := out.(proto.Message)
	if !ok || m.ProtoReflect().Descriptor() != e.Message.ProtoReflect().Descriptor() {
		return fmt.Errorf("cannot read a %T as a %T", e.Message, out)
	}
	return proto.Unmarshal(e.Bytes, m)
}
