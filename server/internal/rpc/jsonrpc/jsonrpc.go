// Package jsonrpc answers JSON-RPC 2.0 over HTTP. A method is called by its full name
// ("hearth.packages.v1.PackageService.ListPackages") or by the name StartOS clients know it by ("package.start");
// the parameters are the request message as an object, the result is the response message.
//
// An error has the code -32000 minus the number of the fault's code, or one of the codes of the specification, and
// always the fault as its data. Methods that stream are refused with REASON_STREAM_UNSUPPORTED: the protocol knows one
// answer to a call, and every other wire carries streams.
//
// Every byte is a stranger's: body, batch, depth and ids are bounded. Rights are checked behind the channel, not here.
package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
)

const (
	maxBatch = 100
	maxID    = 256
)

// Codes of the specification.
const (
	parseError     = -32700
	invalidRequest = -32600
	methodNotFound = -32601
	invalidParams  = -32602
	serverError    = -32000 // minus the number of the fault's code
)

// Method is a method that can be called.
type Method struct {
	// Procedure is the path on the channel.
	Procedure string
	Desc      protoreflect.MethodDescriptor
}

// Handler serves JSON-RPC. It is safe for concurrent use.
type Handler struct {
	conn    grpc.ClientConnInterface
	methods map[string]Method
}

// New returns the handler that calls these methods through conn.
func New(conn grpc.ClientConnInterface, methods []Method) *Handler {
	h := &Handler{conn: conn, methods: map[string]Method{}}
	for _, m := range methods {
		h.methods[string(m.Desc.FullName())] = m
		if legacy, _ := proto.GetExtension(m.Desc.Options(), optionsv1.E_LegacyRpc).(string); legacy != "" {
			h.methods[legacy] = m
		}
	}
	return h
}

