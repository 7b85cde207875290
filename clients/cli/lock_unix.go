//go:build unix

package main

import (
	"os"

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
