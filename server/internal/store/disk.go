package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"golang.org/x/sys/unix"
)

// lockDir takes the store's folder for this process until the file is closed or the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the store: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fault.New(metav1.Reason_REASON_UNAVAILABLE, "cannot open the state in %s: another process has it open", dir).
			With("path", dir)
	}
	return nil, fmt.Errorf("cannot lock the store: %w", err)
}

// unlockDir gives the folder back. Closing the file alone would not do while a process that was just forked, and has not
// come to its exec yet, holds a copy of it.
func unlockDir(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}

// checkSpace refuses with REASON_DISK_FULL when less than need bytes are free. Root may use the blocks a filesystem
// reserves for it, which services cannot fill.
func checkSpace(dir string, need uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("cannot see how much of the disk is free: %w", err)
	}
	blocks := st.Bavail
	if os.Geteuid() == 0 {
		blocks = st.Bfree
	}
	if free := blocks * uint64(st.Frsize); free < need {
		return fault.New(metav1.Reason_REASON_DISK_FULL, "cannot write the state: %d bytes are free on the disk of %s, %d are needed", free, dir, need).
			With("path", dir).With("free", free).With("needed", need)
	}
	return nil
}
