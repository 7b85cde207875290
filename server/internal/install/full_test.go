package install_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/operation"
	"github.com/hearthos/hearth/server/internal/store"
	"github.com/hearthos/hearth/server/internal/testenv"
	"golang.org/x/sys/unix"
)

// A disk that becomes full while the data are snapshotted fails the update: the service is what it was, its data too, and the space
// comes back.
func TestAFullDiskDuringASnapshotLeavesTheServiceAsItWas(t *testing.T) {
	t.Parallel()
	testenv.Require(t, "root")
	m := &machine{scenario: scenario{kind: install.KindUpdate, installed: true, version: newVersion}, t: t, dir: t.TempDir()}
	volumes := filepath.Join(m.dir, "volumes")
	if err := errors.Join(os.Mkdir(volumes, 0o700), unix.Mount("tmpfs", volumes, "tmpfs", 0, "size=640m")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(volumes, unix.MNT_DETACH) })
	var err error
	if m.store, err = store.Open(filepath.Join(m.dir, "store"), store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.store.Close() })
	ballast := filepath.Join(volumes, ".ballast")
	m.during = func() {
		f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return
		}
		defer f.Close()
		if free, err := tree.Free(volumes); err == nil && free > 0 {
			_ = unix.Fallocate(int(f.Fd()), 0, 0, int64(free))
		}
	}
	m.open(func(*store.Tx, string) error { return nil })
	m.prepare()
	_, pkg := packageFile()
	large := bytes.Repeat([]byte("large "), 1<<20)
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := os.WriteFile(filepath.Join(volumes, pkg, volumeName, name), large, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 { // a snapshot tells how far it is now and then
		if err := os.WriteFile(filepath.Join(volumes, pkg, volumeName, fmt.Sprint("small", i)), []byte("small"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.volumes.Remember(ids.Package(pkg)); err != nil { // as a service that was set up is
		t.Fatal(err)
	}
	free := func() uint64 {
		n, err := tree.Free(volumes)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, had := free(), m.spec(pkg)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.playRunner(ctx) }()
	engine := operation.New(m.store, slog.New(slog.DiscardHandler), m.installs.Definitions()...)
	_, err = engine.Begin(ctx, time.Now(), operation.Request{Asked: operation.Asked{ID: operationID, By: "me"}, Kind: install.KindUpdate, Target: pkg})
	if err != nil {
		t.Fatal(err)
	}
	end := m.runUntilEnded(engine, operationID)
	cancel()
	<-ended
	if end.GetState() != operationsv1.OperationStatus_STATE_FAILED || end.GetFault().GetReason() != metav1.Reason_REASON_DISK_FULL {
		t.Errorf("it ends with %v", end)
	}
	if _, err := os.Stat(ballast); err != nil {
		t.Fatalf("the disk was never full: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if after := free(); after != before {
		t.Errorf("%d bytes are free, %d were", after, before)
	}
	if got := m.spec(pkg); got.GetArtifact() != had.GetArtifact() || got.GetVersion() != dataVersion || got.GetDesired() != packagesv1.PackageSpec_DESIRED_RUNNING || got.GetOperation() != "" {
		t.Errorf("wanted is %v", got)
	}
	if got, err := os.ReadFile(filepath.Join(volumes, pkg, volumeName, "precious")); err != nil || string(got) != "words of "+dataVersion {
		t.Errorf("the data are %q, %v", got, err)
	}
}
