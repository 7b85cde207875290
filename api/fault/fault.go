// Package fault is how Hearth tells that something was refused or went wrong: a typed error with a reason of a closed
// list, the one way it becomes a gRPC status or a message in a resource, and the way back.
//
//	fault.go    the error and its builder
//	inspect.go  what an error means: reason, fault message, code
//	wire.go     to and from gRPC statuses
//
// It is deliberately not a logger and holds no texts for users beyond the message given: help pages and translations
// are keyed by the reason. Invariants: a cause is for the log and never leaves the process through Proto or Status; an
// error that is not a fault never shows its text to a caller, it becomes REASON_INTERNAL; what leaves is bounded in
// size, because it travels in a trailer.
package fault

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Limits of what a fault sends, in bytes and in members. Longer texts are cut, further members are left out.
const (
	maxMessage    = 2048
	maxValue      = 512
	maxMetadata   = 32
	maxViolations = 32
)

// Error is a refusal or failure with a reason. Make it with New, complete it with With, Violation and RetryAfter before
// it is returned, and do not change it afterwards: from then on it may be read concurrently.
type Error struct {
	fault *metav1.Fault
	text  string // with causes, for logs
	cause error
}

// New makes a fault. The format is that of fmt.Errorf. A cause given with %w is kept for the log and for errors.Is; the
// message that is sent shows it only if it is a fault itself, otherwise the verb is left out together with the ": "
// before it. Values printed by any other verb are sent.
func New(reason metav1.Reason, format string, args ...any) *Error {
	full := fmt.Errorf(format, args...)
	message := Cut(public(format, args), maxMessage)
	if message == "" {
		message = name(reason)
	}
	e := &Error{fault: &metav1.Fault{Reason: reason, Message: message}, text: full.Error()}
	switch full.(type) {
	case interface{ Unwrap() error }, interface{ Unwrap() []error }:
		e.cause = full
	}
	return e
}

// With adds a dynamic value of the message under its own name and answers e. A value that is a slog.LogValuer is
// written as it wants to be logged, so that secrets stay out.
func (e *Error) With(key string, value any) *Error {
	if v, ok := value.(slog.LogValuer); ok {
		value = slog.AnyValue(v).Resolve().Any()
	}
	if e.fault.Metadata == nil {
		e.fault.Metadata = make(map[string]string)
	}
	if _, replaced := e.fault.Metadata[key]; replaced || len(e.fault.Metadata) < maxMetadata {
		e.fault.Metadata[key] = Cut(fmt.Sprint(value), maxValue)
	}
	return e
}

// Violation adds what is wrong with one field of the request, as in "spec.ports[2].number", and answers e.
func (e *Error) Violation(field, message string) *Error {
	if len(e.fault.Violations) < maxViolations {
		v := &metav1.Violation{Field: Cut(field, maxValue), Message: Cut(message, maxValue)}
		e.fault.Violations = append(e.fault.Violations, v)
	}
	return e
}

// RetryAfter says when the same call is worth trying again and answers e.
func (e *Error) RetryAfter(d time.Duration) *Error {
	e.fault.RetryAfter = durationpb.New(d)
	return e
}

// Error answers the whole text including causes. It is for logs of this process; callers get Proto.
func (e *Error) Error() string { return e.text }

// Unwrap answers the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// LogValue writes reason, text with causes, metadata and violations.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("reason", e.fault.GetReason().String()), slog.String("text", e.text)}
	for _, k := range slices.Sorted(maps.Keys(e.fault.GetMetadata())) {
		attrs = append(attrs, slog.String(k, e.fault.GetMetadata()[k]))
	}
	for _, v := range e.fault.GetViolations() {
		attrs = append(attrs, slog.String("violation", v.GetField()+": "+v.GetMessage()))
	}
	return slog.GroupValue(attrs...)
}

// FromProto makes an error of a fault that was stored or received. It keeps its own copy. Without a reason it is
// REASON_INTERNAL, so the answer is always a usable error; callers ask whether there is a fault before.
func FromProto(f *metav1.Fault) *Error {
	f, _ = proto.Clone(f).(*metav1.Fault)
	if f == nil {
		f = &metav1.Fault{}
	}
	if f.GetReason() == metav1.Reason_REASON_UNSPECIFIED {
		f.Reason = metav1.Reason_REASON_INTERNAL
	}
	if f.GetMessage() == "" {
		f.Message = name(f.GetReason())
	}
	return &Error{fault: f, text: f.GetMessage()}
}

// name spells a reason for people, where nobody gave a message: "package not found".
func name(reason metav1.Reason) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(reason.String(), "REASON_"), "_", " "))
}

// public renders format without what %w would print, unless that is a fault, whose own message is public.
func public(format string, args []any) string {
	var b strings.Builder
	var kept []any
	next := 0 // the argument the next verb takes
	for i := 0; i < len(format); {
		if format[i] != '%' {
			b.WriteByte(format[i])
			i++
			continue
		}
		end, stars := verbEnd(format, i)
		verb := format[i:end]
		i = end
		if strings.ContainsRune(verb, '[') {
			// Explicit argument indexes are not followed: nothing of the arguments is shown then.
			return strings.TrimRight(b.String(), ": ")
		}
		if verb == "%%" || !strings.HasSuffix(verb, "w") {
			b.WriteString(verb)
			if verb != "%%" {
				kept = append(kept, args[min(next, len(args)):min(next+stars+1, len(args))]...)
				next += stars + 1
			}
			continue
		}
		if next+stars < len(args) {
			if f, ok := find(args[next+stars]); ok {
				b.WriteString("%s")
				kept = append(kept, f.GetMessage())
				next += stars + 1
				continue
			}
		}
		next += stars + 1
		head := strings.TrimSuffix(b.String(), ": ")
		b.Reset()
		b.WriteString(head)
	}
	return fmt.Sprintf(b.String(), kept...)
}

// verbEnd answers the index after the verb that begins at i, and how many arguments its width and precision take.
func verbEnd(format string, i int) (end, stars int) {
	for i++; i < len(format); i++ {
		switch c := format[i]; {
		case strings.IndexByte("+-# 0123456789.[]", c) >= 0:
		case c == '*':
			stars++
		default:
			_, size := utf8.DecodeRuneInString(format[i:])
			return i + size, stars
		}
	}
	return i, stars
}

// Cut shortens a text for people to at most limit bytes of valid UTF-8, which is all that protobuf takes: a text that was
// made too long by somebody is still a text.
func Cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	return strings.ToValidUTF8(s[:limit-len(mark)], "") + mark
}
