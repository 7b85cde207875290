package codec

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"

	"github.com/hearthos/hearth/api/fault"
	"google.golang.org/protobuf/proto"
)

// RequestIDHeader is the header of the answer with the id of the request.
const RequestIDHeader = "X-Request-Id"

// Identified is the fault of err with the id of the request in its metadata, if there is one.
func Identified(err error, requestID string) *metav1.Fault {
	f := proto.CloneOf(fault.Proto(err))
	if requestID == "" {
		return f
	}
	if f.Metadata == nil {
		f.Metadata = make(map[string]string)
	}
	f.Metadata["request_id"] = requestID
	return f
}

// Fault writes the fault of err as JSON: the message hearth.meta.v1.Fault with a member "code" before it.
func Fault(err error, requestID string) []byte {
	f := Identified(err, requestID)
	code, _ := json.Marshal(Code(f.GetReason()).String())
	body, merr := Append(append(append([]byte(`{"code":`), code...), ','), f)
	if merr != nil {
		// A fault is plain text and numbers; only text that is not UTF-8 cannot be written.
		return []byte(`{"code":"CODE_INTERNAL","reason":"REASON_INTERNAL","message":"cannot write the fault"}`)
	}
	// The members of the fault follow behind ours: drop the brace that opens them.
	at := len(`{"code":`) + len(code) + 1
	return append(body[:at], body[at+1:]...)
}

// Code returns the code of faults with this reason.
func Code(reason metav1.Reason) optionsv1.Code {
	if info := fault.Info(reason); info.GetCode() != optionsv1.Code_CODE_UNSPECIFIED {
		return info.GetCode()
	}
	return optionsv1.Code_CODE_INTERNAL
}

// HTTPStatus returns the HTTP status that goes with err.
func HTTPStatus(err error) int {
	reason := fault.Reason(err)
	switch reason {
	case metav1.Reason_REASON_MESSAGE_TOO_LARGE:
		return http.StatusRequestEntityTooLarge
	case metav1.Reason_REASON_DISK_FULL:
		return http.StatusInsufficientStorage
	case metav1.Reason_REASON_METHOD_NOT_FOUND:
		return http.StatusNotFound
	case metav1.Reason_REASON_ENCODING_UNSUPPORTED:
		return http.StatusUnsupportedMediaType
	case metav1.Reason_REASON_TRANSFER_DIGEST, metav1.Reason_REASON_PACKAGE_FILE_DAMAGED:
		return http.StatusUnprocessableEntity // what was sent is damaged, not what we keep
	}
	switch Code(reason) {
	case optionsv1.Code_CODE_CANCELLED:
		return 499 // the caller has gone; nobody reads it but logs
	case optionsv1.Code_CODE_INVALID_ARGUMENT, optionsv1.Code_CODE_OUT_OF_RANGE:
		return http.StatusBadRequest
	case optionsv1.Code_CODE_DEADLINE_EXCEEDED:
		return http.StatusGatewayTimeout
	case optionsv1.Code_CODE_NOT_FOUND:
		return http.StatusNotFound
	case optionsv1.Code_CODE_ALREADY_EXISTS, optionsv1.Code_CODE_ABORTED:
		return http.StatusConflict
	case optionsv1.Code_CODE_PERMISSION_DENIED:
		return http.StatusForbidden
	case optionsv1.Code_CODE_RESOURCE_EXHAUSTED:
		return http.StatusTooManyRequests
	case optionsv1.Code_CODE_FAILED_PRECONDITION:
		return http.StatusPreconditionFailed
	case optionsv1.Code_CODE_UNIMPLEMENTED:
		return http.StatusNotImplemented
	case optionsv1.Code_CODE_UNAVAILABLE:
		return http.StatusServiceUnavailable
	case optionsv1.Code_CODE_UNAUTHENTICATED:
		return http.StatusUnauthorized
	}
	return http.StatusInternalServerError
}

// WriteFault answers an HTTP request with err.
func WriteFault(w http.ResponseWriter, err error) { WriteFaultStatus(w, HTTPStatus(err), err) }

// WriteFaultStatus answers an HTTP request with err under a status of the caller's choice.
func WriteFaultStatus(w http.ResponseWriter, status int, err error) {
	h := w.Header()
	h.Del("Trailer")
	h.Del("Transfer-Encoding")
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if after := fault.Proto(err).GetRetryAfter(); after != nil {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.AsDuration().Seconds()))))
	}
	w.WriteHeader(status)
	w.Write(append(Fault(err, h.Get(RequestIDHeader)), '\n')) // a peer that has gone is the server's business, not ours
}
