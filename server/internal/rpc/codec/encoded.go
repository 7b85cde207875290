package codec

import (
	"fmt"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Encoded is an answer that its service has encoded itself, in pieces that many callers share: what a service may give to
// SendMsg instead of a message. It is not changed once it was sent.
type Encoded struct {
	// Message is an empty message of the type the bytes are of.
	Message proto.Message
	Bytes   []byte
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
