package runner

import (
	"fmt"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"golang.org/x/sys/unix"
)

// Who minds the machine is told what kept a container from starting, and not only that something did.
func TestAContainerThatFailedSaysWhy(t *testing.T) {
	t.Parallel()
	err := containerFailed(fmt.Errorf("after all: %w", &lxc.StartError{Name: "hello", Reason: "liblxc refused", Log: []string{"bridge interface doesn't exist"}}))
	want := `after all: cannot start container "hello": liblxc refused: bridge interface doesn't exist`
	if got := fault.Proto(err).GetMessage(); got != want {
		t.Errorf("the message is %q and not %q", got, want)
	}
	full := containerFailed(fmt.Errorf("cannot set up the images of the container: %w", unix.ENOSPC))
	if !fault.Is(full, metav1.Reason_REASON_DISK_FULL) {
		t.Errorf("a full disk is told as %v", full)
	}
}
