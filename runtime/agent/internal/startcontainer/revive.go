package startcontainer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// revive makes another first process for a subcontainer whose own has ended, and opens its namespaces; why says what was
// missing of it. SDKs launch a subcontainer once. When its first process is killed, by a person or for want of memory, every
// later command in it would fail until somebody restarts the whole service.
//
// The new first process belongs to nobody, since whoever makes it has a command of its own to be there for: it ends when
// its root file system is taken away, or when a launch takes its place.
func revive(chroot string, why error) ([]namespace, error) {
	if !mountedAt(chroot) {
		return nil, why
	}
	// One at a time; the lock of the root itself is for mounting proc.
	unlock, err := lockRoot(filepath.Dir(chroot))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if spaces, err := openNamespaces(chroot); err == nil {
		return spaces, nil
	}
	fmt.Fprintf(os.Stderr, "start-container: the first process of the subcontainer in %s has ended; another one takes its place\n", chroot)
	if err := unmountProc(chroot); err != nil {
		return nil, err
	}
	if err := startAlone(chroot); err != nil {
		return nil, err
	}
	return openNamespaces(chroot)
}

// startAlone starts a first process and waits until it is there, or has ended.
func startAlone(chroot string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	ready, sync, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer ready.Close()
	child, err := os.StartProcess("/proc/self/exe", []string{program, "subcontainer", "launch-init", "--alone", "--sync-fd=3", chroot}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{null, null, null, sync},
		Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP, Setsid: true},
	})
	sync.Close()
	if err != nil {
		return fmt.Errorf("cannot start the first process of a subcontainer: %w", err)
	}
	<-told(ready)
	return child.Release()
}

// mountedAt reports whether path is where a file system is mounted, as the root of a subcontainer is until it is taken away.
func mountedAt(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// rootTaken is closed when CHROOT/proc, just mounted, is no longer the one seen now: somebody took the root file system
// away, or mounted another proc.
func rootTaken(chroot string) (<-chan struct{}, error) {
	var mine unix.Stat_t
	if err := unix.Stat(chroot+"/proc", &mine); err != nil {
		return nil, fmt.Errorf("cannot inspect %s/proc: %w", chroot, err)
	}
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot watch the mounts: %w", err)
	}
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		defer unix.Close(table)
		for {
			var now unix.Stat_t
			if err := unix.Stat(chroot+"/proc", &now); err != nil || now.Dev != mine.Dev {
				return
			}
			// The kernel tells each change of the table once for each open file of it.
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return taken, nil
}
