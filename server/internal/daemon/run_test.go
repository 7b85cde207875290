package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/seal"
)

// A daemon that is started right after a kill may be there before the kernel has closed what the killed one had.
func TestWhatAKilledDaemonHeldIsWaitedFor(t *testing.T) {
	t.Parallel()
	held := fault.New(metav1.Reason_REASON_STORE_IN_USE, "another process has it open")
	for name, tc := range map[string]struct {
		err  error
		free time.Duration // when it comes free
		want error
		took time.Duration // at most
	}{
		"free at once":   {held, 0, nil, 0},
		"free soon":      {held, time.Second, nil, 2 * time.Second},
		"a port":         {&net.OpError{Op: "listen", Err: syscall.EADDRINUSE}, time.Second, nil, 2 * time.Second},
		"never free":     {held, time.Hour, held, dyingWithin + time.Second},
		"something else": {errors.ErrUnsupported, time.Hour, errors.ErrUnsupported, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := onceFree(t.Context(), func() (string, error) {
					if time.Since(began) < tc.free {
						return "", tc.err
					}
					return "it", nil
				})
				if !errors.Is(err, tc.want) || (err == nil) != (got == "it") {
					t.Errorf("%q, %v; want %v", got, err, tc.want)
				}
				if took := time.Since(began); took > tc.took {
					t.Errorf("it took %v, at most %v were expected", took, tc.took)
				}
			})
		})
	}
	t.Run("the start is ended meanwhile", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := onceFree(ctx, func() (int, error) { return 0, held }); !errors.Is(err, held) {
			t.Errorf("%v", err)
		}
	})
}

// A root key that has gone with its whole folder is lost, not missing: a new one would open nothing and stand in the way
// of the old one.
func TestNoRootKeyIsMadeBesideWhatIsSealed(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	d := &Daemon{cfg: Config{StateDir: state}}
	if err := d.checkKeys(); err != nil {
		t.Fatalf("a new server: %v", err)
	}
	if _, err := seal.Load(KeyDir(state)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(state, "authority"), 0o700), os.WriteFile(filepath.Join(state, "authority", "ca.key"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := d.checkKeys(); err != nil {
		t.Errorf("a server with its key: %v", err)
	}
	if err := os.RemoveAll(KeyDir(state)); err != nil {
		t.Fatal(err)
	}
	if err := d.checkKeys(); !errors.Is(err, seal.ErrLost) {
		t.Errorf("a server whose keys are gone: %v", err)
	}
	if _, err := os.Stat(KeyDir(state)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made in their place: %v", err)
	}
}
