package startcontainer

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/api/abi/subroot"
	"github.com/hearthos/hearth/runtime/agent/internal/slim"
)

// killPatience is how long an earlier first process may take to die after SIGKILL.
const killPatience = 10 * time.Second

// launchPatience is how long a command waits for the first process of its subcontainer, which SDKs start before any.
const launchPatience = time.Minute

// launch makes the namespaces of a subcontainer and starts its first process.
func launch(args []string) (int, error) {
	c, err := parseCommand("subcontainer launch", args, false)
	if err != nil {
		return 0, err
	}
	if err := killPrevious(c.chroot); err != nil {
		return 0, err
	}
	probePidfd()
	// From here on the children of this thread are born into the new namespaces.
	if err := unix.Unshare(unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP); err != nil {
		return 0, fmt.Errorf("cannot make the namespaces of a subcontainer: %w", err)
	}
	code, err := supervise(c, "launch-init", c.args())
	return code, errors.Join(err, unmountProc(c.chroot))
}

// probePidfd has the library find out now whether the kernel has process handles: it forks a child to see, which must not
// become the first process of a new namespace.
func probePidfd() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
}

// launchInit is the first process of a subcontainer: it becomes the command, or waits to be told to end.
func launchInit(args []string) (int, error) {
	c, err := parseCommand("subcontainer launch-init", args, false)
	if err != nil {
		return 0, err
	}
	ready := func() { unix.Close(c.syncFD) }
	if !c.alone {
		if ready, err = dieWithParent(c.syncFD); err != nil {
			return 0, err
		}
	}
	// Before anything else: commands wait for it, and SDKs that find no sign of it in a root made before there were any give up soon.
	if err := mountProc(c.chroot); err != nil {
		return 0, err
	}
	if len(c.argv) > 0 {
		return 0, become(c)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGCHLD)
	var taken <-chan struct{}
	if c.alone {
		if taken, err = rootTaken(c.chroot); err != nil {
			return 0, err
		}
	}
	ready()
	slim.Release()
	for {
		select {
		case <-taken:
			return 0, nil
		case sig := <-signals:
			if sig != unix.SIGCHLD {
				return 0, nil // the kernel kills the rest
			}
			for {
				pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
				if pid <= 0 && !errors.Is(err, unix.EINTR) {
					break
				}
			}
		}
	}
}

