package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"buf.build/go/protovalidate"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/rpc/access"
	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// RevisionHeader is the response header with the revision of the store at which what a call did is visible.
const RevisionHeader = "hearth-revision"

// CookieHeader is the response header by which a service sets the cookie of a browser's session. Only services set it,
// and only for calls of browsers.
const CookieHeader = "set-cookie"

func formatRevision(r uint64) string { return strconv.FormatUint(r, 10) }

// viewers is the rule of methods that carry no option: reflection, health, and those that do not exist.
var viewers = access.Role(optionsv1.Role_ROLE_VIEWER)

// recovered turns a panic into a fault, so that one call with a defect does not end the daemon.
func (h *Hub) recovered(ctx context.Context, c *Call, next func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.LogAttrs(ctx, slog.LevelError, "call panicked", slog.String("method", c.Procedure),
				slog.String("request_id", c.RequestID), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = internal(c)
		}
	}()
	return next(ctx)
}

// logged writes the one line of a call. Successful reads are of interest only when looking for something.
func (h *Hub) logged(ctx context.Context, c *Call, next func(context.Context) error) error {
	outcome := "panic"
	level := slog.LevelInfo
	defer func() {
		if !h.log.Enabled(ctx, level) {
			return
		}
		attrs := []slog.Attr{
			slog.String("method", c.Procedure), slog.String("wire", c.Wire), slog.String("outcome", outcome),
			slog.Duration("took", h.cfg.Now().Sub(c.start)), slog.String("origin", c.Caller.Origin.String()),
			slog.String("caller", c.Caller.Identity.Name()), slog.String("request_id", c.RequestID),
		}
		h.log.LogAttrs(ctx, level, "call", append(attrs, c.attrs...)...)
	}()
	err := next(ctx)
	switch {
	case err != nil:
		outcome = fault.Reason(err).String()
		c.Annotate(slog.String("error", err.Error()))
		if fault.Is(err, metav1.Reason_REASON_CANCELLED) {
			level = slog.LevelDebug // the caller of a stream has seen enough
		}
	default:
		outcome = "ok"
		if c.m != nil && c.m.reads {
			level = slog.LevelDebug
		}
	}
	if c.Caller.Origin.Listener == origin.Container {
		level = slog.LevelDebug // or a hostile package would fill the log
	}
	return err
}

// faults makes every error a fault. It stands outside of the checks, whose refusals are mapped too. What nobody
// meant to send becomes INTERNAL: its text goes to the log, the id under which it is there to the caller.
func (h *Hub) faults(ctx context.Context, c *Call, next func(context.Context) error) error {
	err := next(ctx)
	if err == nil {
		return nil
	}
	if err = known(ctx, c, err); fault.Reason(err) != metav1.Reason_REASON_INTERNAL {
		return err
	}
	h.log.LogAttrs(ctx, slog.LevelError, "call failed", slog.String("method", c.Procedure),
		slog.String("request_id", c.RequestID), slog.String("error", err.Error()))
	return internal(c)
}

// known finds the fault in err: that for which the stream was ended, where it was, since a service only sees its context
// end; and for the answer of another process, which the service got from a client of its own, that of the other side, or
// what can be said without its text.
func known(ctx context.Context, c *Call, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch reason := fault.Reason(err); reason {
	case metav1.Reason_REASON_CANCELLED, metav1.Reason_REASON_DEADLINE_EXCEEDED:
		if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
			return f
		}
		return fault.FromProto(fault.Proto(ended[reason]))
	case metav1.Reason_REASON_METHOD_NOT_FOUND:
		return err
	}
	st, ok := status.FromError(err)
	switch {
	case !ok || c.Method != nil && foreign(string(c.Method.Parent().FullName())):
		return err
	case len(st.Details()) > 0:
		return fault.FromStatus(st.Err())
	case st.Code() == codes.Unavailable:
		return fault.New(metav1.Reason_REASON_UNAVAILABLE, "a part of the server does not answer right now: %w", err)
	}
	return errors.New(err.Error()) // the text is for the log
}

var ended = map[metav1.Reason]error{
	metav1.Reason_REASON_CANCELLED:         context.Canceled,
	metav1.Reason_REASON_DEADLINE_EXCEEDED: context.DeadlineExceeded,
}

func internal(c *Call) error {
	return fault.New(metav1.Reason_REASON_INTERNAL, "cannot complete the call because of a defect of the server (request id %s)", c.RequestID)
}

