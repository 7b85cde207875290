package pid1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearthos/hearth/runtime/agent/internal/pid1"
	"golang.org/x/sys/unix"
)

// A container whose data somebody else holds runs nothing of the package: not even its log and its socket are made.
func TestAnAgentRunsNothingOnDataThatAreHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	owner, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if err := unix.Flock(int(owner.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		cfg := pid1.Config{RPCDir: dir, LogDir: filepath.Join(dir, "logs"), DataLock: path, Command: []string{"touch", filepath.Join(dir, "ran")}}
		if err := pid1.Run(cfg, nil); err == nil || !strings.Contains(err.Error(), "cannot lock the data") {
			t.Errorf("it ran: %v", err)
		}
	})
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("there is %v, %v", entries, err)
	}
}
