package rpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// Every call has an id, by which its line in the log, its error and its answer are found together. A caller may give one,
// to find its own records together with ours; one that is not well-formed is not taken.

// RequestIDHeader is the header, and the metadata of gRPC, with the id of a call: of the request, and of the answer.
const RequestIDHeader = "x-request-id"

// wellFormed tells whether an id may stand in logs and headers: 8 to 64 letters, digits, dots, lines and underscores.
func wellFormed(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func newRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

type requestIDKey struct{}

// identified gives each request by HTTP its id, and the answer the same.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDHeader)
		if !wellFormed(id) {
			id = newRequestID()
		}
		w.Header().Set(RequestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

func requestIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// identify gives a call its id: that of the request by HTTP through which it came, that of the caller, or a new one.
func (c *Call) identify(ctx context.Context) {
	if client := inprocgrpc.ClientContext(ctx); client != nil {
		if id := requestIDFrom(client); id != "" {
			c.RequestID = id
			return
		}
	} else {
		c.native = true
	}
	if given := metadata.ValueFromIncomingContext(ctx, RequestIDHeader); len(given) == 1 && wellFormed(given[0]) {
		c.RequestID = given[0]
		return
	}
	c.RequestID = newRequestID()
}

// told is the error of a call as its caller gets it. Containers get it as packages know it, without the id.
func (c *Call) told(ctx context.Context, err error) error {
	if c.Caller.Origin.Listener == origin.Container {
		return fault.Status(err).Err()
	}
	if c.native {
		// It fails when the headers are out already, which had the id in them.
		_ = grpc.SetHeader(ctx, metadata.Pairs(RequestIDHeader, c.RequestID))
	}
	return fault.Status(fault.FromProto(codec.Identified(err, c.RequestID))).Err()
}
