package runner

import (
	"fmt"
	"testing"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Who minds the machine is told what kept a container from starting, and not only that something did.
func TestAContainerThatFailedSaysWhy(t *testing.T) {
	t.Parallel()
	err := containerFailed(fmt.Errorf("after all: %w", &lxc.StartError{Name: "hello", Reason: "liblxc refused", Log: []string{"bridge interface doesn't exist"}}))
	want := `after all: cannot start container "hello": liblxc refused: bridge interface doesn't exist`
	if got := fault.Proto(err).GetMessage(); got != want {
		t.Errorf("the message is %q and not %q", got, want)
	}
}
