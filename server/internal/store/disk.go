package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"golang.org/x/sys/unix"
)

// lockDir takes the store's folder for this process until the file is closed or the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, readOnly(dir, fmt.Errorf("cannot lock the store: %w", err))
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fault.New(metav1.Reason_REASON_STORE_IN_USE, "cannot open the state in %s: another process has it open", dir).
			With("path", dir)
	}
	return nil, fmt.Errorf("cannot lock the store: %w", err)
}

// unlockDir gives the folder back. Closing the file alone would not do while a process that was just forked, and has not
// come to its exec yet, holds a copy of it.
func unlockDir(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}

// readOnly makes a REASON_STORE_READ_ONLY of an error that says that nothing may be written here.
func readOnly(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return errReadOnly(dir, err)
	}
	return err
}

func errReadOnly(dir string, cause error) error {
	return fault.New(metav1.Reason_REASON_STORE_READ_ONLY, "cannot write the state: the folder %s is read-only: %w", dir, cause).With("path", dir)
}

// removeEmpty removes files of the database that a kill left without content while they were made or deleted. They hold
// nothing, and Badger takes them for an error.
func removeEmpty(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err == nil && info.Size() == 0 {
				err = os.Remove(file)
			}
			if err != nil {
				return fmt.Errorf("cannot remove what a kill left over: %w", err)
			}
		}
	}
	return nil
}

// The key registry of a database without keys: random bytes, and a word by which Badger knows that it can read it.
const (
	registrySize = 28
	registryWord = "Hello Badger"
)

// dropKeyRegistry removes Badger's key registry when it cannot be read: Badger encrypts nothing here, so it holds no keys and
// is made again.
func dropKeyRegistry(db string, log *slog.Logger) error {
	path := filepath.Join(db, badger.KeyRegistryFileName)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot read the list of the database's keys: %w", err)
	case len(raw) == registrySize && strings.HasSuffix(string(raw), registryWord):
		return nil
	}
	log.Warn("the list of the database's keys is damaged; it holds none and is made anew", "path", path)
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot remove the damaged list of the database's keys: %w", err)
	}
	return nil
}

// checkSpace refuses with REASON_DISK_FULL when less than need bytes are free, and with REASON_STORE_READ_ONLY a disk that
// is mounted read-only: Badger writes through memory maps that were made before, and would not notice. Root may use the
// blocks that a file system reserves for it, which services cannot fill, but not those that ext4 keeps from everybody for
// its own books and counts as free.
func checkSpace(dir string, need uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("cannot see how much of the disk is free: %w", err)
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return errReadOnly(dir, unix.EROFS)
	}
	blocks := st.Bavail
	if os.Geteuid() == 0 {
		blocks = max(blocks, st.Bfree-min(st.Bfree, keptByExt4(&st)))
	}
	if free := blocks * uint64(st.Frsize); free < need {
		return fault.New(metav1.Reason_REASON_DISK_FULL, "cannot write the state: %s are free on the disk of %s, %s are needed", fault.Bytes(free), dir, fault.Bytes(need)).
			With("path", dir).With("free", free).With("needed", need)
	}
	return nil
}

// keptByExt4 answers how many blocks ext4 gives to nobody: a fiftieth, 4096 of its clusters at most.
func keptByExt4(st *unix.Statfs_t) uint64 {
	if st.Type != unix.EXT4_SUPER_MAGIC {
		return 0
	}
	return min(st.Blocks/50, 4096)
}
