package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// noCow is FS_NOCOW_FL: what is written again is written where it lies.
const noCow = 0x00800000

// writeInPlace has files that are made in a folder from now on written where they lie, and makes the folder. btrfs would write what is
// written again somewhere else, so that the room which was allocated for a log is that of its first write alone, and a full disk would end the
// process. It looks for room all the same first, so that such a commit is slow. What btrfs does not check then, Badger does. Files that are there stay as they are. Elsewhere this is so by itself, or cannot be had.
func writeInPlace(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || int64(st.Type) != unix.BTRFS_SUPER_MAGIC {
		return nil
	}
	if flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil && flags&noCow == 0 {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|noCow)
	}
	return nil
}
