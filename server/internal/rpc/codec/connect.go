package codec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"
)

var errNotProto = errors.New("value is not a protobuf message")

// JSON returns the JSON codec of the Connect server.
func JSON() connect.StableCodec { return connectJSON{} }

type connectJSON struct{}

func (connectJSON) Name() string { return connect.CodecNameJSON }

func (connectJSON) IsBinary() bool { return false }

func (connectJSON) MarshalWrite(_ context.Context, dst io.Writer, msg any) error {
	m, ok := msg.(proto.Message)
	if !ok {
		return errNotProto
	}
	b, err := Marshal(m)
	if err != nil {
		return err
	}
	_, err = dst.Write(b)
	return err
}

func (c connectJSON) MarshalWriteStable(ctx context.Context, dst io.Writer, msg any) error {
	var loose, compact bytes.Buffer
	if err := c.MarshalWrite(ctx, &loose, msg); err != nil {
		return err
	}
	if err := json.Compact(&compact, loose.Bytes()); err != nil {
		return err
	}
	_, err := compact.WriteTo(dst)
	return err
}

// UnmarshalRead reads a message. The Connect server has bounded src. An empty payload is an empty message.
func (connectJSON) UnmarshalRead(_ context.Context, src io.Reader, msg any) error {
	m, ok := msg.(proto.Message)
	if !ok {
		return errNotProto
	}
	data, err := io.ReadAll(src)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return Unmarshal(data, m)
}