// openProc opens the mount point of proc in a root file system without following a link of the image.
func openProc(chroot string, mayMake bool) (int, error) {
	path := chroot + "/proc"
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open(path, flags, 0)
	if errors.Is(err, unix.ENOENT) && mayMake {
		if err := unix.Mkdir(path, 0o555); err != nil {
			return -1, fmt.Errorf("cannot make %s: %w", path, err)
		}
		fd, err = unix.Open(path, flags, 0)
	}
	if err != nil {
		return -1, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return fd, nil
}

// lockRoot keeps others from mounting and unmounting proc in this root file system until unlock. While one launch tidies
// up, the next may be starting.
func lockRoot(chroot string) (unlock func(), err error) {
	fd, err := unix.Open(chroot, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open root file system %s: %w", chroot, err)
	}
	for {
		if err = unix.Flock(fd, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot lock root file system %s: %w", chroot, err)
	}
	return func() { unix.Close(fd) }, nil
}

// mountProc mounts on CHROOT/proc the processes of this process's own namespace.
func mountProc(chroot string) error {
	unlock, err := lockRoot(chroot)
	if err != nil {
		return err
	}
	defer unlock()
	target, err := openProc(chroot, true)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	fail := func(err error) error { return fmt.Errorf("cannot mount %s/proc: %w", chroot, err) }
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return fail(err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(mnt)
	if err := unix.MoveMount(mnt, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fail(err)
	}
	subroot.Come(target)
	return nil
}

// awaitFirst waits until the first process of a new subcontainer has come. It looks again and again: what is mounted over a folder is told to
// nobody who watches that.
func awaitFirst(chroot string) {
	for deadline := time.Now().Add(launchPatience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		proc, err := openProc(chroot, false)
		if err != nil {
			return
		}
		expected := subroot.Expected(proc)
		unix.Close(proc)
		if !expected {
			return
		}
	}
}

// unmountProc takes away what is mounted on CHROOT/proc of subcontainers that have ended.
func unmountProc(chroot string) error {
	unlock, err := lockRoot(chroot)
	if err != nil {
		return nil // the file system is gone
	}
	defer unlock()
	for range 64 {
		fd, err := openProc(chroot, false)
		if err != nil {
			return nil
		}
		var st unix.Statfs_t
		err = unix.Fstatfs(fd, &st)
		living := unix.Faccessat(fd, "1", unix.F_OK, 0) == nil
		unix.Close(fd)
		if err != nil || st.Type != unix.PROC_SUPER_MAGIC || living {
			return nil
		}
		if err := unix.Unmount(chroot+"/proc", unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("cannot unmount %s/proc: %w", chroot, err)
		}
	}
	return fmt.Errorf("cannot unmount %s/proc: too many mounts", chroot)
}

// killPrevious ends the first process that an earlier launch left in this root file system, and with it all others.
func killPrevious(chroot string) error {
	proc, err := openProc(chroot, false)
	if err != nil {
		return nil // mountProc makes what is missing, and says what is wrong
	}
	defer unix.Close(proc)
	first, err := unix.Openat(proc, "1", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unmountProc(chroot)
	}
	defer unix.Close(first)
	var st unix.Statfs_t
	if err := unix.Fstatfs(first, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		return nil // a folder of the image
	}
	// The kernel takes a folder of proc as a handle of the process, whatever its number is in our namespace.
	if err := unix.PidfdSendSignal(first, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot end the subcontainer that runs in %s: %w", chroot, err)
	}
	for deadline := time.Now().Add(killPatience); ; time.Sleep(time.Millisecond) {
		var dir unix.Stat_t
		if err := unix.Fstatat(proc, "1", &dir, 0); err != nil {
			return unmountProc(chroot)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot end the subcontainer that runs in %s: it survives SIGKILL", chroot)
		}
	}
}

// execute runs a command in the namespaces of a launched subcontainer.
func execute(args []string) (int, error) {
	c, err := parseCommand("subcontainer exec", args, true)
	if err != nil {
		return 0, err
	}
	awaitFirst(c.chroot)
	spaces, err := openNamespaces(c.chroot)
	if err != nil {
		if spaces, err = revive(c.chroot, err); err != nil {
			return 0, err
		}
	}
	probePidfd()
	for _, s := range spaces {
		if err := unix.Setns(s.fd, s.flag); err != nil {
			return 0, fmt.Errorf("cannot join the %s namespace of the subcontainer in %s: %w", s.name, c.chroot, err)
		}
		unix.Close(s.fd)
	}
	return supervise(c, "exec-command", c.args())
}

// namespace is an open namespace of a subcontainer.
type namespace struct {
	name string
	flag int
	fd   int
}

// openNamespaces opens the namespaces of a subcontainer's first process. All are open before the first is joined: proc
// shows the namespaces of one process.
func openNamespaces(chroot string) ([]namespace, error) {
	proc, err := openProc(chroot, false)
	if err != nil {
		return nil, err
	}
	defer unix.Close(proc)
	spaces := []namespace{{"pid", unix.CLONE_NEWPID, -1}, {"cgroup", unix.CLONE_NEWCGROUP, -1}, {"ipc", unix.CLONE_NEWIPC, -1}}
	for i := range spaces {
		fd, err := unix.Openat(proc, "1/ns/"+spaces[i].name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			for _, s := range spaces[:i] {
				unix.Close(s.fd)
			}
			return nil, fmt.Errorf("cannot join the subcontainer in %s, which is perhaps not launched: %w", chroot, err)
		}
		spaces[i].fd = fd
	}
	return spaces, nil
}

// execCommand becomes the command.
func execCommand(args []string) (int, error) {
	c, err := parseCommand("subcontainer exec-command", args, true)
	if err != nil {
		return 0, err
	}
	if c.session && !c.kept {
		return keep(c)
	}
	if _, err := dieWithParent(c.syncFD); err != nil {
		return 0, err
	}
	return 0, become(c)
}
