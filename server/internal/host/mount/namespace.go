package mount

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Namespace is the mount namespace of a running container. Its paths are the container's own and count as hostile. It
// borrows the descriptor it was made from and holds no reference to the namespace itself, so nothing outlives the
// container. Safe for concurrent use.
type Namespace struct {
	pidfd *os.File
}

// NamespaceOf returns the mount namespace of the process that pidfd stands for. The caller keeps pidfd open while it
// uses the Namespace, and closes it.
func NamespaceOf(pidfd *os.File) *Namespace { return &Namespace{pidfd: pidfd} }

// Target is how Attach prepares the place of a mount.
type Target struct {
	// Path is absolute in the container.
	Path string
	// File says that the mount's root is a file.
	File bool
	// Owner is the host's id of the container's root, who becomes the owner of folders and files that are missing.
	Owner uint32
}

// Attach puts d at t, creating what is missing of the path. What was mounted at the path is detached first, so attaching
// the same again is harmless. Flags of d, read-only above all, are locked: the container cannot clear them. d is used up
// when Attach succeeds. The error wraps ErrGone when the container has ended and ErrUnsafePath when the container put a
// link in the way.
func (n *Namespace) Attach(d *Detached, t Target) error {
	names, err := targetNames(t.Path)
	if err != nil {
		return fmt.Errorf("cannot mount %s in container: %w", d.what, err)
	}
	give := d
	if d.locks {
		if give, err = d.locked(); err != nil {
			return err
		}
		defer give.Close()
	}
	err = n.enter(func(root, _ int) error {
		if err := actAs(t.Owner); err != nil {
			return err
		}
		if err := detachAll(root, names); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
		target, err := openTarget(root, names, t.File)
		if err != nil {
			return err
		}
		defer unix.Close(target)
		return give.attach(target)
	})
	if err != nil {
		return fmt.Errorf("cannot mount %s at %q in container: %w", d.what, t.Path, err)
	}
	return nil
}

// Detach takes every mount off path. Nothing mounted there, or no such path, is no error.
func (n *Namespace) Detach(path string) error {
	names, err := targetNames(path)
	if err != nil {
		return fmt.Errorf("cannot unmount in container: %w", err)
	}
	err = n.enter(func(root, _ int) error { return detachAll(root, names) })
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("cannot unmount %q in container: %w", path, err)
	}
	return nil
}

// List returns the container's mounts at prefix and below it. The container can make a mount table of any length; the
// kernel's limit (fs.mount-max, 100000) bounds it.
func (n *Namespace) List(prefix string) ([]Info, error) {
	var out []Info
	err := n.enter(func(_, proc int) error {
		fd, err := unix.Openat(proc, "thread-self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "mountinfo")
		defer f.Close()
		out, err = readTable(f, prefix)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list mounts of container: %w", err)
	}
	return out, nil
}

func targetNames(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("%w: %q is not absolute", ErrUnsafePath, path)
	}
	names, err := components(path)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%w: the root itself", ErrUnsafePath)
	}
	return names, err
}

// detachAll unmounts by name relative to the opened parent: a path through /proc would be the container's to answer.
func detachAll(root int, names []string) error {
	last := len(names) - 1
	parent, err := openAt(root, strings.Join(names[:last], "/"), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Fchdir(parent); err != nil {
		return err
	}
	for {
		if err := isolate(parent, names[last]); err != nil {
			return err
		}
		switch err := unix.Unmount(names[last], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); {
		case errors.Is(err, unix.EINVAL):
			return nil
		case err != nil:
			return err
		}
	}
}

// isolate keeps what happens to the mounts at a place from happening to their peers: a subcontainer has copies of the
// container's /dev and /sys that are peers of the originals, which would lose all that is mounted in them.
func isolate(parent int, name string) error {
	fd, err := unix.Openat(parent, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_PRIVATE})
	if errors.Is(err, unix.EINVAL) {
		return nil // nothing is mounted there
	}
	return err
}

// openTarget opens the place of a mount, creating folders and, for a file, an empty file.
func openTarget(root int, names []string, file bool) (int, error) {
	mkdir := func(parent int, name string) error { return unix.Mkdirat(parent, name, 0o755) }
	if !file {
		return walk(root, names, mkdir)
	}
	last := len(names) - 1
	parent, err := walk(root, names[:last], mkdir)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	fd, err := openAt(parent, names[last], unix.O_PATH)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	made, err := unix.Openat(parent, names[last], unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_WRONLY, 0o644)
	if err != nil {
		return -1, err
	}
	unix.Close(made)
	return openAt(parent, names[last], unix.O_PATH)
}

// enter calls f on a thread that is in the namespace; root is the container's root, proc the host's /proc.
func (n *Namespace) enter(f func(root, proc int) error) error {
	return onThread(func() error {
		proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(proc)
		// Root and working directory are shared between threads; setns refuses to change them for all.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("cannot separate thread: %w", err)
		}
		if err := n.join(); err != nil {
			return err
		}
		unix.Umask(0o022)
		root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(root)
		return f(root, proc)
	})
}

// join moves the calling thread. It asks the descriptor through its control call, since Fd would make it blocking.
func (n *Namespace) join() error {
	conn, err := n.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	joined := error(nil)
	if err := conn.Control(func(fd uintptr) { joined = unix.Setns(int(fd), unix.CLONE_NEWNS) }); err != nil {
		return err
	}
	switch {
	case errors.Is(joined, unix.ESRCH):
		return ErrGone
	case joined != nil:
		return fmt.Errorf("cannot enter mount namespace: %w", joined)
	}
	return nil
}

// onThread calls f on an operating system thread that ends with it, so that whatever f does to the thread stays there.
// It is never the process's first thread: /proc/self would show its namespaces to everybody.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

// actAs makes the calling thread create files as the given id, also on mounts where the host's root has no meaning,
// while it keeps the right to pass any permission check.
func actAs(id uint32) error {
	if err := unix.Setfsgid(int(id)); err != nil {
		return fmt.Errorf("cannot act as %d: %w", id, err)
	}
	if err := unix.Setfsuid(int(id)); err != nil {
		return fmt.Errorf("cannot act as %d: %w", id, err)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("cannot read capabilities: %w", err)
	}
	for i := range data {
		data[i].Effective = data[i].Permitted
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("cannot keep capabilities: %w", err)
	}
	return nil
}
