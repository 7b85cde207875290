// Package v0 answers protocol v0, which systems and tools of StartOS speak to registries: JSON-RPC over POST, one call or
// several, signed by a header. Its shapes are those of api/registry.
//
//	v0.go       requests, who calls
//	answers.go  answers, piece by piece
//	methods.go  the table of methods
//	catalog.go  what everybody may read
//	publish.go  what signers do
//	admin.go    what administrators do
//
// It answers as the original does wherever that is not at fault: a refusal is HTTP 200, too. It differs where the original
// forgets: a signed request passes once, and bytes behind the signed ones are refused. There is no cookie of the machine
// that lets everything pass, no access to the database and no record of who asked. What it reads is a stranger's and
// bounded; what it does is the service's.
package v0

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/registryd"
)

const (
	maxBody  = 1 << 20
	maxBatch = 50
	// bodyTimeout is how long a request may take to arrive.
	bodyTimeout = 30 * time.Second
)

// Handler answers the protocol at every path below /rpc/. It is safe for concurrent use.
type Handler struct {
	service *registryd.Service
	guard   *sign.Guard
	names   []string
	methods map[string]method
	clock   func() time.Time
	log     *slog.Logger
	pieces  sync.Pool // of *bufio.Writer
}

// New answers for a service whose host has these names in signatures, from now on.
func New(service *registryd.Service, names []string, clock func() time.Time, log *slog.Logger) *Handler {
	h := &Handler{service: service, guard: sign.NewGuard(clock(), names...), names: names, clock: clock, log: log}
	h.methods = h.table()
	return h
}

type request struct {
	ID     json.RawMessage `json:"id"`
	Method *string         `json:"method"`
	Params json.RawMessage `json:"params"`
}

type refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

type details struct {
	Details string  `json:"details"`
	Debug   *string `json:"debug"`
	Info    *string `json:"info"`
}

var null = json.RawMessage("null")

// call is one call with what is known of its caller.
type call struct {
	ctx    context.Context
	params json.RawMessage
	who    registryd.Who
	device *registry.Device
}

// caller is who sends a request, as its header tells.
type caller struct {
	who    registryd.Who
	signed bool
	known  bool
	err    *refusal // why the signature does not count
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cors(w.Header(), r)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusOK)
		return
	}
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	conn.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/json")
	answers, ok := h.pieces.Get().(*bufio.Writer)
	if !ok {
		answers = bufio.NewWriterSize(nil, pieceSize)
	}
	answers.Reset(w)
	defer func() {
		answers.Reset(nil)
		h.pieces.Put(answers)
	}()
	if err != nil || len(body) > maxBody || r.Method != http.MethodPost {
		err = failed(null, parseError("the request cannot be read")).write(answers)
	} else {
		err = h.answer(answers, r, body)
	}
	if err := errors.Join(err, answers.WriteByte('\n'), answers.Flush()); err != nil {
		h.log.Debug("cannot answer", "error", err)
		panic(http.ErrAbortHandler) // what was sent is no whole answer, and must not look like one
	}
}

// answer answers a request, which is one call or several.
func (h *Handler) answer(w *bufio.Writer, r *http.Request, body []byte) error {
	from, ok := h.identify(r.Header, body)
	if !ok {
		return failed(null, parseError("the body is not the one that was signed")).write(w)
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return h.batch(w, r, from, body)
	}
	return h.one(r, from, body).write(w)
}

// cors lets pages of all origins in: nothing that a browser keeps counts here.
func cors(head http.Header, r *http.Request) {
	or := func(name string) string {
		if v := r.Header.Get(name); v != "" {
			return v
		}
		return "*"
	}
	head.Set("Access-Control-Allow-Origin", or("Origin"))
	head.Set("Access-Control-Allow-Methods", or("Access-Control-Request-Method"))
	head.Set("Access-Control-Allow-Headers", or("Access-Control-Request-Headers"))
	head.Set("Access-Control-Allow-Credentials", "true")
	head.Set("Vary", "Origin")
}

func failed(id json.RawMessage, e *refusal) response {
	return response{Error: e, ID: id}
}

func parseError(why string) *refusal {
	return &refusal{Code: registry.CodeParse, Message: "Parse error", Data: why}
}

func refused(code int, message string) *refusal {
	return &refusal{Code: code, Message: message, Data: details{Details: message}}
}

// identify tells who sends a body. It answers false where the signature is one of another body.
func (h *Handler) identify(head http.Header, body []byte) (caller, bool) {
	values := head.Values(sign.RequestHeader)
	if len(values) == 0 {
		return caller{}, true
	}
	from := caller{signed: true}
	signed, err := sign.ParseRequest(values[0])
	if err != nil || len(values) > 1 {
		from.err = refused(registry.CodeNotFound, "the signature cannot be read")
		return from, true
	}
	guard := h.guard
	if from.who, from.known = h.service.Identify(signed.Signer); !from.known {
		guard = sign.NewGuard(time.Time{}, h.names...) // strangers fill no memory
	}
	if err := guard.Check(signed, h.clock()); err != nil {
		from.known, from.err = false, refused(registry.CodeSignature, err.Error())
		return from, true
	}
	return from, signed.CheckBody(body) == nil
}

