package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/gateway"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/nft"
	"github.com/hearthos/hearth/server/internal/host/tree"
	"github.com/hearthos/hearth/server/internal/store"
)

// CleanHost removes everything the instance of this state made on the machine, by its tag, and nothing else: containers,
// the front door, mounts, forwarding, firewall, bridge, sockets. State and data stay. It is refused while the daemon runs, whose
// lock on the store it takes, and may be repeated. Of a sandbox there are the sockets alone: it changes nothing of the machine.
func CleanHost(ctx context.Context, cfg Config, log *slog.Logger) error {
	dir := filepath.Join(cfg.StateDir, "store")
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		log.InfoContext(ctx, "there is no state here, so there is nothing to remove", "state", cfg.StateDir)
		return nil
	}
	st, err := openSoon(ctx, dir, log)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := removeFromMachine(ctx, cfg, st.Tag()); err != nil {
		return err
	}
	if err := tree.Remove(ctx, filepath.Join(cfg.StateDir, "upper")); err != nil {
		return fmt.Errorf("cannot remove the upper layers: %w", err)
	}
	return nil
}

// removeFromMachine removes what the instance with this tag made outside of its state. Where something stays, so do the
// sockets by which it can be found.
func removeFromMachine(ctx context.Context, cfg Config, tag string) error {
	runDir := filepath.Join(cfg.RunRoot, tag)
	if cfg.Mode == ModeSandbox {
		return removeSockets(cfg, runDir)
	}
	var errs []error
	done := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot remove the %s: %w", what, err))
		}
	}
	containers, err := lxc.New(lxc.Config{Tag: tag, RunDir: runDir, Helper: filepath.Join(cfg.BinDir, "hearth-lxc")})
	if err != nil {
		return err
	}
	defer containers.Close()
	done("containers", containers.Purge(ctx, 5*time.Second))
	done("front door", doorctl.Stop(ctx, doorctl.Options{RunDir: runDir}))
	done("mounts", mount.UnmountBelow(runDir))
	devices, err := netdev.New()
	if err == nil {
		defer devices.Close()
		err = gateway.PutBack(openedPath(runDir), devices)
	}
	done("forwarding", err)
	if err == nil { // else the firewall alone keeps the machine from being a router
		done("firewall", deleteFirewall(tag))
		done("bridge", errors.Join(devices.RemoveLink(BridgeName(tag)), devices.RemoveCallers(nft.CallerMark)))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return removeSockets(cfg, runDir)
}

// removeSockets removes the folder of sockets, and the names that lead to it.
func removeSockets(cfg Config, runDir string) error {
	for _, link := range []string{filepath.Join(cfg.StateDir, "hearthd.sock"), cfg.Socket} {
		if to, err := os.Readlink(link); err == nil && filepath.Dir(to) == runDir {
			_ = os.Remove(link)
		}
	}
	if err := os.RemoveAll(runDir); err != nil {
		return fmt.Errorf("cannot remove the sockets: %w", err)
	}
	return nil
}

func deleteFirewall(tag string) error {
	firewall, err := nft.New()
	if err != nil {
		return err
	}
	defer firewall.Close()
	return firewall.Delete(tag)
}

// openSoon opens a store, waiting a little for a daemon that is just ending.
func openSoon(ctx context.Context, dir string, log *slog.Logger) (*store.Store, error) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		st, err := store.Open(dir, store.Options{Logger: log})
		if err == nil || fault.Is(err, metav1.Reason_REASON_STORE_TOO_NEW) || time.Now().After(deadline) {
			return st, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond): // the lock is the other process's: nothing tells when it goes
		}
	}
}
