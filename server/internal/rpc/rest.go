package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

// Gateway puts the REST routes of one service on mux, calling it through conn.
type Gateway func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error

// NewGateway makes a Gateway of the generated functions RegisterXHandlerClient and NewXClient.
func NewGateway[C any](register func(context.Context, *runtime.ServeMux, C) error, client func(grpc.ClientConnInterface) C) Gateway {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}
}

// REST adds the REST routes of services. It is called before Build.
func (h *Hub) REST(gateways ...Gateway) { h.gateways = append(h.gateways, gateways...) }

// newREST makes the handler of /api/.
func (h *Hub) newREST(ctx context.Context) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, codec.Gateway()),
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(key string) (string, bool) { return key, restHeader(key) }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithDisablePathLengthFallback(), runtime.WithDisableHTTPMethodOverride(),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
		runtime.WithErrorHandler(restError), runtime.WithRoutingErrorHandler(restRouting),
		runtime.WithStreamErrorHandler(restStreamError),
	)
	for _, register := range h.gateways {
		if err := register(ctx, mux, restConn{front{h.channel}}); err != nil {
			return nil, err
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := codec.NewBody(w, r)
		call := &restCall{body: body, query: r.URL.Query(), method: r.Method}
		r = r.WithContext(context.WithValue(withWire(r.Context(), "rest"), restKey{}, call))
		r.Body = body
		mux.ServeHTTP(&restAnswer{ResponseWriter: w, call: call}, r)
	}), nil
}

// restHeader tells whether a header of a service's answer becomes one of HTTP.
func restHeader(key string) bool { return key == RevisionHeader || key == CookieHeader }

type restKey struct{}

// restCall is what the error handler must know of a request and the generated handlers do not tell.
type restCall struct {
	body   *codec.Body
	query  url.Values
	method string
	sent   bool  // a message went to the service
	ended  error // why a stream ended
}

// restAnswer is an answer of a REST route. A stream that fails before its first message is answered as every other call is.
type restAnswer struct {
	http.ResponseWriter
	call *restCall
	told bool // the fault is written; what the gateway writes is not
}

// Unwrap is for http.ResponseController.
func (w *restAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *restAnswer) WriteHeader(status int) {
	if w.told = w.call.ended != nil; w.told {
		codec.WriteFault(w.ResponseWriter, w.call.ended)
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *restAnswer) Write(p []byte) (int, error) {
	if w.told {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// restStreamError tells why a stream ended; the marshaler writes it as the last line.
func restStreamError(ctx context.Context, err error) *status.Status {
	ended := fault.FromProto(codec.Identified(fault.FromStatus(err), requestIDFrom(ctx)))
	if call := restCallOf(ctx); call != nil {
		call.ended = ended
	}
	return fault.Status(ended)
}

func restCallOf(ctx context.Context) *restCall {
	c, _ := ctx.Value(restKey{}).(*restCall)
	return c
}

// restConn refuses what the generated handlers leave unread without a word: members of the query that the message
// does not have.
type restConn struct{ front }

func (c restConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if err := checkQuery(ctx, args); err != nil {
		return err
	}
	return c.front.Invoke(ctx, method, args, reply, opts...)
}

func (c restConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	cs, err := c.front.NewStream(ctx, desc, method, opts...)
	return restStream{cs}, err
}

type restStream struct{ grpc.ClientStream }

func (s restStream) SendMsg(m any) error {
	if err := checkQuery(s.Context(), m); err != nil {
		return err
	}
	// A call that has ended already takes no message; receiving tells why it has.
	if err := s.ClientStream.SendMsg(m); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// checkQuery refuses members of the query that name no field of the message. Where there is a body, all members are in
// it, and the query is not read at all.
func checkQuery(ctx context.Context, msg any) error {
	call := restCallOf(ctx)
	m, ok := msg.(proto.Message)
	if call == nil || !ok {
		return nil
	}
	call.sent = true
	bodiless := call.method == http.MethodGet || call.method == http.MethodDelete
	md := m.ProtoReflect().Descriptor()
	for key := range call.query {
		if !bodiless || fieldAt(md, key) == nil {
			return fault.New(metav1.Reason_REASON_UNKNOWN_FIELD, "cannot read the query of %s: it has no member %q", md.FullName(), key).
				With("field", key).Violation(key, "is not part of the query")
		}
	}
	return nil
}

// restError answers with the fault. What the generated handlers could not read never reached the service: it is told
// apart by what the body and the query say themselves.
func restError(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	if call := restCallOf(ctx); call != nil && !call.sent {
		if call.body.Fault() != nil {
			err = call.body.Fault()
		} else if method, ok := runtime.RPCMethod(ctx); ok {
			if refused := queryFault(method, call.query); refused != nil {
				err = refused
			}
		}
	}
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
		copyHeaders(md.HeaderMD, func(key, value string) {
			if restHeader(key) {
				w.Header().Add(key, value)
			}
		})
	}
	var chosen *runtime.HTTPStatusError
	if errors.As(err, &chosen) {
		codec.WriteFaultStatus(w, chosen.HTTPStatus, fault.FromStatus(chosen.Err))
		return
	}
	codec.WriteFault(w, fault.FromStatus(err))
}

// restRouting answers requests for which there is no route.
func restRouting(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusBadRequest {
		codec.WriteFaultStatus(w, status, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the path of the request"))
		return
	}
	codec.WriteFaultStatus(w, status, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s %s", r.Method, r.URL.Path))
}