// request is one call.
type request struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"` // nil in a notification
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// response is the answer to one call.
type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`

	fault error // of which Data is made when it is written
}

var null = json.RawMessage("null")

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		codec.WriteFaultStatus(w, http.StatusMethodNotAllowed, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "cannot call by %s, only by POST", r.Method))
		return
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && t != "application/json" && t != "application/x-www-form-urlencoded" {
		codec.WriteFaultStatus(w, http.StatusUnsupportedMediaType, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read %q, only application/json", t))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, codec.MaxMessage))
	var large *http.MaxBytesError
	var refused *fault.Error
	switch {
	case errors.As(err, &refused):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(codec.HTTPStatus(refused))
		write(w, refuse(null, 0, refused))
		return
	case errors.As(err, &large):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		write(w, refuse(null, 0, fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot read a request of more than %d bytes", large.Limit)))
		return
	case err != nil:
		return // the caller has gone
	}
	ctx := r.Context()
	for _, v := range r.Header.Values("Authorization") {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	h.serve(ctx, w, body)
}

func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, body []byte) {
	body = bytes.TrimSpace(body)
	if err := codec.CheckDepth(body); err != nil {
		write(w, refuse(null, parseError, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the request: it nests too deep")))
		return
	}
	if len(body) > 0 && body[0] == '[' {
		h.batch(ctx, w, body)
		return
	}
	req, refusal := parse(body)
	if refusal != nil {
		write(w, refusal)
		return
	}
	var header metadata.MD
	resp := h.call(ctx, req, &header)
	setHeaders(w, header)
	if resp == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	write(w, resp)
}

func (h *Handler) batch(ctx context.Context, w http.ResponseWriter, body []byte) {
	var items []json.RawMessage
	switch err := json.Unmarshal(body, &items); {
	case err != nil:
		write(w, refuse(null, parseError, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the request: it is not JSON")))
		return
	case len(items) == 0 || len(items) > maxBatch:
		write(w, refuse(null, invalidRequest, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot answer a batch of %d calls: 1 to %d are possible", len(items), maxBatch)))
		return
	}
	var answers []*response
	var header metadata.MD
	size := 0
	for _, item := range items {
		req, refusal := parse(item)
		if refusal == nil {
			refusal = h.call(ctx, req, &header)
		}
		if refusal == nil {
			continue
		}
		// What a batch may answer is bounded like what one call may; the rest is told to ask again.
		if size += len(refusal.Result); size > codec.MaxMessage {
			refusal = refuse(refusal.ID, 0, fault.New(metav1.Reason_REASON_MESSAGE_TOO_LARGE, "cannot answer in this batch: its answers are over %d bytes", codec.MaxMessage))
		}
		answers = append(answers, refusal)
	}
	setHeaders(w, header)
	if len(answers) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	write(w, answers)
}

// parse reads one call; a refusal is its answer.
func parse(data []byte) (*request, *response) {
	if !json.Valid(data) {
		return nil, refuse(null, parseError, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the request: it is not JSON"))
	}
	invalid := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, `cannot read the request: it needs "jsonrpc": "2.0", a method, and an id that is a string or a number`)
	req := &request{}
	if data[0] != '{' || json.Unmarshal(data, req) != nil || !validID(req.ID) {
		return nil, refuse(null, invalidRequest, invalid)
	}
	if req.Version != "2.0" || req.Method == "" {
		id := req.ID
		if id == nil {
			id = null
		}
		return nil, refuse(id, invalidRequest, invalid)
	}
	return req, nil
}

// validID tells whether id may be echoed; an absent id makes the call a notification.
func validID(id json.RawMessage) bool {
	if id == nil {
		return true
	}
	c := id[0]
	return len(id) <= maxID && (c == '"' || c == '-' || c >= '0' && c <= '9' || c == 'n')
}

// call carries out one unary call; the answer to a notification is nil.
func (h *Handler) call(ctx context.Context, req *request, header *metadata.MD) *response {
	result, refusal := h.invoke(ctx, req, header)
	switch {
	case req.ID == nil:
		return nil
	case refusal != nil:
		refusal.ID = req.ID
		return refusal
	}
	return &response{Version: "2.0", ID: req.ID, Result: result}
}

func (h *Handler) invoke(ctx context.Context, req *request, header *metadata.MD) (json.RawMessage, *response) {
	m, ok := h.methods[req.Method]
	if !ok {
		return nil, refuse(null, methodNotFound, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no method %q", req.Method))
	}
	if m.Desc.IsStreamingServer() || m.Desc.IsStreamingClient() {
		return nil, refuse(null, 0, fault.New(metav1.Reason_REASON_STREAM_UNSUPPORTED, "cannot call %q by JSON-RPC: it streams", req.Method).
			With("method", m.Desc.FullName()))
	}
	in, out, err := messages(m)
	if err != nil {
		return nil, refuse(null, 0, err)
	}
	if err := params(req, in); err != nil {
		return nil, refuse(null, invalidParams, err)
	}
	var got metadata.MD
	err = h.conn.Invoke(ctx, m.Procedure, in, out, grpc.Header(&got))
	for k, v := range got {
		if *header == nil {
			*header = metadata.MD{}
		}
		(*header)[k] = v // the calls of a batch run in order: the newest counts
	}
	if err != nil {
		return nil, refuse(null, 0, err)
	}
	result, err := codec.Marshal(out)
	if err != nil {
		return nil, refuse(null, 0, err)
	}
	return result, nil
}

func messages(m Method) (in, out proto.Message, err error) {
	inType, err := protoregistry.GlobalTypes.FindMessageByName(m.Desc.Input().FullName())
	if err != nil {
		return nil, nil, err
	}
	outType, err := protoregistry.GlobalTypes.FindMessageByName(m.Desc.Output().FullName())
	if err != nil {
		return nil, nil, err
	}
	return inType.New().Interface(), outType.New().Interface(), nil
}

func params(req *request, in proto.Message) error {
	switch {
	case len(req.Params) == 0 || bytes.Equal(req.Params, null):
		return nil
	case req.Params[0] != '{':
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the parameters: they are given by name, as an object")
	}
	return codec.Unmarshal(req.Params, in)
}

// refuse makes the answer for err; code 0 takes it from the fault.
func refuse(id json.RawMessage, code int, err error) *response {
	err = fault.FromStatus(err)
	if code == 0 {
		code = serverError - int(codec.Code(fault.Reason(err)))
	}
	return &response{Version: "2.0", ID: id, Error: &rpcError{
		Code: code, Message: fault.Proto(err).GetMessage(), fault: err,
	}}
}

func setHeaders(w http.ResponseWriter, header metadata.MD) {
	for k, values := range header {
		if k == "content-type" {
			continue
		}
		for _, v := range values {
			w.Header().Set(k, v)
		}
	}
}

// write answers with one response or those of a batch, each error with the id of the request.
func write(w http.ResponseWriter, answer any) {
	list, isBatch := answer.([]*response)
	if one, ok := answer.(*response); ok && !isBatch {
		list = []*response{one}
	}
	for _, r := range list {
		if r.Error != nil {
			r.Error.Data = codec.Fault(r.Error.fault, w.Header().Get(codec.RequestIDHeader))
		}
	}
	body, err := json.Marshal(answer)
	if err != nil { // all parts are JSON already
		codec.WriteFault(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body)
}