// batch answers several calls, each before the next one is made: who is gone has the rest not made. One of them may go through all packages.
func (h *Handler) batch(w *bufio.Writer, r *http.Request, from caller, body []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil || len(list) == 0 || len(list) > maxBatch {
		return failed(null, parseError("the list of calls cannot be read")).write(w)
	}
	before, whole := byte('['), 0
	for _, one := range list {
		answer := h.one(r, from, one)
		if answer.pieces != nil {
			if whole++; whole > 1 {
				answer = failed(answer.ID, refused(registry.CodeRateLimited, "ask for all packages once in a request"))
			}
		}
		if err := errors.Join(w.WriteByte(before), answer.write(w)); err != nil {
			return err
		}
		before = ','
	}
	return w.WriteByte(']')
}

// one answers one call.
func (h *Handler) one(r *http.Request, from caller, body []byte) response {
	var req request
	if err := json.Unmarshal(body, &req); err != nil || req.Method == nil || req.Params == nil {
		return failed(null, parseError("it is not a call with a method and parameters"))
	}
	if req.ID == nil {
		req.ID = null
	}
	m, there := h.methods[*req.Method]
	if !there && !h.isGroup(*req.Method) {
		return failed(req.ID, &refusal{Code: registry.CodeNoMethod, Message: "Method not found"})
	}
	c := call{ctx: r.Context(), params: req.Params, who: from.who}
	if e := h.let(m, there, from); e != nil {
		return failed(null, e)
	}
	if !there {
		return failed(req.ID, &refusal{Code: registry.CodeNoMethod, Message: "Method not found"})
	}
	if header := r.Header.Get(registry.DeviceHeader); m.device && header != "" {
		var err error
		if c.device, err = registry.ParseDevice(header); err != nil {
			return failed(null, refused(registry.CodeNotFound, err.Error()))
		}
	}
	result, err := m.do(c)
	if err != nil {
		return failed(req.ID, h.explain(*req.Method, err))
	}
	id, err := json.Marshal(req.ID) // a stranger's: it has no space and nothing that a page could take for its own
	if err != nil {
		return failed(null, parseError("it has an id that cannot be read"))
	}
	if pieces, ok := result.(lengthy); ok {
		return response{pieces: pieces, ID: id}
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return failed(req.ID, h.explain(*req.Method, err))
	}
	return response{Result: raw, ID: id}
}

// isGroup tells whether a name is the beginning of names of methods.
func (h *Handler) isGroup(name string) bool {
	for other := range h.methods {
		if strings.HasPrefix(other, name+".") {
			return true
		}
	}
	return false
}

// let refuses a caller who may not call a method. Groups of methods are for signers.
func (h *Handler) let(m method, there bool, from caller) *refusal {
	if there && m.rule == anybody {
		return nil
	}
	switch {
	case from.err != nil:
		return from.err
	case !from.signed, !from.known, there && m.rule == admins && !from.who.Admin:
		return refused(registry.CodeUnauthorized, "unauthorized")
	}
	return nil
}

// errParams tells that parameters cannot be read.
var errParams = errors.New("the parameters cannot be read")

// into reads parameters. Members that a method does not know are left unread, as clients send some.
func into[T any](c call) (T, error) {
	var p T
	if err := json.Unmarshal(c.params, &p); err != nil {
		return p, errParams
	}
	return p, nil
}

// codes are those of the original by the reasons of ours.
var codes = map[metav1.Reason]int{
	metav1.Reason_REASON_LISTING_NOT_FOUND: registry.CodeNotFound, metav1.Reason_REASON_SIGNER_NOT_FOUND: registry.CodeNotFound,
	metav1.Reason_REASON_DOWNLOAD_FAILED: registry.CodeNetwork, metav1.Reason_REASON_OFFER_SIGNATURE: registry.CodeSignature,
	metav1.Reason_REASON_PACKAGE_FILE_SIGNATURE: registry.CodeSignature, metav1.Reason_REASON_SIGNER_NOT_ALLOWED: registry.CodeUnauthorized,
	metav1.Reason_REASON_PACKAGE_FILE_FOREIGN: registry.CodePackageParse, metav1.Reason_REASON_PACKAGE_FILE_VERSION: registry.CodePackageParse,
	metav1.Reason_REASON_PACKAGE_FILE_NEWER: registry.CodePackageParse, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED: registry.CodeSignature,
	metav1.Reason_REASON_PACKAGE_FILE_INVALID: registry.CodePackage, metav1.Reason_REASON_PACKAGE_FILE_LIMIT: registry.CodePackage,
	metav1.Reason_REASON_RATE_LIMITED: registry.CodeRateLimited,
}

// explain is an error as a caller is told it. What nobody meant to say goes to the log.
func (h *Handler) explain(name string, err error) *refusal {
	if errors.Is(err, errParams) {
		return &refusal{Code: registry.CodeParams, Message: "Invalid params"}
	}
	var told *fault.Error
	if !errors.As(err, &told) {
		if !errors.Is(err, context.Canceled) {
			h.log.Error("call failed", "method", name, "error", err)
		}
		return &refusal{Code: registry.CodeInternal, Message: "Internal error"}
	}
	code, ok := codes[fault.Reason(err)]
	if !ok {
		code = registry.CodeRequest
	}
	return refused(code, fault.Proto(err).GetMessage())
}
