package codec

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
)

// Body is the body of a REST request. It is bounded, and it keeps the fault of what was read from it, which the
// generated handlers would turn into text.
type Body struct {
	io.ReadCloser
	fault error
}

// NewBody bounds the body of r by MaxMessage.
func NewBody(w http.ResponseWriter, r *http.Request) *Body {
	return &Body{ReadCloser: http.MaxBytesReader(w, r.Body, MaxMessage)}
}

// Fault returns why the body could not be read, nil when it could.
func (b *Body) Fault() error { return b.fault }

// Gateway returns the marshaler of the REST gateway.
func Gateway() runtime.Marshaler { return gateway{} }

type gateway struct{}

func (gateway) ContentType(any) string { return "application/json" }

func (gateway) Delimiter() []byte { return []byte("\n") }

func (gateway) StreamContentType(any) string { return "application/x-ndjson" }

// Marshal writes a message; in streams also the wrapping the gateway gives to each result. What it wraps as the final
// error becomes the fault itself, as it is in every other answer.
func (gateway) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case proto.Message:
		return Marshal(v)
	case map[string]any: // {"result": message}
		return wrapped(v)
	case map[string]proto.Message: // {"error": status}
		if st, ok := v["error"].(*spb.Status); ok {
			return Fault(fault.FromStatus(status.FromProto(st).Err()), ""), nil
		}
	}
	return nil, fmt.Errorf("cannot write a %T as JSON", v)
}

func wrapped(v map[string]any) ([]byte, error) {
	m, ok := v["result"].(proto.Message)
	if !ok {
		return nil, fmt.Errorf("cannot write a stream of %T as JSON", v["result"])
	}
	b, err := Append([]byte(`{"result":`), m)
	return append(b, '}'), err
}

func (gateway) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("cannot read JSON into a %T", v)
	}
	return Unmarshal(data, m)
}

// NewDecoder reads one message from a Body.
func (g gateway) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			err = fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot read a request of more than %d bytes", large.Limit)
		case err != nil:
			// The caller has gone, or is refused by the body itself.
		case len(data) == 0:
			return io.EOF // the gateway takes it for the empty message
		default:
			err = g.Unmarshal(data, v)
		}
		if body, ok := r.(*Body); ok {
			body.fault = err
		}
		return err
	})
}

func (g gateway) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		b, err := g.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
}
