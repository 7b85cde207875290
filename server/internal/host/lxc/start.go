package lxc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/lxc/lxcwire"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/hostcmd"
)

// startLimit ends a start that hangs in the kernel or in liblxc.
const startLimit = 60 * time.Second

// StartError is a start that liblxc refused or gave up.
type StartError struct {
	Name   string
	Reason string
	// Log holds the last lines of liblxc's log that tell of trouble.
	Log []string
}

func (e *StartError) Error() string {
	msg := fmt.Sprintf("cannot start container %q: %s", e.Name, e.Reason)
	if len(e.Log) > 0 {
		msg += ": " + strings.Join(e.Log, "; ")
	}
	return msg
}

// Start starts a container and returns once its init runs. What an earlier container of that name left behind is cleared
// first. The error is ErrRunning when one runs, a *StartError when liblxc refused, and ErrInvalid for a Spec that cannot
// work; after any error nothing of the container remains. A cancelled context ends the start.
func (r *Runtime) Start(ctx context.Context, s Spec) (Container, error) {
	if err := s.Check(); err != nil {
		return Container{}, fmt.Errorf("cannot start container: %w", err)
	}
	lock, err := r.lock(ctx, s.Name)
	if err != nil {
		return Container{}, err
	}
	defer lock.Close()
	if _, err := r.Adopt(s.Name); err == nil {
		return Container{}, fmt.Errorf("cannot start container %q: %w", s.Name, ErrRunning)
	} else if !errors.Is(err, ErrNotRunning) {
		return Container{}, err
	}
	// One that has just ended by itself may still have its monitor, which holds liblxc's socket of that name.
	r.letMonitorsEnd(ctx, s.Name, monitorGrace)
	if err := r.sweep(ctx, s.Name); err != nil {
		return Container{}, err
	}
	c, err := r.launch(ctx, s, lock)
	if err != nil {
		// The caller's context may be the reason; the leftovers must go all the same.
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
		defer cancel()
		r.letMonitorsEnd(sctx, s.Name, failedGrace)
		return Container{}, errors.Join(err, r.sweep(sctx, s.Name))
	}
	return c, nil
}

func (r *Runtime) launch(ctx context.Context, s Spec, lock *os.File) (Container, error) {
	if err := r.share(); err != nil {
		return Container{}, err
	}
	if err := r.makeDevices(s); err != nil {
		return Container{}, err
	}
	if s.Network != nil {
		if err := removeStaleInterface(s.Network.Interface); err != nil {
			return Container{}, err
		}
	}
	if err := os.Remove(r.logFile(s.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Container{}, fmt.Errorf("cannot remove old log: %w", err)
	}
	starter := filepath.Join(r.cgroups.all[0], r.starter(s.Name))
	if err := os.MkdirAll(starter, 0o755); err != nil {
		return Container{}, fmt.Errorf("cannot create cgroup: %w", err)
	}
	reply, err := r.call(ctx, lxcwire.Request{
		Name: s.Name, Path: r.lxcPath(), LogFile: r.logFile(s.Name), Cgroup: filepath.Join(starter, "cgroup.procs"),
		Items: r.items(s), Argv: s.Init,
	}, lock)
	if err != nil {
		return Container{}, fmt.Errorf("cannot start container %q: %w", s.Name, err)
	}
	if reply.Error != "" {
		return Container{}, &StartError{Name: s.Name, Reason: reply.Error, Log: reply.Log}
	}
	// The helper is gone and liblxc has moved its monitor; a container that is not where it can be found again must
	// not run.
	c, err := r.Adopt(s.Name)
	if errors.Is(err, ErrNotRunning) || err == nil && c.InitPID != reply.InitPID {
		return Container{}, &StartError{Name: s.Name, Reason: "its first process ended at once", Log: reply.Log}
	}
	if err != nil {
		return Container{}, err
	}
	if err := errors.Join(r.cgroups.shut(r.payload(s.Name)), r.limitIO(s.Name, s.Limits)); err != nil {
		return Container{}, err
	}
	// Gone or not, it is empty, and the next Start or Stop clears it.
	_ = r.cgroups.remove(r.starter(s.Name))
	return c, mount.Unmount(r.deviceDir(s.Name))
}

// call runs the helper. It inherits lock, so that the name stays locked while a helper lives whose daemon was killed.
func (r *Runtime) call(ctx context.Context, q lxcwire.Request, lock *os.File) (lxcwire.Reply, error) {
	if err := q.Check(); err != nil {
		return lxcwire.Reply{}, err
	}
	in, err := json.Marshal(q)
	if err != nil {
		return lxcwire.Reply{}, fmt.Errorf("cannot encode request: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %v", startLimit))
	defer cancel()
	out, err := hostcmd.Output(ctx, hostcmd.Cmd{
		Path: r.cfg.Helper, Stdin: bytes.NewReader(in), Files: []*os.File{lock}, MaxOutput: lxcwire.MaxRequest,
	})
	if err != nil {
		return lxcwire.Reply{}, err
	}
	return lxcwire.ReadReply(bytes.NewReader(out))
}

// lock takes the name for this call. It makes the folders that hold the lock.
func (r *Runtime) lock(ctx context.Context, name string) (*os.File, error) {
	for _, dir := range []string{r.cfg.RunDir, r.lxcPath()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("cannot create run directory: %w", err)
		}
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, fmt.Errorf("cannot open run directory: %w", err)
		}
	}
	f, err := os.OpenFile(r.lockFile(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock container %q: %w", name, err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("cannot lock container %q: %w", name, err)
		}
		// A blocking flock cannot be cancelled; contention is the exception.
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("cannot lock container %q: %w", name, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// makeDevices makes the container's device nodes on a file system of their own, since /run forbids devices. The nodes
// belong to the container's root; the host's mount goes as soon as the container has its copy.
func (r *Runtime) makeDevices(s Spec) error {
	if len(s.Devices) == 0 {
		return nil
	}
	dir := r.deviceDir(s.Name)
	if err := r.mounts.Ensure(dir, mount.Tmpfs{Bytes: 64 << 10, Mode: 0o711}, mount.Options{NoSUID: true, NoExec: true}); err != nil {
		return err
	}
	for _, d := range s.Devices {
		var st unix.Stat_t
		if err := unix.Stat(d.Path, &st); err != nil {
			return fmt.Errorf("cannot give device %s: %w", d.Path, err)
		}
		if t := st.Mode & unix.S_IFMT; t != unix.S_IFCHR && t != unix.S_IFBLK {
			return fmt.Errorf("cannot give device %s: %w: it is none", d.Path, ErrInvalid)
		}
		node := r.devicePath(s.Name, d)
		if err := unix.Mknod(node, st.Mode&unix.S_IFMT|d.Mode, int(st.Rdev)); err != nil {
			return fmt.Errorf("cannot make device %s: %w", d.Path, err)
		}
		if err := errors.Join(os.Lchown(node, int(s.IDBase), int(s.IDBase)), os.Chmod(node, os.FileMode(d.Mode))); err != nil {
			return fmt.Errorf("cannot make device %s: %w", d.Path, err)
		}
	}
	return nil
}

// removeStaleInterface removes what a container that ended a moment ago, or was never finished, left: the kernel takes
// interfaces down some time after their namespace.
func removeStaleInterface(name string) error {
	l, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot inspect interface %s: %w", name, err)
	}
	if l.Type() != "veth" {
		return fmt.Errorf("cannot use interface name %s: taken by a %s", name, l.Type())
	}
	if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cannot remove old interface %s: %w", name, err)
	}
	return nil
}
