package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"
)

const (
	notFound = metav1.Reason_REASON_PACKAGE_NOT_FOUND
	internal = metav1.Reason_REASON_INTERNAL
)

var errDisk = errors.New("read /dev/secret: input/output error")

func TestCausesAreLoggedAndNeverSent(t *testing.T) {
	t.Parallel()
	inner := fault.New(metav1.Reason_REASON_DISK_FULL, "needs %s free: %w", "3 GiB", errDisk)
	for _, c := range []struct {
		name         string
		err          *fault.Error
		message, log string
	}{
		{"no cause", fault.New(notFound, "no package %q, 100%% sure", "x"), `no package "x", 100% sure`, `no package "x", 100% sure`},
		{"cause at the end", fault.New(notFound, "cannot open %q: %w", "x", errDisk), `cannot open "x"`, `cannot open "x": ` + errDisk.Error()},
		{"cause in the middle", fault.New(notFound, "a %d: %w, b %s", 1, errDisk, "c"), "a 1, b c", "a 1: " + errDisk.Error() + ", b c"},
		{"cause that is a fault", fault.New(notFound, "cannot install: %w", inner), "cannot install: needs 3 GiB free", "cannot install: needs 3 GiB free: " + errDisk.Error()},
		{"wrapped fault", fault.New(notFound, "cannot install: %w", fmt.Errorf("private: %w", inner)), "cannot install: needs 3 GiB free", "cannot install: private: needs 3 GiB free: " + errDisk.Error()},
		{"nothing but a cause", fault.New(notFound, "%w", errDisk), "package not found", errDisk.Error()},
		{"width from an argument", fault.New(notFound, "%*d: %w", 3, 7, errDisk), "  7", "  7: " + errDisk.Error()},
		{"explicit index", fault.New(notFound, "bad: %[1]w", errDisk), "bad", "bad: " + errDisk.Error()},
	} {
		if got := fault.Proto(c.err).GetMessage(); got != c.message {
			t.Errorf("%s: sends %q, want %q", c.name, got, c.message)
		}
		if got := c.err.Error(); got != c.log {
			t.Errorf("%s: logs %q, want %q", c.name, got, c.log)
		}
		if strings.Contains(c.log, errDisk.Error()) != errors.Is(c.err, errDisk) {
			t.Errorf("%s: errors.Is does not find the cause", c.name)
		}
	}
}

func TestUnknownErrorsShowNothing(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("cannot serve: %w", errDisk)
	f := fault.Proto(err)
	if f.GetReason() != internal || strings.Contains(f.GetMessage(), "secret") {
		t.Errorf("got %v", f)
	}
	if s := fault.Status(err); s.Code() != codes.Internal || strings.Contains(s.String(), "secret") {
		t.Errorf("got %v", s)
	}
}

func TestReasonSeesThroughWrapping(t *testing.T) {
	t.Parallel()
	gone := fault.New(notFound, "gone")
	for _, c := range []struct {
		name string
		err  error
		want metav1.Reason
	}{
		{"nil", nil, metav1.Reason_REASON_UNSPECIFIED},
		{"fault", gone, notFound},
		{"wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", gone)), notFound},
		{"joined", errors.Join(errDisk, gone), notFound},
		{"outer counts", fault.New(metav1.Reason_REASON_CONFLICT, "x: %w", gone), metav1.Reason_REASON_CONFLICT},
		{"unknown", errDisk, internal},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), metav1.Reason_REASON_CANCELLED},
		{"timed out", fmt.Errorf("x: %w", context.DeadlineExceeded), metav1.Reason_REASON_DEADLINE_EXCEEDED},
		{"status with fault", fault.Status(gone).Err(), notFound},
		{"wrapped status", fmt.Errorf("x: %w", fault.Status(gone).Err()), notFound},
		{"plain status", status.Error(codes.Unavailable, "no"), metav1.Reason_REASON_UNAVAILABLE},
		{"plain unknown status", status.Error(codes.Unknown, "no"), internal},
	} {
		if got := fault.Reason(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if fault.Is(c.err, c.want) != (c.err != nil) {
			t.Errorf("%s: Is disagrees with Reason", c.name)
		}
	}
}

