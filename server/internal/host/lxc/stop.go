package lxc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/mount"
)

const (
	// monitorGrace is how long liblxc's monitor may take to clear up after its container.
	monitorGrace = 5 * time.Second
	// failedGrace is the same after a start that failed.
	failedGrace = time.Second
	// killLimit is how long a killed process may take to vanish; one that waits for a dead disk can take longer.
	killLimit = 10 * time.Second
)

// Stop ends the container of that name: SIGTERM to its init, SIGKILL after grace, then everything goes that belonged to
// it. Without such a container it only clears leftovers, so it may be called twice and after a crash at any point.
// A cancelled context leaves the container running, or ending; call again.
func (r *Runtime) Stop(ctx context.Context, name string, grace time.Duration) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("cannot stop container: %w", err)
	}
	lock, err := r.lock(ctx, name)
	if err != nil {
		return err
	}
	defer lock.Close()
	monitors, err := r.openMonitors(name)
	if err != nil {
		return err
	}
	defer closeAll(monitors)
	if err := r.Thaw(name); err != nil { // the frozen end by no signal but one
		return err
	}
	c, err := r.Adopt(name)
	if err == nil {
		err = end(ctx, c, grace)
	}
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("cannot stop container %q: %w", name, err)
	}
	awaitAll(ctx, monitors, monitorGrace)
	return r.sweep(ctx, name)
}

// end asks the init to end and makes it.
func end(ctx context.Context, c Container, grace time.Duration) error {
	p, err := Open(c)
	if err != nil {
		return err
	}
	defer p.Close()
	if grace > 0 {
		if err := p.Signal(unix.SIGTERM); err != nil {
			return err
		}
		gctx, cancel := context.WithTimeout(ctx, grace)
		err := p.Wait(gctx)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		return err
	}
	kctx, cancel := context.WithTimeoutCause(ctx, killLimit, errors.New("its first process does not die"))
	defer cancel()
	return p.Wait(kctx)
}

// openMonitors returns handles on the liblxc processes of a container. They have to be taken while it lives: at its end
// the monitor leaves its cgroup before it exits.
func (r *Runtime) openMonitors(name string) ([]*Process, error) {
	pids, err := r.cgroups.processes(r.monitor(name))
	if err != nil {
		return nil, fmt.Errorf("cannot find monitor of container %q: %w", name, err)
	}
	var out []*Process
	for _, pid := range pids {
		f, err := inspect(pid)
		if err != nil {
			continue
		}
		if p, err := openPID(pid, f.start); err == nil {
			out = append(out, p)
		}
	}
	return out, nil
}

// awaitAll gives the processes of a container that has ended time to clear up after it.
func awaitAll(ctx context.Context, list []*Process, grace time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for _, p := range list {
		_ = p.Wait(ctx)
	}
}

// letMonitorsEnd is awaitAll for the monitors that are there now. One that cannot be found is swept like one that does
// not end.
func (r *Runtime) letMonitorsEnd(ctx context.Context, name string, grace time.Duration) {
	list, err := r.openMonitors(name)
	if err != nil {
		return
	}
	awaitAll(ctx, list, grace)
	closeAll(list)
}

func closeAll(list []*Process) {
	for _, p := range list {
		p.Close()
	}
}

// sweep clears what is left of a container whose init has ended, or never began.
func (r *Runtime) sweep(ctx context.Context, name string) error {
	if err := r.cgroups.clear(ctx, r.starter(name), r.monitor(name), r.payload(name)); err != nil {
		return err
	}
	if err := mount.UnmountBelow(r.deviceDir(name)); err != nil {
		return err
	}
	if err := os.Remove(r.deviceDir(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove device folder: %w", err)
	}
	return nil
}

// Purge stops every container of the instance at once and removes its cgroups. It is for taking the instance off the
// machine.
func (r *Runtime) Purge(ctx context.Context, grace time.Duration) error {
	names, err := r.cgroups.children(filepath.Join(r.cgroupRoot(), "payload"))
	if err != nil {
		return fmt.Errorf("cannot list containers: %w", err)
	}
	done := make(chan error)
	for _, name := range names {
		go func() { done <- r.Stop(ctx, name, grace) }()
	}
	var errs []error
	for range names {
		errs = append(errs, <-done)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := r.cgroups.clear(ctx, r.cgroupRoot()); err != nil {
		return err
	}
	// The parent goes with its last instance; others in it, or a service manager that owns it, keep it.
	for _, root := range r.cgroups.all {
		_ = unix.Rmdir(filepath.Join(root, r.cfg.CgroupParent))
	}
	return nil
}
