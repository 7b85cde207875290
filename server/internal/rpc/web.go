package rpc

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/codec"
	"github.com/hearthos/hearth/server/internal/rpc/content"
	"github.com/hearthos/hearth/server/internal/rpc/jsonrpc"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
	"github.com/hearthos/hearth/server/internal/rpc/transfer"
)

// newWeb makes the handler of everything that comes by HTTP.
func (h *Hub) newWeb(ctx context.Context) (http.Handler, error) {
	mux := http.NewServeMux()
	if err := h.mountConnect(mux); err != nil {
		return nil, fmt.Errorf("cannot mount the services: %w", err)
	}
	rest, err := h.newREST(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot mount the REST routes: %w", err)
	}
	mux.Handle("/api/", plain(rest))
	mux.Handle("/jsonrpc", plain(onWire("jsonrpc", jsonrpc.New(front{h.channel}, h.callable()))))
	mux.Handle("/transfer/", orNotFound(h.cfg.Transfer))
	if h.services[packagesv1.PackageService_ServiceDesc.ServiceName] != nil {
		mux.Handle(content.Prefix, plain(onWire("content", content.New(front{h.channel}))))
	}
	mux.Handle("/openapi.json", document("application/json", func() []byte { return h.cfg.OpenAPI }))
	mux.Handle("/metrics", onWire("metrics", metrics(front{h.channel})))
	mux.Handle("/", strayCalls(h.handedOut(orNotFound(h.cfg.Page))))

	// Pages of other sites get nothing: there are no CORS headers, and what browsers mark as coming from elsewhere is
	// refused where it could change something.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		codec.WriteFault(w, fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "cannot accept a request made by a page of another site"))
	}))
	guarded := guard.Handler(mux)
	if h.cfg.AnyOrigin {
		guarded = anyOrigin(mux)
	}
	return h.weighed(h.apart(identified(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isolate(w.Header())
		conn := http.NewResponseController(w)
		ctx := access.WithBrowser(r.Context(), access.FromHTTP(r, h.cookie(), h.cfg.Ours))
		r = r.WithContext(context.WithValue(ctx, controllerKey{}, conn))
		signed := access.FromSignedHTTP(r, h.names(origin.FromRequest(r.Context())))
		if signed != nil {
			r = r.WithContext(access.WithSignature(r.Context(), signed))
		}
		if r.ContentLength != 0 && !strings.HasPrefix(r.URL.Path, transfer.Prefix) { // transfers have their own patience
			conn.SetReadDeadline(time.Now().Add(h.cfg.BodyTimeout))
			r.Body = h.bounded(r, &timedBody{r.Body, conn})
		}
		if signed != nil {
			r.Body = signed.Digest(r.Body, codec.MaxMessage+1<<10)
		}
		guarded.ServeHTTP(w, r)
	})))), nil
}

// weighed refuses requests of those who have too much under way. Who calls on the machine is counted by connections.
func (h *Hub) weighed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o := origin.FromRequest(r.Context()); o.Remote != "" {
			release, ok := h.held.Take(o.Source(), r)
			if !ok {
				codec.WriteFault(w, fault.New(metav1.Reason_REASON_RATE_LIMITED, "cannot take one more request of %s while so many are under way", o.Source()).RetryAfter(time.Second))
				return
			}
			defer release()
		}
		next.ServeHTTP(w, r)
	})
}

// apart leads the paths that have rules of their own past those of all others.
func (h *Hub) apart(next http.Handler) http.Handler {
	if len(h.cfg.Apart) == 0 {
		return next
	}
	mux := http.NewServeMux()
	for path, handler := range h.cfg.Apart {
		mux.Handle(path, handler)
	}
	mux.Handle("/", next)
	return mux
}

// anyOrigin answers browsers that pages of all origins may call, without cookies.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("Access-Control-Expose-Headers", "*")
		head.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			head.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
			head.Set("Access-Control-Allow-Headers", "*")
			head.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// cookie is the name of the cookie of browsers' sessions; empty where there are none.
func (h *Hub) cookie() string {
	if h.cfg.Cookie == nil {
		return ""
	}
	return h.cfg.Cookie()
}

