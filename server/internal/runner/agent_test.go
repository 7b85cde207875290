package runner

import (
	"strings"
	"testing"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a package's code says about a form reaches the person who filled it in; what an agent makes up does not.
func TestOnlyWhatPackageCodeCanSayIsTakenOver(t *testing.T) {
	t.Parallel()
	told := func(reason metav1.Reason) *fault.Error {
		return fault.New(reason, "greeting: expected string").Violation("greeting", "expected string")
	}
	for name, tc := range map[string]struct {
		err      error
		reason   metav1.Reason
		message  string
		violated int
	}{
		"form":           {told(metav1.Reason_REASON_ACTION_INPUT), metav1.Reason_REASON_ACTION_INPUT, "greeting: expected string", 1},
		"code":           {told(metav1.Reason_REASON_PACKAGE_CODE_FAILED), metav1.Reason_REASON_PACKAGE_CODE_FAILED, "greeting: expected string", 1},
		"no such action": {told(metav1.Reason_REASON_ACTION_NOT_FOUND), metav1.Reason_REASON_ACTION_NOT_FOUND, "greeting: expected string", 1},
		"not yet":        {told(metav1.Reason_REASON_SERVICE_NOT_READY), metav1.Reason_REASON_SERVICE_NOT_READY, "the package cannot be asked now: greeting: expected string", 0},
		"a lie":          {told(metav1.Reason_REASON_PERMISSION_DENIED), metav1.Reason_REASON_SERVICE_NOT_READY, "cannot reach the agent of the service", 0},
		"too much":       {status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), metav1.Reason_REASON_PACKAGE_CODE_FAILED, "the package's code answered with more than 4 MiB, which is as much as is taken of it", 0},
		"nobody there":   {status.Error(codes.Unavailable, "connection refused"), metav1.Reason_REASON_SERVICE_NOT_READY, "cannot reach the agent of the service", 0},
	} {
		got := fault.Proto(packageFault(fault.Status(tc.err).Err()))
		if got.GetReason() != tc.reason || got.GetMessage() != tc.message || len(got.GetViolations()) != tc.violated {
			t.Errorf("%s: %v", name, got)
		}
	}
	long := packageFault(fault.Status(fault.New(metav1.Reason_REASON_ACTION_INPUT, "%s", strings.Repeat("ä", 1<<20))).Err())
	if len(long.Error()) > 2*maxPackageText {
		t.Errorf("%d bytes are taken over", len(long.Error()))
	}
}

// An init that ends its own program is a failure of the package with a reason, and nothing to wait for.
func TestAnInitThatEndsItsProgramHasFailed(t *testing.T) {
	t.Parallel()
	unready := packageFault(fault.Status(fault.New(metav1.Reason_REASON_SERVICE_NOT_READY, "the JavaScript host has ended: exit status 3")).Err())
	got := fault.Proto(initFault(unready, &agentv1.State{Phase: agentv1.State_PHASE_CRASHED, ExitReason: "exit status 3"}))
	if got.GetReason() != metav1.Reason_REASON_PACKAGE_CODE_FAILED || got.GetMessage() != "the program of the package's code ended during its init: exit status 3" {
		t.Errorf("told: %v", got)
	}
	for name, st := range map[string]*agentv1.State{"it runs": {Phase: agentv1.State_PHASE_INITIALIZING}, "nobody answers": nil} {
		if got := initFault(unready, st); !fault.Is(got, metav1.Reason_REASON_SERVICE_NOT_READY) {
			t.Errorf("%s: told: %v", name, got)
		}
	}
}
