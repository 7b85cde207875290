package hearth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/httpsig"
	"github.com/hearthos/hearth/api/sign"
)

// tries is how often a call is signed at most: for the server's clock, and for what it may have forgotten.
const tries = 3

// maxWait bounds how long a call waits for a server that remembers no signatures from before its start.
const maxWait = 15 * time.Second

// signer signs calls. It follows the server's clock: when the server says that a signature is of another time, the call is
// signed anew by the time it tells.
type signer struct {
	key    sign.PrivateKey
	offset atomic.Int64 // nanoseconds by which the server's clock is ahead
}

// sign adds the signature of a call to its context.
func (s *signer) sign(ctx context.Context, cc *grpc.ClientConn, method string, req any) (context.Context, error) {
	m, ok := req.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("cannot sign a %T", req)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the call: %w", err)
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	target := httpsig.Target{Method: http.MethodPost, Authority: authority(cc), Path: method}
	now := time.Now().Add(time.Duration(s.offset.Load()))
	h, err := httpsig.Sign(s.key, target, httpsig.DigestOfMessage(raw), now, hex.EncodeToString(nonce[:]))
	if err != nil {
		return nil, fmt.Errorf("cannot sign the call: %w", err)
	}
	return metadata.AppendToOutgoingContext(ctx, strings.ToLower(httpsig.DigestHeader), h.Digest,
		strings.ToLower(httpsig.InputHeader), h.Input, strings.ToLower(httpsig.SignatureHeader), h.Signature), nil
}

// authority is what a connection calls the server: "localhost" on a socket.
func authority(cc *grpc.ClientConn) string {
	if host, ok := strings.CutPrefix(cc.Target(), "dns:///"); ok {
		return host
	}
	return "localhost"
}

// again tells whether a call is worth signing anew after err, and waits until then.
func (s *signer) again(ctx context.Context, err error) bool {
	if !fault.Is(err, metav1.Reason_REASON_SIGNATURE_TIME) {
		return false
	}
	told := fault.Proto(err)
	if at, perr := time.Parse(time.RFC3339Nano, told.GetMetadata()["server_time"]); perr == nil {
		s.offset.Store(int64(time.Until(at)))
	}
	wait := time.NewTimer(min(told.GetRetryAfter().AsDuration(), maxWait))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

func (s *signer) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(opts, grpc.ForceCodecV2(deterministic{}))
	for try := 0; ; try++ {
		signed, err := s.sign(ctx, cc, method, req)
		if err != nil {
			return err
		}
		err = told(invoke(signed, method, req, reply, cc, opts...), cc)
		if try+1 == tries || !s.again(ctx, err) {
			return err
		}
	}
}

// stream opens a stream when its request is known, which is what is signed.
func (s *signer) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if desc.ClientStreams {
		return nil, errors.New("cannot sign a call to which the client streams; use a token")
	}
	opts = append(opts, grpc.ForceCodecV2(deterministic{}))
	return &signedStream{ctx: ctx, open: func(req any) (grpc.ClientStream, error) {
		signed, err := s.sign(ctx, cc, method, req)
		if err != nil {
			return nil, err
		}
		opened, err := open(signed, desc, cc, method, opts...)
		if err != nil {
			return nil, told(err, cc)
		}
		return faultStream{opened, cc}, nil
	}, signer: s}, nil
}

// signedStream is a stream that begins with its request.
type signedStream struct {
	grpc.ClientStream // nil before
	ctx               context.Context
	signer            *signer
	open              func(req any) (grpc.ClientStream, error)
	req               any
	begun             bool
}

func (s *signedStream) Context() context.Context { return s.ctx }

func (s *signedStream) SendMsg(m any) error {
	s.req = m
	return s.begin()
}

func (s *signedStream) begin() (err error) {
	if s.ClientStream, err = s.open(s.req); err != nil {
		return err
	}
	if err := s.ClientStream.SendMsg(s.req); err != nil {
		return err
	}
	return s.ClientStream.CloseSend()
}

func (s *signedStream) CloseSend() error { return nil } // begin has

func (s *signedStream) RecvMsg(m any) error {
	for try := 0; ; try++ {
		err := s.ClientStream.RecvMsg(m)
		if s.begun || try+1 == tries || err == nil || !s.signer.again(s.ctx, err) {
			s.begun = true
			return err
		}
		if err := s.begin(); err != nil {
			return err
		}
	}
}

// deterministic writes messages the way they are signed.
type deterministic struct{}

var _ encoding.CodecV2 = deterministic{}

func (deterministic) Name() string { return "proto" }

func (deterministic) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return mem.BufferSlice{mem.SliceBuffer(raw)}, err
}

func (deterministic) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	return proto.Unmarshal(data.Materialize(), m)
}
