package mount

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Info is one line of a mount table.
type Info struct {
	ID int
	// Path is where it is mounted, in the namespace of the table.
	Path   string
	FSType string
	// Source is the device for a file system that has one.
	Source string
	// Root is the path within the file system that the mount shows.
	Root string
	// Options and SuperOptions are the kernel's comma-separated lists, of the mount and of its file system.
	Options, SuperOptions string
	IDMapped              bool
}

// checkedAttrs are the flags Options can set.
const checkedAttrs = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

func (i Info) attrs() uint64 {
	opts := strings.Split(i.Options, ",")
	return Options{
		ReadOnly: slices.Contains(opts, "ro"), NoSUID: slices.Contains(opts, "nosuid"),
		NoDev: slices.Contains(opts, "nodev"), NoExec: slices.Contains(opts, "noexec"),
	}.attrs()
}

// readTable returns the mounts at prefix and below it, in the order of the kernel: a later one at the same path covers
// an earlier one.
func readTable(r io.Reader, prefix string) ([]Info, error) {
	all, err := mountinfo.GetMountsFromReader(r, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot read mount table: %w", err)
	}
	var out []Info
	for _, e := range all {
		if !below(e.Mountpoint, prefix) {
			continue
		}
		out = append(out, Info{
			ID: e.ID, Path: e.Mountpoint, FSType: e.FSType, Source: e.Source, Root: e.Root,
			Options: e.Options, SuperOptions: e.VFSOptions,
			IDMapped: slices.Contains(strings.Split(e.Options, ","), "idmapped"),
		})
	}
	return out, nil
}

func below(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// List returns the mounts of this machine at prefix and below it, in the order of the kernel.
func List(prefix string) ([]Info, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot read mount table: %w", err)
	}
	defer f.Close()
	return readTable(f, prefix)
}

// At returns the topmost mount at path itself; the error is ErrNotMounted when path is an ordinary file or folder, or
// missing.
func At(path string) (Info, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	if errors.Is(err, unix.ENOENT) || err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return Info{}, fmt.Errorf("%s: %w", path, ErrNotMounted)
	}
	if err != nil {
		return Info{}, fmt.Errorf("cannot inspect mount %s: %w", path, err)
	}
	all, err := List("/")
	if err != nil {
		return Info{}, err
	}
	for _, i := range all {
		if uint64(i.ID) == st.Mnt_id {
			// The caller's spelling, so that later calls find the same place whatever links lead there.
			i.Path = path
			return i, nil
		}
	}
	return Info{}, fmt.Errorf("cannot find mount %s: %w", path, ErrNotMounted)
}

// Unmount takes the topmost mount off path. Processes inside keep what they have open; the mount ends with the last of
// them. Nothing mounted there is no error.
func Unmount(path string) error {
	err := unmountTop(path)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func unmountTop(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot unmount %s: %w", path, err)
	}
	return nil
}

// UnmountBelow takes off everything mounted at prefix or below it. It is how a container's leftovers go, whoever made
// them and however often.
func UnmountBelow(prefix string) error {
	mounts, err := List(prefix)
	if err != nil {
		return err
	}
	slices.SortStableFunc(mounts, func(a, b Info) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	var errs []error
	for _, i := range mounts {
		errs = append(errs, Unmount(i.Path))
	}
	return errors.Join(errs...)
}
