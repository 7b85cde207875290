//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock waits until nobody else has the file locked and locks it. The lock ends with the process, if not before. The file
// stays: who took it away would let two in.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != unix.EINTR {
			f.Close()
			return nil, err
		}
	}
}

// tryLock locks a file that is there, unless somebody has it locked.
func tryLock(path string) (unlock func(), ok bool) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return nil, false
	}
	return func() { f.Close() }, true
}

// identity tells a folder from all others there are on the machine, and is its own for as long as it is there.
func identity(dir string) string {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("%d %d\n", st.Dev, st.Ino)
}

// keepOwner gives a file the owner of the one it replaces, as far as this person may.
func keepOwner(f *os.File, old os.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := f.Chown(int(was.Uid), int(was.Gid))
	if errors.Is(err, os.ErrPermission) {
		err = f.Chown(-1, int(was.Gid))
	}
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	return err
}
