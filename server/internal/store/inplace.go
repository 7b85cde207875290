package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// noCow is FS_NOCOW_FL: what is written again is written where it lies.
const noCow = 0x00800000

// Logs of memory are written where they lie. btrfs would write what is written again somewhere else, so that the room which was allocated
// for a log is that of its first write alone, and a full disk would end the process. It looks for room all the same first, so that such a
// commit is slow. What lies so has no checksum of btrfs, by which one of several disks mends another: so the tables, which stay, do not.

// writeInPlace has an empty file, or files that are made in a folder from now on, written where they lie, or not. Elsewhere than on btrfs
// this is so by itself, or cannot be had.
func writeInPlace(f *os.File, yes bool) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || int64(st.Type) != unix.BTRFS_SUPER_MAGIC {
		return
	}
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return
	}
	if flags &^= noCow; yes {
		flags |= noCow
	}
	_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// whileInPlace runs what makes files in a folder, which is made, that are to be written where they lie. Those made later are not, also
// where a process was killed meanwhile.
func whileInPlace(dir string, run func() error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	writeInPlace(f, true)
	defer writeInPlace(f, false)
	return run()
}
