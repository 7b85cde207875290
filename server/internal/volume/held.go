package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"golang.org/x/sys/unix"
)

// Whoever runs on the data of a package holds a lock on a file beside them, for as long as it lives: the first process of
// the container does. The kernel lets go of the lock when that process ends, however it ends, and not before, so nobody
// has to remember anything. The file is not one of the data, since those are exchanged and removed under their name; it
// stays for ever, since a lock on a file that was removed keeps nobody away.

// Lock is the file on which the owner of a package's data holds its lock (flock). It is made when it is absent.
func (k *Keeper) Lock(pkg ids.Package) (string, error) {
	path := k.lockPath(pkg)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("cannot make the lock of the data of package %q: %w", pkg, err)
	}
	return path, f.Close()
}

func (k *Keeper) lockPath(pkg ids.Package) string { return filepath.Join(k.dir, ".held", string(pkg)) }

// Unheld answers nil when nobody runs on the data of a package, and else a fault that says so. It looks and holds nothing
// afterwards: it keeps a mistake from doing damage, and what runs on the data asks for the lock itself.
func (k *Keeper) Unheld(pkg ids.Package) error {
	f, err := os.Open(k.lockPath(pkg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the lock of the data of package %q: %w", pkg, err)
	}
	defer f.Close()
	// Shared, so that two who look do not meet; an owner that comes meanwhile tries again.
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fault.New(metav1.Reason_REASON_DATA_HELD, "something still runs on the data of package %q", pkg).With("package", string(pkg))
	}
	return err
}
