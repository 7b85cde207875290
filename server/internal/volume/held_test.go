package volume_test

import (
	"os"
	"path/filepath"
	"testing"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/volume"
	"golang.org/x/sys/unix"
)

// Data that something runs on are neither removed nor exchanged; when it has ended they are.
func TestDataThatAreHeldStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	const pkg = ids.Package("notes")
	dir := t.TempDir()
	k, err := volume.New(dir, unbounded)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Unheld(pkg); err != nil {
		t.Fatalf("data that never were: %v", err)
	}
	if err := k.Ensure(pkg, []ids.Volume{"main"}, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(k.Path(pkg, "main"), "note")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Snapshot(t.Context(), pkg, "before", nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := k.Lock(pkg)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(owner.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	held := func(what string, err error) {
		t.Helper()
		if !fault.Is(err, metav1.Reason_REASON_DATA_HELD) {
			t.Errorf("%s: %v, want DATA_HELD", what, err)
		}
	}
	held("a look", k.Unheld(pkg))
	held("a removal", k.Remove(t.Context(), pkg, "gone"))
	_, err = k.Swap(t.Context(), pkg, "before", "aside")
	held("a swap", err)
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "new" {
		t.Errorf("the data are %q, %v", raw, err)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Swap(t.Context(), pkg, "before", "aside"); err != nil {
		t.Errorf("a swap when the owner has ended: %v", err)
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "old" {
		t.Errorf("the data are %q, %v", raw, err)
	}
}
