package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	hearth "github.com/hearthos/hearth/clients/go"
	"github.com/hearthos/hearth/server/internal/daemon"
	"github.com/hearthos/hearth/server/servertest"
)

func start(t *testing.T, state, mode string) error {
	t.Helper()
	cfg := daemon.DefaultConfig()
	cfg.StateDir, cfg.RunRoot, cfg.BinDir, cfg.Mode = state, filepath.Join(state, "run"), t.TempDir(), mode
	cfg.GRPCAddress = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if mode == daemon.ModeSandbox {
		return play(ctx, cfg, slog.New(slog.DiscardHandler))
	}
	_, err := daemon.New(cfg, slog.New(slog.DiscardHandler))
	return err
}

func TestAModeThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	if err := start(t, t.TempDir(), "cloud"); err == nil || !strings.Contains(err.Error(), "auto, image, hosted or sandbox") {
		t.Error(err)
	}
}

// Whichever file is the first that cannot be written, the fault says what is the matter with the disk.
func TestAStartOnADiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	for want, c := range map[metav1.Reason]struct {
		flags   uintptr
		options string
	}{
		metav1.Reason_REASON_STORE_READ_ONLY: {syscall.MS_RDONLY, ""},
		metav1.Reason_REASON_DISK_FULL:       {0, "nr_inodes=1"},
	} {
		disk := t.TempDir()
		if err := syscall.Mount("none", disk, "tmpfs", c.flags, c.options); err != nil {
			t.Skip("cannot mount here:", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(disk, 0); err != nil {
				t.Error(err)
			}
		})
		err := start(t, filepath.Join(disk, "state"), daemon.ModeSandbox)
		if f := fault.Proto(err); f.GetReason() != want || !strings.HasPrefix(f.GetMetadata()["path"], disk) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What a sandbox says of packages is not true, and what a real server says would be made untrue by one.
func TestASandboxAndAServerKeepOffEachOthersState(t *testing.T) {
	t.Parallel()
	real := t.TempDir()
	if err := os.Mkdir(filepath.Join(real, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := start(t, real, daemon.ModeSandbox); err == nil || !strings.Contains(err.Error(), "a real server's") {
		t.Errorf("a sandbox on the state of a server: %v", err)
	}
	if left, err := os.ReadDir(real); err != nil || len(left) != 1 {
		t.Errorf("the refused one left %v (%v)", left, err)
	}
	played := t.TempDir()
	if err := os.WriteFile(filepath.Join(played, "sandbox"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "a sandbox's"
	if os.Geteuid() != 0 {
		want = "--mode sandbox" // without root there is no other
	}
	if err := start(t, played, daemon.ModeHosted); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a server on the state of a sandbox: %v", err)
	}
}

// A state that has been one, or holds packages or data, gets no new store: it would have them removed as left over.
func TestNoStoreIsBegunWhereOneIsMissing(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(state string) error{
		"data of a package": func(state string) error { return os.MkdirAll(filepath.Join(state, "volumes", "hello"), 0o700) },
		"a package": func(state string) error {
			dir := filepath.Join(state, "artifacts")
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "0123.s9pk"), nil, 0o600))
		},
		"a package that is taken": func(state string) error { return os.MkdirAll(filepath.Join(state, "artifacts", "claimed", "x"), 0o700) },
		"the link of a socket": func(state string) error {
			return os.Symlink(filepath.Join(state, "run", "ab12", "hearthd.sock"), filepath.Join(state, "hearthd.sock"))
		},
	} {
		state := t.TempDir()
		if err := errors.Join(make(state), os.WriteFile(filepath.Join(state, "sandbox"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		cfg := daemon.DefaultConfig()
		cfg.StateDir, cfg.RunRoot, cfg.BinDir, cfg.Mode = state, filepath.Join(state, "run"), t.TempDir(), daemon.ModeSandbox
		cfg.GRPCAddress = "127.0.0.1:0"
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := play(ctx, cfg, slog.New(slog.DiscardHandler)); !fault.Is(err, metav1.Reason_REASON_STORE_DAMAGED) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(state, "store", "db", "MANIFEST")); err == nil {
			t.Errorf("%s: a store was begun", name)
		}
	}
}

func TestPortsFollowTheMode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode  string
		given map[string]bool
		web   int
	}{
		"image":                {daemon.ModeImage, nil, 443},
		"image with a flag":    {daemon.ModeImage, map[string]bool{"web-port": true}, 8443},
		"hosted":               {daemon.ModeHosted, nil, 8443},
		"sandbox, like hosted": {daemon.ModeSandbox, nil, 8443},
	} {
		cfg := daemon.DefaultConfig()
		cfg.Mode = c.mode
		if follow(&cfg, c.given); cfg.WebPort != c.web {
			t.Errorf("%s: the port is %d", name, cfg.WebPort)
		}
	}
}

// Every device that trusts a server would have to trust another authority anew, so a server that somebody has claimed makes
// none for itself.
func TestAServerThatWasClaimedMakesNoOtherAuthority(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c, err := hearth.Dial(t.Context(), s.Target(), hearth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Accounts.ClaimServer(t.Context(), &accountsv1.ClaimServerRequest{Account: "alex", Password: "correct horse battery"}); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	authority := filepath.Join(s.State, "authority")
	if err := os.RemoveAll(authority); err != nil {
		t.Fatal(err)
	}
	cfg := daemon.DefaultConfig()
	cfg.StateDir, cfg.RunRoot, cfg.BinDir, cfg.Mode = s.State, filepath.Join(filepath.Dir(s.State), "run"), t.TempDir(), daemon.ModeSandbox
	cfg.GRPCAddress = "127.0.0.1:0"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := play(ctx, cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), authority) {
		t.Errorf("without its authority: %v", err)
	}
	if _, err := os.Stat(authority); !os.IsNotExist(err) {
		t.Errorf("an authority was begun: %v", err)
	}
	// Who wants another one says so.
	if err := os.Mkdir(authority, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Start()
}