func TestFaultComesBackWholeOverTheWire(t *testing.T) {
	t.Parallel()
	sent := fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use %q: %w", "x", errDisk).
		With("field", "port").With("port", 80).
		Violation("spec.port", "must be over 1023").
		RetryAfter(3 * time.Second)
	got := fault.FromStatus(fault.Status(fmt.Errorf("outer: %w", sent)).Err())
	want := &metav1.Fault{
		Reason: metav1.Reason_REASON_INVALID_ARGUMENT, Message: `cannot use "x"`,
		Metadata:   map[string]string{"field": "port", "port": "80"},
		Violations: []*metav1.Violation{{Field: "spec.port", Message: "must be over 1023"}},
		RetryAfter: fault.Proto(sent).GetRetryAfter(),
	}
	if diff := cmp.Diff(want, fault.Proto(got), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got.Error() != `cannot use "x"` {
		t.Errorf("client shows %q", got)
	}
	if s, _ := status.FromError(got); s.Code() != codes.InvalidArgument {
		t.Errorf("code %v", s.Code())
	}
	if fault.Proto(got).GetRetryAfter().AsDuration() != 3*time.Second {
		t.Error("retry-after was lost")
	}
}

func TestFromStatusKeepsWhatIsNoFault(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, io.EOF, errDisk} {
		if got := fault.FromStatus(err); got != err {
			t.Errorf("FromStatus(%v) = %v", err, got)
		}
	}
	if got := fault.FromStatus(context.Canceled); !errors.Is(got, context.Canceled) || !fault.Is(got, metav1.Reason_REASON_CANCELLED) {
		t.Errorf("got %v", got)
	}
	got := fault.FromStatus(status.Error(codes.Unknown, "connection refused"))
	if got.Error() != "connection refused" || fault.Proto(got).GetMessage() != "connection refused" {
		t.Errorf("the transport's own text was lost: %v", got)
	}
}

func TestEveryReasonHasCodeAndRemedy(t *testing.T) {
	t.Parallel()
	for n, name := range metav1.Reason_name {
		if n == 0 {
			continue
		}
		info := fault.Info(metav1.Reason(n))
		if info.GetCode() == optionsv1.Code_CODE_UNSPECIFIED || info.GetRemedy() == "" || len(name) > 63 {
			t.Errorf("%s: %v", name, info)
		}
		if got := fault.Status(fault.New(metav1.Reason(n), "x")).Code(); got != codes.Code(info.GetCode()) {
			t.Errorf("%s: sent as %v", name, got)
		}
	}
	if got := fault.Status(fault.FromProto(&metav1.Fault{Reason: 9999, Message: "new"})); got.Code() != codes.Unknown || got.Message() != "new" {
		t.Errorf("a reason of a newer server becomes %v", got)
	}
}

func TestFromProtoIsAlwaysUsable(t *testing.T) {
	t.Parallel()
	if err := fault.FromProto(nil); !fault.Is(err, internal) || err.Error() == "" {
		t.Errorf("got %v", err)
	}
	f := &metav1.Fault{Reason: notFound, Message: "gone", Metadata: map[string]string{"package": "a"}}
	err := fault.FromProto(f)
	f.Metadata["package"] = "b"
	if got := fault.Proto(err).GetMetadata()["package"]; got != "a" {
		t.Errorf("the error shares its message with the caller: %q", got)
	}
}

type password string

func (password) LogValue() slog.Value { return slog.StringValue("[hidden]") }

func TestSecretsStayOutOfMetadataAndLogs(t *testing.T) {
	t.Parallel()
	err := fault.New(notFound, "no").With("user", "x").With("password", password("hunter2"))
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Error("refused", "fault", err)
	if strings.Contains(b.String(), "hunter2") || strings.Contains(fault.Status(err).String(), "hunter2") {
		t.Errorf("a secret leaks: %s", b.String())
	}
	for _, want := range []string{"REASON_PACKAGE_NOT_FOUND", "fault.user=x", "[hidden]"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in %s", want, b.String())
		}
	}
}

func TestWhatIsSentIsBoundedAndValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "text"))
		err := fault.New(notFound, "x %s", text)
		for i := range rapid.IntRange(0, 60).Draw(t, "n") {
			err.With(fmt.Sprint("k", i), text).Violation(text, text)
		}
		raw, merr := proto.Marshal(fault.Proto(err))
		if merr != nil {
			t.Fatalf("cannot be sent: %v", merr)
		}
		if len(raw) > 64<<10 {
			t.Fatalf("%d bytes", len(raw))
		}
		if got := fault.Proto(fault.FromStatus(fault.Status(err).Err())); !proto.Equal(got, fault.Proto(err)) {
			t.Fatalf("changed on the way: %v", got)
		}
	})
}

func FuzzNewNeverShowsItsCause(f *testing.F) {
	for _, s := range []string{"%w", "a: %w", "%q %w", "%[1]w", "%*d %w", "%%w %w", "%", "%-+5.2w", "%!w", "%w%w", "%é %w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, format string) {
		// Only %w promises to hide; other verbs print what they are given.
		if strings.Contains(strings.ReplaceAll(format, "%w", ""), "%") || strings.Contains(format, "cause") {
			return
		}
		err := fault.New(notFound, format, errors.New("cause"))
		if m := fault.Proto(err).GetMessage(); strings.Contains(m, "cause") {
			t.Fatalf("format %q shows %q", format, m)
		}
	})
}