// authenticate finds out who calls.
func (h *Hub) authenticate(ctx context.Context, c *Call, next func(context.Context) error) error {
	shown := metadata.ValueFromIncomingContext(ctx, "authorization")
	signed := access.SignatureOf(ctx, c.Procedure, h.names(c.Caller.Origin))
	browser := access.BrowserOf(ctx)
	if c.native {
		browser = access.FromNative(ctx, h.cookie)
	}
	caller, err := h.identify(ctx, c.Caller.Origin, shown, browser, signed)
	c.Caller = caller
	if signed != nil && c.Method != nil {
		if c.Method.IsStreamingClient() {
			return access.ErrStreamed()
		}
		c.OnReceive(signed.CheckBody)
	}
	// Whoever cannot be known yet is nobody, which is enough where nobody may call.
	unknown := fault.Is(err, metav1.Reason_REASON_SERVER_STARTING) && c.rule.Check(c.Caller) == nil
	if err != nil && !unknown {
		return err
	}
	return next(ctx)
}

func (h *Hub) identify(ctx context.Context, o origin.Origin, authorization []string, browser access.Browser, signed *access.Signature) (access.Caller, error) {
	return access.Identify(ctx, o, authorization, browser, signed, h.cfg.Authenticator)
}

// names tells the names by which a signed request may call the server: on the local socket every one, since nobody can
// have led the caller there.
func (h *Hub) names(o origin.Origin) func(host string) bool {
	if o.Listener == origin.Unix {
		return func(string) bool { return true }
	}
	return h.cfg.Ours
}

// stepUpWithin is how long a proof of who calls is good for methods that want a fresh one.
const stepUpWithin = 10 * time.Minute

// steppedUp refuses methods with the option step_up to callers who have not proven a short time ago who they are. Sessions
// prove it by the password, keys with each request, and root by being on the machine. A token proves nothing but that
// somebody has it.
func (h *Hub) steppedUp(ctx context.Context, c *Call, next func(context.Context) error) error {
	id := c.Caller.Identity
	switch {
	case !c.m.stepUp, id.Kind == access.Local, id.Kind == access.Key:
	case id.Kind == access.Session && h.cfg.Now().Sub(id.Proven) < stepUpWithin:
	case id.Kind == access.Session:
		return fault.New(metav1.Reason_REASON_STEP_UP_REQUIRED, "cannot do this so long after the password was proven")
	default:
		return fault.New(metav1.Reason_REASON_STEP_UP_REQUIRED, "cannot do this with a token")
	}
	return next(ctx)
}

// authorize applies the method's rule.
func (h *Hub) authorize(ctx context.Context, c *Call, next func(context.Context) error) error {
	if err := c.rule.Check(c.Caller); err != nil {
		return err
	}
	scope := c.Caller.Identity.Scope
	if err := scope.CheckMethod(c.Procedure, c.Method); err != nil {
		return err
	}
	if c.Method == nil {
		return noMethod(c.Procedure)
	}
	if scope.Narrowed() {
		c.OnReceive(func(m proto.Message) error { return scope.CheckRequest(c.Method, m) })
	}
	return next(ctx)
}

// validate applies the rules written in the contract to every message of the caller.
func (h *Hub) validate(ctx context.Context, c *Call, next func(context.Context) error) error {
	c.OnReceive(func(m proto.Message) error {
		err := h.validator.Validate(m)
		if err == nil {
			return nil
		}
		var invalid *protovalidate.ValidationError
		if !errors.As(err, &invalid) {
			return fmt.Errorf("cannot validate %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
		}
		return violations(invalid)
	})
	return next(ctx)
}

func violations(invalid *protovalidate.ValidationError) error {
	first := ""
	for _, v := range invalid.Violations {
		if first == "" {
			first = protovalidate.FieldPathString(v.Proto.GetField()) + ": " + v.Proto.GetMessage()
		}
	}
	f := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot accept the request: %s", first)
	for _, v := range invalid.Violations {
		f = f.Violation(protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage())
	}
	return f
}

// revision tells the caller at which revision what it did is visible.
func (h *Hub) revision(ctx context.Context, c *Call, next func(context.Context) error) error {
	err := next(ctx)
	if err != nil || c.Stream {
		return err
	}
	return grpc.SetHeader(ctx, h.headers(c))
}
