package mount

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/hearthos/hearth/server/internal/host/idmap"
)

// locked returns a clone of d whose flags cannot be cleared any more. A container is root over its own mount namespace,
// so it could remount a read-only mount that was simply moved there writable. The kernel locks the flags of mounts it
// copies into a namespace of lesser rights, and a clone keeps the lock: so d is attached in a private copy of our
// namespace, that is copied once more into one owned by a new user namespace, and cloned from there. Both namespaces
// vanish before locked returns. d is used up.
func (d *Detached) locked() (*Detached, error) {
	var f *os.File
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return err
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		stage, err := d.stage()
		if err != nil {
			return err
		}
		at, err := unix.Open(stage, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(at)
		if err := d.attach(at); err != nil {
			return err
		}
		return idmap.WithProcess(idmap.Base(1<<31), unix.CLONE_NEWNS, func(pid int) error {
			ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(ns)
			if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
				return err
			}
			fd, err := unix.OpenTree(unix.AT_FDCWD, stage, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
			if err == nil {
				f = os.NewFile(uintptr(fd), d.what)
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot lock options of mount %s: %w", d.what, err)
	}
	return &Detached{f: f, what: d.what}, nil
}

// stage is an existing path of the right type to attach d to for a moment; nobody else sees that namespace.
func (d *Detached) stage() (string, error) {
	st, err := d.f.Stat()
	if err != nil {
		return "", err
	}
	if st.IsDir() {
		return "/dev", nil
	}
	return "/dev/null", nil
}