// isolate keeps pages of other origins, such as those of services on other ports, from showing the server's page within
// theirs, from holding its window and from loading its answers as if they were scripts or pictures.
func isolate(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// maxStranger is how much is read of a request before it is known who calls.
const maxStranger = 64 << 10

// bounded keeps callers without any right from making the server hold large requests: of theirs no more than maxStranger
// bytes are read. Whoever sends less is refused by the interceptors like everybody else.
func (h *Hub) bounded(r *http.Request, body io.ReadCloser) io.ReadCloser {
	if r.ContentLength >= 0 && r.ContentLength <= maxStranger {
		return body
	}
	caller, err := h.identify(r.Context(), origin.FromRequest(r.Context()), r.Header.Values("Authorization"), access.FromHTTP(r, h.cookie(), h.cfg.Ours),
		access.SignatureOfRequest(r.Context()))
	if err == nil && caller.Identity.ID != "" {
		return body
	}
	if err == nil {
		err = fault.New(metav1.Reason_REASON_UNAUTHENTICATED, "cannot read more than %d bytes of a caller without a credential", maxStranger)
	}
	return &strangerBody{body, maxStranger, err}
}

// strangerBody ends with a refusal instead of what is over its limit.
type strangerBody struct {
	io.ReadCloser
	left    int
	refusal error
}

func (b *strangerBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.refusal
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// timedBody takes the time limit away once the request has arrived: the answer may take longer.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// readPatiently takes the time limit for the request's body away.
func readPatiently(ctx context.Context) {
	if c, ok := ctx.Value(controllerKey{}).(*http.ResponseController); ok {
		c.SetReadDeadline(time.Time{})
	}
}

type controllerKey struct{}

// stopReading ends every read of the request's body.
func stopReading(ctx context.Context) {
	if c, ok := ctx.Value(controllerKey{}).(*http.ResponseController); ok {
		c.SetReadDeadline(time.Unix(1, 0)) // where it is not supported the end of the call ends the read
	}
}

func orNotFound(handler http.Handler) http.Handler {
	if handler != nil {
		return handler
	}
	return http.HandlerFunc(notFound)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	codec.WriteFaultStatus(w, http.StatusNotFound, fault.New(metav1.Reason_REASON_NOT_FOUND, "there is nothing at %s", r.URL.Path))
}

// handedOut serves the documents there are now, and leaves all other paths to next.
func (h *Hub) handedOut(next http.Handler) http.Handler {
	if h.cfg.Documents == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if documents := h.cfg.Documents(); documents.Has(r.URL.Path) {
			documents.Serve(w, r, "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// document serves bytes for everybody who reached the listener.
func document(contentType string, get func() []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		if get != nil {
			body = get()
		}
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			codec.WriteFaultStatus(w, http.StatusMethodNotAllowed, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s %s", r.Method, r.URL.Path))
		case len(body) == 0:
			notFound(w, r)
		default:
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "no-cache")
			w.Write(body)
		}
	})
}

// metrics answers a Prometheus that scrapes. It is a client like any other: whoever may not call GetMetrics gets nothing.
func metrics(conn grpc.ClientConnInterface) http.Handler {
	client := diagnosticsv1.NewDiagnosticsServiceClient(conn)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			codec.WriteFaultStatus(w, http.StatusMethodNotAllowed, fault.New(metav1.Reason_REASON_METHOD_NOT_FOUND, "there is no %s %s", r.Method, r.URL.Path))
			return
		}
		ctx := r.Context()
		for _, v := range r.Header.Values("Authorization") {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
		}
		resp, err := client.GetMetrics(ctx, &diagnosticsv1.GetMetricsRequest{})
		if err != nil {
			codec.WriteFault(w, fault.FromStatus(err))
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		io.WriteString(w, resp.GetText())
	})
}

// callable lists the methods of the public services for JSON-RPC.
func (h *Hub) callable() []jsonrpc.Method {
	var list []jsonrpc.Method
	for service := range h.channel.GetServiceInfo() {
		if foreign(service) {
			continue
		}
		for procedure, m := range h.methods {
			if string(m.desc.Parent().FullName()) == service {
				list = append(list, jsonrpc.Method{Procedure: procedure, Desc: m.desc})
			}
		}
	}
	return list
}
