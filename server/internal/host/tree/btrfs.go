package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoSubvolume tells that a folder cannot be snapshotted as a whole.
var errNoSubvolume = errors.New("the folder is not a subvolume, or has others inside")

// rootInode is the inode number of the root of every subvolume.
const rootInode = 256

// The ioctls of btrfs that are used here; their numbers are _IOW(0x94, n, args) and, of the third, _IOR.
const (
	btrfsSnapCreate    = 0x50009417
	btrfsSubvolCreate  = 0x50009418
	btrfsSnapDestroy   = 0x5000943f
	btrfsSubvolRootref = 0xd000943d
)

// volumeArgs is struct btrfs_ioctl_vol_args_v2.
type volumeArgs struct {
	fd      int64
	transid uint64
	flags   uint64
	_       [4]uint64
	name    [4040]byte
}

// rootrefArgs is struct btrfs_ioctl_get_subvol_rootref_args.
type rootrefArgs struct {
	minTreeID uint64
	rootref   [255][2]uint64
	items     uint8
	_         [7]byte
}

func ioctl[T any](fd int, request uint, args *T) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(args)))
	if errno != 0 {
		return errno
	}
	return nil
}

// onBtrfs tells whether an open folder is on btrfs.
func onBtrfs(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && int64(st.Type) == unix.BTRFS_SUPER_MAGIC
}

func isSubvolume(fd int) bool {
	var st unix.Stat_t
	return onBtrfs(fd) && unix.Fstat(fd, &st) == nil && st.Ino == rootInode
}

// within calls an ioctl that is about the name of path in its folder.
func within(path string, request uint, fd int) error {
	parent, err := openRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if !onBtrfs(parent) {
		return unix.ENOTTY
	}
	args := volumeArgs{fd: int64(fd)}
	if len(filepath.Base(path)) >= len(args.name) {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], filepath.Base(path))
	return ioctl(parent, request, &args)
}

// Make makes an empty folder that can be snapshotted by the best mechanism: on btrfs a subvolume.
func Make(path string, perm os.FileMode) error {
	if err := within(path, btrfsSubvolCreate, 0); err == nil {
		return os.Chmod(path, perm)
	} else if errors.Is(err, unix.EEXIST) {
		return os.ErrExist
	}
	return os.Mkdir(path, perm)
}

// takeSubvolume snapshots a subvolume without others inside: those would be empty in the snapshot. It is done in one instant
// and not durable yet.
func takeSubvolume(src, dst string) error {
	fd, err := openRoot(src)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !isSubvolume(fd) {
		return errNoSubvolume
	}
	var inside rootrefArgs
	if err := ioctl(fd, btrfsSubvolRootref, &inside); err != nil || inside.items > 0 {
		return errNoSubvolume
	}
	if err := within(dst, btrfsSnapCreate, fd); err != nil {
		return fmt.Errorf("cannot snapshot the subvolume: %w", err)
	}
	return nil
}

// snapshotSubvolume is takeSubvolume, durable and with its size.
func snapshotSubvolume(ctx context.Context, src, dst string) (Size, error) {
	if err := takeSubvolume(src, dst); err != nil {
		return Size{}, err
	}
	size, err := Measure(ctx, dst)
	if err == nil {
		err = Secure(dst)
	}
	if err != nil {
		return Size{}, errors.Join(err, Remove(context.WithoutCancel(ctx), dst))
	}
	return size, nil
}

// removeSubvolume removes a subvolume without others inside at once.
func removeSubvolume(path string) error {
	fd, err := openRoot(path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !isSubvolume(fd) {
		return errNoSubvolume
	}
	return within(path, btrfsSnapDestroy, 0)
}

// The ioctl that bounds what a subvolume refers to: _IOR(0x94, 43, args).
const btrfsQgroupLimit = 0x8030942b

// qgroupLimitArgs is struct btrfs_ioctl_qgroup_limit_args. Group 0 is that of the subvolume.
type qgroupLimitArgs struct {
	group, flags, referred, exclusive, reservedReferred, reservedExclusive uint64
}

// LimitSubvolume bounds what the files of a subvolume may take; 0: no bound. The file system must have quotas switched on
// (ENOTCONN). ErrNoSubvolume tells that the folder is none.
func LimitSubvolume(path string, bytes uint64) error {
	fd, err := openRoot(path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !isSubvolume(fd) {
		return ErrNoSubvolume
	}
	const maxReferred = 1
	args := qgroupLimitArgs{flags: maxReferred, referred: bytes}
	if bytes == 0 {
		args.referred = ^uint64(0)
	}
	return ioctl(fd, btrfsQgroupLimit, &args)
}

// ErrNoSubvolume tells that a folder is not a subvolume.
var ErrNoSubvolume = errors.New("the folder is not a subvolume")
